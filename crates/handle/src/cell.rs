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
///
/// # Example: a function for cells of any kind
///
/// ```
/// use mudlark::{GcCell, Heap, Word};
///
/// fn is_same<W: Word + PartialEq>(one: &GcCell<W>, other: &GcCell<W>) -> bool {
///     one.get() == other.get()
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let seven = GcCell::new(cx.alloc(7_u64));
///     assert!(is_same(&seven, &GcCell::new(cx.alloc(7))));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    ///
    /// # Example: empty at first
    ///
    /// ```
    /// use mudlark::{Gc, GcCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let next: GcCell<Option<Gc<'_, str>>> = GcCell::new(None);
    ///     assert!(next.get().is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn new(word: W) -> GcCell<W> {
        GcCell { word: AtomicPtr::new(word.into_raw()), content: PhantomData }
    }

    /// What the cell holds.
    ///
    /// # Example: a copy of the pointer
    ///
    /// ```
    /// use mudlark::{Gc, GcCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let word = cx.alloc_str("lark");
    ///     assert!(Gc::ptr_eq(GcCell::new(word).get(), word));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get(&self) -> W {
        // ORDERING: Acquire pairs with the Release in `set`: what the pointer leads to is seen complete.
        let raw = self.word.load(Ordering::Acquire);
        // SAFETY: only words of this type are ever stored.
        unsafe { W::from_raw(raw) }
    }

    /// Changes what the cell holds.
    ///
    /// # Example: a variable of a script
    ///
    /// ```
    /// use mudlark::{GcCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let variable = cx.alloc(GcCell::new(cx.alloc(1_u64)));
    ///     variable.set(cx, cx.alloc(*variable.get() + 1));
    ///     assert_eq!(*variable.get(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn set<'gc>(&self, cx: &Scope<'gc>, word: W)
    where
        W: Trace<'gc>,
    {
        // SAFETY: H1: only words of this type are ever stored, which lead to objects of the scope's heap.
        unsafe { cx.local().store(&self.word, word.into_raw()) };
    }

    /// Changes what the cell holds, and returns what it held: one step, also where several threads change the cell.
    ///
    /// # Example: the head of a list
    ///
    /// ```
    /// use mudlark::{GcCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let cell = GcCell::new(cx.alloc(1_u64));
    ///     assert_eq!(*cell.replace(cx, cx.alloc(2)), 1);
    ///     assert_eq!(*cell.get(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn replace<'gc>(&self, cx: &Scope<'gc>, word: W) -> W
    where
        W: Trace<'gc>,
    {
        // SAFETY: H1: as in `set`.
        let old = unsafe { cx.local().overwrite(&self.word, word.into_raw()) };
        // SAFETY: only words of this type are ever stored.
        unsafe { W::from_raw(old) }
    }

    /// Takes what the cell holds, and leaves `None`.
    ///
    /// # Example: each job is done once
    ///
    /// ```
    /// use mudlark::{GcCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let job = GcCell::new(Some(cx.alloc_str("wash")));
    ///     assert_eq!(job.take(cx).as_deref(), Some("wash"));
    ///     assert!(job.take(cx).is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn take<'gc>(&self, cx: &Scope<'gc>) -> W
    where
        W: Trace<'gc> + Default,
    {
        self.replace(cx, W::default())
    }

    /// Exchanges what two cells hold.
    ///
    /// Each of the two is changed in one step, but not both: where other threads change them meanwhile, what they
    /// stored in this cell can be lost.
    ///
    /// # Example: turning a pair around
    ///
    /// ```
    /// use mudlark::{GcCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (left, right) = (GcCell::new(cx.alloc(1_u64)), GcCell::new(cx.alloc(2_u64)));
    ///     left.swap(cx, &right);
    ///     assert_eq!((*left.get(), *right.get()), (2, 1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn swap<'gc>(&self, cx: &Scope<'gc>, other: &GcCell<W>)
    where
        W: Trace<'gc>,
    {
        let theirs = other.replace(cx, self.get());
        self.set(cx, theirs);
    }

    /// Stores `new` if the cell holds `current`: the same object, not one that is equal to it.
    ///
    /// This is what lock-free structures are made of. An object is not freed, and so its address not used again, while a scope
    /// can see it: what is called the ABA problem needs the same object to come back.
    ///
    /// # Errors
    ///
    /// What the cell holds instead; it stays.
    ///
    /// # Example: a stack that threads push to
    ///
    /// ```
    /// use mudlark::{Gc, GcCell, Heap, Scope, Trace};
    ///
    /// type Link<'gc> = Option<Gc<'gc, Node<'gc>>>;
    ///
    /// #[derive(Trace)]
    /// struct Node<'gc> {
    ///     value: u64,
    ///     next: GcCell<Link<'gc>>,
    /// }
    ///
    /// fn push<'gc>(cx: &Scope<'gc>, stack: &GcCell<Link<'gc>>, value: u64) {
    ///     let mut top = stack.get();
    ///     let node = cx.alloc(Node { value, next: GcCell::new(top) });
    ///     while let Err(now) = stack.compare_exchange(cx, top, Some(node)) {
    ///         node.next.set(cx, now);
    ///         top = now;
    ///     }
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let stack = cx.alloc(GcCell::new(None));
    ///     push(cx, &stack, 1);
    ///     push(cx, &stack, 2);
    ///     assert_eq!(stack.get().map(|node| node.value), Some(2));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn compare_exchange<'gc>(&self, cx: &Scope<'gc>, current: W, new: W) -> Result<W, W>
    where
        W: Trace<'gc>,
    {
        // SAFETY: H1: as in `set`; who gives `current` holds it in this scope.
        let outcome = unsafe { cx.local().overwrite_if(&self.word, current.into_raw(), new.into_raw()) };
        // SAFETY: only words of this type are ever stored.
        let word = |raw| unsafe { W::from_raw(raw) };
        outcome.map(word).map_err(word)
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
