//! The visitor that tracers and stacks report to.

use crate::{barrier::Shader, mark::Marker, mark_lock::MarkLock, trace::Visitor};
use mudlark_arena::sync::{AtomicU64, Ordering};
use std::{fmt, ptr::NonNull};

/// Is told edges. Tracers, tables of globals and stacks report to one; it is a marker, a mutator that shades, or the verifier.
pub struct RawVisitor<'a> {
    to: To<'a>,
}

enum To<'a> {
    /// From an exclusive borrow that lasts for `'a`; no reference, because a marker's own lifetime cannot be shortened behind one.
    Marker(NonNull<Marker<'a>>),
    Shader(Shader<'a>),
    Each(&'a mut dyn FnMut(NonNull<u8>)),
}

impl fmt::Debug for RawVisitor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawVisitor")
    }
}

impl<'a> RawVisitor<'a> {
    #[inline]
    pub(crate) fn of_marker<'h: 'a>(marker: &'a mut Marker<'h>) -> RawVisitor<'a> {
        let marker: NonNull<Marker<'h>> = NonNull::from(marker);
        RawVisitor { to: To::Marker(marker) }
    }

    pub(crate) fn of_shader(shader: Shader<'a>) -> RawVisitor<'a> {
        RawVisitor { to: To::Shader(shader) }
    }

    pub(crate) fn of_each(each: &'a mut dyn FnMut(NonNull<u8>)) -> RawVisitor<'a> {
        RawVisitor { to: To::Each(each) }
    }

    /// An edge to an object.
    ///
    /// # Safety
    ///
    /// `object` is the address of an object of the heap (E2), and what is being traced leads to it.
    #[inline]
    pub unsafe fn edge(&mut self, object: NonNull<u8>) {
        match &mut self.to {
            To::Marker(marker) => {
                // SAFETY: `of_marker` was given an exclusive borrow of the marker, which lasts for `'a`.
                let marker = unsafe { marker.as_mut() };
                // SAFETY: E2: promised by the caller.
                unsafe { marker.edge(object) };
            }
            // SAFETY: E2: as above.
            To::Shader(shader) => unsafe { shader.edge(object) },
            To::Each(each) => each(object),
        }
    }

    /// An edge to an object of a type without a tracer: it is marked, and never looked at. Tell nothing that you do not
    /// know: [`RawVisitor::edge`] is always right.
    ///
    /// # Safety
    ///
    /// As for [`RawVisitor::edge`], and the object's type has no tracer.
    #[inline]
    pub unsafe fn leaf(&mut self, object: NonNull<u8>) {
        match &mut self.to {
            To::Marker(marker) => {
                // SAFETY: as in `edge`.
                let marker = unsafe { marker.as_mut() };
                // SAFETY: E2: promised by the caller; 0 stands for a size that is looked up.
                unsafe { marker.leaf(object, 0) };
            }
            // SAFETY: E2: as above.
            To::Shader(shader) => unsafe { shader.edge(object) },
            To::Each(each) => each(object),
        }
    }

    /// The edge in a slot, if `decode` finds a pointer in its word.
    ///
    /// # Safety
    ///
    /// What `decode` finds is the address of an object of the heap (E2).
    #[inline]
    pub unsafe fn slot(&mut self, slot: &AtomicU64, decode: impl Fn(u64) -> Option<NonNull<u8>>) {
        // ORDERING: Acquire pairs with the Release of whoever stored (E4): the object is seen as it was written.
        if let Some(object) = decode(slot.load(Ordering::Acquire)) {
            // SAFETY: E2: promised by the caller.
            unsafe { self.edge(object) };
        }
    }

    /// The edges in many slots.
    ///
    /// # Safety
    ///
    /// As for [`RawVisitor::slot`].
    #[inline]
    pub unsafe fn slots(&mut self, slots: &[AtomicU64], decode: impl Fn(u64) -> Option<NonNull<u8>>) {
        for slot in slots {
            // SAFETY: E2: promised by the caller.
            unsafe { self.slot(slot, &decode) };
        }
    }

    /// Edges that mutators change under a lock of their own, logged by [`RawScope::log`](crate::raw::RawScope::log): they
    /// are reported only if nobody changes them now, or needs not be (E6).
    pub fn guarded(&mut self, lock: &MarkLock, contents: impl FnOnce(&mut Self)) {
        match &mut self.to {
            To::Marker(marker) => {
                // SAFETY: as in `edge`; the reference ends here.
                let closed = unsafe { marker.as_ref() }.closed();
                lock.scan(closed, || contents(self));
            }
            To::Shader(shader) => {
                let local = shader.local();
                local.log_in_stage(lock, || contents(self));
            }
            To::Each(_) => contents(self),
        }
    }
}
