//! Side tables: dense arrays beside the heap, committed from the front as the heap grows.

#[cfg(not(loom))]
use crate::os::PageSource;
use std::{ops::Deref, ptr::NonNull};

/// Types whose all-zero bit pattern is a value, so that fresh pages are an array of them.
///
/// # Safety
///
/// Memory of zeros must be a valid `Self`, equal to `Self::default()`.
pub(crate) unsafe trait Zeroed: Default {}

// SAFETY: an atomic has the representation of its integer, and zero is one.
unsafe impl Zeroed for crate::sync::AtomicU64 {}

/// A slice in reserved memory (under loom: on loom's side of the world, built by `Default`).
///
/// Only the entries below the committed length may be touched; [`crate::reserve`] keeps every index that exists
/// as a block below it (A1).
#[derive(Debug)]
pub(crate) struct Table<T> {
    start: NonNull<T>,
    len: usize,
    #[cfg(not(loom))]
    committed_bytes: crate::sync::AtomicUsize,
}

// SAFETY: a table is a shared slice of `T`.
unsafe impl<T: Sync> Sync for Table<T> {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl<T: Send> Send for Table<T> {}

#[cfg(not(loom))]
impl<T: Zeroed> Table<T> {
    /// A table over reserved addresses at `start`, of which nothing is committed.
    ///
    /// # Safety
    ///
    /// `start` is aligned to a page, `len` entries of addresses are reserved there for as long as the table
    /// lives, and for it alone.
    pub(crate) unsafe fn new(start: NonNull<u8>, len: usize) -> Table<T> {
        Table { start: start.cast(), len, committed_bytes: crate::sync::AtomicUsize::new(0) }
    }

    /// Commits the first `len` entries. `false` when the system refuses; nothing is lost then.
    pub(crate) fn commit(&self, len: usize, pages: &dyn PageSource) -> bool {
        // ORDERING: Relaxed: only the holder of the block map's lock commits.
        let have = self.committed_bytes.load(crate::sync::Ordering::Relaxed);
        let want = (len.min(self.len) * size_of::<T>()).next_multiple_of(pages.page_bytes());
        if want <= have {
            return true;
        }
        // SAFETY: A1: `have` is below the reserved length, which is padded to whole pages.
        let start = unsafe { self.start.cast::<u8>().add(have) };
        // SAFETY: the range is part of the table's reservation.
        let done = unsafe { pages.commit(start, want - have) };
        if done {
            self.committed_bytes.store(want, crate::sync::Ordering::Relaxed);
        }
        done
    }

    /// Bytes committed so far.
    pub(crate) fn committed_bytes(&self) -> usize {
        self.committed_bytes.load(crate::sync::Ordering::Relaxed)
    }
}

#[cfg(loom)]
impl<T: Zeroed> Table<T> {
    /// A table of `len` default entries.
    pub(crate) fn boxed(len: usize) -> Table<T> {
        let entries: Box<[T]> = (0..len).map(|_| T::default()).collect();
        let start = NonNull::from(Box::leak(entries)).cast();
        Table { start, len }
    }

    pub(crate) fn committed_bytes(&self) -> usize {
        0
    }
}

#[cfg(loom)]
impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        let entries = std::ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len);
        // SAFETY: `boxed` leaked exactly this slice.
        drop(unsafe { Box::from_raw(entries) });
    }
}

impl<T> Deref for Table<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: A1: the addresses are reserved for this table; callers index only what is committed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}
