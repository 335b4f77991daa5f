//! Stores: what a mutator does besides storing, so that markers find what they must.
//!
//! | what changes | how |
//! |---|---|
//! | one word of an object that markers or other mutators may see | [`RawScope::store_slot`], [`RawScope::swap_slot`], [`RawScope::compare_exchange_slot`] |
//! | such a word, if this mutator alone ever writes it | [`RawScope::log_slot`] with the old pointer, then a Release store |
//! | contents that are more than words, or many words at once | [`RawScope::log_object`] or [`RawScope::log`], then plain stores until the next safepoint |
//! | an object made since the last safepoint that nobody else knows of, a word on a stack | plain stores |

use crate::{
    barrier::Shader,
    mark_lock::MarkLock,
    raw::{RawKind, RawScope, RawVisitor},
};
use mudlark_arena::sync::{AtomicU64, Ordering};
use std::ptr::NonNull;

impl RawScope<'_> {
    /// Whether a cycle is under way, so that overwritten pointers must be shaded. The functions here ask by themselves.
    #[inline(always)]
    pub fn is_armed(&self) -> bool {
        self.local.is_armed()
    }

    /// Shades the object that `word` leads to.
    ///
    /// # Safety
    ///
    /// The mutator is armed, and what `decode` finds is an object (E2).
    #[inline]
    unsafe fn shade_word(&self, word: u64, decode: impl Fn(u64) -> Option<NonNull<u8>>) {
        if let Some(old) = decode(word) {
            // SAFETY: E2: promised by the caller.
            unsafe { self.local.shade(old) };
        }
    }

    /// Stores a word in a slot, with the barrier. `decode` finds the pointer in a word, if one is there.
    ///
    /// # Safety
    ///
    /// What `decode` finds in `new`, and in all that is ever stored in the slot, is an object of this heap (E2).
    #[inline(always)]
    pub unsafe fn store_slot(&self, slot: &AtomicU64, new: u64, decode: impl Fn(u64) -> Option<NonNull<u8>>) {
        if self.is_armed() {
            // SAFETY: E2: promised by the caller.
            unsafe { self.swap_armed(slot, new, decode) };
        } else {
            // ORDERING: Release publishes what `new` leads to, to mutators and markers, who load with Acquire (E4).
            slot.store(new, Ordering::Release);
        }
    }

    /// The same; tells what was there.
    ///
    /// # Safety
    ///
    /// As for [`RawScope::store_slot`].
    #[inline(always)]
    pub unsafe fn swap_slot(
        &self,
        slot: &AtomicU64,
        new: u64,
        decode: impl Fn(u64) -> Option<NonNull<u8>>,
    ) -> u64 {
        if self.is_armed() {
            // SAFETY: E2: promised by the caller.
            unsafe { self.swap_armed(slot, new, decode) }
        } else {
            // ORDERING: AcqRel: Release as in `store_slot`; Acquire because the caller may use the old pointer.
            slot.swap(new, Ordering::AcqRel)
        }
    }

    /// S1: shades first, then takes out, by a compare-and-swap: whatever is replaced was shaded.
    #[cold]
    #[inline(never)]
    unsafe fn swap_armed(
        &self,
        slot: &AtomicU64,
        new: u64,
        decode: impl Fn(u64) -> Option<NonNull<u8>>,
    ) -> u64 {
        // ORDERING: Acquire pairs with the Release of whoever stored: the old object's mark is looked at.
        let mut old = slot.load(Ordering::Acquire);
        loop {
            // SAFETY: E2: promised by the caller.
            unsafe { self.shade_word(old, &decode) };
            // ORDERING: Release as in `store_slot`; Acquire as above.
            match slot.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return old,
                Err(now) => old = now,
            }
        }
    }

    /// Replaces `current` by `new`, if it is there, with the barrier.
    ///
    /// # Errors
    ///
    /// What is there instead.
    ///
    /// # Safety
    ///
    /// As for [`RawScope::store_slot`]; `current` was loaded since the last safepoint.
    #[inline]
    pub unsafe fn compare_exchange_slot(
        &self,
        slot: &AtomicU64,
        current: u64,
        new: u64,
        decode: impl Fn(u64) -> Option<NonNull<u8>>,
    ) -> Result<u64, u64> {
        if self.is_armed() {
            // SAFETY: E2: promised by the caller. S1: before it is taken out; if it is not, it is marked for nothing.
            unsafe { self.shade_word(current, decode) };
        }
        // ORDERING: Release as in `store_slot`; Acquire because the caller may use what is there.
        slot.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Before a pointer is overwritten in a word that no other mutator writes: shades what it leads to.
    ///
    /// # Safety
    ///
    /// `old` is what the word holds now, and the store follows before the next safepoint (E5).
    #[inline(always)]
    pub unsafe fn log_slot(&self, old: NonNull<u8>) {
        if self.is_armed() {
            // SAFETY: E2: promised by the caller.
            unsafe { self.local.shade(old) };
        }
    }

    /// Before an object of a type with a lock is changed: shades all that it leads to, unless that was done. From here to the next
    /// safepoint its contents may be written like plain memory, and no marker looks at them meanwhile (E6).
    ///
    /// It may wait for a marker that is reading the object: for as long as its tracer takes.
    ///
    /// # Panics
    ///
    /// If the type has no lock.
    ///
    /// # Safety
    ///
    /// `object` is one of the kind (E2, E11), and no other mutator changes it now (E6).
    #[inline]
    pub unsafe fn log_object(&self, kind: RawKind, object: NonNull<u8>) {
        if self.is_armed() {
            // SAFETY: E6: promised by the caller.
            unsafe { self.log_object_armed(kind, object) };
        }
    }

    #[cold]
    unsafe fn log_object_armed(&self, kind: RawKind, object: NonNull<u8>) {
        // SAFETY: E11: promised by the caller.
        let raw = unsafe { kind.raw_type() };
        // SAFETY: E6: as above.
        let lock = unsafe { raw.lock(object) }.expect("a type whose objects are logged has a `lock_offset`");
        self.local.log(lock, |shader| {
            raw.trace_guarded(object, &mut RawVisitor::of_shader(Shader::new(shader.local())));
        });
    }

    /// Before the contents that `lock` guards are changed: shades what `contents` reports, unless that was done. For objects of
    /// which only a part is guarded; their tracer asks [`RawVisitor::guarded`].
    #[inline]
    pub fn log(&self, lock: &MarkLock, contents: impl FnOnce(&mut RawVisitor<'_>)) {
        self.local.log(lock, |shader| contents(&mut RawVisitor::of_shader(Shader::new(shader.local()))));
    }
}
