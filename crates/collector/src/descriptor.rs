//! Descriptors: what the collector knows of a type.

use crate::{mark::Marker, trace::EdgeVisitor};
use std::{fmt, ptr::NonNull};

/// What the collector knows of a type. Every block carries the address of one; objects carry none.
///
/// # Safety of the functions
///
/// Whoever makes a descriptor promises (C1): for a cell that holds an object of the type, `trace` and `visit` report
/// each edge of the elements `[first, end)` (of the whole object, if it is not a slice) to the visitor and touch
/// nothing but the object; `drop` ends the object's life and may run on any thread. They may be called on
/// whatever thread, and `trace` while mutators hold shared references to the object.
#[derive(Clone, Copy)]
pub struct Descriptor {
    /// The type's name, for people.
    pub name: fn() -> &'static str,
    /// Whether objects have one size, or a length.
    pub shape: Shape,
    /// Whether objects can hold edges at all. Without, objects are marked and never read.
    pub needs_trace: bool,
    /// Reports edges to a marker.
    pub trace: unsafe fn(cell: NonNull<u8>, first: usize, end: usize, marker: &mut Marker<'_>),
    /// Reports edges to anybody else: the verifier, snapshots.
    pub visit: unsafe fn(cell: NonNull<u8>, first: usize, end: usize, visitor: &mut EdgeVisitor<'_>),
    /// Drop glue, if the type has any.
    pub drop: Option<unsafe fn(cell: NonNull<u8>)>,
}

/// How the size of an object is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// From the type.
    Sized,
    /// From the length in the object's first word, which counts elements.
    Slice {
        /// Bytes from one element to the next.
        elem_bytes: usize,
    },
}

impl Descriptor {
    /// How many elements [`Descriptor::trace`] may be asked for; 1 if the type is not a slice.
    ///
    /// # Safety
    ///
    /// `cell` holds an object of this type.
    pub(crate) unsafe fn len(&self, cell: NonNull<u8>) -> usize {
        match self.shape {
            Shape::Sized => 1,
            // SAFETY: C1: slices begin with their length; it is written before the object is published.
            Shape::Slice { .. } => unsafe { cell.cast::<usize>().read() },
        }
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptor")
            .field("name", &(self.name)())
            .field("shape", &self.shape)
            .field("needs_trace", &self.needs_trace)
            .field("drops", &self.drop.is_some())
            .finish_non_exhaustive()
    }
}

unsafe fn no_edges_to_mark(_cell: NonNull<u8>, _first: usize, _end: usize, _marker: &mut Marker<'_>) {}

unsafe fn no_edges(_cell: NonNull<u8>, _first: usize, _end: usize, _visitor: &mut EdgeVisitor<'_>) {}

/// The descriptor of all objects that have neither edges nor drop glue: they share blocks by size class.
pub(crate) static LEAF: Descriptor = Descriptor {
    name: || "(pointer-free)",
    shape: Shape::Sized,
    needs_trace: false,
    trace: no_edges_to_mark,
    visit: no_edges,
    drop: None,
};
