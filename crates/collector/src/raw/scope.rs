//! A scope: where objects are made and used.

use crate::{
    alloc_slow::{FullCause, HeapFull},
    external::ExternalBytes,
    local::{Kind, Local},
    mutator::{ExitHint, Mutator},
    raw::{RawKind, RawMutator, RawRoot, RawStack, RawStackId},
    weak::WeakBox,
};
use mudlark_arena::SizeClass;
use std::{fmt, marker::PhantomData, ptr::NonNull};

/// A mutator in a scope. Between two safepoints nothing is freed; a safepoint is the end of the scope, and
/// [`RawScope::safepoint`] in the middle.
pub struct RawScope<'m> {
    pub(super) local: &'m Local,
    mutator: &'m RawMutator,
    /// A scope belongs to its thread.
    not_send: PhantomData<*mut ()>,
}

impl fmt::Debug for RawScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawScope")
    }
}

impl Drop for RawScope<'_> {
    #[inline]
    fn drop(&mut self) {
        self.mutator.is_entered.set(false);
        // SAFETY: M1: entered on this thread; E7: its pointers are used no more.
        unsafe { self.mutator.raw.exit() };
    }
}

impl<'m> RawScope<'m> {
    /// # Safety
    ///
    /// The current thread has just entered the mutator.
    #[inline]
    pub(super) unsafe fn new(mutator: &'m RawMutator) -> RawScope<'m> {
        // SAFETY: M1: promised by the caller.
        let local = unsafe { mutator.raw.local() };
        RawScope { local, mutator, not_send: PhantomData }
    }

    fn raw_mutator(&self) -> &Mutator {
        &self.mutator.raw
    }

    // ---- safepoints

    /// Whether a safepoint has something to do: the collector waits for one. Cheap enough for a loop's back edge.
    #[inline]
    pub fn wants_safepoint(&self) -> bool {
        self.mutator.raw.exit_hint() != ExitHint::None
    }

    /// Passes a safepoint. Pointers that are on no stack of the mutator, in no root and in no object that can be reached
    /// from there mean nothing afterwards (E7).
    pub fn safepoint(&mut self) {
        // SAFETY: M1: entered on this thread; E7: pointers are kept on stacks only.
        unsafe { self.mutator.raw.exit() };
        // SAFETY: M1: left just now, by this thread.
        unsafe { self.mutator.raw.enter() };
    }

    /// Passes a safepoint if the collector waits for one. Tells whether it did.
    #[inline]
    pub fn poll(&mut self) -> bool {
        let wanted = self.wants_safepoint();
        if wanted {
            self.safepoint();
        }
        wanted
    }

    // ---- allocation

    /// Takes a place for an object of a type with one size. What is in it is garbage.
    ///
    /// # Errors
    ///
    /// [`HeapFull`] when no memory can be had. Nothing has happened, and a cycle is asked for.
    ///
    /// # Panics
    ///
    /// If objects of the type have no size of their own.
    ///
    /// # Safety
    ///
    /// The kind is of this heap (E11), and the place holds an object of it in time (E3).
    #[inline(always)]
    pub unsafe fn alloc(&self, kind: RawKind) -> Result<NonNull<u8>, HeapFull> {
        let cell_bytes = kind.cell_bytes();
        if cell_bytes == 0 {
            // SAFETY: E11: promised by the caller.
            let bytes = unsafe { kind.raw_type() }.bytes().expect("the type has no size: call `alloc_bytes`");
            // SAFETY: E3: as above.
            return unsafe { self.alloc_bytes(kind, bytes) };
        }
        // SAFETY: E11: as above.
        let descriptor = unsafe { kind.descriptor() };
        // SAFETY: E3: kind and size belong together, and the caller fills the cell.
        unsafe { self.cell(Kind::of(descriptor), kind, cell_bytes) }
    }

    /// Takes a place of at least `bytes` for an object. What is in it is garbage.
    ///
    /// # Errors
    ///
    /// As [`RawScope::alloc`].
    ///
    /// # Safety
    ///
    /// As for [`RawScope::alloc`]; if the type has a size, `bytes` is that.
    pub unsafe fn alloc_bytes(&self, kind: RawKind, bytes: usize) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: E3: promised by the caller.
        unsafe { self.take(kind, bytes, Contents::Garbage) }
    }

    /// Takes a place of at least `bytes` for an object. All of it is zero; large objects on pages that were never used cost
    /// nothing for that.
    ///
    /// # Errors
    ///
    /// As [`RawScope::alloc`].
    ///
    /// # Safety
    ///
    /// As for [`RawScope::alloc_bytes`].
    pub unsafe fn alloc_zeroed(&self, kind: RawKind, bytes: usize) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: E3: promised by the caller.
        unsafe { self.take(kind, bytes, Contents::Zero) }
    }

    /// # Safety
    ///
    /// As for [`RawScope::alloc_bytes`].
    unsafe fn take(&self, kind: RawKind, bytes: usize, contents: Contents) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: E11: promised by the caller.
        let descriptor = unsafe { kind.descriptor() };
        // SAFETY: E11: as above.
        let raw = unsafe { kind.raw_type() };
        debug_assert!(raw.bytes().is_none_or(|size| size == bytes), "the type has another size");
        let Some(place) = raw.place_bytes(bytes) else {
            return Err(self.local.full(self.raw_mutator(), bytes, FullCause::Limit));
        };
        let (in_table, cell_bytes) = match (kind.cell_bytes(), SizeClass::of(place)) {
            (_, None) => return self.take_large(kind, place, contents),
            (0, Some(class)) => (Kind::of_class(descriptor, class), class.cell_bytes()),
            (cell_bytes, _) => (Kind::of(descriptor), cell_bytes),
        };
        // SAFETY: E3: as in `alloc`.
        let cell = unsafe { self.cell(in_table, kind, cell_bytes) }?;
        if contents == Contents::Zero {
            // SAFETY: the cell is new, and that large.
            unsafe { cell.write_bytes(0, cell_bytes) };
        }
        Ok(cell)
    }

    /// # Safety
    ///
    /// `in_table` and `cell_bytes` belong together and to the kind; otherwise as for [`RawScope::alloc`].
    #[inline(always)]
    unsafe fn cell(&self, in_table: Kind, kind: RawKind, cell_bytes: usize) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: E3: promised by the caller.
        match unsafe { self.local.bump(in_table, cell_bytes) } {
            Some(cell) => Ok(cell),
            // SAFETY: E3, E11: as above.
            None => unsafe { self.cell_slow(in_table, kind, cell_bytes) },
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn cell_slow(
        &self,
        in_table: Kind,
        kind: RawKind,
        cell_bytes: usize,
    ) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: E11: promised by the caller.
        let descriptor = unsafe { kind.descriptor() };
        // SAFETY: E3: as above.
        unsafe { self.local.alloc_slow(self.raw_mutator(), in_table, descriptor, cell_bytes) }
    }

    fn take_large(&self, kind: RawKind, bytes: usize, contents: Contents) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: E11: promised by the callers.
        let descriptor = unsafe { kind.descriptor() };
        let is_zeroed = contents == Contents::Zero;
        // SAFETY: E3: the callers fill it.
        unsafe { self.local.alloc_large_raw(self.raw_mutator(), descriptor, bytes, is_zeroed) }
    }

    /// What kind of object it is: blocks know it, so objects need no header for that. `None` for weak boxes.
    ///
    /// # Safety
    ///
    /// `object` is one of this heap, and alive (E2).
    #[inline]
    pub unsafe fn kind_of(&self, object: NonNull<u8>) -> Option<RawKind> {
        // SAFETY: E2: promised by the caller.
        let tag = unsafe { self.local.arena().tag(object.as_ptr()) };
        // SAFETY: C2: the block is in use.
        unsafe { RawKind::of_tag(tag) }
    }

    // ---- what keeps objects

    /// Makes a root of an object.
    ///
    /// # Safety
    ///
    /// `object` is one of this heap, made or found since the last safepoint or kept according to E7.
    pub unsafe fn add_root(&self, object: NonNull<u8>) -> RawRoot {
        // SAFETY: E2: promised by the caller; the root gives the slot back.
        let slot = unsafe { self.local.add_root(object) };
        RawRoot::new(slot, &self.mutator.heap)
    }

    /// Registers a stack of this mutator.
    ///
    /// # Safety
    ///
    /// As E8 says, until it is removed or the mutator is dropped.
    pub unsafe fn add_stack(&self, stack: RawStack) -> RawStackId {
        self.local.stacks.borrow_mut().add(stack)
    }

    /// Forgets a stack. `false` if it is none of this mutator's.
    pub fn remove_stack(&self, id: RawStackId) -> bool {
        self.local.stacks.borrow_mut().remove(id)
    }

    /// Makes a weak box for an object: an object of its own, whose address is an edge like any other.
    ///
    /// # Errors
    ///
    /// As [`RawScope::alloc`].
    ///
    /// # Safety
    ///
    /// As for [`RawScope::add_root`].
    pub unsafe fn alloc_weak(&self, object: NonNull<u8>) -> Result<WeakBox, HeapFull> {
        // SAFETY: E2: promised by the caller.
        unsafe { self.local.alloc_weak(self.raw_mutator(), object) }
    }

    /// The object of a weak box, if it is not dead.
    ///
    /// # Safety
    ///
    /// The box is an object of this heap, and kept as E7 says.
    #[inline]
    pub unsafe fn upgrade(&self, weak: WeakBox) -> Option<NonNull<u8>> {
        // SAFETY: W2: promised by the caller.
        unsafe { self.local.upgrade(weak) }
    }

    /// Counts bytes outside of the heap that an object will hold, and pays for them like for an allocation. Keep the answer
    /// with the object, and drop it in its finalizer.
    pub fn account_external(&self, bytes: u64) -> ExternalBytes {
        self.local.account_external(self.raw_mutator(), bytes)
    }
}

/// What a new place holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    Garbage,
    Zero,
}
