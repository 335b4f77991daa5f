//! Borrows of maps.

use super::{
    hash_map::{find, grown_bytes},
    store::{Exclusive, Shared},
};
use hashbrown::{
    HashTable,
    hash_table::{self, OccupiedEntry, VacantEntry},
};
use mudlark_collector::HeapFull;
use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash},
    mem,
};

/// A shared borrow of the entries of a [`GcHashMap`](crate::GcHashMap).
///
/// # Example: a function that only reads
///
/// ```
/// use mudlark::{GcHashMap, GcHashMapRef, Heap};
///
/// fn largest<'b, S>(ages: &'b GcHashMapRef<'_, &'static str, u32, S>) -> Option<&'b u32> {
///     ages.values().max()
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let ages: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("Ann", 41), ("Bob", 42)]);
///     assert_eq!(largest(&ages.borrow()), Some(&42));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcHashMapRef<'b, K, V, S> {
    pub(super) table: Shared<'b, HashTable<(K, V)>>,
    pub(super) hasher: &'b S,
}

/// A mutable borrow of a whole [`GcHashMap`](crate::GcHashMap).
///
/// When it is dropped, what the table has become is counted; if it is leaked, the map stays borrowed. A heap that is full does not
/// keep the map from growing: [`GcHashMapMut::try_reserve`] asks first.
///
/// # Example: counting words
///
/// ```
/// use mudlark::{GcHashMap, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let counts = GcHashMap::<&str, u32>::new();
///     let mut all = counts.borrow_mut(cx);
///     for word in "to be or not to be".split(' ') {
///         *all.entry(word).or_default() += 1;
///     }
///     all.retain(|_, count| *count > 1);
///     drop(all);
///     assert_eq!((counts.len(), counts.get("be")), (2, Some(2)));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcHashMapMut<'b, 'gc, K, V, S> {
    pub(super) table: Exclusive<'b, 'gc, HashTable<(K, V)>>,
    pub(super) hasher: &'b S,
}

/// Entries of a borrowed map in no order.
type Entries<'a, K, V> = std::iter::Map<hash_table::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

fn entries<K, V>(table: &HashTable<(K, V)>) -> Entries<'_, K, V> {
    table.iter().map(|(key, value)| (key, value))
}

/// What both borrows can do.
macro_rules! reading {
    ($guard:ident<$($brand:lifetime),+>) => {
        impl<K, V, S> $guard<$($brand),+, K, V, S> {
            /// How many entries there are.
            ///
            /// # Example: how many are borrowed
            ///
            /// ```
            /// use mudlark::{GcHashMap, Heap};
            ///
            /// let heap = Heap::builder().build()?;
            /// heap.attach().enter(|cx| {
            ///     let map: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("a", 1), ("b", 2)]);
            ///     assert!(map.borrow().len() == 2 && !map.borrow().is_empty());
            /// });
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn len(&self) -> usize {
                self.table.len()
            }

            /// Whether there is no entry.
            /// For an example see [`len`](Self::len).
            pub fn is_empty(&self) -> bool {
                self.table.is_empty()
            }

            /// The entries, in no order.
            ///
            /// # Example: the key of the largest value
            ///
            /// ```
            /// use mudlark::{GcHashMap, Heap};
            ///
            /// let heap = Heap::builder().build()?;
            /// heap.attach().enter(|cx| {
            ///     let ages: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("Ann", 41), ("Bob", 42)]);
            ///     assert_eq!(ages.borrow().iter().max_by_key(|entry| entry.1), Some((&"Bob", &42)));
            /// });
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
                entries(&self.table)
            }

            /// The keys, in no order.
            ///
            /// # Example: names in order
            ///
            /// ```
            /// use mudlark::{GcHashMap, Heap};
            ///
            /// let heap = Heap::builder().build()?;
            /// heap.attach().enter(|cx| {
            ///     let ages: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("Bob", 42), ("Ann", 41)]);
            ///     let ages = ages.borrow();
            ///     let mut names: Vec<&str> = ages.keys().copied().collect();
            ///     names.sort();
            ///     assert_eq!(names, ["Ann", "Bob"]);
            /// });
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn keys(&self) -> impl Iterator<Item = &K> {
                entries(&self.table).map(|(key, _)| key)
            }

            /// The values, in no order.
            ///
            /// # Example: a sum
            ///
            /// ```
            /// use mudlark::{GcHashMap, Heap};
            ///
            /// let heap = Heap::builder().build()?;
            /// heap.attach().enter(|cx| {
            ///     let map: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("a", 1), ("b", 2)]);
            ///     assert_eq!(map.borrow().values().sum::<u32>(), 3);
            /// });
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn values(&self) -> impl Iterator<Item = &V> {
                entries(&self.table).map(|(_, value)| value)
            }
        }

        impl<K: Eq + Hash, V, S: BuildHasher> $guard<$($brand),+, K, V, S> {
            /// The value of a key.
            ///
            /// # Example: a value that is not copied
            ///
            /// ```
            /// use mudlark::{GcHashMap, Heap};
            ///
            /// let heap = Heap::builder().build()?;
            /// heap.attach().enter(|cx| {
            ///     let names: GcHashMap<u32, String> = GcHashMap::from_iter_in(cx, [(7, "lark".to_owned())]);
            ///     let names = names.borrow();
            ///     assert_eq!((names.get(&7).map(String::len), names.contains_key(&8)), (Some(4), false));
            /// });
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[inline]
            pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
            where
                K: Borrow<Q>,
            {
                self.get_key_value(key).map(|(_, value)| value)
            }

            /// The entry of a key.
            ///
            /// # Example: the key as it is in the map
            ///
            /// ```
            /// use mudlark::{Gc, GcHashMap, Heap};
            ///
            /// let heap = Heap::builder().build()?;
            /// heap.attach().enter(|cx| {
            ///     let (map, key) = (GcHashMap::<Gc<'_, str>, u64>::new(), cx.alloc_str("lark"));
            ///     map.insert(cx, key, 7);
            ///     assert!(map.borrow().get_key_value("lark").is_some_and(|(found, _)| Gc::ptr_eq(*found, key)));
            /// });
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[inline]
            pub fn get_key_value<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
            where
                K: Borrow<Q>,
            {
                find(&self.table, self.hasher, key).map(|(key, value)| (key, value))
            }

            /// Whether there is an entry with this key.
            /// For an example see [`get`](Self::get).
            #[inline]
            pub fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
            where
                K: Borrow<Q>,
            {
                self.get(key).is_some()
            }
        }

        impl<K: fmt::Debug, V: fmt::Debug, S> fmt::Debug for $guard<$($brand),+, K, V, S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_map().entries(self.iter()).finish()
            }
        }
    };
}

reading!(GcHashMapRef<'_>);
reading!(GcHashMapMut<'_, '_>);

impl<'a, K, V, S> IntoIterator for &'a GcHashMapRef<'_, K, V, S> {
    type Item = (&'a K, &'a V);
    type IntoIter = Entries<'a, K, V>;

    fn into_iter(self) -> Entries<'a, K, V> {
        entries(&self.table)
    }
}

impl<K, V, S> GcHashMapMut<'_, '_, K, V, S> {
    /// The entries, in no order, with values that can be changed.
    ///
    /// # Example: a birthday for one
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let ages: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("Ann", 41), ("Bob", 42)]);
    ///     ages.borrow_mut(cx).iter_mut().filter(|entry| *entry.0 == "Ann").for_each(|(_, age)| *age += 1);
    ///     assert_eq!((ages.get("Ann"), ages.get("Bob")), (Some(42), Some(42)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.table.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The values, in no order, to be changed.
    ///
    /// # Example: a birthday for all
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let ages: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("Ann", 41), ("Bob", 42)]);
    ///     ages.borrow_mut(cx).values_mut().for_each(|age| *age += 1);
    ///     assert_eq!((ages.get("Ann"), ages.get("Bob")), (Some(42), Some(43)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// Drops the entries for which `keep` says `false`.
    ///
    /// # Example: one look at each entry
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let lives: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("cat", 9), ("lark", 1)]);
    ///     lives.borrow_mut(cx).retain(|_, lives| {
    ///         *lives -= 1;
    ///         *lives > 0
    ///     });
    ///     assert_eq!((lives.get("cat"), lives.get("lark")), (Some(8), None));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.table.retain(|(key, value)| keep(key, value));
    }

    /// Takes all entries out.
    ///
    /// # Example: all jobs, once
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let jobs: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("wash", 1), ("iron", 2)]);
    ///     let mut all = jobs.borrow_mut(cx);
    ///     assert_eq!(all.drain().map(|(_, minutes)| minutes).sum::<u32>(), 3);
    ///     assert!(all.is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain(&mut self) -> impl Iterator<Item = (K, V)> {
        self.table.drain()
    }

    /// Drops all entries.
    /// For an example see [`GcHashMapMut::drain`].
    pub fn clear(&mut self) {
        self.table.clear();
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> GcHashMapMut<'_, '_, K, V, S> {
    /// The value of a key, to be changed.
    ///
    /// # Example: one more
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let counts: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("lark", 1)]);
    ///     *counts.borrow_mut(cx).get_mut("lark").expect("it is there") += 1;
    ///     assert_eq!(counts.get("lark"), Some(2));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        self.table.find_mut(hash, |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }

    /// The place of a key, taken or not.
    ///
    /// # Example: one look for a question and its answer
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let numbers = GcHashMap::<&str, usize>::new();
    ///     let mut all = numbers.borrow_mut(cx);
    ///     let number = ["x", "y", "x"].map(|name| {
    ///         let next = all.len();
    ///         *all.entry(name).or_insert(next)
    ///     });
    ///     assert_eq!(number, [0, 1, 0]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entry(&mut self, key: K) -> GcMapEntry<'_, K, V> {
        let hasher = self.hasher;
        let hash = hasher.hash_one(&key);
        let entry = self.table.entry(hash, |(other, _)| *other == key, |(key, _)| hasher.hash_one(key));
        match entry {
            hash_table::Entry::Occupied(entry) => GcMapEntry::Occupied(GcOccupiedEntry { entry }),
            hash_table::Entry::Vacant(entry) => GcMapEntry::Vacant(GcVacantEntry { entry, key }),
        }
    }

    /// Gives a key a value. Returns its value so far; the key of an entry stays the same.
    ///
    /// # Example: the value so far
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let map = GcHashMap::<&str, u32>::new();
    ///     let mut all = map.borrow_mut(cx);
    ///     assert_eq!((all.insert("a", 1), all.insert("a", 2), all.remove("a")), (None, Some(1), Some(2)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.entry(key) {
            GcMapEntry::Occupied(mut entry) => Some(mem::replace(entry.get_mut(), value)),
            GcMapEntry::Vacant(entry) => {
                entry.insert(value);
                None
            }
        }
    }

    /// Takes an entry out. Returns its value.
    /// For an example see [`GcHashMapMut::insert`].
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let entry = self.table.find_entry(hash, |(other, _)| other.borrow() == key).ok()?;
        let ((_key, value), _) = entry.remove();
        Some(value)
    }

    /// Makes room for so many more entries.
    ///
    /// # Errors
    ///
    /// When the heap is full, as for [`GcVec::try_push`](crate::GcVec::try_push).
    ///
    /// # Example: room before the work
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let map = GcHashMap::<u64, u64>::new();
    ///     let mut all = map.borrow_mut(cx);
    ///     assert!(all.try_reserve(1 << 20).is_err() && all.try_reserve(1000).is_ok());
    ///     all.shrink_to_fit();
    ///     drop(all);
    ///     assert_eq!(map.capacity(), 0);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), HeapFull> {
        if self.table.capacity() - self.table.len() >= additional {
            return Ok(());
        }
        let bytes = grown_bytes(&self.table, additional);
        self.table.grow(bytes)?;
        let hasher = self.hasher;
        let reserved = self.table.try_reserve(additional, |(key, _)| hasher.hash_one(key));
        reserved.map_err(|_| self.table.refused(bytes))
    }

    /// Makes the table as small as its entries allow.
    /// For an example see [`GcHashMapMut::try_reserve`].
    pub fn shrink_to_fit(&mut self) {
        let hasher = self.hasher;
        self.table.shrink_to_fit(|(key, _)| hasher.hash_one(key));
    }
}

/// The place of a key in a mutably borrowed map.
///
/// # Example: a name that is taken
///
/// ```
/// use mudlark::{GcHashMap, GcMapEntry, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let users = GcHashMap::<&str, u32>::new();
///     let mut all = users.borrow_mut(cx);
///     let register = |(name, number)| match all.entry(name) {
///         GcMapEntry::Occupied(entry) => Err(*entry.get()),
///         GcMapEntry::Vacant(entry) => Ok(*entry.insert(number)),
///     };
///     assert_eq!([("Ann", 1), ("Ann", 2)].map(register), [Ok(1), Err(1)]);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum GcMapEntry<'a, K, V> {
    /// There is an entry.
    Occupied(GcOccupiedEntry<'a, K, V>),
    /// There is none.
    Vacant(GcVacantEntry<'a, K, V>),
}

impl<'a, K, V> GcMapEntry<'a, K, V> {
    /// The value, which becomes this one if there is none.
    /// For an example see [`GcMapEntry::and_modify`].
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The value, which `make` gives if there is none.
    ///
    /// # Example: lists that are made when they are needed
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let groups = GcHashMap::<usize, Vec<&str>>::new();
    ///     let mut all = groups.borrow_mut(cx);
    ///     ["lark", "wren", "owl"].map(|name| all.entry(name.len()).or_insert_with(Vec::new).push(name));
    ///     assert_eq!(all.get(&4), Some(&vec!["lark", "wren"]));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        match self {
            GcMapEntry::Occupied(entry) => entry.into_mut(),
            GcMapEntry::Vacant(entry) => entry.insert(make()),
        }
    }

    /// The value, which becomes the default of its type if there is none.
    /// For an example see [`GcHashMapMut`].
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Changes the value if there is one.
    ///
    /// # Example: counting from one
    ///
    /// ```
    /// use mudlark::{GcHashMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let counts = GcHashMap::<char, u32>::new();
    ///     "banana".chars().for_each(|c| _ = counts.borrow_mut(cx).entry(c).and_modify(|n| *n += 1).or_insert(1));
    ///     assert_eq!((counts.get(&'a'), counts.get(&'b')), (Some(3), Some(1)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn and_modify(mut self, change: impl FnOnce(&mut V)) -> GcMapEntry<'a, K, V> {
        if let GcMapEntry::Occupied(entry) = &mut self {
            change(entry.get_mut());
        }
        self
    }
}

/// An entry of a mutably borrowed map.
///
/// # Example: the last one takes the entry out
///
/// ```
/// use mudlark::{GcHashMap, GcMapEntry, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let uses: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("file", 2)]);
///     let release = |name| match uses.borrow_mut(cx).entry(name) {
///         GcMapEntry::Occupied(entry) if *entry.get() == 1 => Some(entry.remove_entry()),
///         GcMapEntry::Occupied(mut entry) => {
///             assert_eq!(*entry.key(), name);
///             *entry.get_mut() -= 1;
///             None
///         }
///         GcMapEntry::Vacant(entry) => unreachable!("{} is not in use", entry.key()),
///     };
///     assert_eq!(["file", "file"].map(release), [None, Some(("file", 1))]);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcOccupiedEntry<'a, K, V> {
    entry: OccupiedEntry<'a, (K, V)>,
}

impl<'a, K, V> GcOccupiedEntry<'a, K, V> {
    /// The key in the map.
    /// For an example see [`GcOccupiedEntry`].
    pub fn key(&self) -> &K {
        &self.entry.get().0
    }

    /// The value.
    /// For an example see [`GcOccupiedEntry`].
    pub fn get(&self) -> &V {
        &self.entry.get().1
    }

    /// The value, to be changed.
    /// For an example see [`GcOccupiedEntry`].
    pub fn get_mut(&mut self) -> &mut V {
        &mut self.entry.get_mut().1
    }

    /// The value, to be changed for as long as the map is borrowed.
    ///
    /// # Example: a reference that outlives the entry
    ///
    /// ```
    /// use mudlark::{GcHashMap, GcMapEntry, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let map: GcHashMap<&str, u32> = GcHashMap::from_iter_in(cx, [("a", 1)]);
    ///     let mut all = map.borrow_mut(cx);
    ///     let GcMapEntry::Occupied(entry) = all.entry("a") else { unreachable!() };
    ///     let value: &mut u32 = entry.into_mut();
    ///     *value += 1;
    ///     assert_eq!(all.get("a"), Some(&2));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_mut(self) -> &'a mut V {
        &mut self.entry.into_mut().1
    }

    /// Takes the entry out.
    /// For an example see [`GcOccupiedEntry`].
    pub fn remove_entry(self) -> (K, V) {
        self.entry.remove().0
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for GcOccupiedEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcOccupiedEntry").field("key", self.key()).field("value", self.get()).finish()
    }
}

/// A place for an entry in a mutably borrowed map.
/// For an example see [`GcMapEntry`].
pub struct GcVacantEntry<'a, K, V> {
    entry: VacantEntry<'a, (K, V)>,
    key: K,
}

impl<'a, K, V> GcVacantEntry<'a, K, V> {
    /// The key that the entry will have.
    /// For an example see [`GcOccupiedEntry`].
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Makes the entry.
    /// For an example see [`GcMapEntry`].
    pub fn insert(self, value: V) -> &'a mut V {
        &mut self.entry.insert((self.key, value)).into_mut().1
    }
}

impl<K: fmt::Debug, V> fmt::Debug for GcVacantEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcVacantEntry").field("key", &self.key).finish()
    }
}
