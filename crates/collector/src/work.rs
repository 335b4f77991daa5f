//! Who does the cycle's work: background threads, mutators at safepoints, and those who wait for its end.
//!
//! All work comes in steps, so that whoever does it looks at the cycle in between, and tests can take the place of threads.

use crate::{
    cycle::{Phase, Progress},
    heap::Core,
    mark::{Drained, MarkMeter, MarkStats, Marker},
    share::Turn,
    sweeper,
};
use mudlark_arena::sync::Ordering;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// Bytes that somebody who waits for a cycle marks between two looks at it.
const MARK_BUDGET: u64 = 4 << 20;
const SWEEP_BUDGET: usize = 64;
/// The same at safepoints, of heaps without background threads and of those in which there is little to mark.
const MARK_BUDGET_SAFEPOINT: u64 = 64 << 10;
/// A cycle that is expected to mark no more is marked at the safepoint that begins it: some ten microseconds.
const BRIEF_MARK_OBJECTS: u64 = 2048;
/// Blocks swept there, or in an allocation of a heap that is behind its goal.
pub(crate) const SWEEP_BUDGET_SAFEPOINT: usize = 16;
/// How long a starving mutator waits for others to leave their scopes before it goes on (and fails, perhaps).
const STARVED_WAIT_MAX: Duration = Duration::from_millis(200);

/// What a background thread found to do.
#[derive(Debug)]
#[must_use]
pub(crate) enum Step {
    Worked,
    /// There is work, but marking had its share for so long.
    Rest(Duration),
    Nothing,
}

impl Core {
    /// The number of the cycle that is under way, or of the last one.
    pub(crate) fn cycle_number(&self) -> u64 {
        self.driver.started.load(Ordering::Relaxed)
    }

    /// Marks about `budget` bytes; tells how many it were. `None` when there was nothing to take. A panic of a tracer
    /// aborts the cycle.
    pub(crate) fn mark_some(&self, budget: u64, meter: &MarkMeter) -> Option<u64> {
        let mut marker = Marker::new(self);
        let drained = catch_unwind(AssertUnwindSafe(|| marker.drain(budget)));
        if drained.is_err() {
            // Before the marker lets go of its work: from then on the queue may look drained.
            self.driver.abort.store(true, Ordering::Relaxed);
        }
        marker.let_go();
        let done = marker.done();
        if done != MarkStats::default() {
            meter.add(done);
        }
        let worked = match drained {
            Ok(drained) => done.bytes > 0 || drained != Drained::Empty,
            Err(payload) => {
                self.queue.kick();
                sweeper::contain(|| drop(payload));
                true
            }
        };
        worked.then_some(done.bytes)
    }

    /// Does a piece of whatever the cycle needs now, marking by `mark`. `false` when it needs nothing that can be done here.
    fn work(&self, mark: impl FnOnce() -> Option<u64>, sweep_blocks: usize) -> bool {
        if self.driver.is_marking() {
            let bytes = mark();
            self.accounts.earn_credit(bytes.unwrap_or(0));
            bytes.is_some()
        } else if self.driver.is(Phase::Sweep) {
            self.sweep_some(sweep_blocks)
        } else {
            false
        }
    }

    /// The same by a mutator, at a safepoint or while it waits, on the account of assists.
    pub(crate) fn work_as_assist(&self, mark_budget: u64, sweep_blocks: usize) -> bool {
        let begun = Instant::now();
        let worked = self.work(|| self.mark_some(mark_budget, &self.assists), sweep_blocks);
        self.assist_ns.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        worked
    }

    /// A step of the background thread that drives.
    pub(crate) fn step(&self, turn: &mut Turn<'_>) -> Step {
        self.driver.run(self, Progress::Any);
        if self.driver.is_marking()
            && let Some(rest) = turn.rest(self)
        {
            return Step::Rest(rest);
        }
        if !self.work(|| turn.mark(self), SWEEP_BUDGET) {
            return Step::Nothing;
        }
        self.driver.run(self, Progress::Any);
        Step::Worked
    }

    /// A step of one that only marks.
    pub(crate) fn mark_step(&self, turn: &mut Turn<'_>) -> Step {
        if !self.driver.is_marking() {
            return Step::Nothing;
        }
        match turn.rest(self) {
            Some(rest) => Step::Rest(rest),
            None if self.work(|| turn.mark(self), 0) => Step::Worked,
            None => Step::Nothing,
        }
    }

    /// What a mutator does for the cycle at a safepoint that it looks at it.
    pub(crate) fn poll(&self) {
        self.advance();
        if !self.background.has_threads() || self.driver.is_marking() && self.expects_brief_cycle() {
            let sweep_blocks = if self.background.has_threads() { 0 } else { SWEEP_BUDGET_SAFEPOINT };
            let _ = self.work_as_assist(MARK_BUDGET_SAFEPOINT, sweep_blocks);
            self.driver.run(self, Progress::Piece);
        }
        if !self.background.has_threads() && self.driver.scavenge_due.swap(false, Ordering::Relaxed) {
            let _ = self.scavenge();
        }
    }

    /// Whether the next cycle, or the one under way, is expected to mark so little that waking a thread would take longer.
    pub(crate) fn expects_brief_cycle(&self) -> bool {
        self.accounts.expected_objects().is_some_and(|objects| objects <= BRIEF_MARK_OBJECTS)
    }

    /// Runs a complete cycle that begins after this call, and waits for its end, sweep included.
    ///
    /// # Panics
    ///
    /// In a scope of this heap, whose end the cycle would wait for; in drop glue that the collector runs; in a fork of the
    /// process that made the heap.
    pub fn collect(&self) {
        sweeper::assert_outside_of_drop_glue("collect");
        self.assert_not_forked("collect");
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
        let _waiter = self.driver.wait_here();
        let has_ended = || {
            // ORDERING: Acquire pairs with the Release in `end`.
            self.driver.ended.load(Ordering::Acquire) >= number
        };
        self.driver.run(self, Progress::Any);
        self.queue.kick();
        while !has_ended() {
            if !self.background.has_threads() {
                self.driver.run(self, Progress::Any);
                if self.work_as_assist(MARK_BUDGET, SWEEP_BUDGET) {
                    continue;
                }
                self.driver.run(self, Progress::Any);
            }
            if !self.background.has_threads() {
                self.watch();
            }
            let waiting = self.driver.waiting.lock();
            if !has_ended() {
                let left =
                    limit.map_or(Duration::from_millis(1), |limit| limit.saturating_sub(begun.elapsed()));
                if left.is_zero() {
                    return false;
                }
                // The short bound matters only without background threads, when another mutator took the last work.
                self.driver.changed.wait_at_most(waiting, left.min(Duration::from_millis(1)));
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
