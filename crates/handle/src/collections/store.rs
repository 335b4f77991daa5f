//! What the collections are made of: contents, who borrows them, the lock that keeps markers off, and the account of their bytes.
//!
//! There are two ways to change contents.
//!
//! | way | for | while a cycle marks, it costs |
//! |---|---|---|
//! | [`Store::change`] | one operation that knows what it takes out, and runs no code of the program | a lock, and shading what is taken out |
//! | [`Store::borrow_mut`] | anything | once per cycle: shading all that no marker has seen |
//!
//! A small store is shaded as a whole by its first change, which makes the next ones free. Contents without pointers know neither.
//!
//! Borrows are counted as in [`GcRefCell`](crate::GcRefCell). Whoever runs code of the program (`Hash`, `Eq`, closures, drop glue)
//! counts as a borrower meanwhile, so if that code comes back to the same collection, it panics. Keys that compare themselves need none
//! ([`keys`](super::keys)).

use crate::{
    ref_cell::{BorrowError, BorrowMutError},
    scope::Scope,
    trace::Visitor,
};
use mudlark_collector::{ExternalAccount, HeapFull, PieceLock, Shader};
use std::{
    cell::{Cell, UnsafeCell},
    mem,
    ops::{Deref, DerefMut},
};

/// Bytes of contents that a marker looks at while it holds the lock.
pub(super) const PIECE_BYTES: usize = 2048;
/// Contents of so many bytes are shaded as a whole.
const SMALL_BYTES: usize = 256;

/// What a store can hold.
pub(crate) trait Buffer {
    /// Bytes that it has from the allocator.
    fn buffer_bytes(&self) -> usize;
}

/// Contents that can be traced in pieces.
///
/// # Safety
///
/// T1-T7 hold for what `trace_piece` visits from 0 on, if nothing changes in between; and if it does, a place that held a value all the
/// time, in contents whose buffer stayed as large as it was or in which places are numbered the same afterwards, is visited.
pub(crate) unsafe trait Pieces<'gc>: Buffer {
    /// Whether there can be pointers in the contents.
    const NEEDS_TRACE: bool;

    /// Visits the piece that begins at `first`, and returns where the next one does.
    fn trace_piece<V: Visitor>(&self, visitor: &mut V, first: usize) -> Option<usize>;
}

/// Contents of a collection.
pub(super) struct Store<C> {
    /// Shared borrows, or [`EXCLUSIVE`].
    borrows: Cell<u32>,
    lock: PieceLock,
    account: UnsafeCell<ExternalAccount>,
    value: UnsafeCell<C>,
}

const EXCLUSIVE: u32 = u32::MAX;

impl<C> Store<C> {
    pub(super) const fn new(value: C) -> Store<C> {
        Store {
            borrows: Cell::new(0),
            lock: PieceLock::new(),
            account: UnsafeCell::new(ExternalAccount::new()),
            value: UnsafeCell::new(value),
        }
    }

    pub(super) fn into_inner(self) -> C {
        self.value.into_inner()
    }

    // ---- reading

    /// Runs a look at the contents that runs no code of the program's.
    ///
    /// # Panics
    ///
    /// If they are mutably borrowed.
    ///
    /// # Safety
    ///
    /// `look` does not come back to this store.
    #[inline(always)]
    #[track_caller]
    pub(super) unsafe fn look<R>(&self, look: impl FnOnce(&C) -> R) -> R {
        if self.borrows.get() == EXCLUSIVE {
            refuse(&BorrowError);
        }
        // SAFETY: K1: no mutable borrow is out, and none is made meanwhile.
        look(unsafe { &*self.value.get() })
    }

    /// The same for a look that runs code of the program's: it counts as a shared borrow, which cannot be leaked.
    #[inline(always)]
    #[track_caller]
    pub(super) fn peek<R>(&self, look: impl FnOnce(&C) -> R) -> R {
        // Most often there is no other borrow, and then a constant is stored.
        if self.borrows.get() == 0 {
            self.borrows.set(1);
        } else {
            self.one_more();
        }
        look(&Shared { store: self })
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn one_more(&self) {
        match self.borrow() {
            // The caller has it.
            Ok(shared) => mem::forget(shared),
            Err(error) => refuse(&error),
        }
    }

    pub(super) fn borrow(&self) -> Result<Shared<'_, C>, BorrowError> {
        let borrows = self.borrows.get();
        if borrows >= EXCLUSIVE - 1 {
            return Err(BorrowError);
        }
        self.borrows.set(borrows + 1);
        Ok(Shared { store: self })
    }

    // ---- changing

    /// Whether contents can be changed without a thought of markers.
    #[inline(always)]
    pub(super) fn is_quiet<'gc>(cx: &Scope<'gc>) -> bool
    where
        C: Pieces<'gc>,
    {
        !(C::NEEDS_TRACE && cx.local().is_armed())
    }

    /// The contents, if nobody has a borrow or could mark them: the fast path of an operation.
    ///
    /// # Safety
    ///
    /// While there is the reference, no code of the program's runs and no second one is made.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the caller has the only reference")]
    pub(super) unsafe fn quiet<'gc>(&self, cx: &Scope<'gc>) -> Option<&mut C>
    where
        C: Pieces<'gc>,
    {
        // One branch for both.
        let in_the_way = self.borrows.get() | u32::from(!Store::<C>::is_quiet(cx));
        // SAFETY: K1: nobody has a borrow; K2: a mutator that is not armed has no marker beside it.
        (in_the_way == 0).then(|| unsafe { &mut *self.value.get() })
    }

    /// Makes sure that nobody has a borrow.
    ///
    /// # Panics
    ///
    /// If somebody has.
    #[inline(always)]
    #[track_caller]
    pub(super) fn assert_free(&self) {
        if self.borrows.get() != 0 {
            refuse(&BorrowMutError);
        }
    }

    /// One operation. If `change` gets a shader, it shows it what it takes out of its place, before it does (S1).
    ///
    /// # Safety
    ///
    /// Nobody has a mutable borrow, nor a shared one of what is changed; and `change` runs no code of the program's.
    #[inline(always)]
    pub(super) unsafe fn change<'gc, R>(
        &self,
        cx: &Scope<'gc>,
        change: impl FnOnce(&mut C, Option<&mut Shader<'_>>) -> R,
    ) -> R
    where
        C: Pieces<'gc>,
    {
        if Store::<C>::is_quiet(cx) {
            // SAFETY: K1: promised by the caller; K2: a mutator that is not armed has no marker beside it.
            change(unsafe { &mut *self.value.get() }, None)
        } else {
            // SAFETY: promised by the caller.
            unsafe { self.change_armed(cx, change) }
        }
    }

    /// # Safety
    ///
    /// As for [`Store::change`].
    #[cold]
    #[inline(never)]
    unsafe fn change_armed<'gc, R>(
        &self,
        cx: &Scope<'gc>,
        change: impl FnOnce(&mut C, Option<&mut Shader<'_>>) -> R,
    ) -> R
    where
        C: Pieces<'gc>,
    {
        // SAFETY: K1: nobody changes the contents but this thread.
        let is_small = unsafe { &*self.value.get() }.buffer_bytes() <= SMALL_BYTES;
        if is_small && cx.local().is_closed() {
            // SAFETY: promised by the caller.
            unsafe { self.log(cx) };
        }
        cx.local().change(&self.lock, |shader| {
            // SAFETY: K1: promised by the caller; K2: and no marker looks, by the lock.
            change(unsafe { &mut *self.value.get() }, shader)
        })
    }

    /// Shades what no marker has seen, and keeps markers off until the end of the cycle.
    ///
    /// # Safety
    ///
    /// Nobody has a mutable reference to the contents, nor makes one meanwhile.
    #[inline]
    unsafe fn log<'gc>(&self, cx: &Scope<'gc>)
    where
        C: Pieces<'gc>,
    {
        if C::NEEDS_TRACE {
            cx.local().log_pieces(&self.lock, |shader, first| {
                // SAFETY: K1: promised by the caller.
                unsafe { &*self.value.get() }.trace_piece(shader, first)
            });
        }
    }

    /// Keeps everybody from borrowing, while code of the program runs: the contents may be read, and changed through
    /// [`Store::change`].
    #[inline(always)]
    #[track_caller]
    pub(super) fn hold(&self) -> Held<'_, C> {
        self.assert_free();
        self.borrows.set(EXCLUSIVE);
        Held { store: self }
    }

    pub(super) fn borrow_mut<'b, 'gc>(
        &'b self,
        cx: &'b Scope<'gc>,
    ) -> Result<Exclusive<'b, 'gc, C>, BorrowMutError>
    where
        C: Pieces<'gc>,
    {
        if self.borrows.get() != 0 {
            return Err(BorrowMutError);
        }
        // SAFETY: nobody has a borrow, and this thread makes none meanwhile.
        unsafe { self.log(cx) };
        self.borrows.set(EXCLUSIVE);
        Ok(Exclusive { store: self, cx })
    }

    // ---- the account

    /// Before the buffer grows: counts and pays.
    ///
    /// May mark and sweep, so no lock is held.
    #[inline]
    pub(super) fn grow(&self, cx: &Scope<'_>, bytes: usize) -> Result<(), HeapFull> {
        // SAFETY: K4: counting runs no other code, and the reference ends with it.
        let more = cx.count_growth(unsafe { &mut *self.account.get() }, bytes as u64)?;
        cx.pay_counted(more);
        Ok(())
    }

    /// Counts the buffer as it is now.
    pub(super) fn settle(&self, cx: &Scope<'_>)
    where
        C: Buffer,
    {
        // SAFETY: K1: a read on the thread that has the store.
        let bytes = unsafe { &*self.value.get() }.buffer_bytes() as u64;
        // SAFETY: K4: counting runs no other code, and the reference ends with it.
        let more = cx.count_external(unsafe { &mut *self.account.get() }, bytes);
        cx.pay_counted(more);
    }

    /// Counts the buffer as it is when the answer is dropped.
    pub(super) fn settle_at_end<'b>(&'b self, cx: &'b Scope<'_>) -> impl Drop + 'b
    where
        C: Buffer,
    {
        AtEnd(move || self.settle(cx))
    }

    /// Traces what a marker may look at.
    #[inline]
    pub(super) fn trace<'gc, V: Visitor>(&self, visitor: &mut V)
    where
        C: Pieces<'gc>,
    {
        if C::NEEDS_TRACE {
            visitor.guarded_pieces(&self.lock, |visitor, first| {
                // SAFETY: K2: the visitor calls this only while no mutator changes the contents.
                unsafe { &*self.value.get() }.trace_piece(visitor, first)
            });
        }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn refuse(error: &dyn std::error::Error) -> ! {
    panic!("{error}")
}

struct AtEnd<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Nobody else borrows the contents.
pub(super) struct Held<'b, C> {
    store: &'b Store<C>,
}

impl<C> Held<'_, C> {
    /// As [`Store::change`]; the borrow is this one.
    ///
    /// # Safety
    ///
    /// `change` runs no code of the program's.
    #[inline(always)]
    pub(super) unsafe fn change<'gc, R>(
        &mut self,
        cx: &Scope<'gc>,
        change: impl FnOnce(&mut C, Option<&mut Shader<'_>>) -> R,
    ) -> R
    where
        C: Pieces<'gc>,
    {
        // SAFETY: K1: this is the only borrow, and the reference to the contents ends with the call.
        unsafe { self.store.change(cx, change) }
    }

    /// The contents, if nobody could mark them.
    #[inline(always)]
    pub(super) fn quiet<'gc>(&mut self, cx: &Scope<'gc>) -> Option<&mut C>
    where
        C: Pieces<'gc>,
    {
        // SAFETY: K1: this is the only borrow; K2: a mutator that is not armed has no marker beside it.
        Store::<C>::is_quiet(cx).then(|| unsafe { &mut *self.store.value.get() })
    }

    /// All contents, to be changed at will.
    pub(super) fn all<'gc>(&mut self, cx: &Scope<'gc>) -> &mut C
    where
        C: Pieces<'gc>,
    {
        // SAFETY: this is the only borrow.
        unsafe { self.store.log(cx) };
        // SAFETY: K1: as above; K2: markers keep off, for the contents were logged.
        unsafe { &mut *self.store.value.get() }
    }
}

impl<C> Deref for Held<'_, C> {
    type Target = C;

    #[inline(always)]
    fn deref(&self) -> &C {
        // SAFETY: K1: this is the only borrow.
        unsafe { &*self.store.value.get() }
    }
}

impl<C> Drop for Held<'_, C> {
    #[inline(always)]
    fn drop(&mut self) {
        self.store.borrows.set(0);
    }
}

/// A shared borrow.
pub(super) struct Shared<'b, C> {
    store: &'b Store<C>,
}

impl<C> Deref for Shared<'_, C> {
    type Target = C;

    #[inline]
    fn deref(&self) -> &C {
        // SAFETY: K1: while this borrow is counted, no mutable one is made.
        unsafe { &*self.store.value.get() }
    }
}

impl<C> Drop for Shared<'_, C> {
    #[inline]
    fn drop(&mut self) {
        self.store.borrows.set(self.store.borrows.get() - 1);
    }
}

/// The only borrow, of logged contents. When it is dropped, the account is settled; if it is leaked, the collection stays borrowed and the
/// account as it was.
pub(super) struct Exclusive<'b, 'gc, C: Buffer> {
    store: &'b Store<C>,
    cx: &'b Scope<'gc>,
}

impl<C: Buffer> Exclusive<'_, '_, C> {
    /// Before the buffer grows: counts and pays.
    pub(super) fn grow(&self, bytes: usize) -> Result<(), HeapFull> {
        self.store.grow(self.cx, bytes)
    }

    /// What the errors of allocators become.
    pub(super) fn refused(&self, bytes: usize) -> HeapFull {
        self.cx.refused_external(bytes)
    }
}

impl<C: Buffer> Deref for Exclusive<'_, '_, C> {
    type Target = C;

    #[inline]
    fn deref(&self) -> &C {
        // SAFETY: K1: this is the only borrow.
        unsafe { &*self.store.value.get() }
    }
}

impl<C: Buffer> DerefMut for Exclusive<'_, '_, C> {
    #[inline]
    fn deref_mut(&mut self) -> &mut C {
        // SAFETY: K1: this is the only borrow; K2: markers keep off, for the contents were logged.
        unsafe { &mut *self.store.value.get() }
    }
}

impl<C: Buffer> Drop for Exclusive<'_, '_, C> {
    #[inline]
    fn drop(&mut self) {
        self.store.settle(self.cx);
        self.store.borrows.set(0);
    }
}
