//! The lock of a container: contents that a marker looks at in pieces, and that a mutator changes in between.
//!
//! A [`MarkLock`] is opened for one exclusive borrow after all contents were shaded, which takes as long as they are many. A
//! container knows what each of its operations takes out, so it can do better: with the lock held it shades just that, then changes
//! itself.
//!
//! ```text
//!   marker     [lock: piece 0]      [lock: piece 1]      [lock: piece 2] ...   each piece: some ten microseconds at most
//!   mutator                   [lock: pop]         [lock: push]                 each operation: shade what it takes out, change
//!              or at any time: [lock: shade all that no marker has seen, stamp]  and then change whatever, without a lock
//! ```
//!
//! Why marking misses nothing: what lay in the container when the last mutator closed lies there still when its piece is looked at,
//! or an operation took it out of its place and shaded it (S1), be it only to put it into another place. What was put in since needs no
//! look: it is black, or is found or shaded elsewhere. Where the contents lie in memory does not matter, for pieces are counted, and between
//! two of them a marker keeps no pointer. Who wants to change everything, or to run code of the program while it changes something, stamps
//! the container instead; the rest of the cycle is then as with a `MarkLock`.
//!
//! A mutator waits for one piece at most, and a marker for nobody: it comes again.

use crate::mark_lock::{Look, MarkLock, Stamp};
use mudlark_arena::sync::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Who may look at, or change, the contents of a container.
#[derive(Debug)]
pub struct PieceLock {
    lock: MarkLock,
    /// The cycle that `next` is of. Both are used under the lock only, so relaxed.
    cycle: AtomicU64,
    /// Where the piece begins that no marker has looked at yet; [`SEEN`] behind the last one.
    next: AtomicUsize,
}

const SEEN: usize = usize::MAX;

/// What is left to do for a marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Rest {
    /// All was seen, or shaded by a mutator.
    None,
    /// Further pieces.
    Some,
    /// What a mutator, who is at it just now, leaves.
    Unknown,
}

impl Default for PieceLock {
    fn default() -> PieceLock {
        PieceLock::new()
    }
}

impl PieceLock {
    #[cfg(not(loom))]
    /// An open lock without a stamp.
    pub const fn new() -> PieceLock {
        PieceLock { lock: MarkLock::new(), cycle: AtomicU64::new(0), next: AtomicUsize::new(0) }
    }

    #[cfg(loom)]
    /// An open lock without a stamp.
    pub fn new() -> PieceLock {
        PieceLock { lock: MarkLock::new(), cycle: AtomicU64::new(0), next: AtomicUsize::new(0) }
    }

    /// Lets a marker of a cycle read the next piece. `piece` is told where it begins, and says where the one behind it does.
    ///
    /// Never waits.
    pub(crate) fn scan_piece(&self, closed: Stamp, piece: impl FnOnce(usize) -> Option<usize>) -> Rest {
        let look = self.lock.try_scan(closed, || {
            let first = self.next_piece(closed);
            if first == SEEN {
                return Rest::None;
            }
            let next = piece(first);
            // Only now: after a tracer that unwinds the piece is not seen.
            self.cycle.store(closed.cycle(), Relaxed);
            self.next.store(next.unwrap_or(SEEN), Relaxed);
            if next.is_some() { Rest::Some } else { Rest::None }
        });
        match look {
            Look::Seen(rest) => rest,
            Look::Stamped => Rest::None,
            Look::Busy => Rest::Unknown,
        }
    }

    /// One operation of a closed mutator on the contents. `change` is told whether it has to shade what it takes out.
    ///
    /// Waits for a marker that is reading a piece, if one is.
    pub(crate) fn change<R>(&self, now: Stamp, change: impl FnOnce(bool) -> R) -> R {
        self.lock.change(now, change)
    }

    /// Before an exclusive access of a closed mutator: shades, through `piece`, what no marker has looked at. Once per cycle.
    ///
    /// Waits for a marker that is reading a piece, if one is.
    pub(crate) fn log(&self, now: Stamp, mut piece: impl FnMut(usize) -> Option<usize>) {
        self.lock.log(now, || {
            let mut next = Some(self.next_piece(now)).filter(|&first| first != SEEN);
            while let Some(first) = next {
                next = piece(first);
            }
        });
    }

    /// Where the first piece begins that no marker of this cycle has seen.
    fn next_piece(&self, now: Stamp) -> usize {
        if self.cycle.load(Relaxed) == now.cycle() { self.next.load(Relaxed) } else { 0 }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    const PIECES: usize = 3;

    fn next(first: usize) -> Option<usize> {
        (first + 1 < PIECES).then_some(first + 1)
    }

    /// Goal: each piece is seen once per cycle, and again in the next. Method: scan to the end, twice.
    #[test]
    fn pieces_are_seen_in_order_once_per_cycle() {
        let lock = PieceLock::new();
        for cycle in 1..3 {
            let now = Stamp::of_cycle(cycle);
            let mut seen = Vec::new();
            while lock.scan_piece(now, |first| {
                seen.push(first);
                next(first)
            }) == Rest::Some
            {}
            assert_eq!(seen, [0, 1, 2]);
            assert_eq!(lock.scan_piece(now, |_| panic!("all was seen")), Rest::None);
        }
    }

    /// Goal: a mutator shades what was not seen, and nothing else; then markers keep off. Method: one piece scanned, then logged.
    #[test]
    fn the_rest_is_shaded_by_who_needs_all() {
        let (lock, now) = (PieceLock::new(), Stamp::of_cycle(7));
        assert_eq!(lock.scan_piece(now, next), Rest::Some);
        let mut shaded = Vec::new();
        lock.log(now, |first| {
            shaded.push(first);
            next(first)
        });
        assert_eq!(shaded, [1, 2]);
        assert_eq!(lock.scan_piece(now, |_| panic!("stamped")), Rest::None);
        assert!(!lock.change(now, |shade| shade), "all was shaded");
        assert!(lock.change(Stamp::of_cycle(8), |shade| shade), "the stamp is of the last cycle");
    }

    /// Goal: a piece whose tracer unwound counts as unseen. Method: one that unwinds in the second piece.
    #[test]
    fn a_tracer_that_unwinds_has_not_seen_the_piece() {
        let (lock, now) = (PieceLock::new(), Stamp::of_cycle(7));
        assert_eq!(lock.scan_piece(now, next), Rest::Some);
        let unwound = catch_unwind(AssertUnwindSafe(|| lock.scan_piece(now, |_| panic!("as planned"))));
        assert!(unwound.is_err());
        let mut seen = Vec::new();
        assert_eq!(
            lock.scan_piece(now, |first| {
                seen.push(first);
                None
            }),
            Rest::None
        );
        assert_eq!(seen, [1]);
    }

    /// Goal: markers do not wait for a mutator. Method: a look from inside of an operation.
    #[test]
    fn a_marker_that_meets_an_operation_comes_again() {
        let (lock, now) = (PieceLock::new(), Stamp::of_cycle(7));
        lock.change(now, |_| {
            assert_eq!(lock.scan_piece(now, |_| panic!("it is being changed")), Rest::Unknown)
        });
        assert_eq!(lock.scan_piece(now, |_| None), Rest::None);
    }
}
