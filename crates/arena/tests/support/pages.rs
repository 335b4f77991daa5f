//! The system's pages, which can be told to refuse.
#![allow(dead_code, reason = "no test needs all of it")]

use mudlark_arena::{PageSource, SystemPages};
use std::{
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The system's pages, which refuse requests number `from` up to `until`, counted from zero.
#[derive(Clone, Debug)]
pub(crate) struct FlakyPages(Arc<Requests>);

#[derive(Debug)]
struct Requests {
    count: AtomicU64,
    refused: AtomicU64,
    from: u64,
    until: AtomicU64,
}

impl FlakyPages {
    pub(crate) fn refusing(from: u64, until: u64) -> FlakyPages {
        let (count, refused, until) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(until));
        FlakyPages(Arc::new(Requests { count, refused, from, until }))
    }

    /// Refuses nothing any more.
    pub(crate) fn heal(&self) {
        self.0.until.store(0, Relaxed);
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> u64 {
        self.0.count.load(Relaxed)
    }

    /// How many of them were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    fn refuses(&self) -> bool {
        let number = self.0.count.fetch_add(1, Relaxed);
        let refuses = (self.0.from..self.0.until.load(Relaxed)).contains(&number);
        self.0.refused.fetch_add(u64::from(refuses), Relaxed);
        refuses
    }
}

// SAFETY: the system's pages, or none.
unsafe impl PageSource for FlakyPages {
    fn page_bytes(&self) -> usize {
        SystemPages.page_bytes()
    }

    fn reserve(&self, bytes: usize) -> Option<NonNull<u8>> {
        if self.refuses() { None } else { SystemPages.reserve(bytes) }
    }

    unsafe fn unreserve(&self, start: NonNull<u8>, bytes: usize) {
        // SAFETY: passed on.
        unsafe { SystemPages.unreserve(start, bytes) }
    }

    unsafe fn commit(&self, start: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: passed on.
        !self.refuses() && unsafe { SystemPages.commit(start, bytes) }
    }

    unsafe fn decommit(&self, start: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: passed on.
        !self.refuses() && unsafe { SystemPages.decommit(start, bytes) }
    }

    unsafe fn advise_huge(&self, start: NonNull<u8>, bytes: usize) {
        // SAFETY: passed on.
        unsafe { SystemPages.advise_huge(start, bytes) }
    }
}
