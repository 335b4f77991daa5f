//! Steps of a marker.
//!
//! To take an object and to read its word is one step: between the two nobody can tell but the terminator, for whom
//! a queued object and a taken one are the same. Reading, and marking what was read, are two. The marker's own
//! stack is the shared queue, because its items count as gray in either place. Roots, windows and objects come in any order.

use crate::{
    model::{Model, Next},
    state::{Marker, NONE, Pair, Phase, State},
    step::{Look, Step},
    variant::Variant,
    witness::Witness,
};

impl Model {
    pub(crate) fn marker_steps(&self, state: &State, next: &mut Next) {
        if !matches!(state.phase, Phase::Mark | Phase::HandOver) {
            return;
        }
        for me in 0..self.scene.markers {
            match state.markers[me] {
                Marker::Idle => self.take(state, me, next),
                Marker::Value(object) => {
                    let mut after = *state;
                    after.markers[me] = Marker::Idle;
                    self.mark(&mut after, object, next);
                    next.push(Step::Marker(me, Look::Marks(object)), after);
                }
                Marker::Pair => {
                    let value = state.value;
                    let mut after = *state;
                    after.markers[me] = with(state, value);
                    next.push(Step::Marker(me, Look::ReadsValue(value)), after);
                }
                Marker::Locked(object) => {
                    let value = state.word(object);
                    let mut after = *state;
                    after.markers[me] = Marker::Idle;
                    if value != NONE {
                        self.mark(&mut after, value, next);
                    }
                    next.push(Step::Marker(me, Look::ReadsLocked(object, value)), after);
                }
            }
        }
    }

    fn mark(&self, state: &mut State, object: u8, next: &mut Next) {
        if state.filling.add(object) {
            state.queue.add(object);
            next.note(Witness::Marked);
        } else {
            next.note(Witness::MarkRace);
        }
    }

    /// Looks at the key of the pair.
    fn look_at_pair(&self, state: &State, me: usize, next: &mut Next) {
        let mut after = *state;
        after.pair = match state.weak {
            NONE => Pair::Done,
            key if self.scene.guards && state.revived => {
                after.markers[me] = with(state, key);
                Pair::Done
            }
            key if self.scene.guards && state.filling.has(key) => Pair::Done,
            key if state.filling.has(key) => {
                after.markers[me] = Marker::Pair;
                Pair::Done
            }
            _ if self.variant == Variant::PairForgotten => Pair::Done,
            key if state.keyed && self.variant != Variant::PairPassesOnce => {
                next.note(Witness::PairWaits);
                Pair::Waits(key)
            }
            _ => Pair::Noted,
        };
        next.push(Step::Marker(me, Look::ReadsKey(state.weak)), after);
    }

    /// Something is scanned.
    fn stir(&self, state: &mut State, object: u8, next: &mut Next) {
        state.stirred |= state.pair == Pair::Noted && self.scene.pairs;
        if state.pair == Pair::Waits(object) && self.variant != Variant::PairNotLookedUp {
            next.note(Witness::PairFound);
            state.pair = Pair::Due;
        }
    }

    fn take(&self, state: &State, me: usize, next: &mut Next) {
        if state.pair == Pair::Due {
            self.look_at_pair(state, me, next);
        }
        if state.pair == Pair::ToChoose {
            let mut after = *state;
            self.choose(&mut after, next);
            next.push(Step::Marker(me, Look::Chooses(state.weak)), after);
        }
        for slot in 0..self.scene.slots {
            if state.slots_left & 1 << slot != 0 {
                let mut after = *state;
                after.slots_left &= !(1 << slot);
                after.markers[me] = with(state, state.roots[slot]);
                next.push(Step::Marker(me, Look::ReadsRoot(slot, state.roots[slot])), after);
            }
        }
        for object in state.queue.iter() {
            let mut after = *state;
            after.queue.remove(object);
            self.stir(&mut after, object, next);
            let look = if !self.is_guarded(object) {
                after.markers[me] = with(state, state.word(object));
                Look::Reads(object, state.word(object))
            } else if self.is_passed_by(state, object, next) {
                Look::Skips(object)
            } else {
                after.markers[me] = Marker::Locked(object);
                Look::Locks(object)
            };
            next.push(Step::Marker(me, look), after);
        }
    }
}

/// A marker that has read a word. Marks stay, so one that is set already needs no step.
fn with(state: &State, value: u8) -> Marker {
    if value == NONE || state.filling.has(value) { Marker::Idle } else { Marker::Value(value) }
}
