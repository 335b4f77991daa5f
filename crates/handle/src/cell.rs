//! Cells of one word: pointers that change.

use crate::{
    gc::Gc,
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_arena::sync::{AtomicPtr, Ordering};
use std::{
    fmt,
    marker::PhantomData,
    ptr::{NonNull, null_mut},
};

/// What fits into a [`GcCell`]: a `Gc` or a [`GcWeak`](crate::GcWeak), or an optional one.
///
/// # Safety
///
/// `from_raw` inverts `into_raw`, and what `into_raw` returns is null or the cell of the one object that the word
/// leads to.
pub unsafe trait Word: Copy {
    #[doc(hidden)]
    fn into_raw(self) -> *mut u8;
    /// # Safety
    ///
    /// `raw` came from `into_raw` of this type.
    #[doc(hidden)]
    unsafe fn from_raw(raw: *mut u8) -> Self;
}

// SAFETY: the cell there and back.
unsafe impl<T: ?Sized> Word for Gc<'_, T> {
    #[inline(always)]
    fn into_raw(self) -> *mut u8 {
        Gc::cell(self).as_ptr()
    }

    #[inline(always)]
    unsafe fn from_raw(raw: *mut u8) -> Self {
        // SAFETY: a `Gc` gives no null.
        let cell = unsafe { NonNull::new_unchecked(raw) };
        // SAFETY: the same object under the same brand.
        unsafe { Gc::from_cell(cell) }
    }
}

// SAFETY: as for `Gc`, and null for `None`.
unsafe impl<T: ?Sized> Word for Option<Gc<'_, T>> {
    #[inline(always)]
    fn into_raw(self) -> *mut u8 {
        self.map_or(null_mut(), Word::into_raw)
    }

    #[inline(always)]
    unsafe fn from_raw(raw: *mut u8) -> Self {
        // SAFETY: the same object under the same brand.
        NonNull::new(raw).map(|cell| unsafe { Gc::from_cell(cell) })
    }
}

/// A pointer in an object that can be changed: `Gc` or `Option<Gc>`.
///
/// Lock-free; as `Sync` as what it leads to. Setting it takes the scope, because the collector may have to be told what was
/// overwritten; it costs one predictable branch while no cycle marks.
///
/// # Example: a ring of two
///
/// ```
/// use mudlark::{Gc, GcCell, Heap, Trace};
///
/// #[derive(Trace)]
/// struct Person<'gc> {
///     name: &'static str,
///     friend: GcCell<Option<Gc<'gc, Person<'gc>>>>,
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let ann = cx.alloc(Person { name: "Ann", friend: GcCell::new(None) });
///     let bob = cx.alloc(Person { name: "Bob", friend: GcCell::new(Some(ann)) });
///     ann.friend.set(cx, Some(bob));
///     assert_eq!(ann.friend.get().unwrap().friend.get().unwrap().name, "Ann");
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct GcCell<W> {
    word: AtomicPtr<u8>,
    content: Content<W>,
}

/// Sends like a `W`, shares like a `W`, and fits no other type.
type Content<W> = PhantomData<(W, fn(W) -> W)>;

impl<W: Word> GcCell<W> {
    /// A cell that holds `word`.
    #[inline]
    pub fn new(word: W) -> GcCell<W> {
        GcCell { word: AtomicPtr::new(word.into_raw()), content: PhantomData }
    }

    /// What the cell holds.
    #[inline]
    pub fn get(&self) -> W {
        // ORDERING: Acquire pairs with the Release in `set`: what the pointer leads to is seen complete.
        let raw = self.word.load(Ordering::Acquire);
        // SAFETY: only words of this type are ever stored.
        unsafe { W::from_raw(raw) }
    }

    /// Changes what the cell holds.
    #[inline]
    pub fn set<'gc>(&self, cx: &Scope<'gc>, word: W)
    where
        W: Trace<'gc>,
    {
        // SAFETY: H1: only words of this type are ever stored, which lead to objects of the scope's heap.
        unsafe { cx.local().store(&self.word, word.into_raw()) };
    }
}

impl<W: Word + Default> Default for GcCell<W> {
    fn default() -> GcCell<W> {
        GcCell::new(W::default())
    }
}

impl<W: Word + fmt::Debug> fmt::Debug for GcCell<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GcCell").field(&self.get()).finish()
    }
}

// SAFETY: T1: the word is traced; T3: it is one atomic word, and changes go through the barrier.
unsafe impl<'gc, W: Word + Trace<'gc>> Trace<'gc> for GcCell<W> {
    const NEEDS_TRACE: bool = W::NEEDS_TRACE;

    #[inline(always)]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.get().trace(visitor);
    }
}

// SAFETY: B1: a cell of the same word under another brand.
unsafe impl<W: Word + Rebrand> Rebrand for GcCell<W>
where
    for<'gc> W::With<'gc>: Word + Sized,
{
    type With<'gc> = GcCell<W::With<'gc>>;
}
