//! From Rust types to cells: how large, of which kind, traced and dropped how.

use crate::{identity, trace::Trace};
use mudlark_arena::{CELL_ALIGN_MAX, CELL_BYTES_MAX, CELL_BYTES_MIN, SizeClass};
use mudlark_collector::{Descriptor, EdgeVisitor, Marker, trace_no_part, trace_nothing};
use std::{alloc::Layout, any::type_name, mem::needs_drop, ptr::NonNull};

/// Where the values of a sized type go.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// No pointers and no drop glue: cells of a size class, shared with other such types.
    Leaf(SizeClass),
    /// Cells of exactly this many bytes, in blocks of this type alone.
    Typed(usize),
    /// A run of blocks.
    Large,
}

impl Place {
    /// The place of values of `T`.
    pub(crate) const fn of<'gc, T: Trace<'gc>>() -> Place {
        assert!(align_of::<T>() <= CELL_ALIGN_MAX, "the alignment of a collected type is at most 4096");
        Place::new(Layout::new::<T>(), !T::NEEDS_TRACE && !needs_drop::<T>())
    }

    /// The place of values with this layout. A `leaf` has neither pointers nor drop glue.
    pub(crate) const fn new(layout: Layout, leaf: bool) -> Place {
        let align = if layout.align() < 8 { 8 } else { layout.align() };
        let bytes = if layout.size() < CELL_BYTES_MIN { CELL_BYTES_MIN } else { layout.size() };
        let bytes = bytes.next_multiple_of(align);
        match SizeClass::of(bytes) {
            None => Place::Large,
            Some(class) if leaf => Place::Leaf(class),
            Some(_) => Place::Typed(bytes),
        }
    }

    /// Bytes of a cell, or 0 if it is no cell of a block.
    pub(crate) const fn cell_bytes(self) -> usize {
        match self {
            Place::Leaf(class) => class.cell_bytes(),
            Place::Typed(bytes) => bytes,
            Place::Large => 0,
        }
    }
}

/// What an object of a type that needs no trace takes, for [`Trace::LEAF_BYTES`].
pub(crate) const fn leaf_bytes<T>() -> usize {
    Place::new(Layout::new::<T>(), !needs_drop::<T>()).cell_bytes()
}

/// The descriptor of a sized type.
pub(crate) const fn descriptor<'gc, T: Trace<'gc>>() -> &'static Descriptor {
    const {
        &Descriptor {
            trace: trace::<T>,
            trace_part: trace_no_part,
            visit: visit::<T>,
            drop: if needs_drop::<T>() { Some(drop_value::<T>) } else { None },
            name: type_name::<T>,
            needs_trace: T::NEEDS_TRACE,
            layout: Layout::new::<T>(),
            identity: identity::of::<T>,
            raw: None,
        }
    }
}

unsafe fn trace<'gc, T: Trace<'gc>>(cell: NonNull<u8>, marker: &mut Marker<'_>) {
    // SAFETY: C1: the cell holds a `T`; mutators have at most shared references to it, and what changes behind those is
    // guarded by the cells' own protocols (T3).
    unsafe { cell.cast::<T>().as_ref() }.trace(marker);
}

unsafe fn visit<'gc, T: Trace<'gc>>(cell: NonNull<u8>, visitor: &mut EdgeVisitor<'_>) {
    // SAFETY: C1: as in `trace`.
    unsafe { cell.cast::<T>().as_ref() }.trace(visitor);
}

unsafe fn drop_value<T>(cell: NonNull<u8>) {
    // SAFETY: C1: the object is dead and is dropped once; T4: on any thread.
    unsafe { cell.cast::<T>().drop_in_place() };
}

/// How slices lie in their cells: the length, padding up to the alignment, the elements.
#[derive(Clone, Copy)]
pub(crate) struct SliceLayout {
    /// Bytes from the start of the cell to the first element.
    pub(crate) offset: usize,
    /// Bytes of the whole object, a multiple of its alignment.
    pub(crate) bytes: usize,
}

impl SliceLayout {
    /// Where the elements of a slice of `T` begin.
    pub(crate) const fn offset<T>() -> usize {
        assert!(align_of::<T>() <= CELL_ALIGN_MAX, "the alignment of a collected type is at most 4096");
        if align_of::<T>() < size_of::<usize>() { size_of::<usize>() } else { align_of::<T>() }
    }

    /// The layout of a slice, or `None` if no address space could hold it.
    pub(crate) fn of<T>(len: usize) -> Option<SliceLayout> {
        let offset = const { SliceLayout::offset::<T>() };
        let bytes = size_of::<T>().checked_mul(len)?.checked_add(offset)?.max(CELL_BYTES_MIN);
        let bytes = bytes.checked_next_multiple_of(offset)?;
        (bytes <= isize::MAX as usize).then_some(SliceLayout { offset, bytes })
    }

    /// How many elements there is room for in the object of a slice of `len`; `len` if none could hold it.
    pub(crate) fn room<T>(len: usize) -> usize {
        let Some(layout) = SliceLayout::of::<T>(len) else { return len };
        let bytes = layout.class().map_or(layout.bytes, SizeClass::cell_bytes);
        (bytes - layout.offset).checked_div(size_of::<T>()).unwrap_or(len)
    }

    /// The size class of the object; `None` if it is large.
    pub(crate) fn class(self) -> Option<SizeClass> {
        if self.bytes > CELL_BYTES_MAX { None } else { SizeClass::of(self.bytes) }
    }
}

/// The first element of a slice.
pub(crate) fn elements<T>(cell: NonNull<u8>) -> NonNull<T> {
    // SAFETY: H3: objects of slices have at least `offset` bytes.
    unsafe { cell.add(const { SliceLayout::offset::<T>() }) }.cast()
}

/// The descriptor of slices of `T`.
pub(crate) fn slice_descriptor<'gc, T: Trace<'gc>>() -> &'static Descriptor {
    const {
        &Descriptor {
            // Elements without a size have no pointers, however many they are.
            trace: if T::NEEDS_TRACE && size_of::<T>() > 0 { trace_slice::<T> } else { trace_nothing },
            trace_part: trace_part::<T>,
            visit: if T::NEEDS_TRACE && size_of::<T>() > 0 { visit_slice::<T> } else { visit_nothing },
            drop: if needs_drop::<T>() { Some(drop_slice::<T>) } else { None },
            name: type_name::<[T]>,
            needs_trace: T::NEEDS_TRACE,
            layout: Layout::new::<T>(),
            identity: identity::of::<[T]>,
            raw: None,
        }
    }
}

/// Elements `[first, end)` of the slice in `cell`.
///
/// # Safety
///
/// The cell holds a slice of `T` with at least `end` elements.
unsafe fn part<'a, T>(cell: NonNull<u8>, first: usize, end: usize) -> &'a [T] {
    // SAFETY: H3: the elements follow at the offset; `first` is within them by the caller's contract.
    let start = unsafe { elements::<T>(cell).add(first) };
    // SAFETY: as above; elements below the length are initialized, and changed only behind cells (T3).
    unsafe { NonNull::slice_from_raw_parts(start, end - first).as_ref() }
}

unsafe fn trace_slice<'gc, T: Trace<'gc>>(cell: NonNull<u8>, marker: &mut Marker<'_>) {
    // SAFETY: H3: slices begin with their length.
    let len = unsafe { cell.cast::<usize>().read() };
    // SAFETY: C1: the slice that is to be traced.
    let at_once = unsafe { marker.scans_at_once(cell, len, size_of::<T>()) };
    if at_once {
        // SAFETY: C1: all elements of the slice.
        unsafe { trace_part::<T>(cell, 0, len, marker) };
    }
}

unsafe fn trace_part<'gc, T: Trace<'gc>>(
    cell: NonNull<u8>,
    first: usize,
    end: usize,
    marker: &mut Marker<'_>,
) {
    // SAFETY: C1: the collector asks for elements below the length.
    for element in unsafe { part::<T>(cell, first, end) } {
        element.trace(marker);
    }
}

unsafe fn visit_slice<'gc, T: Trace<'gc>>(cell: NonNull<u8>, visitor: &mut EdgeVisitor<'_>) {
    // SAFETY: H3: slices begin with their length.
    let len = unsafe { cell.cast::<usize>().read() };
    // SAFETY: C1: all elements of the slice.
    for element in unsafe { part::<T>(cell, 0, len) } {
        element.trace(visitor);
    }
}

unsafe fn visit_nothing(_cell: NonNull<u8>, _visitor: &mut EdgeVisitor<'_>) {}

unsafe fn drop_slice<T>(cell: NonNull<u8>) {
    // SAFETY: H3: slices begin with their length.
    let len = unsafe { cell.cast::<usize>().read() };
    let elements = NonNull::slice_from_raw_parts(elements::<T>(cell), len);
    // SAFETY: C1: the object is dead and is dropped once; elements below the length are initialized.
    unsafe { elements.drop_in_place() };
}
