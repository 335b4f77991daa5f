//! Families: a child is a thread in the scope of another mutator, its parent, with which it shares pointers past the heap.
//!
//! Pointers go from hand to hand at any time. A child is there from a scope of its parent to an earlier moment of the same scope; it
//! attaches in the state of one that passed whatever is requested, and has a single scope.

use crate::{
    model::{Model, Next, Stage},
    state::{Mutator, Op, Set, State},
    step::{Act, Step},
    variant::Variant,
    witness::Witness,
};

/// The mutator that has children.
const PARENT: usize = 0;
/// The mutator that is one, in scenes with families.
pub(crate) const CHILD: usize = 1;

impl Model {
    /// Whether a mutator is registered now.
    pub(crate) fn is_there(&self, state: &State, mutator: usize) -> bool {
        match mutator {
            PARENT => true,
            CHILD => !self.scene.family || state.child,
            _ => self.scene.stranger > 0,
        }
    }

    /// Whether a mutator may pass a safepoint: a child passes its only one when it detaches, a parent waits for that.
    pub(crate) fn may_end_scope(&self, state: &State, me: usize) -> bool {
        let parent_waits = state.child && self.variant != Variant::ChildOutlives;
        !self.scene.family || me > CHILD || me == PARENT && !parent_waits
    }

    /// What families do besides.
    pub(crate) fn family_steps(&self, state: &State, me: usize, next: &mut Next) {
        if !self.scene.family || me > CHILD {
            return;
        }
        if state.child {
            self.hand(state, me, next);
        }
        if me == CHILD {
            self.detach(state, next);
        } else if !state.child {
            let mut after = State { child: true, pending: state.pending & !(1 << CHILD), ..*state };
            after.mutators[CHILD] = Mutator::default();
            next.push(Step::Mutator(me, Act::Spawns), after);
        }
    }

    /// Takes what the other one holds.
    fn hand(&self, state: &State, me: usize, next: &mut Next) {
        let giver = if me == PARENT { CHILD } else { PARENT };
        if state.mutators[giver].op != Op::None {
            return;
        }
        let given = state.mutators[giver].held.minus(state.mutators[me].held);
        if given.is_empty() {
            return;
        }
        next.note(Witness::Handed);
        match (self.stage(state, giver), self.stage(state, me)) {
            (Stage::Unarmed, Stage::Armed) => next.note(Witness::HandedToArmed),
            (Stage::Flushed, Stage::Closed) => next.note(Witness::HandedToClosed),
            (Stage::Closed, Stage::Unarmed) => next.note(Witness::HandedToDisarmed),
            (from, to) if from != to && me == PARENT => next.note(Witness::HandedBack),
            _ => {}
        }
        for object in given.iter() {
            self.hold(state, me, object, Act::IsHanded(object), next);
        }
    }

    /// The child's safepoint, and its end. Once the gate is closed, what is left is dropped.
    fn detach(&self, state: &State, next: &mut Next) {
        let Mutator { buffer, window, .. } = state.mutators[CHILD];
        let gray = buffer.or(window);
        let mut after = State { child: false, pending: state.pending & !(1 << CHILD), ..*state };
        after.mutators[CHILD] = Mutator::default();
        if self.gate_is_open(state) && self.variant != Variant::ChildKeepsAll {
            after.push(gray);
            if gray != Set::EMPTY {
                next.note(Witness::ChildHandedOver);
            }
        }
        next.push(Step::Mutator(CHILD, Act::Detaches), after);
    }
}
