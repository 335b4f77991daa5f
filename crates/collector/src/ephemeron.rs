//! Ephemerons: pairs whose value lives only while their key does, and whose key nobody keeps alive.
//!
//! ```text
//!   slot ── key ╌╌▶ K        weak: the collector clears the slot when K dies
//!        └─ value ─▶ V       followed once K is marked, whatever marked it; V may lead back to K
//! ```
//!
//! A slot lies in an object that never moves, and its tracer shows it to the visitor as what it is
//! ([`Visitor::ephemeron`](crate::Visitor::ephemeron)). What markers do with slots whose keys are white is in `mark/ephemerons.rs`;
//! here is what mutators do with them.
//!
//! # Why what a mutator reads is marked
//!
//! Let C be what can be reached when the snapshot is complete, where a slot in C whose key is in C leads to its value. All that a closed
//! mutator holds is in C, or born black, or was upgraded. It holds a key of one of these kinds when it reads a value:
//!
//! - If slot and pair are what they were in the snapshot, the value is in C as well (or, if the key was upgraded, will be marked after the
//!   key: the gate has shaded that into the shared queue, so marking does not end before the slot is looked at again).
//! - Else a closed mutator wrote the pair, and held both.
//!
//! And what is taken out of a slot is shaded first (S1), so that marking finds the value there or has it. This is why the key of what is
//! changed must be in hand, and why pairs are copied from slot to slot only by mutators that are not closed: their new slots are
//! part of the snapshot, while an object that is born black later is not looked at in this cycle (P2).
//!
//! | step | order |
//! |---|---|
//! | fill a free slot | value, then key: who sees the key sees the value |
//! | empty it | shade and take out the value, then the key |
//! | clear it, its key being dead | value, then key: who sees no key may fill the slot |

use crate::{local::Local, plant::Bug};
use mudlark_arena::sync::{AtomicPtr, Ordering};
use std::ptr::{NonNull, null_mut};

/// A key and a value, or nothing.
#[derive(Debug)]
pub struct EphemeronSlot {
    key: AtomicPtr<u8>,
    value: AtomicPtr<u8>,
}

impl Default for EphemeronSlot {
    fn default() -> EphemeronSlot {
        EphemeronSlot { key: AtomicPtr::new(null_mut()), value: AtomicPtr::new(null_mut()) }
    }
}

impl EphemeronSlot {
    /// A slot with a pair: for objects that are being made.
    pub fn of(key: NonNull<u8>, value: NonNull<u8>) -> EphemeronSlot {
        EphemeronSlot { key: AtomicPtr::new(key.as_ptr()), value: AtomicPtr::new(value.as_ptr()) }
    }

    /// Where the key is, dead or alive: an address to compare, and nothing else. `None` if the slot is free.
    #[inline]
    pub fn peek_key(&self) -> Option<NonNull<u8>> {
        // ORDERING: Acquire pairs with the Releases of `fill` and `clear` (P1).
        NonNull::new(self.key.load(Ordering::Acquire))
    }

    pub(crate) fn peek_value(&self) -> Option<NonNull<u8>> {
        // ORDERING: Acquire pairs with the Release of whoever stored it: what it leads to is seen complete.
        NonNull::new(self.value.load(Ordering::Acquire))
    }

    /// Whether the object of a guardian's slot came back.
    #[inline]
    pub fn is_revived(&self) -> bool {
        self.peek_value().is_some()
    }

    /// Makes the key of a guardian's slot its value. No mutator is at a slot that has a key and no value.
    pub(crate) fn revive(&self, key: NonNull<u8>) -> bool {
        // ORDERING: G2: Release, before the number that guardians look at; the object was published long ago.
        self.value.store(key.as_ptr(), Ordering::Release);
        true
    }

    /// Clears the slot unless its key changed: the key is dead, so that no mutator can be at the slot.
    pub(crate) fn clear(&self, key: NonNull<u8>) {
        self.value.store(null_mut(), Ordering::Relaxed);
        // ORDERING: P1: Release: whoever finds the slot free does not see the old value any more, nor is its own overwritten.
        let _ = self.key.compare_exchange(key.as_ptr(), null_mut(), Ordering::Release, Ordering::Relaxed);
    }
}

impl Local {
    /// Whether this mutator is between its third handshake and the end of the cycle. It must not copy pairs from one slot to another then (P2).
    pub fn is_closed(&self) -> bool {
        self.stamp.get().is_some() && !self.core().plants(Bug::ClosedUnknown)
    }

    /// Fills a free slot.
    ///
    /// # Safety
    ///
    /// Key and value (or null) are objects of this heap that are reachable now, and no other mutator is at the slot.
    pub unsafe fn fill_ephemeron(&self, slot: &EphemeronSlot, key: NonNull<u8>, value: *mut u8) {
        debug_assert!(slot.peek_key().is_none() && slot.peek_value().is_none(), "P1: the slot is free");
        // ORDERING: P1: Release, the value first: who sees the key sees the value, and both complete.
        slot.value.store(value, Ordering::Release);
        slot.key.store(key.as_ptr(), Ordering::Release);
    }

    /// The key of a slot, if it is not dead: a weak load.
    ///
    /// # Safety
    ///
    /// The slot lies in an object of this heap that is reachable now, and no other mutator empties and fills it.
    pub unsafe fn upgrade_key(&self, slot: &EphemeronSlot) -> Option<NonNull<u8>> {
        // SAFETY: W2: a key is an object of this heap, or cleared when it dies.
        unsafe { self.upgrade_word(&slot.key) }
    }

    /// The value of a slot whose key the caller has in hand.
    #[inline]
    pub fn ephemeron_value(&self, slot: &EphemeronSlot) -> Option<NonNull<u8>> {
        slot.peek_value()
    }

    /// Changes the value of a slot whose key the caller has in hand. Returns the old one, or null.
    ///
    /// # Safety
    ///
    /// The slot's key is alive, and `value` is null or an object of this heap that is reachable now.
    pub unsafe fn set_ephemeron_value(&self, slot: &EphemeronSlot, value: *mut u8) -> *mut u8 {
        // SAFETY: C2: values are objects of this heap; that of a live key is alive.
        unsafe { self.overwrite(&slot.value, value) }
    }

    /// Frees a slot whose key the caller has in hand. Returns the value, or null.
    ///
    /// # Safety
    ///
    /// The slot's key is alive, and no other mutator is at the slot.
    pub unsafe fn empty_ephemeron(&self, slot: &EphemeronSlot) -> *mut u8 {
        // SAFETY: C2: as above.
        let value = unsafe { self.overwrite(&slot.value, null_mut()) };
        // ORDERING: P1: Release: who finds the slot free finds no value in it.
        slot.key.store(null_mut(), Ordering::Release);
        value
    }

    /// Copies a pair into a free slot, keeping nothing alive.
    ///
    /// # Safety
    ///
    /// P2: the mutator is not closed; no other mutator is at either slot.
    pub unsafe fn copy_ephemeron(&self, from: &EphemeronSlot, to: &EphemeronSlot) {
        debug_assert!(!self.is_closed(), "P2");
        if let Some(key) = from.peek_key() {
            let value = from.peek_value().map_or(null_mut(), NonNull::as_ptr);
            // SAFETY: promised by the caller.
            unsafe { self.fill_ephemeron(to, key, value) };
        }
    }
}
