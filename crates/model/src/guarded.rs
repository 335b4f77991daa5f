//! Guarded cells: contents that one mutator at a time changes, piece by piece, and that no marker may read meanwhile.
//!
//! Private cells and cells with a mutex are one thing here. What tells them apart is who may come, and both
//! mutators may come in either case: to a cell with a mutex from two threads, to a private cell because one thread can have
//! two mutators open. (A private cell that only one mutator sees is a part of this.)

use crate::{
    model::{Model, Next, Stage},
    mutator::values,
    state::{MUTATORS, Marker, NONE, Object, Op, State},
    step::{Act, Step},
    variant::Variant,
    witness::Witness,
};

impl Model {
    /// What a mutator can begin with a cell that it holds.
    pub(crate) fn guarded_steps(&self, state: &State, me: usize, object: Object, next: &mut Next) {
        if state.is_borrowed(object) {
            return;
        }
        let word = state.word(object);
        if self.scene.shared_reads && word != NONE && !state.mutators[me].held.has(word) {
            self.hold(state, me, word, Act::Loads(object, word), next);
        }
        let mut after = *state;
        after.mutators[me].op = match self.access(state, me, object) {
            Access::Waits => return,
            Access::Logs => Op::Log(object),
            Access::Free => Op::Exclusive(object),
        };
        if after.mutators[me].op == Op::Exclusive(object) && state.stamped.has(object) {
            next.note(Witness::StampSpared);
        }
        next.push(Step::Mutator(me, Act::Borrows(object)), after);
    }

    fn access(&self, state: &State, me: usize, object: Object) -> Access {
        let stage = self.stage(state, me);
        let must_log = match self.variant {
            Variant::NoLogBeforeClose => stage == Stage::Closed,
            _ => stage != Stage::Unarmed,
        };
        let is_logged = stage >= self.first_stamping_stage() && state.stamped.has(object);
        if !must_log || is_logged {
            Access::Free
        } else if self.takes_mark_lock(stage) && state.markers.contains(&Marker::Locked(object)) {
            Access::Waits
        } else {
            Access::Logs
        }
    }

    fn first_stamping_stage(&self) -> Stage {
        match self.variant {
            Variant::StampsFromArm => Stage::Armed,
            Variant::StampsFromFlush => Stage::Flushed,
            _ => Stage::Closed,
        }
    }

    fn takes_mark_lock(&self, stage: Stage) -> bool {
        stage == Stage::Closed && self.variant != Variant::NoMarkLock
    }

    /// Shades the contents and stamps the cell.
    pub(crate) fn log(&self, state: &State, me: usize, object: Object, next: &mut Next) {
        let mut after = *state;
        let stage = self.stage(state, me);
        after.mutators[me].op = Op::Exclusive(object);
        let word = state.word(object);
        if word != NONE && !(stage == Stage::Closed && self.variant == Variant::StampsWithoutShading) {
            self.shade(&mut after, me, word, next);
        }
        if stage >= self.first_stamping_stage() {
            after.stamped.add(object);
            next.note(Witness::Stamped);
        } else {
            next.note(Witness::Logged);
        }
        next.push(Step::Mutator(me, Act::Logs(object)), after);
    }

    /// What can be done with the contents.
    pub(crate) fn exclusive_steps(&self, state: &State, me: usize, object: Object, next: &mut Next) {
        let old = state.word(object);
        let held = state.mutators[me].held;
        if old != NONE && !held.has(old) {
            self.hold(state, me, old, Act::Loads(object, old), next);
        }
        let mut after = *state;
        after.mutators[me].op = Op::None;
        for new in values(held) {
            after.set_word(object, new);
            next.push(Step::Mutator(me, Act::Returns(object, new)), after);
        }
        if old != NONE && !held.has(old) {
            after.set_word(object, old);
            next.push(Step::Mutator(me, Act::Returns(object, old)), after);
        }
    }

    /// Whether a marker passes by: the contents were shaded in this cycle, or are being shaded.
    pub(crate) fn is_passed_by(&self, state: &State, object: Object, next: &mut Next) -> bool {
        let is_logging = |me: usize| {
            state.mutators[me].op == Op::Log(object) && self.takes_mark_lock(self.stage(state, me))
        };
        if (0..MUTATORS).any(is_logging) || state.markers.contains(&Marker::Locked(object)) {
            next.note(Witness::SkippedLocked);
            return true;
        }
        let is_stamped = state.stamped.has(object) && self.variant != Variant::StampsIgnored;
        if is_stamped {
            next.note(Witness::SkippedStamped);
        }
        is_stamped
    }
}

/// What an exclusive access begins with.
enum Access {
    /// A marker is reading.
    Waits,
    /// Shades first.
    Logs,
    /// Nothing to be done.
    Free,
}
