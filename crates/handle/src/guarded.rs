//! Contents that change under the eyes of a marker: what [`GcRefCell`](crate::GcRefCell), [`GcMutex`](crate::GcMutex) and
//! [`GcRwLock`](crate::GcRwLock) are made of, each with its own way to keep mutators apart.

use crate::{
    scope::Scope,
    trace::{Trace, Visitor},
};
use mudlark_collector::MarkLock;
use std::{cell::UnsafeCell, ptr::NonNull};

/// A value, and the lock that keeps markers off while it changes.
pub(crate) struct Guarded<T> {
    mark_lock: MarkLock,
    value: UnsafeCell<T>,
}

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Guarded<T> {
        Guarded { mark_lock: MarkLock::new(), value: UnsafeCell::new(value) }
    }

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Where the value is.
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        self.value.get()
    }

    /// The same, for guards.
    #[inline(always)]
    pub(crate) fn pointer(&self) -> NonNull<T> {
        // SAFETY: H2: a pointer only, to a place that is not null; guards look at it while they may.
        unsafe { NonNull::new_unchecked(self.value.get()) }
    }

    /// Before the value is changed: shades what it holds, unless that was done.
    ///
    /// # Safety
    ///
    /// Nobody has a mutable reference to the value, nor makes one meanwhile.
    #[inline]
    pub(crate) unsafe fn log<'gc>(&self, cx: &Scope<'gc>)
    where
        T: Trace<'gc>,
    {
        if T::NEEDS_TRACE {
            cx.local().log(&self.mark_lock, |shader| {
                // SAFETY: H2: promised by the caller.
                unsafe { &*self.get() }.trace(shader);
            });
        }
    }

    /// Traces the value, if the visitor may look at it.
    #[inline]
    pub(crate) fn trace<'gc, V: Visitor>(&self, visitor: &mut V)
    where
        T: Trace<'gc>,
    {
        if T::NEEDS_TRACE {
            visitor.guarded(&self.mark_lock, |visitor| {
                // SAFETY: H2: the visitor calls this only while no mutator changes the contents.
                unsafe { &*self.get() }.trace(visitor);
            });
        }
    }
}
