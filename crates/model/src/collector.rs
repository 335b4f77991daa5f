//! Steps of the one who drives the cycle, of the sweeper, and of the thread that is no mutator.

use crate::{
    model::{Model, Next, Stage},
    state::{MUTATORS, Marker, NONE, Op, Pair, Phase, SLOTS, Set, State},
    step::Step,
    variant::Variant,
    witness::Witness,
};

impl Model {
    pub(crate) fn collector_steps(&self, state: &State, next: &mut Next) {
        if let Some(after) = self.next_phase(state, next) {
            if after.phase == state.phase && self.scene.guards {
                next.push(Step::Revives, after);
                return self.sweeper_steps(state, next);
            }
            if after.phase == state.phase {
                next.push(Step::Pass { keyed: false }, after);
                if self.variant != Variant::PairPassesOnce {
                    next.push(Step::Pass { keyed: true }, State { keyed: true, ..after });
                }
                return self.sweeper_steps(state, next);
            }
            let step = if after.phase == Phase::Idle { Step::Rests } else { Step::Cycle(after.phase) };
            next.push(step, after);
        }
        self.sweeper_steps(state, next);
    }

    fn sweeper_steps(&self, state: &State, next: &mut Next) {
        // Allocating mutators sweep as soon as the bitmaps have taken turns.
        let dead = dead(state);
        if !dead.is_empty() {
            let after = self.free(state, dead, next);
            next.push(Step::Frees, after);
        }
    }

    fn next_phase(&self, state: &State, next: &mut Next) -> Option<State> {
        let everybody_passed = state.pending == 0;
        let mut after = *state;
        match state.phase {
            Phase::Idle => {
                let no_close = self.variant == Variant::ArmIsClose;
                self.request(&mut after, if no_close { Phase::Close } else { Phase::Arm });
            }
            Phase::Arm if everybody_passed => {
                let no_flush = self.variant == Variant::NoFlush;
                self.request(&mut after, if no_flush { Phase::Close } else { Phase::Flush });
            }
            Phase::Flush if everybody_passed => self.request(&mut after, Phase::Close),
            Phase::Close if everybody_passed => {
                after.phase = Phase::Mark;
                after.slots_left = (1 << self.scene.slots) - 1;
                if self.scene.pairs || self.scene.guards {
                    after.pair = Pair::Due;
                }
            }
            Phase::Mark if self.is_drained(state) => self.end_of_marking(&mut after, next),
            Phase::HandOver if everybody_passed => {
                let ignores_pushes = self.variant == Variant::IgnorePushes;
                if (state.pushed && !ignores_pushes) || !self.is_drained(state) {
                    next.note(Witness::AnotherRound);
                    after.phase = Phase::Mark;
                    after.pushed = false;
                    after.quiet_round = false;
                } else if self.variant == Variant::SwapTwoRounds && !state.quiet_round {
                    after.quiet_round = true;
                    self.request(&mut after, Phase::HandOver);
                } else if self.begin_guard_stage(&mut after) {
                    after.phase = Phase::Mark;
                } else {
                    finish(&mut after);
                }
            }
            Phase::Finished => self.turn(&mut after, next),
            Phase::Disarm if everybody_passed => {
                if self.variant == Variant::WeakClearedLate {
                    clear_weak(&mut after, next);
                }
                after.phase = Phase::Clear;
            }
            Phase::Clear => {
                if self.variant != Variant::BitsNotCleared {
                    after.filling = Set::EMPTY;
                }
                after.phase = Phase::Sweep;
            }
            Phase::Sweep if dead(state).is_empty() => {
                next.note(Witness::CycleComplete);
                self.rest(&mut after);
            }
            _ => return None,
        }
        Some(after)
    }

    /// No work is queued or held: what is still to be done before the round of handshakes that may end marking, or that.
    fn end_of_marking(&self, state: &mut State, next: &mut Next) {
        if state.pair == Pair::Chosen {
            self.revive(state);
            return;
        }
        if self.variant == Variant::GuardChosenEarly && self.begin_guard_stage(state) {
            return;
        }
        if self.begin_pass(state, next) {
            return;
        }
        if matches!(self.variant, Variant::NoHandOver | Variant::SweepTooEarly) {
            finish(state);
        } else {
            self.request(state, Phase::HandOver);
        }
    }

    /// The pair is looked at again, if something was scanned since its key was found white. Whether the cycle becomes a keyed one
    /// depends on how many passes there were: on chance, here.
    fn begin_pass(&self, state: &mut State, next: &mut Next) -> bool {
        let is_due = state.pair == Pair::Noted && state.stirred && self.scene.pairs;
        state.stirred = false;
        if !is_due || self.variant == Variant::PairLookedAtOnce {
            return false;
        }
        if self.variant == Variant::PairPassesOnce {
            if state.keyed {
                return false;
            }
            // In this variant: there was a pass.
            state.keyed = true;
        }
        next.note(Witness::PairPass);
        state.pair = Pair::Due;
        true
    }

    /// Goes on to a phase that begins with a handshake of all mutators that there are.
    fn request(&self, state: &mut State, phase: Phase) {
        state.phase = phase;
        let everybody = (0..MUTATORS).filter(|&mutator| self.is_there(state, mutator));
        state.pending = everybody.fold(0, |pending, mutator| pending | 1 << mutator);
    }

    /// Nothing is queued and nobody holds work.
    fn is_drained(&self, state: &State) -> bool {
        let has_queued = !state.queue.is_empty() || state.slots_left != 0;
        let has_queued = has_queued || matches!(state.pair, Pair::Due | Pair::ToChoose);
        let is_active = state.markers != [Marker::Idle; 2];
        (!has_queued || self.variant == Variant::SweepTooEarly)
            && (!is_active || self.variant == Variant::IgnoreActive)
    }

    /// Weak boxes first, then the bitmaps, then the last handshake: nobody is disarmed in between.
    fn turn(&self, state: &mut State, next: &mut Next) {
        // What is guarded came back, if it was not marked.
        if !matches!(self.variant, Variant::WeakNotCleared | Variant::WeakClearedLate) && !self.scene.guards {
            clear_weak(state, next);
        }
        state.pair = Pair::Done;
        (state.finished, state.filling) = (state.filling, state.finished);
        self.request(state, Phase::Disarm);
    }

    /// What nobody will look at again is forgotten: fewer states.
    fn rest(&self, state: &mut State) {
        state.phase = Phase::Idle;
        state.fresh = Set::EMPTY;
        if self.variant != Variant::BitsNotCleared {
            state.finished = Set::EMPTY;
        }
        if self.variant != Variant::StampsStay {
            state.stamped = Set::EMPTY;
        }
    }

    /// All of the dead at once: nobody can reach one of them, so nobody can tell the order. If somebody can, this is the worst.
    fn free(&self, state: &State, dead: Set, next: &mut Next) -> State {
        let mut after = *state;
        next.note(Witness::Freed);
        if (0..MUTATORS).any(|me| self.stage(state, me) != Stage::Unarmed) {
            next.note(Witness::FreedWhileArmed);
        }
        after.alive = state.alive.minus(dead);
        after.stamped = state.stamped.minus(dead);
        after.fresh = state.fresh.or(dead);
        for object in dead.iter() {
            after.set_word(object, NONE);
        }
        after
    }

    /// A thread drops a root, without being a mutator: no handshake waits for it.
    pub(crate) fn thread_steps(&self, state: &State, next: &mut Next) {
        if !self.scene.drops_roots {
            return;
        }
        if state.thread != NONE {
            let mut after = State { thread: NONE, ..*state };
            self.shade_in_gate(&mut after, state.thread, next);
            next.push(Step::ThreadShades(state.thread), after);
            return;
        }
        for slot in 0..SLOTS {
            let old = state.roots[slot];
            if old == NONE {
                continue;
            }
            let mut after = *state;
            after.roots[slot] = NONE;
            if self.variant == Variant::TwoStepDrop {
                after.thread = old;
                next.push(Step::ThreadTakes(slot, old), after);
            } else {
                self.shade_in_gate(&mut after, old, next);
                next.push(Step::ThreadDrops(slot, old), after);
            }
        }
    }

    fn shade_in_gate(&self, state: &mut State, object: u8, next: &mut Next) {
        if !self.gate_is_open(state) {
            next.note(Witness::DropOutside);
        } else if state.filling.add(object) {
            next.note(Witness::DropShaded);
            let mut gray = Set::EMPTY;
            gray.add(object);
            state.push(gray);
        }
    }
}

/// Closes the gate. Whatever work is left (in variants) is dropped.
fn finish(state: &mut State) {
    state.phase = Phase::Finished;
    state.pushed = false;
    state.quiet_round = false;
    state.pending = 0;
    state.queue = Set::EMPTY;
    state.slots_left = 0;
    state.stirred = false;
    state.keyed = false;
    if state.pair == Pair::Due {
        state.pair = Pair::Noted;
    }
    state.markers = [Marker::Idle; 2];
    for mutator in &mut state.mutators {
        mutator.buffer = Set::EMPTY;
    }
}

fn clear_weak(state: &mut State, next: &mut Next) {
    let marked = if state.phase == Phase::Finished { state.filling } else { state.finished };
    if state.weak != NONE && !marked.has(state.weak) {
        next.note(Witness::WeakCleared);
        state.weak = NONE;
        state.value = NONE;
        for mutator in &mut state.mutators {
            if let Op::Upgrade(target) = mutator.op {
                mutator.op = Op::StaleUpgrade(target);
            }
        }
    }
}

/// What this sweep may free.
fn dead(state: &State) -> Set {
    if state.has_turned() { state.alive.minus(state.finished).minus(state.fresh) } else { Set::EMPTY }
}
