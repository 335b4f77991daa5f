//! The cycle: a state machine that whoever comes by drives on.
//!
//! | phase | waits for | then |
//! |---|---|---|
//! | `Idle` | the trigger, or a request | the queue opens; handshake *arm* |
//! | `Arm`, `Flush`, `Close` | all mutators | the next handshake; behind *close* the snapshot is complete, marking starts |
//! | `Mark` | nothing queued, nobody holding work | ephemerons whose keys were white are looked at again, or, if nothing was marked since they were: handshake *hand over* |
//! | `HandOver` | all mutators | if it brought nothing, and no guarded object comes back: **finish**; else back to `Mark` |
//! | `Weak` | a background thread (or, without one, anybody) | weak references to the dead are cleared, their cleanups are ready; the bitmaps take turns; handshake *disarm* |
//! | `Hold` | all mutators | only in heaps that are verified, before the bitmaps take turns |
//! | `Disarm` | all mutators | |
//! | `Clear` | a background thread (or, without one, anybody) | the old bitmap is emptied |
//! | `Sweep` | every block to be swept | the cycle is complete: `Idle` |
//!
//! The mutator that acknowledges last drives the cycle on itself, so with one mutator at its own safepoint
//! everything up to `Mark`, and again from `HandOver` to `Clear`, is one step. This must be so: the next scope may be a long one. What
//! takes longer, and waking threads, is left to the background thread that drives, which looks by itself while a cycle is under
//! way. Nobody ever waits for the driver's lock: who does not get it leaves a note (`kick`), and the holder looks again (C3).

use crate::{handshake::Handshake, heap::Core, pace::Completed, pacing::Cause, plant::Bug, verify::Verdict};
use mudlark_arena::sync::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Condvar, Mutex, Ordering, fence};
use std::{sync::Arc, time::Instant};

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
    Weak = 6,
    Hold = 7,
    Disarm = 8,
    Clear = 9,
    Sweep = 10,
}

/// What a driver may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Only what takes no longer than a safepoint may. Not even waking a background thread, which takes several times as
    /// long as all the rest: the one that drives looks by itself, again and again while a cycle is under way.
    Light,
    /// One piece of work that takes some tens of microseconds at most: what an allocation may be charged.
    Piece,
    /// Anything but waiting.
    Any,
}

impl Progress {
    /// Whether what takes longer is left to a background thread.
    fn leaves_long_work(self, core: &Core) -> bool {
        self == Progress::Light && core.background.has_threads()
    }
}

/// Blocks whose marks are cleared at once.
const CLEAR_BLOCKS: usize = 256;
/// Batches of weak references, ephemerons and cleanups that are looked at at once: some tens of microseconds.
const WEAK_BATCHES: usize = 8;

/// Chunks of shadow stacks that are given back at once.
const CLEAR_STACK_CHUNKS: usize = 256;

/// What only the driver sees.
#[derive(Debug)]
struct State {
    phase: Phase,
    /// Pushes seen when the round of `HandOver` began (Q4).
    round: u64,
    aborted: bool,
    /// Whoever drives now may wake background threads.
    wakes: bool,
    /// Blocks whose old marks are cleared.
    cleared: usize,
    mark_begun: Instant,
    allocated_at_arm: u64,
    allocated_at_last_arm: u64,
    allocated_at_turn: u64,
    /// What the pacer is to be told of the cycle.
    completed: Option<Completed>,
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
    /// Background threads have work and were not woken: a hint, for they look by themselves.
    owes_wake: AtomicBool,
    /// A copy of the phase, for hints.
    phase: AtomicU8,
    /// A tracer panicked.
    pub(crate) abort: AtomicBool,
    /// A sweep is complete and memory could be given back.
    pub(crate) scavenge_due: AtomicBool,
    /// Cycles begun, and the number of the current one.
    pub(crate) started: AtomicU64,
    /// Cycles that are over, completed or not.
    pub(crate) ended: Arc<AtomicU64>,
    /// A cycle with at least this number is wanted.
    requested: AtomicU64,
    /// Why it is wanted, if not because somebody asked.
    cause: Mutex<Option<Cause>>,
    /// What had been allocated when the last cycle ended.
    allocated_at_end: AtomicU64,
    counts: Mutex<CycleCounts>,
    /// Those who wait for the end of a cycle, and how many they are.
    pub(crate) waiting: Mutex<()>,
    waiters: AtomicUsize,
    pub(crate) changed: Condvar,
}

impl Default for Driver {
    fn default() -> Driver {
        let state = State {
            phase: Phase::Idle,
            round: 0,
            aborted: false,
            wakes: true,
            cleared: 0,
            mark_begun: Instant::now(),
            allocated_at_arm: 0,
            allocated_at_last_arm: 0,
            allocated_at_turn: 0,
            completed: None,
        };
        Driver {
            state: Mutex::new(state),
            kick: AtomicBool::new(false),
            owes_wake: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Idle as u8),
            abort: AtomicBool::new(false),
            scavenge_due: AtomicBool::new(false),
            started: AtomicU64::new(0),
            ended: Arc::new(AtomicU64::new(0)),
            requested: AtomicU64::new(0),
            cause: Mutex::new(None),
            allocated_at_end: AtomicU64::new(0),
            counts: Mutex::new(CycleCounts::default()),
            waiting: Mutex::new(()),
            waiters: AtomicUsize::new(0),
            changed: Condvar::new(),
        }
    }
}

impl Driver {
    pub(crate) fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// Whether there may be marking to do: a hint.
    pub(crate) fn is_marking(&self) -> bool {
        self.is(Phase::Mark) || self.is(Phase::HandOver)
    }

    /// Whether mutators should look at the cycle at their safepoints: because nobody else does, or because all that is missing is
    /// a look.
    pub(crate) fn wants_poll(&self, core: &Core) -> bool {
        let phase = self.phase.load(Ordering::Relaxed);
        if phase == Phase::Idle as u8 || !core.background.has_threads() {
            return phase != Phase::Idle as u8;
        }
        let shakes_hands = phase != Phase::Mark as u8 && phase < Phase::Clear as u8;
        shakes_hands && core.handshake_complete()
    }

    pub(crate) fn allocated_at_end(&self) -> u64 {
        self.allocated_at_end.load(Ordering::Relaxed)
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
            state.wakes = progress == Progress::Any;
            while self.kick.swap(false, Ordering::Acquire) {
                while self.step(core, &mut state, progress) {}
            }
            drop(state);
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
            Phase::Arm if core.plants(Bug::NoFlush) => {
                self.after(core, state, Phase::Close, Handshake::Close)
            }
            Phase::Arm => self.after(core, state, Phase::Flush, Handshake::Flush),
            Phase::Flush => self.after(core, state, Phase::Close, Handshake::Close),
            Phase::Close => core.handshake_complete() && self.start_marking(core, state),
            Phase::Mark => self.end_marking(core, state),
            Phase::HandOver => core.handshake_complete() && self.finish(core, state),
            Phase::Weak => self.clear_weak(core, state, progress),
            Phase::Hold => self.verify(core, state, progress),
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
        if matches!(phase, Phase::Mark | Phase::Weak | Phase::Clear | Phase::Sweep) {
            self.call_background(core, state);
        }
        drop(self.waiting.lock());
        self.changed.notify_all();
        core.zealot.at_edge();
    }

    /// There is work for background threads. They are woken, or, by a mutator at a safepoint, by its next allocation.
    fn call_background(&self, core: &Core, state: &State) {
        if state.wakes {
            core.queue.kick();
        } else {
            self.owes_wake.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody at a safepoint left waking the background threads to the next allocation, which is the caller's.
    #[inline]
    pub(crate) fn take_owed_wake(&self) -> bool {
        self.owes_wake.load(Ordering::Relaxed) && self.owes_wake.swap(false, Ordering::Relaxed)
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
        let grown = core.accounts.allocated() != self.allocated_at_end() || core.pace.external_grew();
        let due = grown && core.is_triggered();
        if !forced && !due {
            return false;
        }
        let cause = match forced {
            true => self.cause.lock().take().unwrap_or(Cause::Asked),
            false => Cause::Trigger,
        };
        self.counts.lock().forced += u64::from(cause == Cause::Asked);
        state.aborted = false;
        state.allocated_at_arm = core.accounts.allocated();
        core.accounts.begin_cycle();
        core.pace_begin(cause);
        // Before the gate opens: who drops a root, finds it open, and asks for a cycle then, gets the next one.
        self.started.store(started + 1, Ordering::Relaxed);
        // ORDERING: pairs with the fence in `request`: it sees this number, or the scan sees the roots dropped before it.
        fence(Ordering::SeqCst);
        core.queue.open();
        self.enter(core, state, Phase::Arm);
        // In this order: the background thread that is woken, or that misses the bell, sees that a cycle is under way, and looks by
        // itself until its end.
        if core.expects_brief_cycle() {
            self.call_background(core, state);
        } else if !core.plants(Bug::SilentGate) {
            core.queue.driver.ring();
        }
        core.begin_handshake(Handshake::Arm);
        true
    }

    fn start_marking(&self, core: &Core, state: &mut State) -> bool {
        state.mark_begun = Instant::now();
        core.share.begin();
        core.queue.start_marking(core.roots.chunk_count() - usize::from(core.plants(Bug::RootMissed)));
        self.enter(core, state, Phase::Mark);
        true
    }

    fn end_marking(&self, core: &Core, state: &mut State) -> bool {
        if self.abort.load(Ordering::Relaxed) {
            return self.abort_marking(core, state);
        }
        let Some(round) = core.queue.drained() else { return false };
        if core.begin_revival() || core.begin_ephemeron_pass() {
            self.call_background(core, state);
            return true;
        }
        state.round = round;
        if core.plants(Bug::NoRound) {
            return self.finish(core, state);
        }
        self.enter(core, state, Phase::HandOver);
        core.begin_handshake(Handshake::HandOver);
        true
    }

    /// If nothing was gray for a whole round of handshakes, marking is complete.
    fn finish(&self, core: &Core, state: &mut State) -> bool {
        let may_finish = !self.abort.load(Ordering::Relaxed) && !core.zealot.wants_round();
        if may_finish && core.begin_guard_stage(state.round) {
            self.enter(core, state, Phase::Mark);
            return true;
        }
        let mut is_finished = may_finish && core.queue.finish(state.round);
        if core.plants(Bug::EarlyTermination) && !is_finished {
            core.queue.abort();
            is_finished = true;
        }
        self.enter(core, state, if is_finished { Phase::Weak } else { Phase::Mark });
        true
    }

    /// W1: before any mutator disarms, and before anything is swept.
    fn clear_weak(&self, core: &Core, state: &mut State, progress: Progress) -> bool {
        if progress.leaves_long_work(core) && !core.has_no_weak_work() {
            return false;
        }
        for _ in 0..WEAK_BATCHES {
            if !(core.clear_weak_batch() || core.clear_ephemeron_batch() || core.ready_cleanup_batch()) {
                return self.end_clearing(core, state);
            }
        }
        progress == Progress::Any
    }

    fn end_clearing(&self, core: &Core, state: &mut State) -> bool {
        core.queue.weak_is_cleared();
        if core.verifier.is_on() {
            core.hold_mutators();
            self.enter(core, state, Phase::Hold);
            core.begin_handshake(Handshake::Hold);
            true
        } else {
            self.turn(core, state)
        }
    }

    fn verify(&self, core: &Core, state: &mut State, progress: Progress) -> bool {
        if progress.leaves_long_work(core) || !core.handshake_complete() {
            return false;
        }
        match core.verify() {
            Verdict::Sound => self.turn(core, state),
            Verdict::Broken => self.give_up(core, state),
        }
    }

    /// The bitmaps take turns, and the next cycle is planned.
    fn turn(&self, core: &Core, state: &mut State) -> bool {
        let peak = core.live();
        let live = core.accounts.finish_cycle();
        let (marked, allocated) = (core.accounts.marked(), core.accounts.allocated());
        state.completed = Some(Completed {
            peak,
            marked,
            born: live - marked,
            between: state.allocated_at_arm.saturating_sub(state.allocated_at_last_arm),
            allocated: allocated.saturating_sub(state.allocated_at_turn),
        });
        state.allocated_at_last_arm = state.allocated_at_arm;
        state.allocated_at_turn = allocated;
        {
            let mut counts = self.counts.lock();
            counts.last_live = live;
            counts.last_mark_ns = state.mark_begun.elapsed().as_nanos() as u64;
        }
        self.enter(core, state, Phase::Disarm);
        // The turn belongs to the request: whoever attaches sees both or none.
        core.begin_handshake_after(Handshake::Disarm, || {
            if core.plants(Bug::LiveSwept) {
                let _ = core.arena.clear_filling(0..usize::MAX);
            }
            if !core.plants(Bug::NoTurn) {
                core.arena.turn();
            }
        });
        true
    }

    /// A tracer panicked: nothing is swept, and what was marked is forgotten.
    fn abort_marking(&self, core: &Core, state: &mut State) -> bool {
        core.queue.abort();
        if !core.queue.is_inactive() {
            return false;
        }
        core.weak.forget();
        core.ephemerons.forget();
        core.guards.forget();
        self.abort.store(false, Ordering::Relaxed);
        self.give_up(core, state)
    }

    /// Ends a cycle whose marks cannot be relied on.
    fn give_up(&self, core: &Core, state: &mut State) -> bool {
        state.aborted = true;
        self.counts.lock().aborted += 1;
        core.pace_abandon();
        self.enter(core, state, Phase::Disarm);
        core.begin_handshake(Handshake::Disarm);
        true
    }

    fn clear(&self, core: &Core, state: &mut State, progress: Progress) -> bool {
        if progress.leaves_long_work(core) {
            return false;
        }
        if let Some(completed) = state.completed.take() {
            core.pace_end(completed);
        }
        if core.stacks.free_some(CLEAR_STACK_CHUNKS) {
            return progress == Progress::Any;
        }
        let from = std::mem::take(&mut state.cleared);
        if !core.plants(Bug::NotCleared)
            && let Some(cleared) = core.arena.clear_filling(from..from + CLEAR_BLOCKS)
        {
            state.cleared = cleared;
            return progress == Progress::Any;
        }
        if state.aborted {
            self.end(core, state);
        } else {
            self.enter(core, state, Phase::Sweep);
        }
        true
    }

    fn complete(&self, core: &Core, state: &mut State) -> bool {
        self.counts.lock().finished += 1;
        core.pace_swept();
        self.scavenge_due.store(true, Ordering::Relaxed);
        self.call_background(core, state);
        self.end(core, state);
        true
    }

    fn end(&self, core: &Core, state: &mut State) {
        // ORDERING: Release pairs with the Acquire in `wait_for_cycle`: who sees the end sees what the cycle did.
        self.ended.fetch_add(1, Ordering::Release);
        self.allocated_at_end.store(core.accounts.allocated(), Ordering::Relaxed);
        self.enter(core, state, Phase::Idle);
    }

    /// Whether somebody waits for the end of a cycle: then it is to come soon.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiters.load(Ordering::Relaxed) > 0
    }

    /// Somebody waits, until the answer is dropped.
    pub(crate) fn wait_here(&self) -> Waiter<'_> {
        self.waiters.fetch_add(1, Ordering::Relaxed);
        Waiter { waiters: &self.waiters }
    }

    /// Asks for a cycle on behalf of the pacer.
    pub(crate) fn request_because(&self, cause: Cause) {
        *self.cause.lock() = Some(cause);
        let _ = self.request();
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

/// Somebody who waits for the end of a cycle.
pub(crate) struct Waiter<'a> {
    waiters: &'a AtomicUsize,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}
