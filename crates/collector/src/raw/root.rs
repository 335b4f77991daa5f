//! Roots: objects that live because somebody outside of the heap wants them.

use crate::{
    raw::{RawHeap, RawScope},
    roots::RootSlot,
};
use std::{fmt, ptr::NonNull};

/// Keeps an object alive until it is dropped, on whatever thread. It keeps its heap alive too.
pub struct RawRoot {
    slot: RootSlot,
    /// Held, for the slot is the heap's.
    _heap: RawHeap,
}

impl fmt::Debug for RawRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRoot").field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl RawRoot {
    pub(super) fn new(slot: RootSlot, heap: &RawHeap) -> RawRoot {
        RawRoot { slot, _heap: heap.clone() }
    }

    /// The object. Its address means something in a scope of its heap.
    #[inline]
    pub fn get(&self) -> NonNull<u8> {
        // SAFETY: the root holds its heap.
        unsafe { self.slot.get() }.expect("a root in use has an object")
    }

    /// Keeps another object alive in place of this one.
    ///
    /// # Safety
    ///
    /// The scope is one of the root's heap (E11), and `object` one that could be given to
    /// [`RawScope::add_root`].
    pub unsafe fn set(&self, scope: &RawScope<'_>, object: NonNull<u8>) {
        // SAFETY: E2, E11: promised by the caller.
        unsafe { scope.local.set_root(self.slot, object) };
    }
}

impl Drop for RawRoot {
    fn drop(&mut self) {
        // SAFETY: the slot came from this heap, which the root holds, and nobody else has it.
        unsafe { self.slot.give_up() };
    }
}
