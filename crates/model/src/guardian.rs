//! A guardian with one registration, in an object that is always reachable. What it guards is in the word of the weak box.

use crate::{
    model::{Model, Next, Stage},
    state::{MUTATORS, NONE, Op, Pair, State},
    step::{Act, Step},
    variant::Variant,
    witness::Witness,
};

impl Model {
    /// What a mutator does, which is alone at the guardian.
    pub(crate) fn guardian_steps(&self, state: &State, me: usize, next: &mut Next) {
        let is_alone = (0..MUTATORS).all(|other| !matches!(state.mutators[other].op, Op::Upgrade(_)));
        if !is_alone {
            return;
        }
        if state.weak == NONE {
            for object in state.mutators[me].held.iter() {
                let after = State { weak: object, ..*state };
                next.push(Step::Mutator(me, Act::Registers(object)), after);
            }
        } else if state.revived {
            let object = state.weak;
            let is_plain = self.stage(state, me) == Stage::Unarmed || self.variant == Variant::PollUnshaded;
            let mut after = *state;
            if is_plain {
                self.give_back(&mut after, next);
                self.hold(&after, me, object, Act::Polls(object), next);
            } else {
                after.mutators[me].op = Op::Upgrade(object);
                next.push(Step::Mutator(me, Act::ReadsWeak(object)), after);
            }
        }
    }

    /// The registration is over.
    pub(crate) fn give_back(&self, state: &mut State, next: &mut Next) {
        next.note(Witness::GivenBack);
        state.weak = NONE;
        state.revived = false;
        // A registration that comes now is of an object that is held: nothing for this cycle.
    }

    /// Whether the guardian has a part in the end of a round that was quiet: what it guards is looked at then.
    pub(crate) fn begin_guard_stage(&self, state: &mut State) -> bool {
        let is_due =
            state.pair == Pair::Noted && self.scene.guards && self.variant != Variant::GuardForgotten;
        if is_due {
            state.pair = Pair::ToChoose;
        }
        is_due
    }

    /// A marker looks at what the guardian guards, after such a round.
    pub(crate) fn choose(&self, state: &mut State, next: &mut Next) {
        state.pair = Pair::Done;
        if state.weak != NONE && !state.revived && !state.filling.has(state.weak) {
            next.note(Witness::Chosen);
            state.lied |= state.strongly_reachable().has(state.weak);
            state.revived = true;
            state.pair = Pair::Chosen;
        }
    }

    /// Marking has run dry: what was chosen is marked.
    pub(crate) fn revive(&self, state: &mut State) {
        state.pair = Pair::Done;
        if state.weak != NONE && self.variant != Variant::RevivedUnmarked && state.filling.add(state.weak) {
            state.queue.add(state.weak);
        }
    }
}
