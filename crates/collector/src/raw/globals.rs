//! Tables of globals: slots outside of the heap that all mutators read and write.
//!
//! A table is an object of its own type without contents, whose tracer looks elsewhere: at memory of the embedder. So it is marked like
//! a large array, by pieces, by whoever has time; and its slots have the barriers of an object's.

use crate::{
    alloc_slow::HeapFull,
    raw::{GlobalsDoneFn, GlobalsFn, GlobalsLenFn, RawDescriptor, RawParts, RawRoot, RawScope, RawVisitor},
};
use std::{ffi::c_void, fmt, ptr::NonNull};

/// A table of slots outside of the heap.
#[derive(Clone, Copy)]
pub struct RawGlobals {
    /// How many slots there are. It may grow; slots below an answer that was given stay where they are.
    pub len: GlobalsLenFn,
    /// Reports what some of the slots lead to.
    pub visit: GlobalsFn,
    /// Called when the heap looks at the table no more: some time after the root was dropped, or when the heap ends.
    pub done: Option<GlobalsDoneFn>,
    /// Handed to the functions.
    pub data: *mut c_void,
}

impl fmt::Debug for RawGlobals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawGlobals").field("data", &self.data).finish_non_exhaustive()
    }
}

/// Bytes of a slot.
const SLOT_BYTES: usize = size_of::<u64>();

unsafe fn table<'a>(data: *mut c_void) -> &'a RawGlobals {
    // SAFETY: E12: `add_globals` made it for as long as the heap lives.
    unsafe { &*data.cast::<RawGlobals>().cast_const() }
}

unsafe extern "C-unwind" fn len(_: NonNull<u8>, data: *mut c_void) -> usize {
    // SAFETY: E12: what was registered.
    let globals = unsafe { table(data) };
    // SAFETY: E1: promised by who registered the table.
    unsafe { (globals.len)(globals.data) }
}

unsafe extern "C-unwind" fn trace_part(
    _: NonNull<u8>,
    first: usize,
    end: usize,
    visitor: &mut RawVisitor<'_>,
    data: *mut c_void,
) {
    // SAFETY: E12: what was registered.
    let globals = unsafe { table(data) };
    // SAFETY: E1: promised by who registered the table.
    unsafe { (globals.visit)(first, end, visitor, globals.data) };
}

unsafe extern "C-unwind" fn done(_: NonNull<u8>, data: *mut c_void) {
    // SAFETY: E12: what was registered, used for the last time.
    let globals = unsafe { table(data) };
    if let Some(done) = globals.done {
        // SAFETY: E1: promised by who registered the table.
        unsafe { done(globals.data) };
    }
}

impl RawScope<'_> {
    /// Registers a table of globals, until the root is dropped.
    ///
    /// # Errors
    ///
    /// As [`RawScope::alloc`]; `done` is not called then.
    ///
    /// # Safety
    ///
    /// The functions do what E1 says of a tracer, until `done` was called. Slots are words as in E4, changed like those of an
    /// object (E5). What is in them now could be given to [`RawScope::add_root`].
    pub unsafe fn add_globals(&self, globals: RawGlobals) -> Result<RawRoot, HeapFull> {
        let kept = NonNull::from(Box::leak(Box::new(globals)));
        let descriptor = RawDescriptor {
            parts: Some(RawParts { len, trace: trace_part, bytes: SLOT_BYTES }),
            drop: Some(done),
            data: kept.as_ptr().cast(),
            ..RawDescriptor::fixed("(globals)", 0)
        };
        // SAFETY: E1: the functions above; E12: the heap keeps what they are handed.
        let kind = unsafe { self.local.core().raw_types.add(descriptor, Some(kept)) };
        // SAFETY: E3: the object has no contents.
        let object = unsafe { self.alloc(kind) }?;
        // SAFETY: E2: made just now.
        Ok(unsafe { self.add_root(object) })
    }
}
