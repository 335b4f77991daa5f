//! Assists: an allocating mutator pays for what it allocates while a cycle marks.
//!
//! Each allocated byte owes bytes of marking, so that marking is complete when the heap reaches its goal. Credit that
//! the background threads earned is used first; what remains the mutator marks itself, a bounded piece at a time.

use crate::{
    cycle::{Phase, Progress},
    local::Local,
    work::SWEEP_BUDGET_SAFEPOINT,
};
use mudlark_arena::sync::Ordering::Relaxed;
use std::time::Instant;

/// Debts below it are carried over: starting to mark costs too.
const DEBT_MIN: u64 = 32 << 10;
/// What one allocation marks at most: some tens of microseconds.
const ASSIST_MAX: u64 = 128 << 10;

impl Local {
    /// Pays for `bytes` that were allocated while the cycle marks.
    #[cold]
    pub(crate) fn assist(&self, bytes: usize) {
        let core = self.core();
        core.pace_tick();
        let ratio = core.assist_ratio();
        let owed = self.debt().get().saturating_add((bytes as f64 * ratio) as u64);
        let owed = owed.min(ASSIST_MAX);
        let owed = owed - core.accounts.use_credit(owed);
        if owed < DEBT_MIN {
            self.debt().set(owed);
            return;
        }
        self.debt().set(0);
        let begun = Instant::now();
        let _ = core.mark_some(owed, &core.assists);
        if core.queue.drained().is_some() {
            // It was the last, and the background thread that looks may have no core now.
            core.advance();
        }
        core.assist_ns.fetch_add(begun.elapsed().as_nanos() as u64, Relaxed);
    }

    /// Goes on with a cycle that does not mark, because the heap is behind its goal.
    #[cold]
    pub(crate) fn assist_cycle(&self) {
        let core = self.core();
        let begun = Instant::now();
        if core.driver.is(Phase::Sweep) {
            let _ = core.sweep_some(SWEEP_BUDGET_SAFEPOINT);
        }
        core.driver.run(core, Progress::Piece);
        core.assist_ns.fetch_add(begun.elapsed().as_nanos() as u64, Relaxed);
    }
}
