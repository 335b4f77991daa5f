//! Weak maps.

use crate::{
    error::AllocError,
    gc::Gc,
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
    weak_table::WeakTable,
};
use mudlark_collector::EphemeronSlot;
use std::{fmt, marker::PhantomData, ptr::NonNull};

/// A map from objects to objects that keeps no key alive, and each value only as long as its key.
///
/// Keys are compared by identity ([`Gc::ptr_eq`]). Values may lead back to keys, of this map or of others, in chains and rings: what
/// only they lead to dies ([`Ephemeron`](crate::Ephemeron) says more). Entries with dead keys go away by themselves when the cycle ends that found
/// them dead; the map gets smaller when it is changed next.
///
/// It changes behind a shared reference like a cell, so it can lie in any object, or be one. One thread's mutators use it; to share it,
/// put it into a [`GcMutex`](crate::GcMutex).
///
/// An entry takes 16 bytes of the heap and about 32 outside of it, and a cycle some ten nanoseconds.
///
/// # Example: what an interpreter notes about objects
///
/// ```
/// use mudlark::{GcWeakMap, Heap, Root};
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let (shapes, lark): (Root<GcWeakMap<'static, str, u64>>, Root<str>) = mutator.enter(|cx| {
///     let shapes = cx.alloc(GcWeakMap::new());
///     let [lark, wren] = ["lark", "wren"].map(|name| cx.alloc_str(name));
///     shapes.insert(cx, lark, cx.alloc(1_u64));
///     shapes.insert(cx, wren, cx.alloc(2_u64));
///     assert_eq!(shapes.get(cx, wren).as_deref(), Some(&2));
///     (cx.root(shapes), cx.root(lark))
/// });
/// mutator.collect();
/// mutator.enter(|cx| {
///     let shapes = shapes.get(cx);
///     assert_eq!(shapes.len(), 1, "the wren is dead");
///     assert_eq!(shapes.remove(cx, lark.get(cx)).as_deref(), Some(&1));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcWeakMap<'gc, K: ?Sized, V: ?Sized> {
    table: WeakTable<'gc>,
    referents: PhantomData<(Gc<'gc, K>, Gc<'gc, V>)>,
}

/// Objects lie at multiples of eight; the upper bits of a hash count.
fn hash(key: NonNull<u8>) -> u64 {
    (key.addr().get() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<K: ?Sized, V: ?Sized> Default for GcWeakMap<'_, K, V> {
    fn default() -> Self {
        GcWeakMap { table: WeakTable::new(), referents: PhantomData }
    }
}

impl<'gc, K: ?Sized, V: ?Sized> GcWeakMap<'gc, K, V> {
    /// An empty map.
    ///
    /// # Example: a map in an object
    ///
    /// ```
    /// use mudlark::{Gc, GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let map: Gc<'_, GcWeakMap<'_, str, u64>> = cx.alloc(GcWeakMap::new());
    ///     assert_eq!((map.len(), map.capacity()), (0, 0));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> GcWeakMap<'gc, K, V> {
        GcWeakMap::default()
    }

    fn slot(&self, key: Gc<'gc, K>) -> Option<&'gc EphemeronSlot> {
        let key = Gc::cell(key);
        self.table.find(hash(key), |slot| slot.peek_key() == Some(key))
    }

    /// The value of a key.
    ///
    /// # Example: keys are objects, not texts
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (map, key) = (GcWeakMap::new(), cx.alloc_str("lark"));
    ///     map.insert(cx, key, cx.alloc(7_u64));
    ///     assert_eq!(map.get(cx, key).as_deref(), Some(&7));
    ///     assert!(map.get(cx, cx.alloc_str("lark")).is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, cx: &Scope<'gc>, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        let value = cx.local().ephemeron_value(self.slot(key)?)?;
        // SAFETY: H1: the value of a key that is alive; it was a `V` when it was put there.
        Some(unsafe { Gc::from_cell(value) })
    }

    /// Whether the map has a value for a key.
    ///
    /// # Example: objects that were seen
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (seen, object) = (GcWeakMap::new(), cx.alloc(1_u64));
    ///     assert!(!seen.contains_key(object));
    ///     seen.insert(cx, object, object);
    ///     assert!(seen.contains_key(object));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains_key(&self, key: Gc<'gc, K>) -> bool {
        self.slot(key).is_some()
    }

    /// Gives a key a value; gives the old one.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`GcWeakMap::try_insert`] tells instead.
    ///
    /// # Example: the second value replaces the first
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (map, key) = (GcWeakMap::new(), cx.alloc_str("lark"));
    ///     assert!(map.insert(cx, key, cx.alloc(1_u64)).is_none());
    ///     assert_eq!(map.insert(cx, key, cx.alloc(2)).as_deref(), Some(&1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn insert(&self, cx: &Scope<'gc>, key: Gc<'gc, K>, value: Gc<'gc, V>) -> Option<Gc<'gc, V>> {
        match self.try_insert(cx, key, value) {
            Ok(old) => old,
            Err(error) => error.panic(),
        }
    }

    /// Gives a key a value; gives the old one.
    ///
    /// # Errors
    ///
    /// When the heap is full. The value comes back, and nothing has happened.
    ///
    /// # Example: until the heap is full
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let (map, value) = (GcWeakMap::new(), cx.alloc(7_u64));
    ///     let keys = cx.alloc_slice_with(30_000, |n| cx.alloc(n as u64));
    ///     let error = keys.iter().find_map(|&key| map.try_insert(cx, key, value).err()).expect("it is full");
    ///     assert_eq!(*error.value, 7);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_insert(
        &self,
        cx: &Scope<'gc>,
        key: Gc<'gc, K>,
        value: Gc<'gc, V>,
    ) -> Result<Option<Gc<'gc, V>>, AllocError<Gc<'gc, V>>> {
        let (key, raw) = (Gc::cell(key), Gc::cell(value).as_ptr());
        if let Some(slot) = self.table.find(hash(key), |slot| slot.peek_key() == Some(key)) {
            // SAFETY: P1: the key is in hand; H1: the new value is alive in this scope.
            let old = unsafe { cx.local().set_ephemeron_value(slot, raw) };
            // SAFETY: H1: as in `get`.
            return Ok(NonNull::new(old).map(|old| unsafe { Gc::from_cell(old) }));
        }
        let reserved = match self.table.reserve(cx) {
            Ok(reserved) => reserved,
            Err(error) => return Err(AllocError { value, full: error.full }),
        };
        // SAFETY: P1: key and value are alive in this scope, the slot is free, and the map of one thread.
        unsafe { cx.local().fill_ephemeron(reserved.slot, key, raw) };
        self.table.enter(hash(key), &reserved);
        Ok(None)
    }

    /// Takes out a key; gives its value.
    ///
    /// # Example: a note that is not needed any more
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (notes, object) = (GcWeakMap::new(), cx.alloc(1_u64));
    ///     notes.insert(cx, object, cx.alloc_str("note"));
    ///     assert_eq!(notes.remove(cx, object).as_deref(), Some("note"));
    ///     assert!(notes.remove(cx, object).is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&self, cx: &Scope<'gc>, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        let key = Gc::cell(key);
        let value = self.table.remove(
            cx,
            hash(key),
            |slot| slot.peek_key() == Some(key),
            |slot| {
                // SAFETY: P1: the key is in hand, and the map of one thread.
                unsafe { cx.local().empty_ephemeron(slot) }
            },
        )?;
        // SAFETY: H1: as in `get`.
        NonNull::new(value).map(|value| unsafe { Gc::from_cell(value) })
    }

    /// Takes out everything.
    ///
    /// # Example: a cache that is out of date
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (cache, object) = (GcWeakMap::new(), cx.alloc(1_u64));
    ///     cache.insert(cx, object, cx.alloc(2_u64));
    ///     cache.clear(cx);
    ///     assert!(cache.get(cx, object).is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self, cx: &Scope<'gc>) {
        self.table.clear(cx);
    }

    /// The entries whose keys are not dead, in no order that means anything. Keys that nothing else leads to live a cycle longer by it.
    ///
    /// # Example: counting what is left
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let map = GcWeakMap::new();
    ///     let words = ["lark", "wren"].map(|word| cx.alloc_str(word));
    ///     words.map(|word| map.insert(cx, word, cx.alloc(word.len())));
    ///     assert_eq!(map.entries(cx).iter().map(|(_, len)| **len).sum::<usize>(), 8);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entries(&self, cx: &Scope<'gc>) -> Vec<(Gc<'gc, K>, Gc<'gc, V>)> {
        let entry = |slot| {
            // SAFETY: W2: the slot is alive like the map, whose thread this is.
            let key = unsafe { cx.local().upgrade_key(slot) }?;
            let value = cx.local().ephemeron_value(slot)?;
            // SAFETY: H1: an upgrade gives what is alive; it was a `K` when it was put there.
            let key = unsafe { Gc::from_cell(key) };
            // SAFETY: H1: as in `get`.
            Some((key, unsafe { Gc::from_cell(value) }))
        };
        self.table.slots().filter_map(entry).collect()
    }

    /// How many entries there are, without those that a cycle found dead. It counts, in time proportional to the size of the map.
    ///
    /// # Example: dead keys do not count
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let map = mutator.enter(|cx| {
    ///     let map = cx.alloc(GcWeakMap::new());
    ///     map.insert(cx, cx.alloc(1_u64), cx.alloc(2_u64));
    ///     assert_eq!(map.len(), 1);
    ///     cx.root(map)
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!(map.get(cx).len(), 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.table.slots().filter(|slot| slot.peek_key().is_some()).count()
    }

    /// Whether [`GcWeakMap::len`] is zero.
    ///
    /// # Example: before and after
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let map = GcWeakMap::new();
    ///     assert!(map.is_empty());
    ///     map.insert(cx, cx.alloc(1_u64), cx.alloc(2_u64));
    ///     assert!(!map.is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.table.slots().all(|slot| slot.peek_key().is_none())
    }

    /// How many entries there is room for, before more of the heap is needed.
    ///
    /// # Example: room beyond the first entry
    ///
    /// ```
    /// use mudlark::{GcWeakMap, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let map = GcWeakMap::new();
    ///     map.insert(cx, cx.alloc(1_u64), cx.alloc(2_u64));
    ///     assert!(map.capacity() >= map.len());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for GcWeakMap<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcWeakMap").field("len", &self.len()).finish_non_exhaustive()
    }
}

// SAFETY: T1: the table is all there is.
unsafe impl<'gc, K: ?Sized + Trace<'gc>, V: ?Sized + Trace<'gc>> Trace<'gc> for GcWeakMap<'gc, K, V> {
    const NEEDS_TRACE: bool = true;

    fn trace<T: Visitor>(&self, visitor: &mut T) {
        self.table.trace(visitor);
    }
}

// SAFETY: B1: the same table under another brand.
unsafe impl<K: ?Sized + Rebrand, V: ?Sized + Rebrand> Rebrand for GcWeakMap<'_, K, V> {
    type With<'gc> = GcWeakMap<'gc, K::With<'gc>, V::With<'gc>>;
}
