//! The pair: the slot of an ephemeron, in an object that is always reachable. Its key is the target of the weak box.
//!
//! A mutator that fills or empties the slot is alone at it, as at a weak map, which is one thread's; values are also changed where
//! several mutators come, as at an ephemeron.

use crate::{
    model::{Model, Next, Stage},
    mutator::{Barrier, values},
    state::{MUTATORS, NONE, Op, Pair, Phase, State},
    step::{Act, Step},
    variant::Variant,
    witness::Witness,
};

impl Model {
    pub(crate) fn pair_steps(&self, state: &State, me: usize, next: &mut Next) {
        let held = state.mutators[me].held;
        let is_alone = (0..MUTATORS)
            .all(|other| !matches!(state.mutators[other].op, Op::Upgrade(_) | Op::StaleUpgrade(_)));
        if state.weak == NONE {
            for key in held.iter().filter(|_| is_alone) {
                for value in values(held) {
                    let after = State { weak: key, value, ..*state };
                    next.push(Step::Mutator(me, Act::FillsPair(key, value)), after);
                }
            }
            return;
        }
        if held.has(state.weak) {
            if state.value != NONE && !held.has(state.value) {
                next.note(Witness::ValueRead);
                self.hold(state, me, state.value, Act::LoadsValue(state.value), next);
            }
            self.set_value(state, me, next);
            if state.value == NONE && is_alone {
                let after = State { weak: NONE, ..*state };
                next.push(Step::Mutator(me, Act::EmptiesPair), after);
            }
        }
        if self.variant == Variant::PairMovedLate && self.stage(state, me) == Stage::Closed {
            let is_marking = matches!(state.phase, Phase::Mark | Phase::HandOver);
            if is_marking && state.pair != Pair::Done {
                let after = State { pair: Pair::Done, ..*state };
                next.push(Step::Mutator(me, Act::MovesPair), after);
            }
        }
        self.weak_steps(state, me, next);
    }

    fn set_value(&self, state: &State, me: usize, next: &mut Next) {
        let old = state.value;
        let barrier = match self.variant {
            Variant::PairValueUnshaded => Barrier::Done,
            _ => self.barrier(state, me, old),
        };
        let mut after = *state;
        if barrier == Barrier::Before {
            after.mutators[me].op = Op::Shade(old);
            next.push(Step::Mutator(me, Act::ReadsOldValue(old)), after);
            return;
        }
        for new in values(state.mutators[me].held).filter(|&new| new != old) {
            after.value = new;
            if barrier == Barrier::After {
                after.mutators[me].op = Op::Shade(old);
            }
            next.push(Step::Mutator(me, Act::SetsValue(old, new)), after);
        }
    }
}
