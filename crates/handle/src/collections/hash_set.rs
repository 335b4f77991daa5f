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
    pub fn new() -> GcHashSet<T> {
        GcHashSet { map: GcHashMap::new() }
    }
}

impl<T, S> GcHashSet<T, S> {
    /// A set that hashes its elements this way.
    pub const fn with_hasher(hasher: S) -> GcHashSet<T, S> {
        GcHashSet { map: GcHashMap::with_hasher(hasher) }
    }

    /// How elements are hashed.
    pub fn hasher(&self) -> &S {
        self.map.hasher()
    }

    /// How many elements there are.
    #[track_caller]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is no element.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// How many elements there is room for.
    #[track_caller]
    pub fn capacity(&self) -> usize {
        self.map.capacity()
    }

    /// Borrows the elements.
    #[track_caller]
    pub fn borrow(&self) -> GcHashSetRef<'_, T, S> {
        GcHashSetRef(self.map.borrow())
    }

    /// Borrows the elements.
    ///
    /// # Errors
    ///
    /// If they are mutably borrowed.
    pub fn try_borrow(&self) -> Result<GcHashSetRef<'_, T, S>, BorrowError> {
        self.map.try_borrow().map(GcHashSetRef)
    }
}

impl<T: Eq + Hash, S: BuildHasher> GcHashSet<T, S> {
    /// Whether the value is in the set.
    #[inline]
    #[track_caller]
    pub fn contains<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.map.contains_key(value)
    }

    /// A copy of the element that equals a value: for sets that keep one of each.
    #[inline]
    #[track_caller]
    pub fn get<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> Option<T>
    where
        T: Borrow<Q> + Copy,
    {
        self.map.borrow().get_key_value(value).map(|(element, ())| *element)
    }
}

/// Changes. They take the scope.
impl<'gc, T: Trace<'gc> + Eq + Hash, S: BuildHasher> GcHashSet<T, S> {
    /// A set with room for so many elements.
    #[track_caller]
    pub fn with_capacity(cx: &Scope<'gc>, capacity: usize) -> GcHashSet<T, S>
    where
        S: Default,
    {
        GcHashSet { map: GcHashMap::with_capacity(cx, capacity) }
    }

    /// A set of what an iterator gives.
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
    #[inline]
    #[track_caller]
    pub fn try_insert(&self, cx: &Scope<'gc>, value: T) -> Result<bool, AllocError<T>> {
        match self.map.try_insert(cx, value, ()) {
            Ok(old) => Ok(old.is_none()),
            Err(AllocError { value: (value, ()), full }) => Err(AllocError { value, full }),
        }
    }

    /// Takes a value out. Returns whether it was there.
    #[inline]
    #[track_caller]
    pub fn remove<Q: Eq + Hash + ?Sized>(&self, cx: &Scope<'gc>, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.take(cx, value).is_some()
    }

    /// Takes the element out that equals a value.
    #[inline]
    #[track_caller]
    pub fn take<Q: Eq + Hash + ?Sized>(&self, cx: &Scope<'gc>, value: &Q) -> Option<T>
    where
        T: Borrow<Q>,
    {
        self.map.remove_entry(cx, value).map(|(element, ())| element)
    }

    /// Puts values into the set, one after the other.
    #[track_caller]
    pub fn extend(&self, cx: &Scope<'gc>, values: impl IntoIterator<Item = T>) {
        self.map.extend(cx, values.into_iter().map(|value| (value, ())));
    }

    /// Drops all elements.
    #[track_caller]
    pub fn clear(&self, cx: &Scope<'gc>) {
        self.map.clear(cx);
    }

    /// Takes all elements out.
    ///
    /// # Panics
    ///
    /// If they are borrowed.
    #[track_caller]
    pub fn drain(&self, cx: &Scope<'gc>) -> Vec<T> {
        let mut all = self.try_borrow_mut(cx).unwrap_or_else(|error| panic!("{error}"));
        all.drain().map(|(element, ())| element).collect()
    }

    /// Drops the elements for which `keep` says `false`.
    #[track_caller]
    pub fn retain(&self, cx: &Scope<'gc>, mut keep: impl FnMut(&T) -> bool) {
        self.map.retain(cx, |element, ()| keep(element));
    }

    /// Makes room for so many more elements.
    #[track_caller]
    pub fn reserve(&self, cx: &Scope<'gc>, additional: usize) {
        self.map.reserve(cx, additional);
    }

    /// Makes room for so many more elements.
    ///
    /// # Errors
    ///
    /// When the heap is full, as for [`GcVec::try_push`](crate::GcVec::try_push).
    #[track_caller]
    pub fn try_reserve(&self, cx: &Scope<'gc>, additional: usize) -> Result<(), HeapFull> {
        self.map.try_reserve(cx, additional)
    }

    /// Makes the table as small as its elements allow.
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
pub struct GcHashSetRef<'b, T, S>(GcHashMapRef<'b, T, (), S>);

impl<T, S> GcHashSetRef<'_, T, S> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The elements, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }
}

impl<T: Eq + Hash, S: BuildHasher> GcHashSetRef<'_, T, S> {
    /// Whether the value is in the set.
    pub fn contains<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains_key(value)
    }

    /// The element that equals a value.
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
