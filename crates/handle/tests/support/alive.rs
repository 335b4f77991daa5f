//! Values that count how many of them are alive, and heaps in which nothing is.
#![allow(dead_code, reason = "no test needs all of it")]

use mudlark::Heap;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// Counts those that are alive: whoever makes one counts up.
pub(crate) struct Alive(pub(crate) Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        assert!(self.0.fetch_sub(1, SeqCst) > 0, "dropped twice");
    }
}

/// Ends a test: nothing is left behind, and the verifier was content.
pub(crate) fn assert_empty(heap: &Heap) {
    heap.collect();
    assert_eq!((heap.stats().live_bytes, heap.stats().roots), (0, 0));
    heap.recount().expect("the counters are exact");
    let report = heap.verify_report();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.cycles > 0);
}
