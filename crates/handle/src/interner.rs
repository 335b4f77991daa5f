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
    pub fn get(&self, cx: &Scope<'gc>, text: &str) -> Option<Gc<'gc, str>> {
        self.find(cx, self.hasher.hash_one(text), text)
    }

    /// The object for a text, made if there is none.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`GcInterner::try_intern`] tells instead.
    #[track_caller]
    pub fn intern(&self, cx: &Scope<'gc>, text: &str) -> Gc<'gc, str> {
        self.try_intern(cx, text).unwrap_or_else(|error| error.panic())
    }

    /// The object for a text, made if there is none.
    ///
    /// # Errors
    ///
    /// When the heap is full. Nothing has happened.
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
    pub fn len(&self) -> usize {
        self.table.slots().filter(|slot| slot.peek_key().is_some()).count()
    }

    /// Whether [`GcInterner::len`] is zero.
    pub fn is_empty(&self) -> bool {
        self.table.slots().all(|slot| slot.peek_key().is_none())
    }

    /// The strings that are not dead, in no order that means anything. Those that nothing else leads to live a cycle longer by it.
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
