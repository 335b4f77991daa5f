//! Scavenging: memory that the next cycles will not need goes back to the system.
//!
//! What will be needed is what the goals of the last cycles promised, the largest of them: a heap whose goal swings
//! would otherwise give memory back and fault it in again with each cycle.

use crate::heap::Core;
use mudlark_arena::sync::Mutex;

/// Cycles whose goals are remembered.
const HISTORY: usize = 16;
/// Below this nothing is given back: it would be taken again at once.
const KEEP_BYTES_MIN: u64 = 4 << 20;
/// From this heap on only whole huge pages are given back.
const WHOLE_CHUNKS_FROM_BYTES: usize = 16 << 30;

/// The goals of the last cycles.
#[derive(Debug, Default)]
pub(crate) struct Scavenger {
    goals: Mutex<([u64; HISTORY], usize)>,
}

impl Scavenger {
    /// Remembers a goal; returns the largest of the last ones.
    fn largest_with(&self, goal: u64) -> u64 {
        let mut guard = self.goals.lock();
        let (goals, next) = &mut *guard;
        goals[*next] = goal;
        *next = (*next + 1) % HISTORY;
        goals.iter().copied().fold(0, u64::max)
    }
}

impl Core {
    /// After a sweep: gives free blocks back, but for what the heap may grow to, and a tenth more.
    pub(crate) fn scavenge(&self) {
        let goal = self.scavenger.largest_with(self.plan().goal.max(self.accounts.live()));
        let wanted = (goal + goal / 10).max(KEEP_BYTES_MIN);
        let stats = self.arena.stats();
        let keep = wanted.saturating_sub(stats.in_use_bytes as u64);
        self.arena.release_free(keep as usize, stats.total_bytes >= WHOLE_CHUNKS_FROM_BYTES);
    }
}
