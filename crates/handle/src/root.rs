//! Roots: objects that live because somebody outside of the heap wants them.

use crate::{gc::Gc, scope::Scope, trace::Rebrand};
use mudlark_collector::{RootSlot, SharedCollector};
use std::{fmt, marker::PhantomData, ptr::NonNull};

/// An object that stays alive outside of scopes. `T` is the type's name under the brand `'static`: `Root<Node<'static>>`.
///
/// A root keeps its heap alive too. It can go to another thread if its object can be shared with one. An object that owns a
/// root of its own heap is never freed.
///
/// # Example: a value that several scopes share
///
/// ```
/// use mudlark::{Heap, Root};
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let counter: Root<u64> = mutator.enter(|cx| cx.root(cx.alloc(1_u64)));
/// mutator.enter(|cx| counter.set(cx, cx.alloc(*counter.get(cx) + 1)));
/// assert_eq!(mutator.enter(|cx| *counter.get(cx)), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Root<T: ?Sized> {
    slot: RootSlot,
    collector: SharedCollector,
    referent: PhantomData<*mut T>,
}

// SAFETY: H5: with a root another thread's mutator can share the object, and nothing else.
unsafe impl<T: ?Sized + Send + Sync> Send for Root<T> {}
// SAFETY: H5: as above; the slot is atomic.
unsafe impl<T: ?Sized + Send + Sync> Sync for Root<T> {}

impl<T: ?Sized> fmt::Debug for Root<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Root<T> {
    /// # Safety
    ///
    /// `cell` holds a live object of the scope's heap whose type is `T` under that scope's brand.
    pub(crate) unsafe fn new(cx: &Scope<'_>, cell: NonNull<u8>) -> Root<T> {
        // SAFETY: promised by the caller; `drop` gives the slot back.
        let slot = unsafe { cx.local().add_root(cell) };
        // SAFETY: the scope's mutator holds a handle.
        let collector = unsafe { cx.core().share() };
        Root { slot, collector, referent: PhantomData }
    }
}

impl<T: ?Sized + Rebrand> Root<T> {
    /// The object, in a scope of its heap.
    ///
    /// # Panics
    ///
    /// With a scope of another heap.
    #[inline]
    pub fn get<'gc>(&self, cx: &Scope<'gc>) -> Gc<'gc, T::With<'gc>> {
        self.assert_same_heap(cx);
        // SAFETY: the root holds its heap.
        let cell = unsafe { self.slot.get() }.expect("a root in use has an object");
        // SAFETY: H5: the slot holds a live `T` of this heap; B1: under this scope's brand it is a `T::With<'gc>`.
        unsafe { Gc::from_cell(cell) }
    }

    /// Roots another object in place of this one.
    ///
    /// # Panics
    ///
    /// With a scope of another heap.
    pub fn set<'gc>(&self, cx: &Scope<'gc>, gc: Gc<'gc, T::With<'gc>>) {
        self.assert_same_heap(cx);
        // SAFETY: H1: what a `Gc` leads to is live in its scope, which is one of the slot's heap.
        unsafe { cx.local().set_root(self.slot, Gc::cell(gc)) };
    }

    #[inline]
    fn assert_same_heap(&self, cx: &Scope<'_>) {
        assert!(
            std::ptr::eq(&raw const **self.collector, cx.core()),
            "a root was used in a scope of another heap; enter a mutator of the heap that made it"
        );
    }
}

impl<T: ?Sized> Drop for Root<T> {
    fn drop(&mut self) {
        // SAFETY: the slot came from this heap and nobody else has it.
        unsafe { self.collector.drop_root(self.slot) };
    }
}
