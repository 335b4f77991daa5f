//! The cycle: a state machine that whoever comes by drives on.
//!
//! | phase | waits for | then |
//! |---|---|---|
//! | `Idle` | the trigger, or a request | the queue opens; handshake *arm* |
//! | `Arm`, `Flush`, `Close` | all mutators | the next handshake; behind *close* the snapshot is complete, marking starts |
//! | `Mark` | nothing queued, nobody holding work | handshake *hand over* |
//! | `HandOver` | all mutators | if it brought nothing: **flip**, handshake *disarm*; else back to `Mark` |
//! | `Disarm` | all mutators | |
//! | `Clear` | a background thread (or, without one, anybody) | the old bitmap is emptied |
//! | `Sweep` | every block to be swept | the cycle is complete: `Idle` |
//!
//! The mutator that acknowledges last drives the cycle on itself, so with one mutator at its own safepoint
//! everything up to `Mark`, and again from `HandOver` to `Clear`, is one step. Nobody ever waits for the driver's lock: who
//! does not get it leaves a note (`kick`), and the holder looks again (C3).

use crate::{
    handshake::Handshake,
    heap::Core,
    mark::{Drained, Marker},
    pacing::CycleReport,
    sweeper,
};
use mudlark_arena::{
    Side,
    sync::{AtomicBool, AtomicU8, AtomicU64, Condvar, Mutex, Ordering, fence},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// Where a cycle is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    Idle = 0,
    Arm = 1,
    Flush = 2,
    Close = 3,
    Mark = 4,
    HandOver = 5,
    Disarm = 6,
    Clear = 7,
    Sweep = 8,
}

/// What a driver may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Only what takes no longer than a safepoint may.
    Light,
    /// Anything but waiting.
    Any,
}

/// What only the driver sees.
#[derive(Debug)]
struct State {
    phase: Phase,
    /// Pushes seen when the round of `HandOver` began (Q4).
    round: u64,
    aborted: bool,
    mark_begun: Instant,
    allocated_at_arm: u64,
    allocated_at_last_arm: u64,
    allocated_at_end: u64,
}

/// Numbers of cycles.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct CycleCounts {
    pub(crate) finished: u64,
    pub(crate) forced: u64,
    pub(crate) aborted: u64,
    pub(crate) last_live: u64,
    pub(crate) last_mark_ns: u64,
}

/// The state machine and what it publishes.
#[derive(Debug)]
pub(crate) struct Driver {
    state: Mutex<State>,
    /// Somebody wants the machine looked at (C3).
    kick: AtomicBool,
    /// A copy of the phase, for hints.
    phase: AtomicU8,
    /// A tracer panicked.
    abort: AtomicBool,
    /// A sweep is complete and memory could be given back.
    scavenge_due: AtomicBool,
    /// Cycles begun, and the number of the current one.
    started: AtomicU64,
    /// Cycles that are over, completed or not.
    ended: AtomicU64,
    /// A cycle with at least this number is wanted.
    requested: AtomicU64,
    counts: Mutex<CycleCounts>,
    /// Those who wait for the end of a cycle.
    waiting: Mutex<()>,
    changed: Condvar,
}

impl Default for Driver {
    fn default() -> Driver {
        let state = State {
            phase: Phase::Idle,
            round: 0,
            aborted: false,
            mark_begun: Instant::now(),
            allocated_at_arm: 0,
            allocated_at_last_arm: 0,
            allocated_at_end: 0,
        };
        Driver {
            state: Mutex::new(state),
            kick: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Idle as u8),
            abort: AtomicBool::new(false),
            scavenge_due: AtomicBool::new(false),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            counts: Mutex::new(CycleCounts::default()),
            waiting: Mutex::new(()),
            changed: Condvar::new(),
        }
    }
}

impl Driver {
    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// Whether there may be marking to do: a hint.
    pub(crate) fn is_marking(&self) -> bool {
        self.is(Phase::Mark) || self.is(Phase::HandOver)
    }

    /// Whether mutators must look at the cycle at their safepoints, because nobody else does.
    pub(crate) fn wants_poll(&self, core: &Core) -> bool {
        !self.is(Phase::Idle) && !core.background.has_threads()
    }

    /// The bitmap that this cycle fills, while one is open; asked under the gate or by the driver.
    pub(crate) fn filling(&self, core: &Core) -> Side {
        core.arena.live_side().other()
    }

    pub(crate) fn counts(&self) -> CycleCounts {
        *self.counts.lock()
    }

    /// Drives the machine as far as it goes.
    pub(crate) fn run(&self, core: &Core, progress: Progress) {
        // ORDERING: Release pairs with the Acquire of the swap below: who takes the note sees why it was left (an acknowledged
        // handshake, say). A swap, because loom lets a plain store slip between another thread's load and swap.
        self.kick.swap(true, Ordering::Release);
        loop {
            // ORDERING: C3: a store buffer must not let both sides miss each other: note, fence, try the lock; and unlock,
            // fence, look for the note.
            fence(Ordering::SeqCst);
            let Some(mut state) = self.state.try_lock() else { return };
            while self.kick.swap(false, Ordering::Acquire) {
                while self.step(core, &mut state, progress) {}
            }
            let is_left_to_others = state.phase == Phase::Clear;
            drop(state);
            if is_left_to_others {
                // After the unlock: a background thread that came while the lock was held found nothing to do.
                core.queue.kick();
            }
            fence(Ordering::SeqCst);
            if !self.kick.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// One step. `false` when the machine has to wait for others.
    fn step(&self, core: &Core, state: &mut State, progress: Progress) -> bool {
        match state.phase {
            Phase::Idle => self.begin(core, state),
            Phase::Arm => self.after(core, state, Phase::Flush, Handshake::Flush),
            Phase::Flush => self.after(core, state, Phase::Close, Handshake::Close),
            Phase::Close => core.handshake_complete() && self.start_marking(core, state),
            Phase::Mark => self.end_marking(core, state),
            Phase::HandOver => core.handshake_complete() && self.flip(core, state),
            Phase::Disarm => {
                let complete = core.handshake_complete();
                if complete {
                    self.enter(core, state, Phase::Clear);
                }
                complete
            }
            Phase::Clear => self.clear(core, state, progress),
            Phase::Sweep => core.arena.unswept_blocks() == 0 && self.complete(core, state),
        }
    }

    fn enter(&self, core: &Core, state: &mut State, phase: Phase) {
        state.phase = phase;
        self.phase.store(phase as u8, Ordering::Relaxed);
        if matches!(phase, Phase::Mark | Phase::Clear | Phase::Sweep) {
            core.queue.kick();
        }
        drop(self.waiting.lock());
        self.changed.notify_all();
    }

    /// The next handshake, when everybody passed this one.
    fn after(&self, core: &Core, state: &mut State, phase: Phase, handshake: Handshake) -> bool {
        let complete = core.handshake_complete();
        if complete {
            self.enter(core, state, phase);
            core.begin_handshake(handshake);
        }
        complete
    }

    fn begin(&self, core: &Core, state: &mut State) -> bool {
        let started = self.started.load(Ordering::Relaxed);
        let forced = self.requested.load(Ordering::Relaxed) > started;
        // A trigger at or below what is live asks for cycles without end; one that follows no allocation brings nothing.
        let grown = core.accounts.allocated() != state.allocated_at_end;
        let due = grown && core.is_triggered();
        if !forced && !due {
            return false;
        }
        self.counts.lock().forced += u64::from(forced);
        state.aborted = false;
        state.allocated_at_arm = core.accounts.allocated();
        core.accounts.begin_cycle();
        // Before the gate opens: who drops a root, finds it open, and asks for a cycle then, gets the next one.
        self.started.store(started + 1, Ordering::Relaxed);
        // ORDERING: pairs with the fence in `request`: it sees this number, or the scan sees the roots dropped before it.
        fence(Ordering::SeqCst);
        core.queue.open();
        self.enter(core, state, Phase::Arm);
        core.begin_handshake(Handshake::Arm);
        true
    }

    fn start_marking(&self, core: &Core, state: &mut State) -> bool {
        state.mark_begun = Instant::now();
        core.queue.start_marking(core.roots.chunk_count());
        self.enter(core, state, Phase::Mark);
        true
    }

    fn end_marking(&self, core: &Core, state: &mut State) -> bool {
        if self.abort.load(Ordering::Relaxed) {
            return self.abort_marking(core, state);
        }
        let Some(round) = core.queue.drained() else { return false };
        state.round = round;
        self.enter(core, state, Phase::HandOver);
        core.begin_handshake(Handshake::HandOver);
        true
    }

    /// Nothing was gray for a whole round of handshakes: marking is complete.
    fn flip(&self, core: &Core, state: &mut State) -> bool {
        if self.abort.load(Ordering::Relaxed) || !core.queue.finish(state.round) {
            self.enter(core, state, Phase::Mark);
            return true;
        }
        core.arena.turn();
        let live = core.accounts.finish_cycle();
        let marked = core.accounts.marked();
        let report = CycleReport {
            marked,
            born: live - marked,
            allocated: core.accounts.allocated().saturating_sub(state.allocated_at_arm),
            between: state.allocated_at_arm.saturating_sub(state.allocated_at_last_arm),
        };
        state.allocated_at_last_arm = state.allocated_at_arm;
        core.report(report);
        {
            let mut counts = self.counts.lock();
            counts.last_live = live;
            counts.last_mark_ns = state.mark_begun.elapsed().as_nanos() as u64;
        }
        self.enter(core, state, Phase::Disarm);
        core.begin_handshake(Handshake::Disarm);
        true
    }

    /// A tracer panicked: nothing is swept, and what was marked is forgotten.
    fn abort_marking(&self, core: &Core, state: &mut State) -> bool {
        core.queue.abort();
        if !core.queue.is_inactive() {
            return false;
        }
        self.abort.store(false, Ordering::Relaxed);
        state.aborted = true;
        self.counts.lock().aborted += 1;
        // Not again at once: as if all were live.
        let live = core.accounts.live();
        core.report(CycleReport { marked: live, ..CycleReport::default() });
        self.enter(core, state, Phase::Disarm);
        core.begin_handshake(Handshake::Disarm);
        true
    }

    fn clear(&self, core: &Core, state: &mut State, progress: Progress) -> bool {
        if progress == Progress::Light && core.background.has_threads() {
            return false;
        }
        core.arena.clear_filling();
        if state.aborted {
            self.end(core, state);
        } else {
            self.enter(core, state, Phase::Sweep);
        }
        true
    }

    fn complete(&self, core: &Core, state: &mut State) -> bool {
        self.counts.lock().finished += 1;
        self.scavenge_due.store(true, Ordering::Relaxed);
        core.queue.kick();
        self.end(core, state);
        true
    }

    fn end(&self, core: &Core, state: &mut State) {
        // ORDERING: Release pairs with the Acquire in `collect`: who sees the end sees what the cycle did.
        self.ended.fetch_add(1, Ordering::Release);
        state.allocated_at_end = core.accounts.allocated();
        self.enter(core, state, Phase::Idle);
    }

    /// Asks for a cycle that begins after this call. Returns its number.
    pub(crate) fn request(&self) -> u64 {
        // ORDERING: pairs with the fence in `begin`.
        fence(Ordering::SeqCst);
        let number = self.started.load(Ordering::Relaxed) + 1;
        self.requested.fetch_max(number, Ordering::Relaxed);
        number
    }
}

/// Bytes marked between two looks at the cycle.
pub(crate) const MARK_BUDGET: u64 = 4 << 20;
const SWEEP_BUDGET: usize = 64;
/// The same at safepoints of heaps without background threads.
const MARK_BUDGET_SAFEPOINT: u64 = 64 << 10;
const SWEEP_BUDGET_SAFEPOINT: usize = 16;
/// How long a starving mutator waits for others to leave their scopes before it goes on (and fails, perhaps).
const STARVED_WAIT_MAX: Duration = Duration::from_millis(200);

impl Core {
    /// The number of the cycle that is under way, or of the last one.
    pub(crate) fn cycle_number(&self) -> u64 {
        self.driver.started.load(Ordering::Relaxed)
    }

    /// Marks about `budget` bytes. `false` when there was nothing to take. A panic of a tracer aborts the cycle.
    pub(crate) fn mark_some(&self, budget: u64) -> bool {
        self.mark_counted(budget).1
    }

    /// As [`Core::mark_some`]; also tells how many bytes were marked here.
    fn mark_counted(&self, budget: u64) -> (u64, bool) {
        let mut marker = Marker::new(self);
        let drained = catch_unwind(AssertUnwindSafe(|| marker.drain(budget)));
        if drained.is_err() {
            // Before the marker lets go of its work: from then on the queue may look drained.
            self.driver.abort.store(true, Ordering::Relaxed);
        }
        marker.let_go();
        let bytes = marker.marked_bytes();
        let worked = match drained {
            Ok(drained) => bytes > 0 || drained != Drained::Empty,
            Err(payload) => {
                self.queue.kick();
                sweeper::contain(|| drop(payload));
                true
            }
        };
        (bytes, worked)
    }

    /// Does a piece of whatever the cycle needs now. `false` when it needs nothing that can be done here.
    pub(crate) fn work(&self, mark_budget: u64, sweep_blocks: usize) -> bool {
        if self.driver.is_marking() {
            let (bytes, worked) = self.mark_counted(mark_budget);
            self.accounts.earn_credit(bytes);
            worked
        } else if self.driver.is(Phase::Sweep) {
            self.sweep_some(sweep_blocks)
        } else {
            false
        }
    }

    /// A background thread's step. `false` when there is nothing to do.
    pub(crate) fn step(&self) -> bool {
        self.driver.run(self, Progress::Any);
        let worked = self.work(MARK_BUDGET, SWEEP_BUDGET);
        if worked {
            self.driver.run(self, Progress::Any);
        } else if self.driver.scavenge_due.swap(false, Ordering::Relaxed) {
            self.scavenge();
        }
        worked
    }

    /// What a mutator does for the cycle at a safepoint that it looks at it.
    pub(crate) fn poll(&self) {
        self.advance();
        if !self.background.has_threads() || self.is_behind() {
            let _ = self.work(MARK_BUDGET_SAFEPOINT, SWEEP_BUDGET_SAFEPOINT);
            self.driver.run(self, Progress::Any);
        }
    }

    /// Runs a complete cycle that begins after this call, and waits for its end, sweep included.
    ///
    /// # Panics
    ///
    /// In a scope of this heap, whose end the cycle would wait for, and in drop glue that the collector runs.
    pub fn collect(&self) {
        sweeper::assert_outside_of_drop_glue("collect");
        assert!(
            !self.is_entered_here(),
            "cannot collect inside a scope: the cycle would wait for its end; leave the scope first"
        );
        let _ = self.wait_for_cycle(self.driver.request(), None);
    }

    /// Waits until the cycle with this number is over, and does its work where nobody else does. Gives up when the time is
    /// over. Whether the cycle came to its end.
    fn wait_for_cycle(&self, number: u64, limit: Option<Duration>) -> bool {
        let begun = Instant::now();
        let has_ended = || {
            // ORDERING: Acquire pairs with the Release in `end`.
            self.driver.ended.load(Ordering::Acquire) >= number
        };
        self.advance();
        self.queue.kick();
        while !has_ended() {
            if !self.background.has_threads() {
                self.driver.run(self, Progress::Any);
                if self.work(MARK_BUDGET, SWEEP_BUDGET) {
                    continue;
                }
                self.driver.run(self, Progress::Any);
            }
            let waiting = self.driver.waiting.lock();
            if !has_ended() {
                let left =
                    limit.map_or(Duration::from_millis(1), |limit| limit.saturating_sub(begun.elapsed()));
                if left.is_zero() {
                    return false;
                }
                // The short bound matters only without background threads, when another mutator took the last work.
                drop(self.driver.changed.wait_timeout(waiting, left.min(Duration::from_millis(1))));
            }
        }
        true
    }

    /// At a scope's end: if memory ran out, waits for a cycle to free some.
    pub(crate) fn throttle(&self) {
        let starved = self.starved.load(Ordering::Relaxed);
        // A mutator that runs ahead of a cycle to the end of the memory would fail, although the cycle frees some.
        let runs_ahead = self.is_nearly_full() && !self.driver.is(Phase::Idle);
        if !(starved || runs_ahead) || self.is_entered_here() {
            return;
        }
        let begun = Instant::now();
        if self.starved.swap(false, Ordering::Relaxed) {
            let number = self.driver.request();
            let _ = self.wait_for_cycle(number, Some(STARVED_WAIT_MAX));
        } else {
            let _ = self.wait_for_cycle(self.cycle_number(), Some(STARVED_WAIT_MAX));
        }
        self.assist_ns.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
}
