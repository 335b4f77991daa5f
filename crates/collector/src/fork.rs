//! Forks: a heap belongs to the process that made it.
//!
//! The child of a fork has a copy of the heap's memory and none of its threads; locks stay locked for ever if another
//! thread held them at that moment. So the heap refuses everything there that could wait. What waits for nobody goes on: a scope that was
//! open can be left, objects can be read, and open regions be used up.

#[cfg(not(loom))]
use std::sync::{
    Once,
    atomic::{AtomicU32, Ordering},
};

/// How many forks lie between this process and the first of its line that made a heap. Process-wide by nature.
#[cfg(not(loom))]
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that a heap was made in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birthplace {
    #[cfg(not(loom))]
    forks: u32,
}

impl Default for Birthplace {
    fn default() -> Birthplace {
        Birthplace::here()
    }
}

impl Birthplace {
    /// This process.
    pub(crate) fn here() -> Birthplace {
        #[cfg(not(loom))]
        {
            static COUNT_FORKS: Once = Once::new();
            extern "C" fn child() {
                FORKS.fetch_add(1, Ordering::Relaxed);
            }
            COUNT_FORKS.call_once(|| {
                // SAFETY: the handler only changes an atomic. Without memory for it, forks go unnoticed.
                unsafe { libc::pthread_atfork(None, None, Some(child)) };
            });
            // ORDERING: Relaxed: written only in a process that has a single thread.
            Birthplace { forks: FORKS.load(Ordering::Relaxed) }
        }
        #[cfg(loom)]
        Birthplace {}
    }

    /// Whether this process is a fork of the one the heap was made in.
    #[inline]
    pub(crate) fn is_elsewhere(self) -> bool {
        #[cfg(not(loom))]
        return FORKS.load(Ordering::Relaxed) != self.forks;
        #[cfg(loom)]
        return false;
    }
}

impl crate::heap::Core {
    /// # Panics
    ///
    /// In a fork of the process that made the heap, instead of waiting for threads that are not there.
    pub(crate) fn assert_not_forked(&self, what: &str) {
        assert!(
            !self.birthplace.is_elsewhere(),
            "cannot {what} in a fork of the process that made the heap: its collector stayed behind; \
             make a heap after the fork, or call `exec`"
        );
    }
}
