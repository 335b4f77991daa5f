//! Barriers: what a store does besides storing, while a cycle is under way.
//!
//! The deletion barrier keeps the snapshot: marking finds whatever was reachable when the last mutator closed. A pointer that
//! a mutator holds was loaded after it was armed, from an object of that snapshot or from a new, black one; while it stays in an object
//! marking can find it there, and before it is taken out it is shaded (S1). New objects need no scan, because what is in them was
//! held. A mutator that is not armed pays one predictable branch.

use crate::{
    ephemeron::EphemeronSlot,
    local::Local,
    mark::Gray,
    mark_lock::MarkLock,
    piece_lock::PieceLock,
    plant::Bug,
    trace::{Visitor, each_piece},
};
use mudlark_arena::{
    Marks,
    sync::{AtomicPtr, Ordering},
};
use std::ptr::NonNull;

/// Shaded objects are handed to the collector when this many came together.
pub(crate) const BUFFER_LEN: usize = 256;

impl Local {
    /// Whether overwritten pointers must be shaded now.
    #[inline(always)]
    pub fn is_armed(&self) -> bool {
        self.armed.get()
    }

    /// Stores `new` in a word that holds a pointer or null, with the deletion barrier. Returns what was there.
    ///
    /// # Safety
    ///
    /// Everything that is ever stored in the word is null or holds an object of this heap, which was written before.
    #[inline(always)]
    pub unsafe fn overwrite(&self, word: &AtomicPtr<u8>, new: *mut u8) -> *mut u8 {
        if self.is_armed() {
            // SAFETY: promised by the caller.
            unsafe { self.overwrite_armed(word, new) }
        } else {
            // ORDERING: AcqRel: Release publishes what `new` leads to, to mutators and markers; Acquire because the caller may use
            // the old pointer.
            word.swap(new, Ordering::AcqRel)
        }
    }

    /// As [`Local::overwrite`], for who does not want to know what was there: not armed, it is a plain store.
    ///
    /// # Safety
    ///
    /// As for [`Local::overwrite`].
    #[inline(always)]
    pub unsafe fn store(&self, word: &AtomicPtr<u8>, new: *mut u8) {
        if self.is_armed() {
            // SAFETY: promised by the caller.
            unsafe { self.overwrite_armed(word, new) };
        } else {
            // ORDERING: Release publishes what `new` leads to, to mutators and markers, who load with Acquire.
            word.store(new, Ordering::Release);
        }
    }

    /// The deletion barrier: shades first, then takes out (S1).
    ///
    /// Between taking out and shading, the old object would be in nobody's sight: another mutator may meanwhile put it back into the
    /// word that was just scanned, pass the round of handshakes that ends marking, and take it out and shade it again, into a
    /// buffer that nobody waits for. So the object is shaded while it can still be found here, and taken out by a
    /// compare-and-swap: each of two mutators that overwrite has shaded what it replaces.
    #[cold]
    #[inline(never)]
    unsafe fn overwrite_armed(&self, word: &AtomicPtr<u8>, new: *mut u8) -> *mut u8 {
        // ORDERING: Acquire pairs with the Release of whoever stored: the old object's mark is looked at.
        let old = word.load(Ordering::Acquire);
        // Most are marked already: for them nothing is called, and no register is saved.
        // SAFETY: C2: promised by the caller.
        let is_shaded = NonNull::new(old).is_none_or(|old| unsafe { self.marks().is_marked(old.as_ptr()) });
        // ORDERING: Release as in `store`; Acquire as above.
        if is_shaded && word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return old;
        }
        // SAFETY: promised by the caller.
        unsafe { self.overwrite_white(word, new) }
    }

    /// The same for an object that has to be shaded, or for a word that others change just now.
    #[inline(never)]
    unsafe fn overwrite_white(&self, word: &AtomicPtr<u8>, new: *mut u8) -> *mut u8 {
        // ORDERING: Acquire as in `overwrite_armed`.
        let mut old = word.load(Ordering::Acquire);
        loop {
            if let Some(old) = NonNull::new(old) {
                // SAFETY: C2: promised by the caller.
                unsafe { self.shade(old) };
            }
            // ORDERING: Release as in `store`; Acquire as above.
            match word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return old,
                Err(now) => old = now,
            }
        }
    }

    /// Stores `new` in a word that holds `current`, with the deletion barrier. Returns what was there: `Ok` if it was `current`.
    ///
    /// # Errors
    ///
    /// What is there instead; nothing is stored then.
    ///
    /// # Safety
    ///
    /// As for [`Local::overwrite`]; `current` is null or holds an object of this heap that is reachable now.
    #[inline]
    pub unsafe fn overwrite_if(
        &self,
        word: &AtomicPtr<u8>,
        current: *mut u8,
        new: *mut u8,
    ) -> Result<*mut u8, *mut u8> {
        if let (true, Some(old)) = (self.is_armed(), NonNull::new(current)) {
            // ORDERING: Acquire: who asked may use what is there.
            let there = word.load(Ordering::Acquire);
            if there != current {
                // Without a look at the word's future: were it `current` again in a moment, it would be taken out unshaded.
                return Err(there);
            }
            // SAFETY: C2: promised by the caller.
            unsafe { self.shade(old) };
        }
        // ORDERING: Release as in `store`; Acquire as above.
        word.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Shades an object whose pointer is being overwritten: the deletion barrier's slow half.
    /// To be called before the pointer is taken out (S1); [`Local::overwrite`] and [`Local::store`] do both.
    ///
    /// # Safety
    ///
    /// The mutator is armed, and `cell` holds an object of this heap.
    #[cold]
    pub unsafe fn shade(&self, cell: NonNull<u8>) {
        debug_assert!(self.armed.get());
        if self.core().plants(Bug::BarrierOff) || self.core().birthplace.is_elsewhere() {
            return;
        }
        // SAFETY: C2: by the caller's contract.
        if unsafe { self.marks().try_mark(cell.as_ptr()) } {
            self.buffer_gray(Gray(cell));
        }
    }

    /// The bitmap that this cycle fills, as an armed mutator knows it.
    pub(crate) fn marks(&self) -> Marks<'_> {
        self.arena().marks(self.filling.get())
    }

    fn buffer_gray(&self, gray: Gray) {
        let mut buffer = self.buffer.borrow_mut();
        buffer.push(gray);
        if buffer.len() >= BUFFER_LEN {
            self.core().queue.push(&mut buffer);
        }
    }

    /// Before the contents that `lock` guards are changed: shades what `contents` reports, unless that was done.
    #[inline]
    pub fn log(&self, lock: &MarkLock, contents: impl FnOnce(&mut Shader<'_>)) {
        if self.armed.get() {
            self.log_armed(lock, contents);
        }
    }

    #[cold]
    fn log_armed(&self, lock: &MarkLock, contents: impl FnOnce(&mut Shader<'_>)) {
        if self.core().birthplace.is_elsewhere() {
            // A marker that held the lock at the fork never lets go of it here, and nobody marks.
            return;
        }
        self.log_in_stage(lock, || contents(&mut Shader { local: self }));
    }

    /// One operation on the contents that `lock` guards. With a shader, `change` first shades what it is about to take out (S1). It
    /// runs no code of the program's: a marker may be waiting.
    #[inline]
    pub fn change<R>(&self, lock: &PieceLock, change: impl FnOnce(Option<&mut Shader<'_>>) -> R) -> R {
        if self.armed.get() { self.change_armed(lock, change) } else { change(None) }
    }

    #[cold]
    #[inline(never)]
    fn change_armed<R>(&self, lock: &PieceLock, change: impl FnOnce(Option<&mut Shader<'_>>) -> R) -> R {
        if self.core().birthplace.is_elsewhere() {
            return change(None);
        }
        let mut shader = Shader { local: self };
        match self.stamp.get() {
            Some(stamp) => lock.change(stamp, |shades| change(Some(&mut shader).filter(|_| shades))),
            // Nobody marks before every mutator is closed.
            None => change(Some(&mut shader)),
        }
    }

    /// Before the contents that `lock` guards are changed at will: shades what `piece` reports and no marker has seen, unless that
    /// was done.
    #[inline]
    pub fn log_pieces(&self, lock: &PieceLock, piece: impl FnMut(&mut Shader<'_>, usize) -> Option<usize>) {
        if self.armed.get() {
            self.log_pieces_armed(lock, piece);
        }
    }

    #[cold]
    fn log_pieces_armed(&self, lock: &PieceLock, piece: impl FnMut(&mut Shader<'_>, usize) -> Option<usize>) {
        if !self.core().birthplace.is_elsewhere() {
            Shader { local: self }.guarded_pieces(lock, piece);
        }
    }

    pub(crate) fn log_in_stage(&self, lock: &MarkLock, shade: impl FnOnce()) {
        match self.stamp.get() {
            Some(stamp) if self.core().plants(Bug::StampWithoutShading) => lock.log(stamp, || {}),
            Some(stamp) => lock.log(stamp, shade),
            // Nobody marks before every mutator is closed, so there is nobody to lock out.
            None => shade(),
        }
    }
}

/// The visitor of the deletion barrier: shades every edge.
#[derive(Debug)]
pub struct Shader<'a> {
    local: &'a Local,
}

impl<'a> Shader<'a> {
    pub(crate) fn new(local: &'a Local) -> Shader<'a> {
        Shader { local }
    }

    pub(crate) fn local(&self) -> &'a Local {
        self.local
    }
}

// SAFETY: the mutator's own thread, which changes nothing meanwhile, holds the lock.
unsafe impl Visitor for Shader<'_> {
    unsafe fn edge(&mut self, cell: NonNull<u8>) {
        // SAFETY: C2: by the caller's contract; shaders are made by armed mutators.
        unsafe { self.local.shade(cell) };
    }

    unsafe fn leaf(&mut self, cell: NonNull<u8>, _cell_bytes: usize) {
        // Into the buffer like the others: whoever takes it there counts its bytes.
        // SAFETY: C2: as above.
        unsafe { self.local.shade(cell) };
    }

    unsafe fn ephemeron(&mut self, _slot: &EphemeronSlot) {
        // P1: slots do not lie behind locks, so none is in what a barrier logs.
    }

    unsafe fn guard(&mut self, _slot: &EphemeronSlot) {
        // P1: as above.
    }

    fn guarded(&mut self, lock: &MarkLock, contents: impl FnOnce(&mut Self)) {
        // A cell inside a cell: the outer one's exclusive borrow can move it, so its contents are logged with it.
        let local = self.local;
        local.log_in_stage(lock, || contents(self));
    }

    fn guarded_pieces(&mut self, lock: &PieceLock, mut piece: impl FnMut(&mut Self, usize) -> Option<usize>) {
        match self.local.stamp.get() {
            Some(stamp) => lock.log(stamp, |first| piece(self, first)),
            None => each_piece(|first| piece(self, first)),
        }
    }
}
