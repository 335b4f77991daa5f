//! Weak interning of strings.

use crate::{
    error::AllocError,
    gc::Gc,
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
    weak_table::WeakTable,
};
use mudlark_collector::EphemeronSlot;
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    ptr::null_mut,
};

/// A set of strings that gives one object for each text, and keeps none of them alive: the symbols of an interpreter.
///
/// As long as a symbol lives, equal texts lead to the same object, so symbols can be compared by [`Gc::ptr_eq`] and can be keys of a
/// [`GcWeakMap`](crate::GcWeakMap). When nothing else leads to a symbol, a cycle frees it and its entry.
///
/// It changes behind a shared reference like a cell. One thread's mutators use it; to share it, put it into a
/// [`GcMutex`](crate::GcMutex). Its hashes are keyed by chance.
///
/// # Example: symbols
///
/// ```
/// use mudlark::{Gc, GcInterner, Heap, Root};
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let (symbols, lark): (Root<GcInterner<'static>>, Root<str>) = mutator.enter(|cx| {
///     let symbols = cx.alloc(GcInterner::new());
///     let lark = symbols.intern(cx, "lark");
///     assert!(Gc::ptr_eq(lark, symbols.intern(cx, "lark")));
///     symbols.intern(cx, "wren");
///     assert_eq!(symbols.len(), 2);
///     (cx.root(symbols), cx.root(lark))
/// });
/// mutator.collect();
/// mutator.enter(|cx| {
///     let symbols = symbols.get(cx);
///     assert!(symbols.get(cx, "wren").is_none());
///     assert!(symbols.get(cx, "lark").is_some_and(|found| Gc::ptr_eq(found, lark.get(cx))));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcInterner<'gc> {
    table: WeakTable<'gc>,
    hasher: RandomState,
}

impl Default for GcInterner<'_> {
    fn default() -> Self {
        GcInterner { table: WeakTable::new(), hasher: RandomState::new() }
    }
}

impl<'gc> GcInterner<'gc> {
    /// A set without strings.
    ///
    /// # Example: its symbols are its own
    ///
    /// ```
    /// use mudlark::{Gc, GcInterner, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (one, other) = (GcInterner::new(), GcInterner::new());
    ///     assert!(!Gc::ptr_eq(one.intern(cx, "lark"), other.intern(cx, "lark")));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> GcInterner<'gc> {
        GcInterner::default()
    }

    /// The string of a slot, if it is alive.
    fn upgrade(cx: &Scope<'gc>, slot: &EphemeronSlot) -> Option<Gc<'gc, str>> {
        // SAFETY: W2: the slot is alive like the set, whose thread this is.
        let key = unsafe { cx.local().upgrade_key(slot) }?;
        // SAFETY: H1: an upgrade gives what is alive; only strings are put there.
        Some(unsafe { Gc::from_cell(key) })
    }

    fn find(&self, cx: &Scope<'gc>, hash: u64, text: &str) -> Option<Gc<'gc, str>> {
        let mut found = None;
        self.table.find(hash, |slot| {
            found = GcInterner::upgrade(cx, slot).filter(|string| &**string == text);
            found.is_some()
        });
        found
    }

    /// The object for a text, if there is one. Allocates nothing.
    ///
    /// # Example: names that exist
    ///
    /// ```
    /// use mudlark::{GcInterner, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let symbols = GcInterner::new();
    ///     symbols.intern(cx, "lark");
    ///     assert!(symbols.get(cx, "lark").is_some());
    ///     assert!(symbols.get(cx, "wren").is_none() && symbols.len() == 1);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, cx: &Scope<'gc>, text: &str) -> Option<Gc<'gc, str>> {
        self.find(cx, self.hasher.hash_one(text), text)
    }

    /// The object for a text, made if there is none.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`GcInterner::try_intern`] tells instead.
    ///
    /// # Example: comparing names by identity
    ///
    /// ```
    /// use mudlark::{Gc, GcInterner, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let symbols = GcInterner::new();
    ///     let [one, other, same] = ["x", "y", "x"].map(|name| symbols.intern(cx, name));
    ///     assert!(Gc::ptr_eq(one, same) && !Gc::ptr_eq(one, other));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn intern(&self, cx: &Scope<'gc>, text: &str) -> Gc<'gc, str> {
        self.try_intern(cx, text).unwrap_or_else(|error| error.panic())
    }

    /// The object for a text, made if there is none.
    ///
    /// # Errors
    ///
    /// When the heap is full. Nothing has happened.
    ///
    /// # Example: a script that makes names without end
    ///
    /// ```
    /// use mudlark::{GcInterner, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let symbols = GcInterner::new();
    ///     let refused = (0..).find(|n: &u64| symbols.try_intern(cx, &n.to_string()).is_err());
    ///     assert!(refused.is_some_and(|n| n as usize == symbols.len()));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_intern(&self, cx: &Scope<'gc>, text: &str) -> Result<Gc<'gc, str>, AllocError<()>> {
        let hash = self.hasher.hash_one(text);
        if let Some(found) = self.find(cx, hash, text) {
            return Ok(found);
        }
        let string = cx.try_alloc_str(text)?;
        let reserved = self.table.reserve(cx)?;
        // SAFETY: P1: the string is alive in this scope, the slot is free, and the set of one thread.
        unsafe { cx.local().fill_ephemeron(reserved.slot, Gc::cell(string), null_mut()) };
        self.table.enter(hash, &reserved);
        Ok(string)
    }

    /// How many strings there are, without those that a cycle found dead. It counts, in time proportional to the size of the set.
    ///
    /// # Example: different texts
    ///
    /// ```
    /// use mudlark::{GcInterner, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let symbols = GcInterner::new();
    ///     "to be or not to be".split(' ').for_each(|word| _ = symbols.intern(cx, word));
    ///     assert_eq!(symbols.len(), 4);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.table.slots().filter(|slot| slot.peek_key().is_some()).count()
    }

    /// Whether [`GcInterner::len`] is zero.
    ///
    /// # Example: nobody uses its symbols
    ///
    /// ```
    /// use mudlark::{GcInterner, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let symbols = mutator.enter(|cx| {
    ///     let symbols = cx.alloc(GcInterner::new());
    ///     symbols.intern(cx, "lark");
    ///     assert!(!symbols.is_empty());
    ///     cx.root(symbols)
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| assert!(symbols.get(cx).is_empty()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.table.slots().all(|slot| slot.peek_key().is_none())
    }

    /// The strings that are not dead, in no order that means anything. Those that nothing else leads to live a cycle longer by it.
    ///
    /// # Example: a completion of names
    ///
    /// ```
    /// use mudlark::{GcInterner, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let symbols = GcInterner::new();
    ///     ["lark", "wren"].map(|name| symbols.intern(cx, name));
    ///     let found = symbols.strings(cx).into_iter().filter(|name| name.starts_with("la"));
    ///     assert_eq!(found.map(|name| name.to_string()).collect::<Vec<_>>(), ["lark"]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn strings(&self, cx: &Scope<'gc>) -> Vec<Gc<'gc, str>> {
        self.table.slots().filter_map(|slot| GcInterner::upgrade(cx, slot)).collect()
    }
}

impl fmt::Debug for GcInterner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcInterner").field("len", &self.len()).finish_non_exhaustive()
    }
}

// SAFETY: T1: the table is all that leads to objects.
unsafe impl<'gc> Trace<'gc> for GcInterner<'gc> {
    const NEEDS_TRACE: bool = true;

    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.table.trace(visitor);
    }
}

// SAFETY: B1: the same table under another brand.
unsafe impl Rebrand for GcInterner<'_> {
    type With<'gc> = GcInterner<'gc>;
}
