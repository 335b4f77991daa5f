//! A shadow of the heap: which values were made, and how often each was dropped.
#![allow(dead_code, reason = "no test needs all of it")]

use mudlark::Static;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often each value was dropped, by number.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<u32>>>);

/// A value that is counted. It owns memory, so that a second drop, or the drop of what never was one, is seen by the allocator too.
pub(crate) struct Counted {
    ledger: Ledger,
    pub(crate) number: Box<usize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ledger.lock()[*self.number] += 1;
    }
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next value.
    pub(crate) fn value(&self) -> Static<Counted> {
        let mut drops = self.lock();
        drops.push(0);
        Static(Counted { ledger: self.clone(), number: Box::new(drops.len() - 1) })
    }

    /// How many values were made.
    pub(crate) fn made(&self) -> usize {
        self.lock().len()
    }

    /// Asserts that those values for which `is_live` holds were never dropped, and the others at most once.
    pub(crate) fn assert_none_wrongly(&self, is_live: impl Fn(usize) -> bool) {
        for (number, &drops) in self.lock().iter().enumerate() {
            assert!(drops <= u32::from(!is_live(number)), "value {number} was dropped {drops} times");
        }
    }

    /// Asserts that those values for which `is_live` holds were never dropped, and the others once.
    pub(crate) fn assert_exact(&self, is_live: impl Fn(usize) -> bool) {
        for (number, &drops) in self.lock().iter().enumerate() {
            assert_eq!(drops, u32::from(!is_live(number)), "drops of value {number}");
        }
    }
}
