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
            pub fn len(&self) -> usize {
                self.table.len()
            }

            /// Whether there is no entry.
            pub fn is_empty(&self) -> bool {
                self.table.is_empty()
            }

            /// The entries, in no order.
            pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
                entries(&self.table)
            }

            /// The keys, in no order.
            pub fn keys(&self) -> impl Iterator<Item = &K> {
                entries(&self.table).map(|(key, _)| key)
            }

            /// The values, in no order.
            pub fn values(&self) -> impl Iterator<Item = &V> {
                entries(&self.table).map(|(_, value)| value)
            }
        }

        impl<K: Eq + Hash, V, S: BuildHasher> $guard<$($brand),+, K, V, S> {
            /// The value of a key.
            #[inline]
            pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
            where
                K: Borrow<Q>,
            {
                self.get_key_value(key).map(|(_, value)| value)
            }

            /// The entry of a key.
            #[inline]
            pub fn get_key_value<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
            where
                K: Borrow<Q>,
            {
                find(&self.table, self.hasher, key).map(|(key, value)| (key, value))
            }

            /// Whether there is an entry with this key.
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
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.table.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The values, in no order, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// Drops the entries for which `keep` says `false`.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.table.retain(|(key, value)| keep(key, value));
    }

    /// Takes all entries out.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, V)> {
        self.table.drain()
    }

    /// Drops all entries.
    pub fn clear(&mut self) {
        self.table.clear();
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> GcHashMapMut<'_, '_, K, V, S> {
    /// The value of a key, to be changed.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        self.table.find_mut(hash, |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }

    /// The place of a key, taken or not.
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
    pub fn shrink_to_fit(&mut self) {
        let hasher = self.hasher;
        self.table.shrink_to_fit(|(key, _)| hasher.hash_one(key));
    }
}

/// The place of a key in a mutably borrowed map.
#[derive(Debug)]
pub enum GcMapEntry<'a, K, V> {
    /// There is an entry.
    Occupied(GcOccupiedEntry<'a, K, V>),
    /// There is none.
    Vacant(GcVacantEntry<'a, K, V>),
}

impl<'a, K, V> GcMapEntry<'a, K, V> {
    /// The value, which becomes this one if there is none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The value, which `make` gives if there is none.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        match self {
            GcMapEntry::Occupied(entry) => entry.into_mut(),
            GcMapEntry::Vacant(entry) => entry.insert(make()),
        }
    }

    /// The value, which becomes the default of its type if there is none.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Changes the value if there is one.
    #[must_use]
    pub fn and_modify(mut self, change: impl FnOnce(&mut V)) -> GcMapEntry<'a, K, V> {
        if let GcMapEntry::Occupied(entry) = &mut self {
            change(entry.get_mut());
        }
        self
    }
}

/// An entry of a mutably borrowed map.
pub struct GcOccupiedEntry<'a, K, V> {
    entry: OccupiedEntry<'a, (K, V)>,
}

impl<'a, K, V> GcOccupiedEntry<'a, K, V> {
    /// The key in the map.
    pub fn key(&self) -> &K {
        &self.entry.get().0
    }

    /// The value.
    pub fn get(&self) -> &V {
        &self.entry.get().1
    }

    /// The value, to be changed.
    pub fn get_mut(&mut self) -> &mut V {
        &mut self.entry.get_mut().1
    }

    /// The value, to be changed for as long as the map is borrowed.
    pub fn into_mut(self) -> &'a mut V {
        &mut self.entry.into_mut().1
    }

    /// Takes the entry out.
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
pub struct GcVacantEntry<'a, K, V> {
    entry: VacantEntry<'a, (K, V)>,
    key: K,
}

impl<'a, K, V> GcVacantEntry<'a, K, V> {
    /// The key that the entry will have.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Makes the entry.
    pub fn insert(self, value: V) -> &'a mut V {
        &mut self.entry.insert((self.key, value)).into_mut().1
    }
}

impl<K: fmt::Debug, V> fmt::Debug for GcVacantEntry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcVacantEntry").field("key", &self.key).finish()
    }
}
