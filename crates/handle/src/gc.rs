//! Pointers into the heap.

use crate::{
    layout::elements,
    trace::{Rebrand, Trace, Visitor},
};
use std::{
    borrow::Borrow,
    cell::Cell,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull,
};

/// Makes a lifetime invariant: a brand must be itself, neither longer nor shorter.
pub(crate) type Brand<'gc> = PhantomData<fn(&'gc ()) -> &'gc ()>;

/// A pointer to an object in the heap: one word, for slices and strings as well.
///
/// It is `Copy`, follows to `T` for free, and is branded with the scope `'gc` in which it may be used. It keeps
/// its object alive while it lies in another live object; what is needed in a later scope goes into a [`Root`](crate::Root).
///
/// Comparing, hashing and formatting go to the value, as with `Box`; [`Gc::ptr_eq`] compares identities.
///
/// # Example: sharing
///
/// ```
/// use mudlark::{Gc, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let word = cx.alloc_str("mudlark");
///     let same = word;
///     assert!(Gc::ptr_eq(word, same));
///     assert_eq!(&*same, "mudlark");
///     assert_eq!(word, cx.alloc_str("mudlark"));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct Gc<'gc, T: ?Sized> {
    cell: NonNull<u8>,
    brand: Brand<'gc>,
    referent: PhantomData<*mut T>,
}

// SAFETY: H1: a `Gc` is a shared reference that outlives nobody; sending one shares `T`.
unsafe impl<T: ?Sized + Send + Sync> Send for Gc<'_, T> {}
// SAFETY: H1: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for Gc<'_, T> {}

impl<T: ?Sized> Clone for Gc<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Gc<'_, T> {}

/// Types that a [`Gc`] can follow to: all sized ones, slices, and `str`.
///
/// # Safety
///
/// `from_cell` of a cell that was filled as a `Self` is a pointer to that `Self`.
///
/// # Example: a pointer to whatever there is
///
/// ```
/// use mudlark::{Gc, Heap, Referent};
///
/// fn bytes<T: ?Sized + Referent>(pointer: Gc<'_, T>) -> usize {
///     size_of_val(&*pointer)
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| assert_eq!((bytes(cx.alloc(7_u16)), bytes(cx.alloc_str("lark"))), (2, 4)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub unsafe trait Referent {
    /// # Safety
    ///
    /// The cell was filled as a `Self`.
    #[doc(hidden)]
    unsafe fn from_cell(cell: NonNull<u8>) -> NonNull<Self>;
}

// SAFETY: sized values lie at the start of their cell.
unsafe impl<T> Referent for T {
    #[inline(always)]
    unsafe fn from_cell(cell: NonNull<u8>) -> NonNull<T> {
        cell.cast()
    }
}

// SAFETY: `slice.rs` writes the length first and the elements at the offset.
unsafe impl<T> Referent for [T] {
    #[inline(always)]
    unsafe fn from_cell(cell: NonNull<u8>) -> NonNull<[T]> {
        // SAFETY: H3: slices begin with their length, which is final when the `Gc` comes to be.
        let len = unsafe { cell.cast::<usize>().read() };
        NonNull::slice_from_raw_parts(elements::<T>(cell), len)
    }
}

// SAFETY: strings are slices of their bytes.
unsafe impl Referent for str {
    #[inline(always)]
    unsafe fn from_cell(cell: NonNull<u8>) -> NonNull<str> {
        // SAFETY: strings are slices of their bytes.
        let bytes = unsafe { <[u8]>::from_cell(cell) };
        // A cast between unsized pointers of the same metadata; `NonNull` has none of its own.
        let text = bytes.as_ptr() as *mut str;
        // SAFETY: it was not null before the cast.
        unsafe { NonNull::new_unchecked(text) }
    }
}

impl<'gc, T: ?Sized> Gc<'gc, T> {
    /// A pointer to the object in `cell`.
    ///
    /// # Safety
    ///
    /// The cell holds a `T` that is live or was made in the scope `'gc`, under that brand.
    #[inline(always)]
    pub(crate) unsafe fn from_cell(cell: NonNull<u8>) -> Gc<'gc, T> {
        Gc { cell, brand: PhantomData, referent: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn cell(this: Self) -> NonNull<u8> {
        this.cell
    }

    /// Whether two pointers lead to one object.
    ///
    /// # Example: the same, or just alike
    ///
    /// ```
    /// use mudlark::{Gc, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (one, other) = (cx.alloc(7_u64), cx.alloc(7_u64));
    ///     assert!(one == other && !Gc::ptr_eq(one, other));
    ///     assert!(Gc::ptr_eq(one, one));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn ptr_eq(a: Self, b: Self) -> bool {
        a.cell == b.cell
    }

    /// The address of the object, for hashing by identity and for messages. Stable: objects never move.
    ///
    /// # Example: a name for an object without one
    ///
    /// ```
    /// use mudlark::{Gc, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let (root, address) = mutator.enter(|cx| {
    ///     let object = cx.alloc(7_u64);
    ///     (cx.root(object), Gc::address(object))
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!(Gc::address(root.get(cx)), address));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn address(this: Self) -> usize {
        this.cell.addr().get()
    }
}

impl<'gc, T: ?Sized + Referent + 'gc> Gc<'gc, T> {
    /// The object, for as long as the scope.
    ///
    /// # Example: a reference that outlives the pointer
    ///
    /// ```
    /// use mudlark::{Gc, Heap};
    ///
    /// fn first_word<'gc>(text: Gc<'gc, str>) -> &'gc str {
    ///     text.into_ref().split(' ').next().unwrap_or_default()
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| assert_eq!(first_word(cx.alloc_str("a lark")), "a"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn into_ref(self) -> &'gc T {
        // SAFETY: H1: a `Gc<T>` leads to a cell that was filled as a `T`.
        let referent = unsafe { T::from_cell(self.cell) };
        // SAFETY: H1: within `'gc` no cell that a `Gc` leads to is swept, and nobody has a mutable reference.
        unsafe { referent.as_ref() }
    }
}

impl<T: ?Sized + Referent> Deref for Gc<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: H1: a `Gc<T>` leads to a cell that was filled as a `T`.
        let referent = unsafe { T::from_cell(self.cell) };
        // SAFETY: H1: within `'gc` no cell that a `Gc` leads to is swept, and nobody has a mutable reference.
        unsafe { referent.as_ref() }
    }
}

/// Hash and equality are those of the value, so it finds a `Gc` among the keys of a map.
impl<T: ?Sized + Referent> Borrow<T> for Gc<'_, T> {
    fn borrow(&self) -> &T {
        self
    }
}

// SAFETY: T1: the pointer itself is the only one; the rest of the contract is about values that own something.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for Gc<'gc, T> {
    const NEEDS_TRACE: bool = true;

    #[inline(always)]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        if T::NEEDS_TRACE {
            // SAFETY: H1: a `Gc` leads to an object of the heap whose object it lies in.
            unsafe { visitor.edge(self.cell) };
        } else {
            // SAFETY: H1: as above.
            unsafe { visitor.leaf(self.cell, T::LEAF_BYTES) };
        }
    }
}

// SAFETY: B1: the brand is replaced in the pointer and in what it leads to; both are one word.
unsafe impl<T: ?Sized + Rebrand> Rebrand for Gc<'_, T> {
    type With<'gc> = Gc<'gc, T::With<'gc>>;
}

/// How deep nested pointers are followed when they are formatted.
const DEBUG_DEPTH_MAX: u32 = 8;

thread_local! {
    static DEBUG_DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Formats the value; pointers nested too deep, in a cycle for example, as `Gc(…)`.
impl<T: ?Sized + Referent + fmt::Debug> fmt::Debug for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Depth;
        impl Drop for Depth {
            fn drop(&mut self) {
                DEBUG_DEPTH.set(DEBUG_DEPTH.get() - 1);
            }
        }
        if DEBUG_DEPTH.get() >= DEBUG_DEPTH_MAX {
            return f.write_str("Gc(…)");
        }
        DEBUG_DEPTH.set(DEBUG_DEPTH.get() + 1);
        let _depth = Depth;
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + Referent + fmt::Display> fmt::Display for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized> fmt::Pointer for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.cell, f)
    }
}

impl<T: ?Sized + Referent + PartialEq> PartialEq for Gc<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: ?Sized + Referent + Eq> Eq for Gc<'_, T> {}

impl<T: ?Sized + Referent + PartialOrd> PartialOrd for Gc<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: ?Sized + Referent + Ord> Ord for Gc<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: ?Sized + Referent + Hash> Hash for Gc<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

const _: () = assert!(size_of::<Option<Gc<'static, str>>>() == size_of::<usize>());
