//! Sets of roots, with small keys that are plain data.

use crate::{gc::Gc, root::Root, scope::Scope, trace::Rebrand};
use std::{
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    num::NonZeroU32,
};

/// Roots that go by keys: what a virtual machine stashes for its host.
///
/// A [`RootKey`] is 8 bytes of plain data: `Copy`, without drop glue, and good for tables of the host, for messages, for foreign code. What
/// is in the set lives until it is removed, or until the set goes, as a whole. Inserting and removing take constant time
/// and, once the set has grown, allocate nothing. A set has objects of one type; [`Gc::erase`] makes it one of anything.
///
/// Keys are checked: one whose object was removed finds nothing, also when its place is in use again. A key of another set of the same type is a
/// mistake that need not be noticed, but breaks nothing.
///
/// # Example: callbacks that a host knows by numbers
///
/// ```
/// use mudlark::{Heap, RootKey, RootSet};
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let mut callbacks: RootSet<str> = RootSet::new();
/// let key: RootKey<str> = mutator.enter(|cx| callbacks.insert(cx, cx.alloc_str("on_click")));
/// mutator.collect();
/// mutator.enter(|cx| assert_eq!(callbacks.get(cx, key).as_deref(), Some("on_click")));
/// assert!(callbacks.remove(key));
/// mutator.enter(|cx| assert!(callbacks.get(cx, key).is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RootSet<T: ?Sized> {
    entries: Vec<Entry<T>>,
    /// The first free entry, counted from one; zero if there is none.
    free: u32,
    len: usize,
}

struct Entry<T: ?Sized> {
    state: State<T>,
    /// How often the entry was taken.
    generation: NonZeroU32,
}

enum State<T: ?Sized> {
    Used(Root<T>),
    /// The next free entry, as in [`RootSet::free`].
    Free(u32),
    /// Taken so often that keys would repeat.
    Retired,
}

/// Names an object in a [`RootSet`].
///
/// # Example: a number that a C program holds
///
/// ```
/// use mudlark::{Heap, RootKey, RootSet};
/// use std::collections::HashMap;
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let mut objects: RootSet<str> = RootSet::new();
/// let mut handles: HashMap<u32, RootKey<str>> = HashMap::new();
/// mutator.enter(|cx| handles.insert(7, objects.insert(cx, cx.alloc_str("file"))));
/// mutator.enter(|cx| assert_eq!(objects.get(cx, handles[&7]).as_deref(), Some("file")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RootKey<T: ?Sized> {
    index: u32,
    generation: NonZeroU32,
    referent: PhantomData<fn() -> *const T>,
}

impl<T: ?Sized> Clone for RootKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for RootKey<T> {}

impl<T: ?Sized> PartialEq for RootKey<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}

impl<T: ?Sized> Eq for RootKey<T> {}

impl<T: ?Sized> Hash for RootKey<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.index, self.generation).hash(state);
    }
}

impl<T: ?Sized> fmt::Debug for RootKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({}.{})", self.index, self.generation)
    }
}

impl<T: ?Sized> fmt::Debug for RootSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootSet").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Default for RootSet<T> {
    fn default() -> RootSet<T> {
        RootSet::new()
    }
}

impl<T: ?Sized> RootSet<T> {
    /// An empty set. It belongs to no heap until something is in it.
    ///
    /// # Example: a set in a static
    ///
    /// ```
    /// use mudlark::RootSet;
    /// use std::sync::Mutex;
    ///
    /// static GLOBALS: Mutex<RootSet<u64>> = Mutex::new(RootSet::new());
    /// assert!(GLOBALS.lock().expect("no panic").is_empty());
    /// ```
    pub const fn new() -> RootSet<T> {
        RootSet { entries: Vec::new(), free: 0, len: 0 }
    }

    /// How many objects are in the set.
    ///
    /// # Example: objects that a host still holds
    ///
    /// ```
    /// use mudlark::{Heap, RootSet};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut held: RootSet<u64> = RootSet::new();
    /// let keys = mutator.enter(|cx| [1, 2].map(|n| held.insert(cx, cx.alloc(n))));
    /// held.remove(keys[0]);
    /// assert_eq!(held.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in the set.
    ///
    /// # Example: nothing is left behind
    ///
    /// ```
    /// use mudlark::{Heap, RootSet};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut held: RootSet<u64> = RootSet::new();
    /// let key = mutator.enter(|cx| held.insert(cx, cx.alloc(7)));
    /// assert!(!held.is_empty());
    /// held.remove(key);
    /// assert!(held.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the key's object is in the set.
    ///
    /// # Example: a key outlives its object
    ///
    /// ```
    /// use mudlark::{Heap, RootSet};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut set: RootSet<str> = RootSet::new();
    /// let old = mutator.enter(|cx| set.insert(cx, cx.alloc_str("old")));
    /// set.remove(old);
    /// let new = mutator.enter(|cx| set.insert(cx, cx.alloc_str("new")));
    /// assert!(set.contains(new) && !set.contains(old), "also if the new one has the old one's place");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains(&self, key: RootKey<T>) -> bool {
        self.root(key).is_some()
    }

    fn root(&self, key: RootKey<T>) -> Option<&Root<T>> {
        match self.entries.get(key.index as usize) {
            Some(Entry { state: State::Used(root), generation }) if *generation == key.generation => {
                Some(root)
            }
            _ => None,
        }
    }

    /// Removes an object; `false` if it was not there. Needs no scope.
    ///
    /// # Example: what is removed is free to die
    ///
    /// ```
    /// use mudlark::{Heap, RootSet, WeakRoot};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut set: RootSet<u64> = RootSet::new();
    /// let (key, weak): (_, WeakRoot<u64>) = mutator.enter(|cx| {
    ///     let number = cx.alloc(7);
    ///     (set.insert(cx, number), WeakRoot::new(cx, number))
    /// });
    /// assert!(set.remove(key) && !set.remove(key));
    /// mutator.collect();
    /// mutator.enter(|cx| assert!(weak.upgrade(cx).is_none()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&mut self, key: RootKey<T>) -> bool {
        if !self.contains(key) {
            return false;
        }
        let entry = &mut self.entries[key.index as usize];
        match entry.generation.checked_add(1) {
            Some(next) => {
                entry.generation = next;
                entry.state = State::Free(std::mem::replace(&mut self.free, key.index + 1));
            }
            None => entry.state = State::Retired,
        }
        self.len -= 1;
        true
    }

    /// Removes everything. Keys of before stay without an object.
    ///
    /// # Example: at the end of a request
    ///
    /// ```
    /// use mudlark::{Heap, RootSet};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut request: RootSet<u64> = RootSet::new();
    /// let key = mutator.enter(|cx| request.insert(cx, cx.alloc(7)));
    /// request.clear();
    /// assert!(request.is_empty() && !request.contains(key));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&mut self) {
        for index in 0..self.entries.len() {
            let generation = self.entries[index].generation;
            // Entries are counted in 32 bits.
            self.remove(RootKey { index: index as u32, generation, referent: PhantomData });
        }
    }
}

impl<T: ?Sized + Rebrand> RootSet<T> {
    /// Puts an object in.
    ///
    /// # Panics
    ///
    /// With four billion objects in it.
    ///
    /// # Example: the same object, twice
    ///
    /// ```
    /// use mudlark::{Gc, Heap, RootSet};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut set: RootSet<u64> = RootSet::new();
    /// mutator.enter(|cx| {
    ///     let number = cx.alloc(7);
    ///     let (one, other) = (set.insert(cx, number), set.insert(cx, number));
    ///     assert_ne!(one, other);
    ///     assert!(set.get(cx, one).is_some_and(|found| Gc::ptr_eq(found, number)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert<'gc>(&mut self, cx: &Scope<'gc>, gc: Gc<'gc, T::With<'gc>>) -> RootKey<T> {
        let used = State::Used(Root::of(cx, gc));
        self.len += 1;
        let (index, generation) = match self.free {
            0 => {
                let index =
                    u32::try_from(self.entries.len()).expect("a root set holds at most four billion objects");
                self.entries.push(Entry { state: used, generation: NonZeroU32::MIN });
                (index, NonZeroU32::MIN)
            }
            free => {
                let entry = &mut self.entries[free as usize - 1];
                if let State::Free(next) = std::mem::replace(&mut entry.state, used) {
                    self.free = next;
                }
                (free - 1, entry.generation)
            }
        };
        RootKey { index, generation, referent: PhantomData }
    }

    /// The key's object, if it is in the set.
    ///
    /// # Panics
    ///
    /// With a scope of another heap than the object's.
    ///
    /// # Example: by its key, in a later scope
    ///
    /// ```
    /// use mudlark::{Heap, RootSet};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut set: RootSet<str> = RootSet::new();
    /// let key = mutator.enter(|cx| set.insert(cx, cx.alloc_str("kept")));
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!(set.get(cx, key).as_deref(), Some("kept")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get<'gc>(&self, cx: &Scope<'gc>, key: RootKey<T>) -> Option<Gc<'gc, T::With<'gc>>> {
        self.root(key).map(|root| root.get(cx))
    }

    /// Puts another object in the place of the key's; `false` if there was none.
    ///
    /// # Panics
    ///
    /// As [`RootSet::get`].
    ///
    /// # Example: a global variable of a script
    ///
    /// ```
    /// use mudlark::{Heap, RootSet};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut globals: RootSet<u64> = RootSet::new();
    /// let count = mutator.enter(|cx| globals.insert(cx, cx.alloc(1)));
    /// mutator.enter(|cx| assert!(globals.set(cx, count, cx.alloc(2))));
    /// assert_eq!(mutator.enter(|cx| globals.get(cx, count).map(|count| *count)), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set<'gc>(&self, cx: &Scope<'gc>, key: RootKey<T>, gc: Gc<'gc, T::With<'gc>>) -> bool {
        self.root(key).map(|root| root.set(cx, gc)).is_some()
    }

    /// All objects with their keys.
    ///
    /// # Panics
    ///
    /// As [`RootSet::get`], while it is read.
    ///
    /// # Example: all of them
    ///
    /// ```
    /// use mudlark::{Heap, RootSet};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let mut set: RootSet<u64> = RootSet::new();
    /// mutator.enter(|cx| {
    ///     let keys = [1, 2, 3].map(|n| set.insert(cx, cx.alloc(n)));
    ///     set.remove(keys[1]);
    ///     assert_eq!(set.iter(cx).map(|(_, number)| *number).collect::<Vec<_>>(), [1, 3]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter<'gc>(&self, cx: &Scope<'gc>) -> impl Iterator<Item = (RootKey<T>, Gc<'gc, T::With<'gc>>)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| {
            let State::Used(root) = &entry.state else { return None };
            let key = RootKey { index: index as u32, generation: entry.generation, referent: PhantomData };
            Some((key, root.get(cx)))
        })
    }
}
