//! Interrupts: a flag by which one thread, or a signal handler, asks a mutator's program to stop what it is doing.
//!
//! The collector neither sets it nor acts on it: programs look at it where they can stop. It lies here because a scope is a
//! mutator, and must come by the flag without looking anything up. Threads that share a scope share its flag.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Whether a mutator's program was asked to stop. Not a modeled atomic: nothing is read through it.
#[derive(Debug, Default)]
pub struct InterruptFlag(AtomicBool);

impl InterruptFlag {
    pub(crate) fn shared() -> Arc<InterruptFlag> {
        Arc::default()
    }

    /// Asks. One atomic store: also for signal handlers.
    #[inline]
    pub fn raise(&self) {
        // ORDERING: Relaxed: it is a wish, and orders nothing.
        self.0.store(true, Relaxed);
    }

    /// Takes the wish back. Whether there was one.
    #[inline]
    pub fn clear(&self) -> bool {
        self.0.swap(false, Relaxed)
    }

    /// Whether somebody asked.
    #[inline(always)]
    pub fn is_raised(&self) -> bool {
        self.0.load(Relaxed)
    }
}
