//! Hash maps.

use super::{
    debug, keys,
    map_guards::{GcHashMapMut, GcHashMapRef},
    store::{Buffer, Held, PIECE_BYTES, Pieces, Store},
};
use crate::{
    error::AllocError,
    ref_cell::{BorrowError, BorrowMutError},
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use mudlark_collector::HeapFull;
use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash},
    mem,
};

/// A hash map, like `std`'s `HashMap`, whose table counts as memory of the heap and whose contents change in place.
///
/// A field of an object, or an object: `Gc<GcHashMap<K, V>>`. Operations take `&self` and the scope. [`insert`](GcHashMap::insert) and
/// [`remove`](GcHashMap::remove) tell a collector that is marking about just what they take out. [`GcHashMap::borrow_mut`] gives mutable access to all
/// values, and growing moves all entries: the first of these in a cycle shades all that the collector has not seen yet.
///
/// A `Gc` as a key is hashed and compared by its value, and can be looked up by one: `map.get("name")` in a map of `Gc<str>`.
///
/// Not `Sync`: one thread's mutators use it. Threads share it in a [`GcMutex`](crate::GcMutex).
///
/// # Panics
///
/// Everything but the functions whose names begin with `try_` panics if the contents are mutably borrowed, and what changes them if they
/// are borrowed at all; what grows them, when the heap is full. `Hash` and `Eq` of a key, while they are asked, borrow the map: if they come
/// back to change it, they panic. After a panic of theirs the map is as it was before, and as usable.
///
/// # Example: names and numbers
///
/// ```
/// use mudlark::{Gc, GcHashMap, Heap};
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let ages = mutator.enter(|cx| {
///     let ages = cx.alloc(GcHashMap::new());
///     ages.insert(cx, cx.alloc_str("Ann"), 41_u32);
///     ages.insert(cx, cx.alloc_str("Bob"), 42);
///     cx.root(ages)
/// });
/// assert!(heap.stats().external_bytes > 0);
/// mutator.enter(|cx| {
///     let ages = ages.get(cx);
///     assert_eq!(ages.get("Bob"), Some(42));
///     *ages.borrow_mut(cx).entry(cx.alloc_str("Ann")).or_insert(0) += 1;
///     assert_eq!(ages.remove(cx, "Ann"), Some(42));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcHashMap<K, V, S = DefaultHashBuilder> {
    hasher: S,
    pub(super) store: Store<HashTable<(K, V)>>,
}

impl<T> Buffer for HashTable<T> {
    fn buffer_bytes(&self) -> usize {
        self.allocation_size()
    }
}

// SAFETY: T1-T7: all keys and values are traced, as in `trace/containers.rs`; places are numbered by bucket, and tables change their buckets
// only when they were shaded as a whole.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>> Pieces<'gc> for HashTable<(K, V)> {
    const NEEDS_TRACE: bool = K::NEEDS_TRACE || V::NEEDS_TRACE;

    #[inline]
    fn trace_piece<Vis: Visitor>(&self, visitor: &mut Vis, first: usize) -> Option<usize> {
        let step = const { PIECE_BYTES.div_ceil(size_of::<(K, V)>() + 1) };
        let end = self.num_buckets().min(first + step);
        for (key, value) in (first..end).filter_map(|bucket| self.get_bucket(bucket)) {
            trace_entry(key, value, visitor);
        }
        (end < self.num_buckets()).then_some(end)
    }
}

#[inline]
fn trace_entry<'gc, K: Trace<'gc>, V: Trace<'gc>>(key: &K, value: &V, visitor: &mut impl Visitor) {
    if K::NEEDS_TRACE {
        key.trace(visitor);
    }
    if V::NEEDS_TRACE {
        value.trace(visitor);
    }
}

/// The entry of a key.
#[inline]
pub(super) fn find<'a, K, V, S, Q>(table: &'a HashTable<(K, V)>, hasher: &S, key: &Q) -> Option<&'a (K, V)>
where
    K: Borrow<Q>,
    S: BuildHasher,
    Q: Eq + Hash + ?Sized,
{
    if table.is_empty() {
        return None;
    }
    table.find(hasher.hash_one(key), |(other, _)| other.borrow() == key)
}

/// Gives a key a value in a table that has room. Returns its value so far. Runs no code but `Eq` of the keys.
#[inline]
fn put<K: Eq, V>(table: &mut HashTable<(K, V)>, hash: u64, key: K, value: V) -> Option<V> {
    match table.entry(hash, |(other, _)| *other == key, |_| unreachable!("there is room")) {
        Entry::Occupied(mut entry) => Some(mem::replace(&mut entry.get_mut().1, value)),
        Entry::Vacant(entry) => {
            entry.insert((key, value));
            None
        }
    }
}

/// Takes the entry of a key out. Runs no code but `Eq` of the keys.
#[inline]
fn take<K: Borrow<Q>, V, Q: Eq + ?Sized>(
    table: &mut HashTable<(K, V)>,
    hash: u64,
    key: &Q,
) -> Option<(K, V)> {
    let entry = table.find_entry(hash, |(other, _)| other.borrow() == key).ok()?;
    Some(entry.remove().0)
}

/// What a table of `hashbrown` takes for so many entries, or a little more: a power of two of buckets, of which one in eight stays empty.
pub(super) fn table_bytes<T>(entries: usize) -> usize {
    let buckets = entries.saturating_mul(8).div_ceil(7).max(4).checked_next_power_of_two();
    buckets.map_or(usize::MAX, |buckets| buckets.saturating_mul(size_of::<T>() + 1).saturating_add(32))
}

/// What a table will take that gets so many more entries.
pub(super) fn grown_bytes<T>(table: &HashTable<T>, additional: usize) -> usize {
    let room = table.num_buckets() / 8 * 7;
    let needed = table.len().saturating_add(additional);
    // Where removed entries leave half of the table, it is put in order in its place.
    if needed <= room / 2 { table.allocation_size() } else { table_bytes::<T>(needed.max(room + 1)) }
}

impl<K, V> GcHashMap<K, V> {
    /// A map without entries and without a table.
    /// For an example see [`GcHashMap::insert`].
    pub fn new() -> GcHashMap<K, V> {
        GcHashMap::with_hasher(DefaultHashBuilder::default())
    }
}

impl<K, V, S> GcHashMap<K, V, S> {
    /// A map that hashes its keys this way.
    ///
    /// # Example: hashes that are the same in each run
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    /// use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let hasher = BuildHasherDefault::<DefaultHasher>::new();
    ///     let map = GcHashMap::<&str, u64, _>::with_hasher(hasher.clone());
    ///     assert_eq!(map.insert(cx, "lark", 7), None);
    ///     assert_eq!(map.hasher().hash_one("lark"), hasher.hash_one("lark"));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn with_hasher(hasher: S) -> GcHashMap<K, V, S> {
        GcHashMap { hasher, store: Store::new(HashTable::new()) }
    }

    /// How keys are hashed.
    /// For an example see [`GcHashMap::with_hasher`].
    pub fn hasher(&self) -> &S {
        &self.hasher
    }

    /// How many entries there are.
    /// For an example see [`GcHashMap::insert`].
    #[inline]
    #[track_caller]
    pub fn len(&self) -> usize {
        // SAFETY: `len` runs no other code.
        unsafe { self.store.look(HashTable::len) }
    }

    /// Whether there is no entry.
    /// For an example see [`GcHashMap::insert`].
    #[inline]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries there is room for.
    /// For an example see [`GcHashMap::try_reserve`].
    #[inline]
    #[track_caller]
    pub fn capacity(&self) -> usize {
        // SAFETY: `capacity` runs no other code.
        unsafe { self.store.look(HashTable::capacity) }
    }

    /// Borrows the entries.
    /// For an example see [`GcHashMap::try_borrow`].
    #[inline]
    #[track_caller]
    pub fn borrow(&self) -> GcHashMapRef<'_, K, V, S> {
        self.try_borrow().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Borrows the entries.
    ///
    /// # Errors
    ///
    /// If they are mutably borrowed.
    ///
    /// # Example: a script that changes what it iterates over
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let map: GcHashMap<u32, u32> = GcHashMap::from_iter_in(cx, [(1, 2)]);
    ///     for (key, value) in &map.borrow() {
    ///         assert!(key < value && map.try_borrow().is_ok() && map.try_borrow_mut(cx).is_err());
    ///     }
    ///     map.borrow_mut(cx).values_mut().for_each(|value| *value += 1);
    ///     assert_eq!(map.get(&1), Some(3));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_borrow(&self) -> Result<GcHashMapRef<'_, K, V, S>, BorrowError> {
        self.store.borrow().map(|table| GcHashMapRef { table, hasher: &self.hasher })
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> GcHashMap<K, V, S> {
    /// A copy of the value of a key.
    /// For an example see [`GcHashMap::insert`].
    #[inline]
    #[track_caller]
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        V: Copy,
    {
        self.with_entry(key, |(_, value)| *value)
    }

    /// Whether there is an entry with this key.
    /// For an example see [`GcHashMap::insert`].
    #[inline]
    #[track_caller]
    pub fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.with_entry(key, |_| ()).is_some()
    }

    /// Looks a key up. `look` sees the entry, and runs no code of the program's.
    #[inline(always)]
    #[track_caller]
    pub(super) fn with_entry<Q, R>(&self, key: &Q, look: impl FnOnce(&(K, V)) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if !keys::are_plain::<K, Q>() {
            return self.store.peek(|table| find(table, &self.hasher, key).map(look));
        }
        // A number is hashed as fast as that.
        if !keys::is_number::<Q>() && self.is_empty() {
            return None;
        }
        // A hasher of the program's may do what it likes: nothing of the table is in hand yet.
        let hash = self.hasher.hash_one(key);
        // SAFETY: keys like these are compared by no code of the program's, and `look` runs none.
        unsafe { self.store.look(|table| table.find(hash, |(other, _)| other.borrow() == key).map(look)) }
    }
}

/// Changes. They take the scope.
impl<'gc, K, V, S> GcHashMap<K, V, S>
where
    K: Trace<'gc> + Eq + Hash,
    V: Trace<'gc>,
    S: BuildHasher,
{
    /// A map with room for so many entries.
    /// For an example see [`GcHashMap::try_reserve`].
    #[track_caller]
    pub fn with_capacity(cx: &Scope<'gc>, capacity: usize) -> GcHashMap<K, V, S>
    where
        S: Default,
    {
        let map = GcHashMap::with_hasher(S::default());
        map.reserve(cx, capacity);
        map
    }

    /// A map of what an iterator gives.
    /// For an example see [`GcHashMap::retain`].
    #[track_caller]
    pub fn from_iter_in(cx: &Scope<'gc>, entries: impl IntoIterator<Item = (K, V)>) -> GcHashMap<K, V, S>
    where
        S: Default,
    {
        let map = GcHashMap::with_hasher(S::default());
        map.extend(cx, entries);
        map
    }

    /// Borrows the whole map mutably.
    /// For an example see [`GcHashMap::try_borrow`].
    ///
    /// The first time in a cycle it shades what the collector has not seen.
    #[inline]
    #[track_caller]
    pub fn borrow_mut<'b>(&'b self, cx: &'b Scope<'gc>) -> GcHashMapMut<'b, 'gc, K, V, S> {
        self.try_borrow_mut(cx).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Borrows the whole map mutably.
    /// For an example see [`GcHashMap::try_borrow`].
    ///
    /// # Errors
    ///
    /// If it is borrowed.
    #[inline]
    pub fn try_borrow_mut<'b>(
        &'b self,
        cx: &'b Scope<'gc>,
    ) -> Result<GcHashMapMut<'b, 'gc, K, V, S>, BorrowMutError> {
        self.store.borrow_mut(cx).map(|table| GcHashMapMut { table, hasher: &self.hasher })
    }

    /// Gives a key a value. Returns its value so far; the key of an entry stays the same.
    ///
    /// # Example: variables of a script
    ///
    /// ```
    /// use mudlark::{Gc, GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (variables, x) = (GcHashMap::<Gc<'_, str>, u64>::new(), cx.alloc_str("x"));
    ///     assert_eq!((variables.insert(cx, x, 1), variables.insert(cx, x, 2)), (None, Some(1)));
    ///     assert_eq!((variables.len(), variables.get("x"), variables.contains_key("y")), (1, Some(2), false));
    ///     assert!(variables.remove_entry(cx, "x").is_some_and(|(key, _)| Gc::ptr_eq(key, x)));
    ///     assert!(variables.is_empty() && variables.remove(cx, "x").is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn insert(&self, cx: &Scope<'gc>, key: K, value: V) -> Option<V> {
        self.try_insert(cx, key, value).unwrap_or_else(|error| error.panic())
    }

    /// Gives a key a value. Returns its value so far; the key of an entry stays the same.
    ///
    /// # Errors
    ///
    /// When the table is full, and so is the heap, as for [`GcVec::try_push`](crate::GcVec::try_push). Key and value come back.
    ///
    /// # Example: until the heap is full
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let map = GcHashMap::<u64, u64>::new();
    ///     let error = (0..).find_map(|n| map.try_insert(cx, n, 7).err()).expect("memory is finite");
    ///     assert_eq!(error.value, (map.len() as u64, 7));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_insert(&self, cx: &Scope<'gc>, key: K, value: V) -> Result<Option<V>, AllocError<(K, V)>> {
        let plain = keys::are_plain::<K, K>().then(|| self.hasher.hash_one(&key));
        if let Some(hash) = plain
            // SAFETY: keys like these are compared by no code of the program's, and the reference ends here.
            && let Some(table) = unsafe { self.store.quiet(cx) }
            && table.len() < table.capacity()
        {
            return Ok(put(table, hash, key, value));
        }
        self.insert_held(cx, plain, key, value)
    }

    /// The same for keys that must be asked, or that there is no room for, or while a cycle marks.
    #[inline]
    #[track_caller]
    fn insert_held(
        &self,
        cx: &Scope<'gc>,
        hash: Option<u64>,
        key: K,
        value: V,
    ) -> Result<Option<V>, AllocError<(K, V)>> {
        let mut held = self.store.hold();
        let hash = hash.unwrap_or_else(|| self.hasher.hash_one(&key));
        if held.len() == held.capacity()
            && let Err(full) = self.grow(&mut held, cx, 1)
            && held.find(hash, |(other, _)| *other == key).is_none()
        {
            return Err(AllocError { value: (key, value), full });
        }
        let is_full = held.len() == held.capacity();
        match held.quiet(cx).filter(|_| !is_full) {
            Some(table) => Ok(put(table, hash, key, value)),
            None => Ok(self.insert_slow(&mut held, cx, hash, key, value)),
        }
    }

    /// The same while a cycle marks, or where there is no room for another entry, and need not be. Asks the program first, then changes
    /// the table.
    #[cold]
    #[inline(never)]
    fn insert_slow(
        &self,
        held: &mut Held<'_, HashTable<(K, V)>>,
        cx: &Scope<'gc>,
        hash: u64,
        key: K,
        value: V,
    ) -> Option<V> {
        let Some(bucket) = held.find_bucket_index(hash, |(other, _)| *other == key) else {
            // SAFETY: moving values runs no other code; as there is room for the entry, nothing is hashed.
            unsafe {
                held.change(cx, |table, _| {
                    table.insert_unique(hash, (key, value), |_| unreachable!("there is room"));
                });
            }
            return None;
        };
        // SAFETY: moving values runs no other code. The key is dropped behind it.
        unsafe {
            held.change(cx, |table, shader| {
                let (_, place) = table.get_bucket_mut(bucket)?;
                if let Some(shader) = shader {
                    place.trace(shader);
                }
                Some(mem::replace(place, value))
            })
        }
    }

    /// A copy of the value of a key, which `make` gives it if it has none.
    ///
    /// `make` may use the map. If it gives the key a value itself, that one is overwritten.
    ///
    /// # Example: a table of symbols
    ///
    /// ```
    /// use mudlark::{Gc, GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let symbols = GcHashMap::<Gc<'_, str>, u32>::new();
    ///     let number = |name: &str| symbols.get_or_insert_with(cx, cx.alloc_str(name), || symbols.len() as u32);
    ///     assert_eq!(["x", "y", "x"].map(number), [0, 1, 0]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn get_or_insert_with(&self, cx: &Scope<'gc>, key: K, make: impl FnOnce() -> V) -> V
    where
        V: Copy,
    {
        if let Some(value) = self.get(&key) {
            return value;
        }
        let value = make();
        self.insert(cx, key, value);
        value
    }

    /// Takes an entry out. Returns its value.
    /// For an example see [`GcHashMap::insert`].
    #[inline]
    #[track_caller]
    pub fn remove<Q: Eq + Hash + ?Sized>(&self, cx: &Scope<'gc>, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.remove_entry(cx, key).map(|(_, value)| value)
    }

    /// Takes an entry out.
    /// For an example see [`GcHashMap::insert`].
    #[inline]
    #[track_caller]
    pub fn remove_entry<Q: Eq + Hash + ?Sized>(&self, cx: &Scope<'gc>, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let plain = keys::are_plain::<K, Q>().then(|| self.hasher.hash_one(key));
        if let Some(hash) = plain
            // SAFETY: keys like these are compared by no code of the program's, and the reference ends here.
            && let Some(table) = unsafe { self.store.quiet(cx) }
        {
            return take(table, hash, key);
        }
        let mut held = self.store.hold();
        let hash = plain.unwrap_or_else(|| self.hasher.hash_one(key));
        if let Some(table) = held.quiet(cx) {
            return take(table, hash, key);
        }
        let bucket = held.find_bucket_index(hash, |(other, _)| other.borrow() == key)?;
        // SAFETY: moving values runs no other code.
        unsafe {
            held.change(cx, |table, shader| {
                let entry = table.get_bucket_entry(bucket).ok()?;
                if let Some(shader) = shader {
                    let (key, value) = entry.get();
                    trace_entry(key, value, shader);
                }
                Some(entry.remove().0)
            })
        }
    }

    /// Gives keys values, one after the other.
    /// For an example see [`GcHashMap::retain`].
    #[track_caller]
    pub fn extend(&self, cx: &Scope<'gc>, entries: impl IntoIterator<Item = (K, V)>) {
        let entries = entries.into_iter();
        // As in `std`: half of the keys may be there already.
        let likely = if self.is_empty() { entries.size_hint().0 } else { entries.size_hint().0.div_ceil(2) };
        self.reserve(cx, likely);
        entries.for_each(|(key, value)| _ = self.insert(cx, key, value));
    }

    /// Drops all entries.
    /// For an example see [`GcHashMap::try_reserve`].
    #[track_caller]
    pub fn clear(&self, cx: &Scope<'gc>) {
        self.borrow_mut(cx).clear();
    }

    /// Drops the entries for which `keep` says `false`.
    ///
    /// # Example: what is still valid
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let expires: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("old", 10), ("new", 15)]);
    ///     expires.extend(cx, [("new", 30), ("newest", 40)]);
    ///     expires.retain(cx, |_, at| *at > 20);
    ///     assert_eq!((expires.len(), expires.get("old"), expires.get("new")), (2, None, Some(30)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn retain(&self, cx: &Scope<'gc>, keep: impl FnMut(&K, &mut V) -> bool) {
        self.borrow_mut(cx).retain(keep);
    }

    /// Makes room for so many more entries.
    /// For an example see [`GcHashMap::try_reserve`].
    #[track_caller]
    pub fn reserve(&self, cx: &Scope<'gc>, additional: usize) {
        if let Err(full) = self.try_reserve(cx, additional) {
            AllocError { value: (), full }.panic();
        }
    }

    /// Makes room for so many more entries.
    ///
    /// # Errors
    ///
    /// When the heap is full, as for [`GcVec::try_push`](crate::GcVec::try_push).
    ///
    /// # Example: a size that a script chose
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let map: GcHashMap<u64, u64> = GcHashMap::with_capacity(cx, 100);
    ///     assert!(map.try_reserve(cx, 1 << 20).is_err());
    ///     assert!(map.try_reserve(cx, 1000).is_ok() && map.capacity() >= 1000);
    ///     map.clear(cx);
    ///     map.shrink_to_fit(cx);
    ///     assert_eq!(map.capacity(), 0);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn try_reserve(&self, cx: &Scope<'gc>, additional: usize) -> Result<(), HeapFull> {
        let mut held = self.store.hold();
        let room = held.capacity() - held.len();
        if room < additional { self.grow(&mut held, cx, additional) } else { Ok(()) }
    }

    /// Makes the table as small as its entries allow.
    /// For an example see [`GcHashMap::try_reserve`].
    #[track_caller]
    pub fn shrink_to_fit(&self, cx: &Scope<'gc>) {
        self.borrow_mut(cx).shrink_to_fit();
    }

    /// A larger table.
    #[cold]
    fn grow(
        &self,
        held: &mut Held<'_, HashTable<(K, V)>>,
        cx: &Scope<'gc>,
        additional: usize,
    ) -> Result<(), HeapFull> {
        let bytes = grown_bytes(held, additional);
        self.store.grow(cx, bytes)?;
        // Also if a hash panics.
        let _settled = self.store.settle_at_end(cx);
        let reserved = held.all(cx).try_reserve(additional, |(key, _)| self.hasher.hash_one(key));
        reserved.map_err(|_| cx.refused_external(bytes))
    }
}

impl<K, V, S: Default> Default for GcHashMap<K, V, S> {
    fn default() -> GcHashMap<K, V, S> {
        GcHashMap::with_hasher(S::default())
    }
}

impl<K, V, S> IntoIterator for GcHashMap<K, V, S> {
    type Item = (K, V);
    type IntoIter = hashbrown::hash_table::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.store.into_inner().into_iter()
    }
}

/// Formats the entries; a map in itself as `[…]`.
impl<K: fmt::Debug, V: fmt::Debug, S> fmt::Debug for GcHashMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_borrow() {
            Ok(entries) => debug::once(self, f, |f| entries.fmt(f)),
            Err(BorrowError) => f.write_str("GcHashMap(<borrowed>)"),
        }
    }
}

// A hasher is a place to hide a `Gc`, so it must be `'static + Send`, as in `trace/containers.rs`.

// SAFETY: T1-T7: the store guards the contents, which say what is in them; for the hasher see above.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>, S: Send + 'static> Trace<'gc> for GcHashMap<K, V, S> {
    const NEEDS_TRACE: bool = K::NEEDS_TRACE || V::NEEDS_TRACE;

    #[inline]
    fn trace<Vis: Visitor>(&self, visitor: &mut Vis) {
        self.store.trace(visitor);
    }
}

// SAFETY: B1, B2: a map of the same entries under another brand.
unsafe impl<K: Rebrand, V: Rebrand, S: Send + 'static> Rebrand for GcHashMap<K, V, S>
where
    for<'r> K::With<'r>: Sized,
    for<'r> V::With<'r>: Sized,
{
    type With<'gc> = GcHashMap<K::With<'gc>, V::With<'gc>, S>;
}
