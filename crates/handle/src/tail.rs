//! Objects with a header and a tail of any length, in one allocation.
//!
//! ```text
//!   Gc<Tailed<H, T>> ──▶ ┌────────┬─────────┬────────┬─────────┬───┬───┬───┬ ┄
//!                        │ length │ padding │ header │ padding │ T │ T │ T │
//!                        └────────┴─────────┴────────┴─────────┴───┴───┴───┴ ┄
//! ```
//!
//! For closures with their variables, frames, nodes of a syntax tree: what would be two objects, with a header that points to a
//! slice. As with slices the pointer is one word, the length is written last, and a long tail is scanned in pieces.

use crate::{
    error::AllocError,
    gc::{Gc, Referent},
    identity,
    scope::Scope,
    slice::Filling,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_arena::{CELL_ALIGN_MAX, CELL_BYTES_MAX, CELL_BYTES_MIN, SizeClass};
use mudlark_collector::{Descriptor, EdgeVisitor, Kind, Marker, trace_nothing};
use std::{
    alloc::Layout,
    any::type_name,
    mem::{self, ManuallyDrop, needs_drop, offset_of},
    ptr::{self, NonNull},
};

/// A header and a tail, in one object: see [`Scope::alloc_tailed`].
///
/// # Example: a frame of an interpreter
///
/// ```
/// use mudlark::{Gc, GcCell, Heap, Tailed};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let frame: Gc<'_, Tailed<&str, GcCell<Option<Gc<'_, u64>>>>> =
///         cx.alloc_tailed("main", 2, |_| GcCell::new(None));
///     frame.tail[0].set(cx, Some(cx.alloc(7)));
///     assert_eq!((frame.header, frame.tail[0].get().as_deref()), ("main", Some(&7)));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
#[derive(Debug)]
pub struct Tailed<H, T> {
    /// What every object of its kind has.
    pub header: H,
    /// What some have more of than others.
    pub tail: [T],
}

/// Where things lie in an object.
#[derive(Clone, Copy)]
struct Offsets {
    header: usize,
    tail: usize,
    align: usize,
}

/// A `Tailed` of which the compiler knows the layout.
#[repr(C)]
struct Empty<H, T> {
    header: H,
    tail: [T; 0],
}

const fn offsets<H, T>() -> Offsets {
    let align = align_of::<Empty<H, T>>();
    assert!(align <= CELL_ALIGN_MAX, "the alignment of a collected type is at most 4096");
    let align = if align < size_of::<usize>() { size_of::<usize>() } else { align };
    Offsets { header: align, tail: align + offset_of!(Empty<H, T>, tail), align }
}

fn header<H, T>(cell: NonNull<u8>) -> NonNull<H> {
    // SAFETY: D3: the header lies at its offset.
    unsafe { cell.add(const { offsets::<H, T>().header }) }.cast()
}

fn tail<H, T>(cell: NonNull<u8>) -> NonNull<T> {
    // SAFETY: D3: the tail lies at its offset, at the end of the object if it is empty.
    unsafe { cell.add(const { offsets::<H, T>().tail }) }.cast()
}

/// # Safety
///
/// The cell holds a `Tailed`, or one that is being filled.
unsafe fn len(cell: NonNull<u8>) -> usize {
    // SAFETY: D3: it begins with the length of the tail.
    unsafe { cell.cast::<usize>().read() }
}

// SAFETY: D3: header and tail lie as in the type, which is `repr(C)`, behind the length.
unsafe impl<H, T> Referent for Tailed<H, T> {
    #[inline(always)]
    unsafe fn from_cell(cell: NonNull<u8>) -> NonNull<Tailed<H, T>> {
        // SAFETY: promised by the caller.
        let len = unsafe { len(cell) };
        let slice = ptr::slice_from_raw_parts_mut(header::<H, T>(cell).as_ptr().cast::<T>(), len);
        // A cast between unsized pointers of the same metadata; `NonNull` has none of its own.
        let tailed = slice as *mut Tailed<H, T>;
        // SAFETY: it was not null before the casts.
        unsafe { NonNull::new_unchecked(tailed) }
    }
}

/// # Safety
///
/// The cell holds a `Tailed<H, T>` with at least `end` elements.
unsafe fn trace_elements<'gc, H, T: Trace<'gc>, V: Visitor>(
    cell: NonNull<u8>,
    first: usize,
    end: usize,
    visitor: &mut V,
) {
    // SAFETY: D3: `first` is within the elements, by the caller's contract.
    let start = unsafe { tail::<H, T>(cell).add(first) };
    // SAFETY: D3: elements below the length are initialized, and changed only behind cells (T3).
    let elements = unsafe { NonNull::slice_from_raw_parts(start, end - first).as_ref() };
    elements.trace(visitor);
}

/// # Safety
///
/// The cell holds a `Tailed<H, T>`.
unsafe fn trace_header<'gc, H: Trace<'gc>, T, V: Visitor>(cell: NonNull<u8>, visitor: &mut V) {
    if H::NEEDS_TRACE {
        // SAFETY: D3: the header is initialized, and changed only behind cells (T3).
        unsafe { header::<H, T>(cell).as_ref() }.trace(visitor);
    }
}

unsafe fn mark<'gc, H: Trace<'gc>, T: Trace<'gc>>(cell: NonNull<u8>, marker: &mut Marker<'_>) {
    // SAFETY: C1: the object that is to be traced.
    unsafe { trace_header::<H, T, _>(cell, marker) };
    if T::NEEDS_TRACE && size_of::<T>() > 0 {
        // SAFETY: C1: as above.
        let len = unsafe { len(cell) };
        // SAFETY: C1: as above; its parts are those of its tail.
        if unsafe { marker.scans_at_once(cell, len, size_of::<T>()) } {
            // SAFETY: C1: all elements of the tail.
            unsafe { trace_elements::<H, T, _>(cell, 0, len, marker) };
        }
    }
}

unsafe fn mark_part<'gc, H, T: Trace<'gc>>(
    cell: NonNull<u8>,
    first: usize,
    end: usize,
    marker: &mut Marker<'_>,
) {
    // SAFETY: C1: the collector asks for elements below the length.
    unsafe { trace_elements::<H, T, _>(cell, first, end, marker) };
}

unsafe fn visit<'gc, H: Trace<'gc>, T: Trace<'gc>>(cell: NonNull<u8>, visitor: &mut EdgeVisitor<'_>) {
    // SAFETY: C1: the object that is to be visited.
    unsafe { trace_header::<H, T, _>(cell, visitor) };
    // SAFETY: C1: as above.
    let len = unsafe { len(cell) };
    // SAFETY: C1: all elements of the tail.
    unsafe { trace_elements::<H, T, _>(cell, 0, len, visitor) };
}

unsafe fn drop_tailed<H, T>(cell: NonNull<u8>) {
    // SAFETY: D3: promised by the caller.
    let tailed = unsafe { Tailed::<H, T>::from_cell(cell) };
    // SAFETY: C1: the object is dead and is dropped once; header and elements below the length are initialized.
    unsafe { tailed.drop_in_place() };
}

fn descriptor<'gc, H: Trace<'gc>, T: Trace<'gc>>() -> &'static Descriptor {
    const {
        let needs_trace = H::NEEDS_TRACE || T::NEEDS_TRACE;
        &Descriptor {
            trace: if needs_trace { mark::<H, T> } else { trace_nothing },
            trace_part: mark_part::<H, T>,
            visit: visit::<H, T>,
            drop: if needs_drop::<Tailed<H, T>>() { Some(drop_tailed::<H, T>) } else { None },
            name: type_name::<Tailed<H, T>>,
            needs_trace,
            layout: Layout::new::<T>(),
            identity: identity::of::<Tailed<H, T>>,
            raw: None,
        }
    }
}

// SAFETY: T1-T6: header and elements are traced, and are all there is. T7: one that visits makes it `true`.
unsafe impl<'gc, H: Trace<'gc>, T: Trace<'gc>> Trace<'gc> for Tailed<H, T> {
    const NEEDS_TRACE: bool = H::NEEDS_TRACE || T::NEEDS_TRACE;

    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.header.trace(visitor);
        self.tail.trace(visitor);
    }
}

// SAFETY: B1: header and elements are the same types under another brand.
unsafe impl<H: Rebrand, T: Rebrand> Rebrand for Tailed<H, T>
where
    for<'r> H::With<'r>: Sized,
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = Tailed<H::With<'gc>, T::With<'gc>>;
}

impl<'gc> Scope<'gc> {
    /// An object with a header, and a tail of `len` elements that `element` makes in order.
    ///
    /// If `element` panics, the elements made so far are dropped at once, and the header when the object is swept.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`Scope::try_alloc_tailed`] gives the header back instead.
    ///
    /// # Example: a closure and its variables
    ///
    /// ```
    /// use mudlark::{Gc, GcCell, Heap, Root, Tailed, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Code<'gc> {
    ///     name: Gc<'gc, str>,
    /// }
    ///
    /// type Closure<'gc> = Tailed<Code<'gc>, GcCell<Option<Gc<'gc, u64>>>>;
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let closure: Root<Closure<'static>> = mutator.enter(|cx| {
    ///     let closure: Gc<'_, Closure<'_>> =
    ///         cx.alloc_tailed(Code { name: cx.alloc_str("add") }, 3, |_| GcCell::new(None));
    ///     closure.tail[1].set(cx, Some(cx.alloc(7)));
    ///     cx.root(closure)
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| {
    ///     let closure = closure.get(cx);
    ///     assert_eq!((&*closure.header.name, closure.tail.len()), ("add", 3));
    ///     assert_eq!(closure.tail[1].get().as_deref(), Some(&7));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn alloc_tailed<H: Trace<'gc>, T: Trace<'gc>>(
        &self,
        header: H,
        len: usize,
        element: impl FnMut(usize) -> T,
    ) -> Gc<'gc, Tailed<H, T>> {
        self.try_alloc_tailed(header, len, element).unwrap_or_else(|error| error.panic())
    }

    /// As [`Scope::alloc_tailed`].
    ///
    /// # Errors
    ///
    /// When the heap is full. The header comes back, and `element` was not called.
    ///
    /// # Example: an error has the header
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let error = cx.try_alloc_tailed("header", 1 << 20, |n| n as u64).expect_err("it takes 8 MiB");
    ///     assert_eq!(error.value, "header");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_alloc_tailed<H: Trace<'gc>, T: Trace<'gc>>(
        &self,
        header: H,
        len: usize,
        mut element: impl FnMut(usize) -> T,
    ) -> Result<Gc<'gc, Tailed<H, T>>, AllocError<H>> {
        let cell = self.headed::<H, T>(header, len)?;
        let mut filling = Filling { start: tail::<H, T>(cell), len: 0 };
        while filling.len < len {
            let element = element(filling.len);
            // SAFETY: D3: the object has room for `len` elements.
            let place = unsafe { filling.start.add(filling.len) };
            // SAFETY: D3: as above; nobody else knows the object yet.
            unsafe { place.write(element) };
            filling.len += 1;
        }
        mem::forget(filling);
        // SAFETY: D3: all elements are written.
        Ok(unsafe { self.finish_tailed(cell, len) })
    }

    /// An object with a header, and a tail of what an iterator gives: as many as it said at the beginning, or fewer if it ends before.
    ///
    /// If the iterator panics, the elements made so far are dropped at once, and the header when the object is swept.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`Scope::try_alloc_tailed_from_iter`] gives the header back instead.
    ///
    /// # Example: a call with its arguments
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let call = cx.alloc_tailed_from_iter("max", ["1", "2"].map(|word| cx.alloc_str(word)));
    ///     assert_eq!((call.header, &*call.tail[1]), ("max", "2"));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn alloc_tailed_from_iter<H, I>(&self, header: H, tail: I) -> Gc<'gc, Tailed<H, I::Item>>
    where
        H: Trace<'gc>,
        I: IntoIterator<Item: Trace<'gc>, IntoIter: ExactSizeIterator>,
    {
        self.try_alloc_tailed_from_iter(header, tail).unwrap_or_else(|error| error.panic())
    }

    /// As [`Scope::alloc_tailed_from_iter`].
    ///
    /// # Errors
    ///
    /// When the heap is full. The header comes back, and the iterator gave nothing.
    ///
    /// # Example: an iterator that was not asked
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let tail = (0..1_u32 << 20).inspect(|_| unreachable!());
    ///     assert!(cx.try_alloc_tailed_from_iter("header", tail).is_err());
    ///     assert!(cx.try_alloc_tailed_from_iter("header", 0..10_u32).is_ok_and(|object| object.tail[9] == 9));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_alloc_tailed_from_iter<H, I>(
        &self,
        header: H,
        tail_of: I,
    ) -> Result<Gc<'gc, Tailed<H, I::Item>>, AllocError<H>>
    where
        H: Trace<'gc>,
        I: IntoIterator<Item: Trace<'gc>, IntoIter: ExactSizeIterator>,
    {
        let elements = tail_of.into_iter();
        let room = elements.len();
        let cell = self.headed::<H, I::Item>(header, room)?;
        let mut filling = Filling { start: tail::<H, I::Item>(cell), len: 0 };
        for element in elements.take(room) {
            // SAFETY: D3: the object has room for `room` elements, and no more are taken.
            let place = unsafe { filling.start.add(filling.len) };
            // SAFETY: D3: as above; nobody else knows the object yet.
            unsafe { place.write(element) };
            filling.len += 1;
        }
        let len = filling.len;
        mem::forget(filling);
        // SAFETY: D3: so many elements are written.
        Ok(unsafe { self.finish_tailed(cell, len) })
    }

    /// An object with a header, and a copy of a slice as its tail.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`Scope::try_alloc_tailed_copy`] gives the header back instead.
    ///
    /// # Example: a string with its hash
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let word = cx.alloc_tailed_copy(0xfeed_u64, b"mudlark");
    ///     assert_eq!((word.header, &word.tail), (0xfeed, b"mudlark".as_slice()));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn alloc_tailed_copy<H: Trace<'gc>, T: Trace<'gc> + Copy>(
        &self,
        header: H,
        tail: &[T],
    ) -> Gc<'gc, Tailed<H, T>> {
        self.try_alloc_tailed_copy(header, tail).unwrap_or_else(|error| error.panic())
    }

    /// As [`Scope::alloc_tailed_copy`].
    ///
    /// # Errors
    ///
    /// When the heap is full. The header comes back.
    ///
    /// # Example: a message with its number
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let message = |bytes: &[u8]| cx.try_alloc_tailed_copy(7_u64, bytes).map(|message| message.tail.len());
    ///     assert_eq!(message(b"hello"), Ok(5));
    ///     assert_eq!(message(&vec![0; 2 << 20]).map_err(|error| error.value), Err(7));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_alloc_tailed_copy<H: Trace<'gc>, T: Trace<'gc> + Copy>(
        &self,
        header: H,
        tail_of: &[T],
    ) -> Result<Gc<'gc, Tailed<H, T>>, AllocError<H>> {
        let cell = self.headed::<H, T>(header, tail_of.len())?;
        // SAFETY: D3: the object has room for as many elements, and is new.
        unsafe { ptr::copy_nonoverlapping(tail_of.as_ptr(), tail::<H, T>(cell).as_ptr(), tail_of.len()) };
        // SAFETY: D3: all elements are written.
        Ok(unsafe { self.finish_tailed(cell, tail_of.len()) })
    }

    /// An object with a header, room for `len` elements, and the length zero: whoever meets it finds a whole object.
    fn headed<H: Trace<'gc>, T: Trace<'gc>>(
        &self,
        head: H,
        len: usize,
    ) -> Result<NonNull<u8>, AllocError<H>> {
        let offsets = const { offsets::<H, T>() };
        let bytes = size_of::<T>().checked_mul(len).and_then(|bytes| bytes.checked_add(offsets.tail));
        let bytes = bytes.and_then(|bytes| bytes.max(CELL_BYTES_MIN).checked_next_multiple_of(offsets.align));
        let Some(bytes) = bytes.filter(|&bytes| bytes <= isize::MAX as usize) else {
            return Err(AllocError { value: head, full: self.beyond_addresses() });
        };
        let descriptor = descriptor::<H, T>();
        let head = ManuallyDrop::new(head);
        let init = |cell: NonNull<u8>| {
            // SAFETY: D3: the object begins with a length, and is new.
            unsafe { cell.cast::<usize>().write(0) };
            // SAFETY: D3: there is room for the header, which is forgotten if this happens.
            unsafe { ptr::copy_nonoverlapping(&raw const *head, header::<H, T>(cell).as_ptr(), 1) };
        };
        let class = if bytes > CELL_BYTES_MAX { None } else { SizeClass::of(bytes) };
        let cell = match class {
            Some(class) => {
                let leaf =
                    const { !H::NEEDS_TRACE && !T::NEEDS_TRACE && !needs_drop::<H>() && !needs_drop::<T>() };
                let kind = if leaf { Kind::leaf(class) } else { Kind::of_class(descriptor, class) };
                self.cell_of(kind, class.cell_bytes(), descriptor).inspect(|&cell| init(cell))
            }
            None => self.large(descriptor, bytes, init),
        };
        cell.map_err(|full| AllocError { value: ManuallyDrop::into_inner(head), full })
    }

    /// # Safety
    ///
    /// `cell` came from `headed::<H, T>` and its first `len` elements are written.
    unsafe fn finish_tailed<H, T>(&self, cell: NonNull<u8>, len: usize) -> Gc<'gc, Tailed<H, T>> {
        // SAFETY: D3: by the caller's contract.
        unsafe { cell.cast::<usize>().write(len) };
        // SAFETY: D3: the cell holds such an object, made in this scope.
        unsafe { Gc::from_cell(cell) }
    }
}
