//! Weak pointers.

use crate::{
    cell::Word,
    error::AllocError,
    gc::{Brand, Gc},
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_collector::WeakBox;
use std::{
    fmt,
    marker::PhantomData,
    ptr::{NonNull, null_mut},
};

/// A pointer that does not keep its object alive.
///
/// It leads to a small object of its own, a word that the collector clears when the target dies, and is `Copy` and one word
/// like [`Gc`]. What dies with the target is decided by whole cycles: until one has ended, [`GcWeak::upgrade`] may still give an object
/// that nothing else leads to; once it gave `None` it always will.
///
/// # Example: a cache that keeps nothing alive
///
/// ```
/// use mudlark::{Gc, GcWeak, Heap, Root, Trace};
///
/// #[derive(Trace)]
/// struct Cache<'gc> {
///     last: GcWeak<'gc, str>,
/// }
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let (word, cache): (Root<str>, Root<Cache<'static>>) = mutator.enter(|cx| {
///     let word = cx.alloc_str("kept");
///     (cx.root(word), cx.root(cx.alloc(Cache { last: GcWeak::new(cx, word) })))
/// });
/// mutator.collect();
/// mutator.enter(|cx| assert_eq!(cache.get(cx).last.upgrade(cx).as_deref(), Some("kept")));
/// drop(word);
/// mutator.collect();
/// mutator.enter(|cx| assert!(cache.get(cx).last.upgrade(cx).is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct GcWeak<'gc, T: ?Sized> {
    weak: WeakBox,
    brand: Brand<'gc>,
    referent: PhantomData<Gc<'gc, T>>,
}

// SAFETY: H1: as a `Gc`, which an upgrade gives.
unsafe impl<T: ?Sized + Send + Sync> Send for GcWeak<'_, T> {}
// SAFETY: H1: as above; the box is atomic.
unsafe impl<T: ?Sized + Send + Sync> Sync for GcWeak<'_, T> {}

impl<T: ?Sized> Clone for GcWeak<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for GcWeak<'_, T> {}

impl<'gc, T: ?Sized> GcWeak<'gc, T> {
    /// The weak pointer to a box.
    ///
    /// # Safety
    ///
    /// The cell holds a box that was made for a `T` under this brand, and that is alive in the scope.
    #[inline]
    pub(crate) unsafe fn from_cell(cell: NonNull<u8>) -> GcWeak<'gc, T> {
        // SAFETY: W2: promised by the caller.
        GcWeak { weak: unsafe { WeakBox::from_cell(cell) }, brand: PhantomData, referent: PhantomData }
    }

    /// The box.
    #[inline]
    pub(crate) fn cell(self) -> NonNull<u8> {
        self.weak.cell()
    }

    /// A weak pointer to an object. Each call makes a new one, of 16 bytes.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`GcWeak::try_new`] tells instead.
    ///
    /// # Example: from a child to its parent
    ///
    /// ```
    /// use mudlark::{GcWeak, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let (parent, child) = mutator.enter(|cx| {
    ///     let parent = cx.alloc_str("parent");
    ///     (cx.root(parent), cx.root(cx.alloc(GcWeak::new(cx, parent))))
    /// });
    /// drop(parent);
    /// mutator.collect();
    /// mutator.enter(|cx| assert!(child.get(cx).upgrade(cx).is_none(), "the child does not keep the parent"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn new(cx: &Scope<'gc>, target: Gc<'gc, T>) -> GcWeak<'gc, T> {
        match GcWeak::try_new(cx, target) {
            Ok(weak) => weak,
            Err(error) => error.panic(),
        }
    }

    /// A weak pointer to an object.
    ///
    /// # Errors
    ///
    /// When the heap is full. The target comes back, and nothing has happened.
    ///
    /// # Example: as `new`, for scripts that may hit their limit
    ///
    /// ```
    /// use mudlark::{GcWeak, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| assert!(GcWeak::try_new(cx, cx.alloc(7_u64)).is_ok()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_new(cx: &Scope<'gc>, target: Gc<'gc, T>) -> Result<GcWeak<'gc, T>, AllocError<Gc<'gc, T>>> {
        match cx.weak_box(Gc::cell(target)) {
            Ok(weak) => Ok(GcWeak { weak, brand: PhantomData, referent: PhantomData }),
            Err(full) => Err(AllocError { value: target, full }),
        }
    }

    /// The object, if it is not dead.
    ///
    /// # Example: alive as long as something else leads to it
    ///
    /// ```
    /// use mudlark::{GcWeak, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let number = cx.alloc(7_u64);
    ///     assert_eq!(GcWeak::new(cx, number).upgrade(cx).as_deref(), Some(&7));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upgrade(self, cx: &Scope<'gc>) -> Option<Gc<'gc, T>> {
        // SAFETY: W2: the brand says that the box is of this heap, and that it is alive.
        let target = unsafe { cx.local().upgrade(self.weak) }?;
        // SAFETY: H1: the box was made for a `T`, which is alive, and stays so as an upgrade is a load.
        Some(unsafe { Gc::from_cell(target) })
    }

    /// Whether both are copies of one weak pointer. Two that were made apart differ, even if they lead to the same object.
    ///
    /// # Example: copies, and another one
    ///
    /// ```
    /// use mudlark::{GcWeak, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let number = cx.alloc(7_u64);
    ///     let weak = GcWeak::new(cx, number);
    ///     let copy = weak;
    ///     assert!(GcWeak::ptr_eq(weak, copy));
    ///     assert!(!GcWeak::ptr_eq(weak, GcWeak::new(cx, number)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn ptr_eq(this: Self, other: Self) -> bool {
        this.weak == other.weak
    }
}

impl<T: ?Sized> fmt::Debug for GcWeak<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(GcWeak)")
    }
}

// SAFETY: T1: the edge leads to the box, which the pointer owns; what is in the box is weak.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for GcWeak<'gc, T> {
    const NEEDS_TRACE: bool = true;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        // SAFETY: W2: the brand says that the box is of the heap that is traced.
        unsafe { visitor.edge(self.weak.cell()) };
    }
}

// SAFETY: the box there and back; it is the object that a weak pointer leads to.
unsafe impl<T: ?Sized> Word for GcWeak<'_, T> {
    #[inline]
    fn into_raw(self) -> *mut u8 {
        self.weak.cell().as_ptr()
    }

    #[inline]
    unsafe fn from_raw(raw: *mut u8) -> Self {
        // SAFETY: a weak pointer gives no null.
        let cell = unsafe { NonNull::new_unchecked(raw) };
        // SAFETY: W2: the cell of a box, under the same brand.
        GcWeak { weak: unsafe { WeakBox::from_cell(cell) }, brand: PhantomData, referent: PhantomData }
    }
}

// SAFETY: as above, and null for `None`.
unsafe impl<T: ?Sized> Word for Option<GcWeak<'_, T>> {
    #[inline]
    fn into_raw(self) -> *mut u8 {
        self.map_or(null_mut(), Word::into_raw)
    }

    #[inline]
    unsafe fn from_raw(raw: *mut u8) -> Self {
        // SAFETY: the same box under the same brand.
        (!raw.is_null()).then(|| unsafe { GcWeak::from_raw(raw) })
    }
}

// SAFETY: B1: the same box under another brand.
unsafe impl<T: ?Sized + Rebrand> Rebrand for GcWeak<'_, T> {
    type With<'gc> = GcWeak<'gc, T::With<'gc>>;
}
