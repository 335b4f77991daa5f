//! The hard limit: a bound on the heap that can be changed while it runs, so that a script gets an error and no more memory.
//!
//! What counts is what was handed to mutators and not found dead yet, and the external bytes of objects. It is looked at where
//! regions are opened, so no fast path knows of it. A block's worth is kept free below the limit: regions are no larger, so a single
//! mutator never exceeds it; each further one that opens a region at the same moment may, by a block.

use crate::{
    alloc_slow::FullCause,
    heap::Core,
    pacing::{Bytes, MemoryLimit},
};
use mudlark_arena::{BLOCK_BYTES, sync::Ordering::Relaxed};

impl Core {
    /// Bytes that count against the hard limit now.
    pub(crate) fn counted_bytes(&self) -> u64 {
        self.accounts.live().saturating_add(self.pace.external())
    }

    /// Whether so many bytes more are refused, and why.
    pub(crate) fn refuses(&self, bytes: usize) -> Option<FullCause> {
        // ORDERING: Relaxed: a limit that is changed meanwhile holds from the next look on.
        let limit = self.hard_limit.load(Relaxed);
        if limit == u64::MAX {
            return None;
        }
        let wanted = self.counted_bytes().saturating_add(bytes.max(BLOCK_BYTES) as u64);
        (wanted > limit).then_some(FullCause::HardLimit { bytes: limit })
    }

    /// What allocations really come to: a block below the limit.
    fn reachable_limit(&self) -> u64 {
        self.hard_limit.load(Relaxed).saturating_sub(BLOCK_BYTES as u64)
    }

    /// Whether memory that is not used yet is almost gone.
    pub(crate) fn is_nearly_full(&self) -> bool {
        let is_near = |used: u64, most: u64| used > most - most / 16;
        is_near(self.accounts.live(), self.max_heap() as u64)
            || is_near(self.counted_bytes(), self.reachable_limit())
    }

    /// The hard limit in force.
    pub fn hard_limit(&self) -> MemoryLimit {
        match self.hard_limit.load(Relaxed) {
            u64::MAX => MemoryLimit::Off,
            bytes => MemoryLimit::Bytes(Bytes(bytes)),
        }
    }

    /// Changes the hard limit at once; returns the old one. Cycles begin in time for it, like for the maximum heap.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn set_hard_limit(&self, limit: MemoryLimit) -> MemoryLimit {
        self.assert_not_forked("set the hard limit");
        let old = match self.hard_limit.swap(limit.bytes().0, Relaxed) {
            u64::MAX => MemoryLimit::Off,
            bytes => MemoryLimit::Bytes(Bytes(bytes)),
        };
        let most = self.reachable_limit().min(self.max_heap() as u64);
        self.change(|pacer, memory| pacer.set_max_heap(Bytes(most), memory));
        old
    }
}
