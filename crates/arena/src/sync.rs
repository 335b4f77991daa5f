//! The one door to atomics, locks and threads: `std`, or loom's models of them under `--cfg loom`, or what
//! ThreadSanitizer understands under `--cfg mudlark_tsan`.
//!
//! Every crate of the workspace takes its synchronization from here, so that the code that loom explores is
//! the code that runs. Loom's atomics are handles and not memory, which is why side tables are built by a
//! constructor (`table.rs`) and never cast from raw pages.

#[cfg(loom)]
pub use loom::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
        },
    },
    thread,
};
#[cfg(not(any(loom, mudlark_tsan)))]
pub use std::sync::atomic::fence;
#[cfg(not(loom))]
pub use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};
#[cfg(mudlark_tsan)]
pub use tsan::fence;

#[cfg(mudlark_tsan)]
mod tsan;

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(any(loom, mudlark_tsan)))]
use std::sync as imp;
#[cfg(mudlark_tsan)]
use tsan as imp;

use std::sync::{PoisonError, TryLockError, TryLockResult};

pub use imp::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// What was tried to take, if it was free.
fn taken<G>(result: TryLockResult<G>) -> Option<G> {
    match result {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A lock that ignores poisoning: no invariant of the heap spans user code that could unwind under a lock.
#[derive(Debug)]
pub struct Mutex<T>(imp::Mutex<T>);

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T> Mutex<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> Mutex<T> {
        Mutex(imp::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        taken(self.0.try_lock())
    }
}

/// A lock for many readers or one writer. It ignores poisoning, like [`Mutex`]; users whose contents could be left half
/// changed guard them otherwise.
#[derive(Debug)]
pub struct RwLock<T>(imp::RwLock<T>);

impl<T> RwLock<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> RwLock<T> {
        RwLock(imp::RwLock::new(value))
    }

    /// Waits until nobody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock to read, if nobody writes.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        taken(self.0.try_read())
    }

    /// Waits until nobody reads or writes.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock to write, if it is free.
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        taken(self.0.try_write())
    }
}

/// A condition to wait for, together with a [`Mutex`].
///
/// Whoever notifies has held the lock since what is waited for became true; so it knows whether somebody waits, and does
/// without the system call if nobody does.
#[derive(Debug)]
pub struct Condvar {
    inner: imp::Condvar,
    /// Threads in `wait`. Changed under the lock; not under loom, where it would only be one thing more to explore.
    #[cfg(not(loom))]
    waiters: AtomicUsize,
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl Condvar {
    /// A condition nobody waits for yet.
    pub fn new() -> Condvar {
        Condvar {
            inner: imp::Condvar::new(),
            #[cfg(not(loom))]
            waiters: AtomicUsize::new(0),
        }
    }

    /// Runs `wait`, counted as a waiter. The caller holds the lock.
    fn counted<R>(&self, wait: impl FnOnce() -> R) -> R {
        #[cfg(not(loom))]
        self.waiters.fetch_add(1, Ordering::Relaxed);
        let result = wait();
        #[cfg(not(loom))]
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        result
    }

    fn has_waiters(&self) -> bool {
        #[cfg(loom)]
        return true;
        // ORDERING: Relaxed: the lock orders it behind the count of everybody who has not seen what is notified.
        #[cfg(not(loom))]
        return self.waiters.load(Ordering::Relaxed) > 0;
    }

    /// Gives the lock up, waits for a notification, and takes the lock again. May wake for no reason.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.counted(|| self.inner.wait(guard)).unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the lock up and waits for a notification, for at most `timeout`. Does not take the lock again. Under loom any time
    /// is over as soon as others had their turn: models show what does not depend on how long it is.
    pub fn wait_at_most<T>(&self, guard: MutexGuard<'_, T>, timeout: std::time::Duration) {
        #[cfg(loom)]
        {
            let _ = timeout;
            drop(guard);
            thread::yield_now();
        }
        #[cfg(not(loom))]
        drop(self.counted(|| self.inner.wait_timeout(guard, timeout)));
    }

    /// Wakes one waiter.
    pub fn notify_one(&self) {
        if self.has_waiters() {
            self.inner.notify_one();
        }
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        if self.has_waiters() {
            self.inner.notify_all();
        }
    }
}
