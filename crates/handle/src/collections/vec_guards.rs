//! Borrows of vectors.

use super::{
    store::{Exclusive, Shared},
    vec::grown_capacity,
};
use mudlark_collector::HeapFull;
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// A shared borrow of the elements of a [`GcVec`](crate::GcVec).
///
/// # Example: are they in order?
///
/// ```
/// use mudlark::{GcVec, GcVecRef, Heap};
///
/// fn is_sorted(numbers: &GcVecRef<'_, u64>) -> bool {
///     numbers.windows(2).all(|pair| pair[0] <= pair[1])
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     assert!(is_sorted(&GcVec::from_iter_in(cx, [1, 2, 2]).borrow()));
///     assert!(!is_sorted(&GcVec::from_iter_in(cx, [2, 1]).borrow()));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcVecRef<'b, T>(pub(super) Shared<'b, Vec<T>>);

impl<T> Deref for GcVecRef<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for GcVecRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A mutable borrow of a whole [`GcVec`](crate::GcVec).
///
/// When it is dropped, what the buffer has become is counted; if it is leaked, the vector stays borrowed. A heap that is full does not
/// keep the `Vec` from growing: [`GcVecMut::try_reserve`] asks first.
///
/// # Example: what only `Vec` can do
///
/// ```
/// use mudlark::{GcVec, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let numbers = GcVec::from_iter_in(cx, [3_u64, 1, 2, 3]);
///     let mut all = numbers.borrow_mut(cx);
///     all.sort();
///     all.dedup();
///     assert_eq!(all.drain(1..).collect::<Vec<_>>(), [2, 3]);
///     drop(all);
///     assert_eq!(numbers.len(), 1);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcVecMut<'b, 'gc, T>(pub(super) Exclusive<'b, 'gc, Vec<T>>);

impl<T> GcVecMut<'_, '_, T> {
    /// Makes room for so many more elements.
    ///
    /// # Errors
    ///
    /// When the heap is full, as for [`GcVec::try_push`](crate::GcVec::try_push).
    ///
    /// # Example: asked before it grows
    ///
    /// ```
    /// use mudlark::{GcVec, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let numbers = GcVec::<u64>::new();
    ///     let mut all = numbers.borrow_mut(cx);
    ///     assert!(all.try_reserve(1 << 20).is_err());
    ///     assert!(all.try_reserve(1 << 10).is_ok() && all.capacity() >= 1 << 10);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), HeapFull> {
        let (len, capacity) = (self.len(), self.capacity());
        if capacity - len >= additional {
            return Ok(());
        }
        let capacity = grown_capacity::<T>(len, capacity, additional);
        let bytes = capacity.saturating_mul(size_of::<T>());
        self.0.grow(bytes)?;
        self.0.try_reserve_exact(capacity - len).map_err(|_| self.0.refused(bytes))
    }
}

impl<T> Deref for GcVecMut<'_, '_, T> {
    type Target = Vec<T>;

    #[inline]
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for GcVecMut<'_, '_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for GcVecMut<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
