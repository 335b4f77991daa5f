//! Allocating slices and strings: a length and its elements in one object.

use crate::{
    error::AllocError,
    gc::Gc,
    layout::{SliceLayout, elements, slice_descriptor},
    scope::Scope,
    trace::Trace,
};
use mudlark_collector::{FullCause, HeapFull, Kind};
use std::{
    mem::{self, needs_drop},
    ptr::{self, NonNull},
};

/// Elements that were written so far: dropped if the rest of them is not.
pub(crate) struct Filling<T> {
    pub(crate) start: NonNull<T>,
    pub(crate) len: usize,
}

impl<T> Drop for Filling<T> {
    fn drop(&mut self) {
        let written = NonNull::slice_from_raw_parts(self.start, self.len);
        // SAFETY: H3: the elements below `len` were written, and the object's length is still zero.
        unsafe { written.drop_in_place() };
    }
}

impl<'gc> Scope<'gc> {
    /// A slice of `len` elements that `init` makes, in order.
    ///
    /// If `init` panics, the elements made so far are dropped.
    ///
    /// # Panics
    ///
    /// When the heap is full.
    ///
    /// # Example: an array of cells
    ///
    /// ```
    /// use mudlark::{Gc, GcCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let slots: Gc<'_, [GcCell<Option<Gc<'_, u64>>>]> = cx.alloc_slice_with(3, |_| GcCell::new(None));
    ///     slots[1].set(cx, Some(cx.alloc(7)));
    ///     assert_eq!(slots.iter().filter_map(|slot| slot.get()).map(|n| *n).sum::<u64>(), 7);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn alloc_slice_with<T: Trace<'gc>>(&self, len: usize, init: impl FnMut(usize) -> T) -> Gc<'gc, [T]> {
        self.try_alloc_slice_with(len, init).unwrap_or_else(|error| error.panic())
    }

    /// As [`Scope::alloc_slice_with`].
    ///
    /// # Errors
    ///
    /// When the heap is full. `init` was not called then.
    ///
    /// # Example: a length that a script chose
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let array = |len| cx.try_alloc_slice_with(len, |n| n as u64).map(|array| array.len());
    ///     assert_eq!(array(1000), Ok(1000));
    ///     assert!(array(usize::MAX).is_err());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_alloc_slice_with<T: Trace<'gc>>(
        &self,
        len: usize,
        mut init: impl FnMut(usize) -> T,
    ) -> Result<Gc<'gc, [T]>, AllocError<()>> {
        let cell = self.empty_slice::<T>(len)?;
        let mut filling = Filling { start: elements::<T>(cell), len: 0 };
        while filling.len < len {
            let element = init(filling.len);
            // SAFETY: H3: the object has room for `len` elements.
            let place = unsafe { filling.start.add(filling.len) };
            // SAFETY: as above; nobody else knows the object yet.
            unsafe { place.write(element) };
            filling.len += 1;
        }
        mem::forget(filling);
        // SAFETY: H3: all elements are written.
        Ok(unsafe { self.finish_slice(cell, len) })
    }

    /// A copy of a slice.
    ///
    /// # Panics
    ///
    /// When the heap is full.
    ///
    /// # Example: pointers from a stack
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let stack = vec![cx.alloc_str("Ann"), cx.alloc_str("Bob")];
    ///     let arguments = cx.alloc_slice_copy(&stack);
    ///     drop(stack);
    ///     assert_eq!((arguments.len(), &*arguments[1]), (2, "Bob"));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn alloc_slice_copy<T: Trace<'gc> + Copy>(&self, values: &[T]) -> Gc<'gc, [T]> {
        self.try_alloc_slice_copy(values).unwrap_or_else(|error| error.panic())
    }

    /// A copy of a slice.
    ///
    /// # Errors
    ///
    /// When the heap is full.
    ///
    /// # Example: a file that may be too large
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     assert_eq!(cx.try_alloc_slice_copy(b"small").map(|bytes| bytes.len()), Ok(5));
    ///     assert!(cx.try_alloc_slice_copy(&vec![0_u8; 2 << 20]).is_err());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_alloc_slice_copy<T: Trace<'gc> + Copy>(
        &self,
        values: &[T],
    ) -> Result<Gc<'gc, [T]>, AllocError<()>> {
        let cell = self.empty_slice::<T>(values.len())?;
        // SAFETY: H3: the object has room for as many elements, and is new.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), elements::<T>(cell).as_ptr(), values.len()) };
        // SAFETY: H3: all elements are written.
        Ok(unsafe { self.finish_slice(cell, values.len()) })
    }

    /// A slice of `len` times the same value.
    ///
    /// # Panics
    ///
    /// When the heap is full.
    ///
    /// # Example: a board without pieces
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let board = cx.alloc_slice_fill(64, '.');
    ///     assert_eq!((board.len(), board[63]), (64, '.'));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn alloc_slice_fill<T: Trace<'gc> + Copy>(&self, len: usize, value: T) -> Gc<'gc, [T]> {
        self.alloc_slice_with(len, |_| value)
    }

    /// A copy of a string.
    ///
    /// # Panics
    ///
    /// When the heap is full.
    ///
    /// # Example: equal texts, two objects
    ///
    /// ```
    /// use mudlark::{Gc, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (one, other) = (cx.alloc_str("lark"), cx.alloc_str("lark"));
    ///     assert_eq!(one, other);
    ///     assert!(!Gc::ptr_eq(one, other));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn alloc_str(&self, text: &str) -> Gc<'gc, str> {
        self.try_alloc_str(text).unwrap_or_else(|error| error.panic())
    }

    /// A copy of a string.
    ///
    /// # Errors
    ///
    /// When the heap is full.
    ///
    /// # Example: a script that repeats a string too often
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let repeat = |count| cx.try_alloc_str(&"lark".repeat(count)).map(|text| text.len());
    ///     assert_eq!(repeat(2), Ok(8));
    ///     assert!(repeat(1 << 20).is_err());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_alloc_str(&self, text: &str) -> Result<Gc<'gc, str>, AllocError<()>> {
        let bytes = self.try_alloc_slice_copy(text.as_bytes())?;
        // SAFETY: H3: a string is the slice of its bytes, and these are valid UTF-8.
        Ok(unsafe { Gc::from_cell(Gc::cell(bytes)) })
    }

    /// An object with room for `len` elements and the length zero: whoever meets it finds nothing in it.
    pub(crate) fn empty_slice<T: Trace<'gc>>(&self, len: usize) -> Result<NonNull<u8>, AllocError<()>> {
        let Some(layout) = SliceLayout::of::<T>(len) else {
            return Err(AllocError { value: (), full: self.beyond_addresses() });
        };
        debug_assert!(layout.offset + len * size_of::<T>() <= layout.bytes);
        // SAFETY: H3: objects of slices begin with a length.
        let set_empty = |cell: NonNull<u8>| unsafe { cell.cast::<usize>().write(0) };
        let cell = if let Some(class) = layout.class() {
            let leaf = const { !T::NEEDS_TRACE && !needs_drop::<T>() };
            let descriptor = slice_descriptor::<T>();
            let kind = if leaf { Kind::leaf(class) } else { Kind::of_class(descriptor, class) };
            self.cell_of(kind, class.cell_bytes(), descriptor).inspect(|&cell| set_empty(cell))
        } else {
            self.large(slice_descriptor::<T>(), layout.bytes, set_empty)
        };
        cell.map_err(|full| AllocError { value: (), full })
    }

    /// Why there is no object that no address space could hold.
    pub(crate) fn beyond_addresses(&self) -> HeapFull {
        let stats = self.core().stats();
        let max_heap = self.core().max_heap();
        HeapFull { bytes: usize::MAX, live: stats.live_bytes, max_heap, cause: FullCause::Limit }
    }

    /// # Safety
    ///
    /// `cell` came from `empty_slice::<T>` and its first `len` elements are written.
    pub(crate) unsafe fn finish_slice<T>(&self, cell: NonNull<u8>, len: usize) -> Gc<'gc, [T]> {
        // SAFETY: H3: by the caller's contract.
        unsafe { cell.cast::<usize>().write(len) };
        // SAFETY: H3: the cell holds a slice, made in this scope.
        unsafe { Gc::from_cell(cell) }
    }
}
