//! Descriptors: what the collector knows of a type.

use crate::{heap::Core, mark::Marker, raw::RawType, trace::EdgeVisitor};
use std::{alloc::Layout, any::TypeId, fmt, ptr::NonNull};

/// What the collector knows of a type. Every block carries the address of one; objects carry none.
///
/// # Safety of the functions
///
/// Whoever makes a descriptor promises (C1): for a cell that holds an object of the type, `trace` and `visit` report each
/// edge of the object to the visitor, `trace_part` those of the elements `[first, end)` of a slice, and they touch nothing but
/// the object; `drop` ends the object's life. All may be called on whatever thread, and the tracing ones while mutators hold
/// shared references to the object.
#[derive(Clone, Copy)]
pub struct Descriptor {
    /// Reports edges to a marker. Slices ask [`Marker::scans_at_once`] first.
    pub trace: unsafe fn(cell: NonNull<u8>, marker: &mut Marker<'_>),
    /// Reports edges of a part of a slice. Not called for other types.
    pub trace_part: unsafe fn(cell: NonNull<u8>, first: usize, end: usize, marker: &mut Marker<'_>),
    /// Reports edges to anybody else: the verifier, snapshots.
    pub visit: unsafe fn(cell: NonNull<u8>, visitor: &mut EdgeVisitor<'_>),
    /// Drop glue, if the type has any.
    pub drop: Option<unsafe fn(cell: NonNull<u8>)>,
    /// The type's name, for people.
    pub name: fn() -> &'static str,
    /// Whether objects can hold edges at all.
    pub needs_trace: bool,
    /// Of an object, or of an element of a slice. It also keeps descriptors of different layouts apart, which a compiler may
    /// merge if they are equal: they are told from each other by address.
    pub layout: Layout,
    /// Tells the type of the objects from every other, all lifetimes aside. Addresses of descriptors do not: a compiler may make
    /// several of one, and merge those of types that differ in nothing else.
    pub identity: fn() -> TypeId,
    /// What was registered at run time, for types of the [raw](crate::raw) tier. `visit`, `drop` and `name` mean nothing then, except
    /// that there is a `drop`.
    pub raw: Option<&'static RawType>,
}

impl Descriptor {
    /// What the type is called.
    pub(crate) fn type_name(&self) -> &str {
        self.raw.map_or_else(self.name, RawType::name)
    }

    /// Reports the edges of the object in `cell`.
    ///
    /// # Safety
    ///
    /// As for [`Descriptor::visit`].
    pub(crate) unsafe fn visit_object(&self, cell: NonNull<u8>, visitor: &mut EdgeVisitor<'_>) {
        match self.raw {
            // SAFETY: C1: promised by the caller.
            Some(raw) => unsafe { raw.visit(cell, visitor) },
            // SAFETY: C1: as above.
            None => unsafe { (self.visit)(cell, visitor) },
        }
    }

    /// Runs drop glue, if the type has any.
    ///
    /// # Safety
    ///
    /// As for [`Descriptor::drop`].
    pub(crate) unsafe fn drop_object(&self, cell: NonNull<u8>) {
        match (self.raw, self.drop) {
            // SAFETY: C1: promised by the caller.
            (Some(raw), _) => unsafe { raw.drop_object(cell) },
            // SAFETY: C1: as above.
            (None, Some(drop)) => unsafe { drop(cell) },
            (None, None) => {}
        }
    }
}

/// A [`Descriptor::trace`] for objects without edges.
///
/// # Safety
///
/// None; it has the type that descriptors want.
pub unsafe fn trace_nothing(_cell: NonNull<u8>, _marker: &mut Marker<'_>) {}

/// A [`Descriptor::trace_part`] for objects without edges, or without parts.
///
/// # Safety
///
/// None; it has the type that descriptors want.
pub unsafe fn trace_no_part(_cell: NonNull<u8>, _first: usize, _end: usize, _marker: &mut Marker<'_>) {}

pub(crate) unsafe fn visit_nothing(_cell: NonNull<u8>, _visitor: &mut EdgeVisitor<'_>) {}

impl Core {
    /// What the collector knows of the type of an object.
    ///
    /// # Safety
    ///
    /// `cell` holds an object of this heap that is reachable now.
    pub unsafe fn descriptor_of(&self, cell: NonNull<u8>) -> &'static Descriptor {
        // SAFETY: C2: the object lies in a block in use.
        let tag = unsafe { self.arena.tag(cell.as_ptr()) };
        // SAFETY: C2: the tag of every block in use is the address of a static descriptor.
        unsafe { &*tag.cast::<Descriptor>() }
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptor")
            .field("name", &self.type_name())
            .field("needs_trace", &self.needs_trace)
            .field("drops", &self.drop.is_some())
            .finish_non_exhaustive()
    }
}

/// The descriptor of all objects that have neither edges nor drop glue: they share blocks by size class.
pub(crate) static LEAF: Descriptor = Descriptor {
    trace: trace_nothing,
    trace_part: trace_no_part,
    visit: visit_nothing,
    drop: None,
    name: || "(pointer-free)",
    needs_trace: false,
    layout: Layout::new::<()>(),
    identity: TypeId::of::<Leaf>,
    raw: None,
};

/// Stands for all types whose objects share blocks.
struct Leaf;
