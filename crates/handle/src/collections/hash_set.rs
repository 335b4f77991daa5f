//! Hash sets.

use super::{
    debug,
    hash_map::GcHashMap,
    map_guards::{GcHashMapMut, GcHashMapRef},
};
use crate::{
    error::AllocError,
    ref_cell::{BorrowError, BorrowMutError},
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use hashbrown::DefaultHashBuilder;
use mudlark_collector::HeapFull;
use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash},
};

/// A hash set, like `std`'s `HashSet`: a [`GcHashMap`] without values, of which all holds that is said there.
///
/// # Example: what was seen
///
/// ```
/// use mudlark::{Gc, GcHashSet, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let seen = cx.alloc(GcHashSet::<Gc<'_, str>>::new());
///     assert!(seen.insert(cx, cx.alloc_str("Ann")));
///     assert!(!seen.insert(cx, cx.alloc_str("Ann")));
///     assert!(seen.contains("Ann") && !seen.contains("Bob"));
///     assert_eq!(seen.borrow().iter().count(), 1);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcHashSet<T, S = DefaultHashBuilder> {
    map: GcHashMap<T, (), S>,
}

impl<T> GcHashSet<T> {
    /// A set without elements and without a table.
    ///
    /// # Example: nothing seen yet
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let seen = cx.alloc(GcHashSet::<u64>::new());
    ///     assert!(seen.is_empty() && seen.insert(cx, 7));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> GcHashSet<T> {
        GcHashSet { map: GcHashMap::new() }
    }
}

impl<T, S> GcHashSet<T, S> {
    /// A set that hashes its elements this way.
    ///
    /// # Example: hashes that are the same in each run
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    /// use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let hasher = BuildHasherDefault::<DefaultHasher>::new();
    ///     let set = GcHashSet::<&str, _>::with_hasher(hasher.clone());
    ///     assert!(set.insert(cx, "lark") && set.contains("lark"));
    ///     assert_eq!(set.hasher().hash_one("lark"), hasher.hash_one("lark"));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn with_hasher(hasher: S) -> GcHashSet<T, S> {
        GcHashSet { map: GcHashMap::with_hasher(hasher) }
    }

    /// How elements are hashed.
    ///
    /// For an example see [`GcHashSet::with_hasher`].
    pub fn hasher(&self) -> &S {
        self.map.hasher()
    }

    /// How many elements there are.
    ///
    /// # Example: different numbers
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::from_iter_in(cx, [1, 2, 1]);
    ///     assert_eq!(set.len(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is no element.
    ///
    /// # Example: a list of what is to do
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let todo: GcHashSet<&str> = GcHashSet::from_iter_in(cx, ["wash"]);
    ///     assert!(!todo.is_empty());
    ///     todo.remove(cx, "wash");
    ///     assert!(todo.is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// How many elements there is room for.
    ///
    /// For an example see [`GcHashSet::with_capacity`].
    #[track_caller]
    pub fn capacity(&self) -> usize {
        self.map.capacity()
    }

    /// Borrows the elements.
    ///
    /// # Example: a sum
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::from_iter_in(cx, [1, 2, 3]);
    ///     assert_eq!(set.borrow().iter().sum::<u64>(), 6);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn borrow(&self) -> GcHashSetRef<'_, T, S> {
        GcHashSetRef(self.map.borrow())
    }

    /// Borrows the elements.
    ///
    /// # Errors
    ///
    /// If they are mutably borrowed.
    ///
    /// # Example: as many readers as one likes
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::from_iter_in(cx, [1]);
    ///     let (one, other) = (set.try_borrow(), set.try_borrow());
    ///     assert!(one.is_ok_and(|one| one.contains(&1)) && other.is_ok());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_borrow(&self) -> Result<GcHashSetRef<'_, T, S>, BorrowError> {
        self.map.try_borrow().map(GcHashSetRef)
    }
}

impl<T: Eq + Hash, S: BuildHasher> GcHashSet<T, S> {
    /// Whether the value is in the set.
    ///
    /// # Example: words of a language
    ///
    /// ```
    /// use mudlark::{Gc, GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let words = ["if", "else"].map(|word| cx.alloc_str(word));
    ///     let keywords: GcHashSet<Gc<'_, str>> = GcHashSet::from_iter_in(cx, words);
    ///     assert!(keywords.contains("if") && !keywords.contains("unless"));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn contains<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.map.contains_key(value)
    }

    /// A copy of the element that equals a value: for sets that keep one of each.
    ///
    /// # Example: one object for each text
    ///
    /// ```
    /// use mudlark::{Gc, GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let names = GcHashSet::<Gc<'_, str>>::new();
    ///     let lark = cx.alloc_str("lark");
    ///     names.insert(cx, lark);
    ///     assert!(names.get("lark").is_some_and(|found| Gc::ptr_eq(found, lark)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> Option<T>
    where
        T: Borrow<Q> + Copy,
    {
        self.map.with_entry(value, |(element, ())| *element)
    }
}

/// Changes. They take the scope.
impl<'gc, T: Trace<'gc> + Eq + Hash, S: BuildHasher> GcHashSet<T, S> {
    /// A set with room for so many elements.
    ///
    /// # Example: a table that need not grow
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::with_capacity(cx, 100);
    ///     let room = set.capacity();
    ///     set.extend(cx, 0..100);
    ///     assert!(room >= 100 && set.capacity() == room);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn with_capacity(cx: &Scope<'gc>, capacity: usize) -> GcHashSet<T, S>
    where
        S: Default,
    {
        GcHashSet { map: GcHashMap::with_capacity(cx, capacity) }
    }

    /// A set of what an iterator gives.
    ///
    /// # Example: letters of a word
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let letters: GcHashSet<char> = GcHashSet::from_iter_in(cx, "banana".chars());
    ///     assert_eq!(letters.len(), 3);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn from_iter_in(cx: &Scope<'gc>, values: impl IntoIterator<Item = T>) -> GcHashSet<T, S>
    where
        S: Default,
    {
        GcHashSet { map: GcHashMap::from_iter_in(cx, values.into_iter().map(|value| (value, ()))) }
    }

    /// Borrows the whole set mutably.
    ///
    /// # Errors
    ///
    /// If it is borrowed.
    fn try_borrow_mut<'b>(
        &'b self,
        cx: &'b Scope<'gc>,
    ) -> Result<GcHashMapMut<'b, 'gc, T, (), S>, BorrowMutError> {
        self.map.try_borrow_mut(cx)
    }

    /// Puts a value into the set. Returns whether it is new; if not, the old one stays.
    ///
    /// # Example: the first time and the second
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let seen: GcHashSet<&str> = GcHashSet::new();
    ///     assert_eq!(["a", "b", "a"].map(|word| seen.insert(cx, word)), [true, true, false]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn insert(&self, cx: &Scope<'gc>, value: T) -> bool {
        self.map.insert(cx, value, ()).is_none()
    }

    /// Puts a value into the set. Returns whether it is new; if not, the old one stays.
    ///
    /// # Errors
    ///
    /// When the table is full, and so is the heap, as for [`GcVec::try_push`](crate::GcVec::try_push). The value comes back.
    ///
    /// # Example: until the heap is full
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::new();
    ///     let error = (0..).find_map(|n| set.try_insert(cx, n).err()).expect("memory is finite");
    ///     assert_eq!(error.value, set.len() as u64);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_insert(&self, cx: &Scope<'gc>, value: T) -> Result<bool, AllocError<T>> {
        match self.map.try_insert(cx, value, ()) {
            Ok(old) => Ok(old.is_none()),
            Err(AllocError { value: (value, ()), full }) => Err(AllocError { value, full }),
        }
    }

    /// Takes a value out. Returns whether it was there.
    ///
    /// # Example: done
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let todo: GcHashSet<&str> = GcHashSet::from_iter_in(cx, ["wash", "iron"]);
    ///     assert!(todo.remove(cx, "wash") && !todo.remove(cx, "wash"));
    ///     assert_eq!(todo.len(), 1);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn remove<Q: Eq + Hash + ?Sized>(&self, cx: &Scope<'gc>, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.take(cx, value).is_some()
    }

    /// Takes the element out that equals a value.
    ///
    /// # Example: the object itself
    ///
    /// ```
    /// use mudlark::{Gc, GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let names = GcHashSet::<Gc<'_, str>>::new();
    ///     let lark = cx.alloc_str("lark");
    ///     names.insert(cx, lark);
    ///     assert!(names.take(cx, "lark").is_some_and(|taken| Gc::ptr_eq(taken, lark)));
    ///     assert!(names.is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn take<Q: Eq + Hash + ?Sized>(&self, cx: &Scope<'gc>, value: &Q) -> Option<T>
    where
        T: Borrow<Q>,
    {
        self.map.remove_entry(cx, value).map(|(element, ())| element)
    }

    /// Puts values into the set, one after the other.
    ///
    /// # Example: a union
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let all: GcHashSet<u64> = GcHashSet::from_iter_in(cx, [1, 2]);
    ///     all.extend(cx, [2, 3]);
    ///     assert_eq!(all.len(), 3);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn extend(&self, cx: &Scope<'gc>, values: impl IntoIterator<Item = T>) {
        self.map.extend(cx, values.into_iter().map(|value| (value, ())));
    }

    /// Drops all elements.
    ///
    /// # Example: for the next round
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let seen: GcHashSet<u64> = GcHashSet::from_iter_in(cx, [1]);
    ///     seen.clear(cx);
    ///     assert!(seen.insert(cx, 1), "it is new again");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn clear(&self, cx: &Scope<'gc>) {
        self.map.clear(cx);
    }

    /// Takes all elements out.
    ///
    /// # Panics
    ///
    /// If they are borrowed.
    ///
    /// # Example: all that is to do, once
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let todo: GcHashSet<u64> = GcHashSet::from_iter_in(cx, [2, 1]);
    ///     let mut jobs = todo.drain(cx);
    ///     jobs.sort();
    ///     assert_eq!((jobs, todo.len()), (vec![1, 2], 0));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn drain(&self, cx: &Scope<'gc>) -> Vec<T> {
        let mut all = self.try_borrow_mut(cx).unwrap_or_else(|error| panic!("{error}"));
        all.drain().map(|(element, ())| element).collect()
    }

    /// Drops the elements for which `keep` says `false`.
    ///
    /// # Example: a sieve
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let numbers: GcHashSet<u64> = GcHashSet::from_iter_in(cx, 2..30);
    ///     (2..6).for_each(|n| numbers.retain(cx, |&number| number == n || number % n != 0));
    ///     assert_eq!(numbers.len(), 10, "2, 3, 5, 7, 11, 13, 17, 19, 23, 29");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn retain(&self, cx: &Scope<'gc>, mut keep: impl FnMut(&T) -> bool) {
        self.map.retain(cx, |element, ()| keep(element));
    }

    /// Makes room for so many more elements.
    ///
    /// For an example see [`GcHashSet::try_reserve`].
    #[track_caller]
    pub fn reserve(&self, cx: &Scope<'gc>, additional: usize) {
        self.map.reserve(cx, additional);
    }

    /// Makes room for so many more elements.
    ///
    /// # Errors
    ///
    /// When the heap is full, as for [`GcVec::try_push`](crate::GcVec::try_push).
    ///
    /// # Example: a size that a script chose
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::new();
    ///     assert!(set.try_reserve(cx, 1 << 20).is_err());
    ///     assert!(set.try_reserve(cx, 100).is_ok());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_reserve(&self, cx: &Scope<'gc>, additional: usize) -> Result<(), HeapFull> {
        self.map.try_reserve(cx, additional)
    }

    /// Makes the table as small as its elements allow.
    ///
    /// # Example: after most is gone
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::from_iter_in(cx, 0..1000);
    ///     set.retain(cx, |&n| n < 10);
    ///     set.shrink_to_fit(cx);
    ///     assert!((10..100).contains(&set.capacity()));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn shrink_to_fit(&self, cx: &Scope<'gc>) {
        self.map.shrink_to_fit(cx);
    }
}

impl<T, S: Default> Default for GcHashSet<T, S> {
    fn default() -> GcHashSet<T, S> {
        GcHashSet { map: GcHashMap::default() }
    }
}

/// Formats the elements; a set in itself as `[…]`.
impl<T: fmt::Debug, S> fmt::Debug for GcHashSet<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_borrow() {
            Ok(elements) => debug::once(self, f, |f| elements.fmt(f)),
            Err(BorrowError) => f.write_str("GcHashSet(<borrowed>)"),
        }
    }
}

// SAFETY: T1-T7: a map.
unsafe impl<'gc, T: Trace<'gc>, S: Send + 'static> Trace<'gc> for GcHashSet<T, S> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.map.trace(visitor);
    }
}

// SAFETY: B1, B2: a set of the same elements under another brand.
unsafe impl<T: Rebrand, S: Send + 'static> Rebrand for GcHashSet<T, S>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = GcHashSet<T::With<'gc>, S>;
}

/// A shared borrow of the elements of a [`GcHashSet`].
///
/// # Example: two sets side by side
///
/// ```
/// use mudlark::{GcHashSet, GcHashSetRef, Heap};
///
/// type Numbers<'b, S> = GcHashSetRef<'b, u64, S>;
///
/// fn common<S: std::hash::BuildHasher>(one: &Numbers<'_, S>, other: &Numbers<'_, S>) -> usize {
///     one.iter().filter(|n| other.contains(*n)).count()
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let [one, other]: [GcHashSet<u64>; 2] = [[1, 2, 3], [2, 3, 4]].map(|n| GcHashSet::from_iter_in(cx, n));
///     assert_eq!(common(&one.borrow(), &other.borrow()), 2);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcHashSetRef<'b, T, S>(GcHashMapRef<'b, T, (), S>);

impl<T, S> GcHashSetRef<'_, T, S> {
    /// How many elements there are.
    ///
    /// # Example: while it is borrowed
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::from_iter_in(cx, [1, 2]);
    ///     assert_eq!(set.borrow().len(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no element.
    ///
    /// # Example: nothing to look at
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::new();
    ///     assert!(set.borrow().is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The elements, in no order.
    ///
    /// # Example: the largest
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<u64> = GcHashSet::from_iter_in(cx, [1, 3, 2]);
    ///     assert_eq!(set.borrow().iter().max(), Some(&3));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }
}

impl<T: Eq + Hash, S: BuildHasher> GcHashSetRef<'_, T, S> {
    /// Whether the value is in the set.
    ///
    /// # Example: many questions, one borrow
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<&str> = GcHashSet::from_iter_in(cx, ["a", "b"]);
    ///     let elements = set.borrow();
    ///     assert_eq!(["a", "c"].map(|word| elements.contains(word)), [true, false]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains_key(value)
    }

    /// The element that equals a value.
    ///
    /// # Example: elements that are not `Copy`
    ///
    /// ```
    /// use mudlark::{GcHashSet, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let set: GcHashSet<String> = GcHashSet::from_iter_in(cx, ["lark".to_owned()]);
    ///     assert_eq!(set.borrow().get("lark").map(String::len), Some(4));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> Option<&T>
    where
        T: Borrow<Q>,
    {
        self.0.get_key_value(value).map(|(element, ())| element)
    }
}

impl<T: fmt::Debug, S> fmt::Debug for GcHashSetRef<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
