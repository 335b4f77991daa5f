//! A mutator, and what outlives its scopes.

use crate::{
    mutator::Mutator,
    raw::{RawHeap, RawScope},
};
use std::cell::Cell;

/// A thread's access to a heap. It can move between threads, outside of its scopes.
#[derive(Debug)]
pub struct RawMutator {
    pub(super) raw: mudlark_arena::sync::Arc<Mutator>,
    pub(super) heap: RawHeap,
    /// A scope is open, or was leaked.
    pub(super) is_entered: Cell<bool>,
}

impl RawMutator {
    pub(super) fn new(heap: &RawHeap) -> RawMutator {
        // SAFETY: the mutator holds the heap, and detaches in its drop.
        let raw = unsafe { heap.collector().attach() };
        RawMutator { raw, heap: heap.clone(), is_entered: Cell::new(false) }
    }

    /// The heap.
    pub fn heap(&self) -> &RawHeap {
        &self.heap
    }

    /// Opens a scope: from here to its drop, the thread may use objects. It waits at most while the mutator is being served, and inside
    /// for nothing.
    ///
    /// # Panics
    ///
    /// If a scope of the mutator was leaked; in a finalizer; and in a fork of the process that made the heap, if something would have
    /// to be waited for.
    #[inline]
    #[track_caller]
    pub fn enter(&mut self) -> RawScope<'_> {
        assert!(!self.is_entered.get(), "a scope of this mutator was leaked; drop scopes");
        // SAFETY: M1: the mutator has no scope, and `&mut self` keeps other threads off.
        unsafe { self.raw.enter() };
        self.is_entered.set(true);
        // SAFETY: entered just now.
        unsafe { RawScope::new(self) }
    }
}

impl Drop for RawMutator {
    fn drop(&mut self) {
        if self.is_entered.get() {
            // SAFETY: a scope was leaked, and nobody has pointers of it any more.
            unsafe { self.raw.exit() };
        }
        // SAFETY: it was attached to this heap, and has no scope.
        unsafe { self.heap.collector().detach(&self.raw) };
    }
}
