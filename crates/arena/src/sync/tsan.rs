//! Locks and fences that ThreadSanitizer understands, under `--cfg mudlark_tsan`.
//!
//! The slow paths of `std`'s locks are compiled without the sanitizer, which then takes what they order for unordered;
//! and it knows nothing of fences. So here are the locks of `parking_lot`, which are compiled with the program, in the
//! clothes of `std`; and a fence that is an access to one word. Not for programs: `parking_lot` does not survive a fork.

use std::{
    sync::{
        LockResult, TryLockError, TryLockResult,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

pub use parking_lot::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

#[derive(Debug)]
pub(super) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(super) const fn new(value: T) -> Mutex<T> {
        Mutex(parking_lot::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        Ok(self.0.lock())
    }

    pub(super) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        self.0.try_lock().ok_or(TryLockError::WouldBlock)
    }
}

#[derive(Debug)]
pub(super) struct RwLock<T>(parking_lot::RwLock<T>);

impl<T> RwLock<T> {
    pub(super) const fn new(value: T) -> RwLock<T> {
        RwLock(parking_lot::RwLock::new(value))
    }

    pub(super) fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        Ok(self.0.read())
    }

    pub(super) fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        self.0.try_read().ok_or(TryLockError::WouldBlock)
    }

    pub(super) fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        Ok(self.0.write())
    }

    pub(super) fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        self.0.try_write().ok_or(TryLockError::WouldBlock)
    }
}

#[derive(Debug)]
pub(super) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(super) const fn new() -> Condvar {
        Condvar(parking_lot::Condvar::new())
    }

    pub(super) fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(&mut guard);
        Ok(guard)
    }

    pub(super) fn wait_timeout<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, parking_lot::WaitTimeoutResult)> {
        let result = self.0.wait_for(&mut guard, timeout);
        Ok((guard, result))
    }

    pub(super) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// At least as strong as any fence: all calls are in one order, and each sees what was before the earlier ones.
pub fn fence(_: Ordering) {
    static WORD: AtomicUsize = AtomicUsize::new(0);
    WORD.fetch_add(1, Ordering::SeqCst);
}
