//! The lock of a cell whose contents are more than a word: between the mutator that changes it and the marker.
//!
//! A marker must never read what a mutator is changing. So the first exclusive access of a closed mutator in a cycle takes
//! the lock, shades all contents (they are the snapshot) and stamps the cell. A marker takes the same lock to
//! read, or finds the cycle's stamp and has nothing to do: all contents were shaded, and what was put in since is
//! black, or is found or shaded elsewhere.
//!
//! Before it is closed, a mutator shades the contents at every exclusive access and leaves no stamp. Remembering
//! that it did so would save little, as the handshakes follow each other, and would be wrong where two mutators in different
//! stages take turns on one thread: what the one puts in after the stamp, the other takes out.

use mudlark_arena::sync::{AtomicU64, Ordering, thread};

/// Who may look at the contents of a cell. One word; zero is an open lock.
#[derive(Debug)]
#[repr(transparent)]
pub struct MarkLock {
    /// The last cycle in which a closed mutator shaded the contents, shifted by one; the lock in the lowest bit.
    state: AtomicU64,
}

/// What a closed mutator of one cycle leaves in a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp(u64);

impl Stamp {
    /// The stamp of a cycle, which are counted from one.
    pub(crate) fn of_cycle(cycle: u64) -> Stamp {
        Stamp(cycle)
    }

    pub(crate) fn cycle(self) -> u64 {
        self.0
    }
}

/// What came of a look at contents that single operations may be changing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Look<R> {
    /// It was looked at them.
    Seen(R),
    /// A mutator shaded them all.
    Stamped,
    /// A mutator is at it, and may leave something to see.
    Busy,
}

const LOCKED: u64 = 1;

impl Default for MarkLock {
    fn default() -> MarkLock {
        MarkLock::new()
    }
}

impl MarkLock {
    #[cfg(not(loom))]
    /// An open lock without a stamp.
    pub const fn new() -> MarkLock {
        MarkLock { state: AtomicU64::new(0) }
    }

    #[cfg(loom)]
    /// An open lock without a stamp.
    pub fn new() -> MarkLock {
        MarkLock { state: AtomicU64::new(0) }
    }

    /// Lets a marker of a cycle read the contents through `scan`, unless they were stamped in that cycle.
    ///
    /// Never waits: who holds the lock now is a closed mutator that shades all contents itself.
    pub(crate) fn scan(&self, closed: Stamp, scan: impl FnOnce()) {
        // If a mutator came first, it shades.
        let _ = self.try_scan(closed, scan);
    }

    /// As [`MarkLock::scan`], and tells what came of it: for contents that mutators also [change](MarkLock::change).
    pub(crate) fn try_scan<R>(&self, closed: Stamp, scan: impl FnOnce() -> R) -> Look<R> {
        // ORDERING: Acquire pairs with the Release in `Held::drop`: contents written before an older stamp are seen.
        let state = self.state.load(Ordering::Acquire);
        if state >> 1 == closed.0 {
            return Look::Stamped;
        }
        if state & LOCKED != 0
            || self
                .state
                .compare_exchange(state, state | LOCKED, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            return Look::Busy;
        }
        let _held = Held { lock: self, after: state };
        Look::Seen(scan())
    }

    /// One operation of a closed mutator, which shades itself what it takes out if it is told so: unless all was shaded before.
    ///
    /// Waits for a marker that is reading the contents, if one is. Leaves no stamp.
    pub(crate) fn change<R>(&self, now: Stamp, change: impl FnOnce(bool) -> R) -> R {
        match self.hold(now) {
            Some(_held) => change(true),
            None => change(false),
        }
    }

    /// Before an exclusive access of a closed mutator: shades the contents through `shade`, once per cycle.
    ///
    /// Waits for a marker that is reading the contents, if one is.
    pub(crate) fn log(&self, now: Stamp, shade: impl FnOnce()) {
        if let Some(mut held) = self.hold(now) {
            shade();
            // Only now: a tracer that unwinds has not shown everything, and leaves no stamp.
            held.after = now.0 << 1;
        }
    }

    /// Takes the lock for a mutator, unless the contents have this cycle's stamp.
    fn hold(&self, now: Stamp) -> Option<Held<'_>> {
        let mut state = self.state.load(Ordering::Acquire);
        while state >> 1 != now.0 {
            if state & LOCKED != 0 {
                thread::yield_now();
                state = self.state.load(Ordering::Acquire);
                continue;
            }
            // ORDERING: Acquire pairs with the Release of the marker's `Held`: its reads are over.
            match self.state.compare_exchange(state, state | LOCKED, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(Held { lock: self, after: state }),
                Err(changed) => state = changed,
            }
        }
        None
    }
}

/// Opens the lock when dropped, also when tracing unwinds.
struct Held<'a> {
    lock: &'a MarkLock,
    after: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquires above.
        self.lock.state.store(self.after, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Goal: contents that were not all shaded are shaded again. Method: a tracer that unwinds, and the next access.
    #[test]
    fn a_tracer_that_unwinds_leaves_no_stamp() {
        let (lock, now) = (MarkLock::new(), Stamp::of_cycle(3));
        let unwound = catch_unwind(AssertUnwindSafe(|| lock.log(now, || panic!("as planned"))));
        assert!(unwound.is_err());
        let mut shaded = 0;
        for _ in 0..2 {
            lock.log(now, || shaded += 1);
        }
        assert_eq!(shaded, 1);
    }
}
