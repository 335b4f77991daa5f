//! Ephemerons: a value that lives while its key does.

use crate::{
    cell::Word,
    error::AllocError,
    gc::{Brand, Gc},
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_collector::EphemeronSlot;
use std::{
    fmt,
    marker::PhantomData,
    ptr::{NonNull, null_mut},
};

/// Where a pair is. It lies in an object of the heap or in a slice there, never behind a lock or by value in anything that moves, and so
/// is not to be had outside of this crate.
#[derive(Default)]
pub(crate) struct Slot<'gc> {
    pub(crate) slot: EphemeronSlot,
    brand: Brand<'gc>,
}

// SAFETY: T1: key and value are shown as what they are; T3: they are atomic, and changed as the collector wants it (P1).
unsafe impl<'gc> Trace<'gc> for Slot<'gc> {
    const NEEDS_TRACE: bool = true;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        // SAFETY: P1: slots are made in objects of their own and in slices, which do not move.
        unsafe { visitor.ephemeron(&self.slot) };
    }
}

/// A key and its value.
type Pair<'gc, K, V> = (Gc<'gc, K>, Gc<'gc, V>);

/// A pair of a key, which it does not keep alive, and a value, which it keeps alive as long as the key is.
///
/// The value may lead back to the key, directly or through other ephemerons: that alone keeps neither alive. So a pair says of an
/// object what the object itself has no field for. It is `Copy` and one word; the pair itself takes 16 bytes. For many pairs,
/// looked up by key, see [`GcWeakMap`](crate::GcWeakMap).
///
/// What is dead is decided by whole cycles: until one has ended, [`Ephemeron::get`] may still give a pair whose key nothing else leads
/// to; once it gave `None` it always will.
///
/// # Example: a note about an object that leads back to it
///
/// ```
/// use mudlark::{Ephemeron, Gc, Heap, Root, Trace};
///
/// #[derive(Trace)]
/// struct Note<'gc> {
///     about: Gc<'gc, str>,
///     text: &'static str,
/// }
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let (word, noted): (Root<str>, Root<Ephemeron<'static, str, Note<'static>>>) = mutator.enter(|cx| {
///     let word = cx.alloc_str("lark");
///     let note = cx.alloc(Note { about: word, text: "a bird" });
///     (cx.root(word), cx.root(cx.alloc(Ephemeron::new(cx, word, note))))
/// });
/// mutator.collect();
/// mutator.enter(|cx| {
///     let note = noted.get(cx).value(cx).expect("the word is alive");
///     assert_eq!((&*note.about, note.text), ("lark", "a bird"));
/// });
/// drop(word);
/// mutator.collect();
/// mutator.enter(|cx| assert!(noted.get(cx).get(cx).is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct Ephemeron<'gc, K: ?Sized, V: ?Sized> {
    pair: Gc<'gc, Slot<'gc>>,
    referents: PhantomData<(Gc<'gc, K>, Gc<'gc, V>)>,
}

impl<K: ?Sized, V: ?Sized> Clone for Ephemeron<'_, K, V> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized, V: ?Sized> Copy for Ephemeron<'_, K, V> {}

impl<'gc, K: ?Sized, V: ?Sized> Ephemeron<'gc, K, V> {
    /// A new pair.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`Ephemeron::try_new`] tells instead.
    ///
    /// # Example: a value that leads to its key
    ///
    /// ```
    /// use mudlark::{Ephemeron, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let pair = mutator.enter(|cx| {
    ///     let key = cx.alloc(1_u64);
    ///     cx.root(cx.alloc(Ephemeron::new(cx, key, cx.alloc(vec![key]))))
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| assert!(pair.get(cx).get(cx).is_none(), "that does not keep it alive"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn new(cx: &Scope<'gc>, key: Gc<'gc, K>, value: Gc<'gc, V>) -> Ephemeron<'gc, K, V> {
        match Ephemeron::try_new(cx, key, value) {
            Ok(ephemeron) => ephemeron,
            Err(error) => error.panic(),
        }
    }

    /// A new pair.
    ///
    /// # Errors
    ///
    /// When the heap is full. Key and value come back, and nothing has happened.
    ///
    /// # Example: an error has key and value
    ///
    /// ```
    /// use mudlark::{Ephemeron, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let (key, value) = (cx.alloc(1_u64), cx.alloc(2_u64));
    ///     let full = (0..).find_map(|_| Ephemeron::try_new(cx, key, value).err()).expect("memory is finite");
    ///     assert_eq!((*full.value.0, *full.value.1), (1, 2));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_new(
        cx: &Scope<'gc>,
        key: Gc<'gc, K>,
        value: Gc<'gc, V>,
    ) -> Result<Ephemeron<'gc, K, V>, AllocError<Pair<'gc, K, V>>> {
        let slot = EphemeronSlot::of(Gc::cell(key), Gc::cell(value));
        match cx.try_alloc(Slot { slot, brand: PhantomData }) {
            Ok(pair) => Ok(Ephemeron { pair, referents: PhantomData }),
            Err(error) => Err(AllocError { value: (key, value), full: error.full }),
        }
    }

    /// Key and value, if the key is not dead.
    ///
    /// # Example: both at once
    ///
    /// ```
    /// use mudlark::{Ephemeron, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let pair = Ephemeron::new(cx, cx.alloc_str("lark"), cx.alloc(7_u64));
    ///     let (key, value) = pair.get(cx).expect("no cycle can have ended in this scope");
    ///     assert_eq!((&*key, *value), ("lark", 7));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(self, cx: &Scope<'gc>) -> Option<Pair<'gc, K, V>> {
        let key = self.key(cx)?;
        let value = cx.local().ephemeron_value(&self.pair.into_ref().slot)?;
        // SAFETY: H1: the value of a live key is alive, and was a `V` when it was put there.
        Some((key, unsafe { Gc::from_cell(value) }))
    }

    /// The key, if it is not dead.
    ///
    /// # Example: a weak pointer that has more to say
    ///
    /// ```
    /// use mudlark::{Ephemeron, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let (key, pair) = mutator.enter(|cx| {
    ///     let key = cx.alloc_str("lark");
    ///     (cx.root(key), cx.root(cx.alloc(Ephemeron::new(cx, key, cx.alloc(7_u64)))))
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!(pair.get(cx).key(cx), Some(key.get(cx))));
    /// drop(key);
    /// mutator.collect();
    /// mutator.enter(|cx| assert!(pair.get(cx).key(cx).is_none()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key(self, cx: &Scope<'gc>) -> Option<Gc<'gc, K>> {
        // SAFETY: W2: the brand says that the pair is of this heap, and alive; its key never changes.
        let key = unsafe { cx.local().upgrade_key(&self.pair.into_ref().slot) }?;
        // SAFETY: H1: the pair was made for a `K`, which is alive, and stays so as an upgrade is a load.
        Some(unsafe { Gc::from_cell(key) })
    }

    /// The value, if the key is not dead.
    ///
    /// # Example: alive by its key alone
    ///
    /// ```
    /// use mudlark::{Ephemeron, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let (key, pair) = mutator.enter(|cx| {
    ///     let key = cx.alloc(1_u64);
    ///     (cx.root(key), cx.root(cx.alloc(Ephemeron::new(cx, key, cx.alloc_str("kept")))))
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!(pair.get(cx).value(cx).as_deref(), Some("kept")));
    /// assert!(key.belongs_to(&heap));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(self, cx: &Scope<'gc>) -> Option<Gc<'gc, V>> {
        self.get(cx).map(|(_, value)| value)
    }

    /// Changes the value; gives the old one. With a dead key nothing happens, and it gives `None`.
    ///
    /// # Example: a counter beside an object
    ///
    /// ```
    /// use mudlark::{Ephemeron, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let word = cx.alloc_str("lark");
    ///     let seen = Ephemeron::new(cx, word, cx.alloc(1_u64));
    ///     assert_eq!(seen.set(cx, cx.alloc(2)).as_deref(), Some(&1));
    ///     assert_eq!(seen.value(cx).as_deref(), Some(&2));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(self, cx: &Scope<'gc>, value: Gc<'gc, V>) -> Option<Gc<'gc, V>> {
        // In hand until the value is changed: the pair cannot be cleared before.
        let _key = self.key(cx)?;
        let slot = &self.pair.into_ref().slot;
        // SAFETY: P1: the key is in hand; H1: the new value is alive in this scope.
        let old = unsafe { cx.local().set_ephemeron_value(slot, Gc::cell(value).as_ptr()) };
        // SAFETY: H1: the value of a live key is alive, and was a `V` when it was put there.
        NonNull::new(old).map(|old| unsafe { Gc::from_cell(old) })
    }

    /// Whether both are copies of one ephemeron. Two that were made apart differ, even with the same key and value.
    ///
    /// # Example: copies, and another one
    ///
    /// ```
    /// use mudlark::{Ephemeron, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (key, value) = (cx.alloc(1_u64), cx.alloc(2_u64));
    ///     let pair = Ephemeron::new(cx, key, value);
    ///     let copy = pair;
    ///     assert!(Ephemeron::ptr_eq(pair, copy));
    ///     assert!(!Ephemeron::ptr_eq(pair, Ephemeron::new(cx, key, value)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn ptr_eq(this: Self, other: Self) -> bool {
        Gc::ptr_eq(this.pair, other.pair)
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for Ephemeron<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(Ephemeron)")
    }
}

// SAFETY: T1: the edge leads to the pair, whose own tracer shows the rest.
unsafe impl<'gc, K: ?Sized + Trace<'gc>, V: ?Sized + Trace<'gc>> Trace<'gc> for Ephemeron<'gc, K, V> {
    const NEEDS_TRACE: bool = true;

    #[inline]
    fn trace<T: Visitor>(&self, visitor: &mut T) {
        self.pair.trace(visitor);
    }
}

// SAFETY: B1: the same pair under another brand.
unsafe impl<K: ?Sized + Rebrand, V: ?Sized + Rebrand> Rebrand for Ephemeron<'_, K, V> {
    type With<'gc> = Ephemeron<'gc, K::With<'gc>, V::With<'gc>>;
}

// SAFETY: the pair there and back; it is the object that an ephemeron leads to.
unsafe impl<K: ?Sized, V: ?Sized> Word for Ephemeron<'_, K, V> {
    #[inline]
    fn into_raw(self) -> *mut u8 {
        self.pair.into_raw()
    }

    #[inline]
    unsafe fn from_raw(raw: *mut u8) -> Self {
        // SAFETY: the same pair under the same brand.
        Ephemeron { pair: unsafe { Gc::from_raw(raw) }, referents: PhantomData }
    }
}

// SAFETY: as above, and null for `None`.
unsafe impl<K: ?Sized, V: ?Sized> Word for Option<Ephemeron<'_, K, V>> {
    #[inline]
    fn into_raw(self) -> *mut u8 {
        self.map_or(null_mut(), Word::into_raw)
    }

    #[inline]
    unsafe fn from_raw(raw: *mut u8) -> Self {
        // SAFETY: the same pair under the same brand.
        (!raw.is_null()).then(|| unsafe { Ephemeron::from_raw(raw) })
    }
}
