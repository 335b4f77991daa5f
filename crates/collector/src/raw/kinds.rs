//! Types that are registered at run time, and who owns what is known of them.
//!
//! The safe tier has a static [`Descriptor`] for each type, whose address every block of the type carries. One that is
//! registered is made on the Rust heap and owned by the garbage-collected one: it goes when the last object has gone.

use crate::{
    descriptor::{Descriptor, visit_nothing},
    mark::Marker,
    mark_lock::MarkLock,
    raw::{DropFn, LenFn, RawGlobals, RawVisitor, SizeFn, TraceFn, TracePartFn},
    trace::{EdgeVisitor, Visitor},
};
use mudlark_arena::{CELL_ALIGN_MAX, CELL_BYTES_MAX, CELL_BYTES_MIN, sync::Mutex};
use std::{
    alloc::Layout,
    any::TypeId,
    error::Error,
    ffi::c_void,
    fmt,
    ptr::{NonNull, null_mut},
};

/// A type, as the embedder describes it.
///
/// # Example: pairs of two pointers
///
/// ```
/// use mudlark_collector::raw::{RawDescriptor, RawVisitor};
/// use std::{ffi::c_void, ptr::NonNull, sync::atomic::{AtomicPtr, Ordering::Acquire}};
///
/// type Pair = [AtomicPtr<u8>; 2];
///
/// unsafe extern "C-unwind" fn trace(object: NonNull<u8>, visitor: &mut RawVisitor<'_>, _: *mut c_void) {
///     for edge in unsafe { object.cast::<Pair>().as_ref() } {
///         if let Some(target) = NonNull::new(edge.load(Acquire)) {
///             unsafe { visitor.edge(target) };
///         }
///     }
/// }
///
/// let pair = RawDescriptor { trace: Some(trace), ..RawDescriptor::fixed("pair", size_of::<Pair>()) };
/// assert_eq!(pair.bytes, Some(16));
/// ```
#[derive(Clone, Debug)]
pub struct RawDescriptor {
    /// The type's name, for statistics and messages.
    pub name: String,
    /// Bytes of each object; `None` if they differ, and each allocation tells.
    pub bytes: Option<usize>,
    /// What addresses of objects are multiples of: a power of two up to 4096. 8 by default.
    pub align: usize,
    /// Reports the edges of an object, without those that `parts` reports. `None` if there are none.
    pub trace: Option<TraceFn>,
    /// Reports the rest of the edges by pieces.
    pub parts: Option<RawParts>,
    /// Where in each object a [`MarkLock`] lies that guards all of its edges, in bytes from its start; see
    /// [`RawScope::log_object`](crate::raw::RawScope::log_object). Not together with `parts`: what is logged is logged at once.
    pub lock_offset: Option<usize>,
    /// Tells the size of an object: the verifier compares it with the place that the object has.
    pub size: Option<SizeFn>,
    /// Ends an object: called once when it is dead, or when its heap ends, on any thread.
    pub drop: Option<DropFn>,
    /// Handed to each of the functions. Used on all threads.
    pub data: *mut c_void,
}

/// What of an object is traced by pieces: a marker takes some elements of a large array, and others take others.
#[derive(Clone, Copy, Debug)]
pub struct RawParts {
    /// How many parts an object has. Final before the object is published.
    pub len: LenFn,
    /// Reports the edges of some of them.
    pub trace: TracePartFn,
    /// Bytes of a part, more or less: so many of them are taken at once that it is about two kilobytes.
    pub bytes: usize,
}

// SAFETY: E12: the data may be used on any thread.
unsafe impl Send for RawDescriptor {}
// SAFETY: E12: as above.
unsafe impl Sync for RawDescriptor {}

impl RawDescriptor {
    /// A type of objects of one size without edges.
    pub fn fixed(name: impl Into<String>, bytes: usize) -> RawDescriptor {
        RawDescriptor { bytes: Some(bytes), ..RawDescriptor::variable(name) }
    }

    /// A type of objects of different sizes without edges.
    pub fn variable(name: impl Into<String>) -> RawDescriptor {
        RawDescriptor {
            name: name.into(),
            bytes: None,
            align: 8,
            trace: None,
            parts: None,
            lock_offset: None,
            size: None,
            drop: None,
            data: null_mut(),
        }
    }

    fn check(&self) -> Result<(), RawTypeError> {
        if !self.align.is_power_of_two() || self.align > CELL_ALIGN_MAX {
            return Err(RawTypeError::Align { align: self.align });
        }
        if self.bytes.is_some_and(|bytes| bytes > isize::MAX as usize - CELL_ALIGN_MAX) {
            return Err(RawTypeError::TooLarge);
        }
        let Some(offset) = self.lock_offset else { return Ok(()) };
        if self.parts.is_some() {
            return Err(RawTypeError::LockWithParts);
        }
        let fits = |bytes: usize| offset.checked_add(size_of::<MarkLock>()).is_some_and(|end| end <= bytes);
        if !offset.is_multiple_of(align_of::<MarkLock>()) || !self.bytes.is_none_or(fits) {
            return Err(RawTypeError::LockOffset { offset });
        }
        Ok(())
    }
}

/// A type cannot be registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RawTypeError {
    /// The alignment is no power of two, or too large.
    Align {
        /// What was asked for.
        align: usize,
    },
    /// The size is more than any object can have.
    TooLarge,
    /// The lock does not lie in the object, or not where a word may lie.
    LockOffset {
        /// What was asked for.
        offset: usize,
    },
    /// A lock guards an object that is traced by pieces.
    LockWithParts,
}

impl fmt::Display for RawTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawTypeError::Align { align } => {
                write!(f, "an alignment of {align} was asked for; give a power of two up to {CELL_ALIGN_MAX}")
            }
            RawTypeError::TooLarge => f.write_str("no object can be that large; let allocations tell the size"),
            RawTypeError::LockOffset { offset } => write!(
                f,
                "a lock at offset {offset} was asked for; give a multiple of 8 that leaves room for 8 bytes in the object"
            ),
            RawTypeError::LockWithParts => f.write_str(
                "a lock was asked for in objects that are traced by pieces; keep the lock in a small object and the pieces \
                 in another, whose slots are stored with `store_slot`",
            ),
        }
    }
}

impl Error for RawTypeError {}

/// A type that is registered with a heap: what allocations name. Two words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct RawKind {
    descriptor: NonNull<Descriptor>,
    /// Of types with one size that is not large; 0 otherwise.
    cell_bytes: usize,
}

// SAFETY: E12: descriptors of a heap do not change, and live as long as it.
unsafe impl Send for RawKind {}
// SAFETY: E12: as above.
unsafe impl Sync for RawKind {}

impl RawKind {
    /// The descriptor.
    ///
    /// # Safety
    ///
    /// The heap of the type exists (E11).
    #[inline]
    pub(crate) unsafe fn descriptor(self) -> &'static Descriptor {
        // SAFETY: E11: descriptors live as long as the heap.
        unsafe { self.descriptor.as_ref() }
    }

    /// # Safety
    ///
    /// As for [`RawKind::descriptor`].
    #[inline]
    pub(crate) unsafe fn raw_type(self) -> &'static RawType {
        // SAFETY: E11: promised by the caller.
        unsafe { self.descriptor() }.raw.expect("a type that was registered")
    }

    /// The kind whose blocks carry this tag; `None` if it is one of the heap's own types.
    ///
    /// # Safety
    ///
    /// It is the tag of a block in use, of a heap that exists.
    #[inline]
    pub(crate) unsafe fn of_tag(tag: *const ()) -> Option<RawKind> {
        let descriptor = NonNull::new(tag.cast::<Descriptor>().cast_mut())?;
        // SAFETY: C2: promised by the caller.
        let raw = unsafe { descriptor.as_ref() }.raw?;
        Some(RawKind { descriptor, cell_bytes: raw.cell_bytes })
    }

    #[inline]
    pub(crate) fn cell_bytes(self) -> usize {
        self.cell_bytes
    }

    /// What blocks of the type carry.
    pub(crate) fn tag(self) -> *const () {
        self.descriptor.as_ptr().cast_const().cast()
    }
}

/// What the collector knows of a type that was registered.
#[derive(Debug)]
pub struct RawType {
    spec: RawDescriptor,
    /// As in [`RawKind`].
    cell_bytes: usize,
}

impl RawType {
    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// Bytes that an object of `bytes` asks of the heap; `None` if no address space could hold it.
    #[inline]
    pub(crate) fn place_bytes(&self, bytes: usize) -> Option<usize> {
        place_bytes(bytes, self.spec.align)
    }

    pub(crate) fn bytes(&self) -> Option<usize> {
        self.spec.bytes
    }

    fn trace_with(&self, object: NonNull<u8>, visitor: &mut RawVisitor<'_>) {
        if let Some(trace) = self.spec.trace {
            // SAFETY: E1: the object is one of the type.
            unsafe { trace(object, visitor, self.spec.data) };
        }
    }

    fn parts_of(&self, object: NonNull<u8>) -> Option<(RawParts, usize)> {
        let parts = self.spec.parts?;
        // SAFETY: E1: the object is one of the type.
        Some((parts, unsafe { (parts.len)(object, self.spec.data) }))
    }

    /// The lock of an object.
    ///
    /// # Safety
    ///
    /// `object` is one of the type, and lives for as long as the lock is used.
    #[inline]
    pub(crate) unsafe fn lock<'a>(&self, object: NonNull<u8>) -> Option<&'a MarkLock> {
        let offset = self.spec.lock_offset?;
        // SAFETY: E6: the word at the offset is the lock, and lies in the object.
        let lock = unsafe { object.byte_add(offset) };
        // SAFETY: E6: as above; zero is an open lock.
        Some(unsafe { lock.cast::<MarkLock>().as_ref() })
    }

    /// Reports the edges that the object's lock guards.
    pub(crate) fn trace_guarded(&self, object: NonNull<u8>, visitor: &mut RawVisitor<'_>) {
        self.trace_with(object, visitor);
    }

    /// Marks through an object.
    ///
    /// # Safety
    ///
    /// As for [`Descriptor::trace`].
    unsafe fn trace(&self, object: NonNull<u8>, marker: &mut Marker<'_>) {
        // SAFETY: E6: the object is one of the type, and gray.
        match unsafe { self.lock(object) } {
            None => self.trace_with(object, &mut RawVisitor::of_marker(marker)),
            Some(lock) => {
                marker.guarded(lock, |marker| self.trace_with(object, &mut RawVisitor::of_marker(marker)));
            }
        }
        if let Some((parts, len)) = self.parts_of(object) {
            // SAFETY: E1: so many parts has the object that is to be traced.
            if unsafe { marker.scans_at_once(object, len, parts.bytes) } {
                let mut visitor = RawVisitor::of_marker(marker);
                // SAFETY: E1: all parts of an object of the type.
                unsafe { (parts.trace)(object, 0, len, &mut visitor, self.spec.data) };
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Descriptor::trace_part`].
    unsafe fn trace_part(&self, object: NonNull<u8>, first: usize, end: usize, marker: &mut Marker<'_>) {
        if let Some(parts) = self.spec.parts {
            let mut visitor = RawVisitor::of_marker(marker);
            // SAFETY: E1: parts that the object has.
            unsafe { (parts.trace)(object, first, end, &mut visitor, self.spec.data) };
        }
    }

    /// # Safety
    ///
    /// As for [`Descriptor::visit`].
    pub(crate) unsafe fn visit(&self, object: NonNull<u8>, visitor: &mut EdgeVisitor<'_>) {
        let mut each = |target: NonNull<u8>| {
            // SAFETY: E2: what tracers report.
            unsafe { visitor.edge(target) };
        };
        let mut visitor = RawVisitor::of_each(&mut each);
        self.trace_with(object, &mut visitor);
        if let Some((parts, len)) = self.parts_of(object) {
            // SAFETY: E1: all parts of an object of the type.
            unsafe { (parts.trace)(object, 0, len, &mut visitor, self.spec.data) };
        }
    }

    /// # Safety
    ///
    /// As for [`Descriptor::drop`].
    pub(crate) unsafe fn drop_object(&self, object: NonNull<u8>) {
        if let Some(drop) = self.spec.drop {
            // SAFETY: E1: the object is one of the type, dead, and dropped once.
            unsafe { drop(object, self.spec.data) };
        }
    }

    /// What the object says of its own size, if it can.
    ///
    /// # Safety
    ///
    /// `object` is one of the type.
    pub(crate) unsafe fn size_of_object(&self, object: NonNull<u8>) -> Option<usize> {
        // SAFETY: E1: promised by the caller.
        self.spec.size.map(|size| unsafe { size(object, self.spec.data) }).or(self.spec.bytes)
    }
}

fn place_bytes(bytes: usize, align: usize) -> Option<usize> {
    let bytes = bytes.max(CELL_BYTES_MIN).checked_next_multiple_of(align.max(8))?;
    (bytes <= isize::MAX as usize).then_some(bytes)
}

unsafe fn trace_raw(cell: NonNull<u8>, marker: &mut Marker<'_>) {
    if let Some(raw) = marker.descriptor(cell).raw {
        // SAFETY: C1: as the caller promises.
        unsafe { raw.trace(cell, marker) };
    }
}

unsafe fn trace_raw_part(cell: NonNull<u8>, first: usize, end: usize, marker: &mut Marker<'_>) {
    if let Some(raw) = marker.descriptor(cell).raw {
        // SAFETY: C1: as the caller promises.
        unsafe { raw.trace_part(cell, first, end, marker) };
    }
}

unsafe fn drop_nothing(_cell: NonNull<u8>) {}

/// The types of one heap.
#[derive(Debug, Default)]
pub(crate) struct RawTypes {
    owned: Mutex<Vec<Owned>>,
}

#[derive(Debug)]
struct Owned {
    kind: RawKind,
    raw: NonNull<RawType>,
    globals: Option<NonNull<RawGlobals>>,
}

// SAFETY: they point to what the heap owns and nobody changes.
unsafe impl Send for Owned {}

impl RawTypes {
    /// # Safety
    ///
    /// As for [`RawHeap::register`](crate::raw::RawHeap::register).
    pub(crate) unsafe fn register(&self, spec: RawDescriptor) -> Result<RawKind, RawTypeError> {
        spec.check()?;
        // SAFETY: E1: promised by the caller.
        Ok(unsafe { self.add(spec, None) })
    }

    /// The same for a type that needs no check, with what its functions are handed.
    ///
    /// # Safety
    ///
    /// As for [`RawTypes::register`]; `globals` is a leaked box, and nobody else's.
    pub(crate) unsafe fn add(&self, spec: RawDescriptor, globals: Option<NonNull<RawGlobals>>) -> RawKind {
        let (align, needs_trace) = (spec.align, spec.trace.is_some() || spec.parts.is_some());
        let cell_bytes = spec.bytes.and_then(|bytes| place_bytes(bytes, align));
        let cell_bytes = cell_bytes.filter(|&bytes| bytes <= CELL_BYTES_MAX).unwrap_or(0);
        let drop: Option<unsafe fn(NonNull<u8>)> =
            if spec.drop.is_some() { Some(drop_nothing) } else { None };
        let layout = Layout::from_size_align(0, align).unwrap_or(Layout::new::<u64>());
        let raw = NonNull::from(Box::leak(Box::new(RawType { spec, cell_bytes })));
        let descriptor = Descriptor {
            trace: trace_raw,
            trace_part: trace_raw_part,
            visit: visit_nothing,
            drop,
            name: || "(raw)",
            needs_trace,
            layout,
            identity: TypeId::of::<RawType>,
            // SAFETY: C2: leaked just now, and freed together with the descriptor.
            raw: Some(unsafe { raw.as_ref() }),
        };
        let descriptor = NonNull::from(Box::leak(Box::new(descriptor)));
        let kind = RawKind { descriptor, cell_bytes };
        self.owned.lock().push(Owned { kind, raw, globals });
        kind
    }

    /// All of them, in order of registration.
    pub(crate) fn all(&self) -> Vec<RawKind> {
        self.owned.lock().iter().map(|owned| owned.kind).collect()
    }
}

impl Drop for RawTypes {
    fn drop(&mut self) {
        for Owned { kind, raw, globals } in self.owned.lock().drain(..) {
            // SAFETY: C2: `register` leaked it; the heap that owns it is being dropped, and its objects are gone.
            drop(unsafe { Box::from_raw(kind.descriptor.as_ptr()) });
            // SAFETY: C2: as above; the descriptor that referred to it is gone.
            drop(unsafe { Box::from_raw(raw.as_ptr()) });
            if let Some(globals) = globals {
                // SAFETY: C2: as above: `add` was given a leaked box.
                drop(unsafe { Box::from_raw(globals.as_ptr()) });
            }
        }
    }
}
