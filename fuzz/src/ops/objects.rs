//! The objects that programs make, and the tickets that count their drops.

use mudlark::{
    ByAddress, Ephemeron, Erased, ExternalBytes, Gc, GcCell, GcHashMap, GcHashSet, GcInterner, GcMutex,
    GcRefCell, GcRwLock, GcVec, GcWeak, GcWeakMap, Guardian, Root, Scope, Static, Trace,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of an object.
pub(super) type Id = usize;

/// Two cells, no drop glue. Its own leaf tells if it is given up too early.
#[derive(Trace)]
pub(super) struct Pair<'gc> {
    pub(super) id: Id,
    pub(super) own: Gc<'gc, Leaf>,
    pub(super) next: GcCell<Option<Gc<'gc, Pair<'gc>>>>,
    pub(super) bush: GcCell<Option<Gc<'gc, Bush<'gc>>>>,
}

/// A list that grows, with drop glue, and a leaf of its own.
#[derive(Trace)]
pub(super) struct Bush<'gc> {
    pub(super) id: Id,
    pub(super) own: Gc<'gc, Leaf>,
    pub(super) items: GcRefCell<Vec<Any<'gc>>>,
}

/// Cells in a row. A long one is a large object, and is scanned in pieces.
pub(super) type Row<'gc> = [GcCell<Option<Gc<'gc, Pair<'gc>>>>];

/// An object whose drop is counted.
#[derive(Trace)]
pub(super) struct Leaf {
    pub(super) id: Id,
    #[trace(skip)]
    pub(super) ticket: Ticket,
}

/// A large object that is no slice.
#[derive(Trace)]
pub(super) struct Big<'gc> {
    pub(super) id: Id,
    pub(super) own: Gc<'gc, Leaf>,
    pub(super) next: GcCell<Option<Gc<'gc, Pair<'gc>>>>,
    pub(super) filling: [u64; 1100],
}

/// A weak pointer to a pair.
#[derive(Trace)]
pub(super) struct Watch<'gc> {
    pub(super) id: Id,
    pub(super) own: Gc<'gc, Leaf>,
    pub(super) weak: GcCell<Option<GcWeak<'gc, Pair<'gc>>>>,
}

/// Two lists under locks.
#[derive(Trace)]
pub(super) struct Vault<'gc> {
    pub(super) id: Id,
    pub(super) own: Gc<'gc, Leaf>,
    pub(super) mutex: GcMutex<Vec<Any<'gc>>>,
    pub(super) table: GcRwLock<Vec<Any<'gc>>>,
}

/// Bytes outside of the heap.
#[derive(Trace)]
pub(super) struct Buffer {
    pub(super) id: Id,
    #[trace(skip)]
    pub(super) ticket: Ticket,
    pub(super) held: GcRefCell<ExternalBytes>,
}

/// Collections, whose buffers are outside of the heap.
#[derive(Trace)]
pub(super) struct Shelf<'gc> {
    pub(super) id: Id,
    pub(super) own: Gc<'gc, Leaf>,
    pub(super) list: GcVec<Any<'gc>>,
    pub(super) map: GcHashMap<u8, Any<'gc>>,
    pub(super) set: GcHashSet<ByAddress<'gc, Pair<'gc>>>,
}

/// What is said of pairs as long as they are alive, and symbols.
#[derive(Trace)]
pub(super) struct Notes<'gc> {
    pub(super) id: Id,
    pub(super) own: Gc<'gc, Leaf>,
    pub(super) map: GcWeakMap<'gc, Pair<'gc>, Pair<'gc>>,
    pub(super) bound: GcCell<Option<Ephemeron<'gc, Pair<'gc>, Pair<'gc>>>>,
    pub(super) symbols: GcInterner<'gc>,
}

/// Gets pairs when they would die.
#[derive(Trace)]
pub(super) struct Warden<'gc> {
    pub(super) id: Id,
    pub(super) own: Gc<'gc, Leaf>,
    pub(super) guardian: Guardian<'gc, Pair<'gc>>,
}

/// Any object.
#[derive(Clone, Copy, Trace)]
pub(super) enum Any<'gc> {
    Pair(Gc<'gc, Pair<'gc>>),
    Bush(Gc<'gc, Bush<'gc>>),
    Row(Gc<'gc, Row<'gc>>),
    Leaf(Gc<'gc, Leaf>),
    Text(Gc<'gc, str>),
    Words(Gc<'gc, [u64]>),
    Tickets(Gc<'gc, [Static<Ticket>]>),
    Big(Gc<'gc, Big<'gc>>),
    Watch(Gc<'gc, Watch<'gc>>),
    Vault(Gc<'gc, Vault<'gc>>),
    Buffer(Gc<'gc, Buffer>),
    Shelf(Gc<'gc, Shelf<'gc>>),
    Notes(Gc<'gc, Notes<'gc>>),
    Warden(Gc<'gc, Warden<'gc>>),
    /// One of the others, whose type was forgotten.
    Hidden(Gc<'gc, Erased<'gc>>),
}

impl<'gc> Any<'gc> {
    pub(super) fn address(self) -> usize {
        match self {
            Any::Pair(gc) => Gc::address(gc),
            Any::Bush(gc) => Gc::address(gc),
            Any::Row(gc) => Gc::address(gc),
            Any::Leaf(gc) => Gc::address(gc),
            Any::Text(gc) => Gc::address(gc),
            Any::Words(gc) => Gc::address(gc),
            Any::Tickets(gc) => Gc::address(gc),
            Any::Big(gc) => Gc::address(gc),
            Any::Watch(gc) => Gc::address(gc),
            Any::Vault(gc) => Gc::address(gc),
            Any::Buffer(gc) => Gc::address(gc),
            Any::Shelf(gc) => Gc::address(gc),
            Any::Notes(gc) => Gc::address(gc),
            Any::Warden(gc) => Gc::address(gc),
            Any::Hidden(gc) => Gc::address(gc),
        }
    }

    /// The same object, without its type.
    pub(super) fn erase(self) -> Gc<'gc, Erased<'gc>> {
        match self {
            Any::Pair(gc) => Gc::erase(gc),
            Any::Bush(gc) => Gc::erase(gc),
            Any::Row(gc) => Gc::erase(gc),
            Any::Leaf(gc) => Gc::erase(gc),
            Any::Text(gc) => Gc::erase(gc),
            Any::Words(gc) => Gc::erase(gc),
            Any::Tickets(gc) => Gc::erase(gc),
            Any::Big(gc) => Gc::erase(gc),
            Any::Watch(gc) => Gc::erase(gc),
            Any::Vault(gc) => Gc::erase(gc),
            Any::Buffer(gc) => Gc::erase(gc),
            Any::Shelf(gc) => Gc::erase(gc),
            Any::Notes(gc) => Gc::erase(gc),
            Any::Warden(gc) => Gc::erase(gc),
            Any::Hidden(gc) => gc,
        }
    }
}

/// A root of any object.
#[derive(Clone)]
pub(super) enum Held {
    Pair(Root<Pair<'static>>),
    Bush(Root<Bush<'static>>),
    Row(Root<Row<'static>>),
    Leaf(Root<Leaf>),
    Text(Root<str>),
    Words(Root<[u64]>),
    Tickets(Root<[Static<Ticket>]>),
    Big(Root<Big<'static>>),
    Watch(Root<Watch<'static>>),
    Vault(Root<Vault<'static>>),
    Buffer(Root<Buffer>),
    Shelf(Root<Shelf<'static>>),
    Notes(Root<Notes<'static>>),
    Warden(Root<Warden<'static>>),
    Hidden(Root<Erased<'static>>),
}

impl Held {
    pub(super) fn new<'gc>(cx: &Scope<'gc>, any: Any<'gc>) -> Held {
        match any {
            Any::Pair(gc) => Held::Pair(cx.root(gc)),
            Any::Bush(gc) => Held::Bush(cx.root(gc)),
            Any::Row(gc) => Held::Row(cx.root(gc)),
            Any::Leaf(gc) => Held::Leaf(cx.root(gc)),
            Any::Text(gc) => Held::Text(cx.root(gc)),
            Any::Words(gc) => Held::Words(cx.root(gc)),
            Any::Tickets(gc) => Held::Tickets(cx.root(gc)),
            Any::Big(gc) => Held::Big(cx.root(gc)),
            Any::Watch(gc) => Held::Watch(cx.root(gc)),
            Any::Vault(gc) => Held::Vault(cx.root(gc)),
            Any::Buffer(gc) => Held::Buffer(cx.root(gc)),
            Any::Shelf(gc) => Held::Shelf(cx.root(gc)),
            Any::Notes(gc) => Held::Notes(cx.root(gc)),
            Any::Warden(gc) => Held::Warden(cx.root(gc)),
            Any::Hidden(gc) => Held::Hidden(cx.root(gc)),
        }
    }

    pub(super) fn get<'gc>(&self, cx: &Scope<'gc>) -> Any<'gc> {
        match self {
            Held::Pair(root) => Any::Pair(root.get(cx)),
            Held::Bush(root) => Any::Bush(root.get(cx)),
            Held::Row(root) => Any::Row(root.get(cx)),
            Held::Leaf(root) => Any::Leaf(root.get(cx)),
            Held::Text(root) => Any::Text(root.get(cx)),
            Held::Words(root) => Any::Words(root.get(cx)),
            Held::Tickets(root) => Any::Tickets(root.get(cx)),
            Held::Big(root) => Any::Big(root.get(cx)),
            Held::Watch(root) => Any::Watch(root.get(cx)),
            Held::Vault(root) => Any::Vault(root.get(cx)),
            Held::Buffer(root) => Any::Buffer(root.get(cx)),
            Held::Shelf(root) => Any::Shelf(root.get(cx)),
            Held::Notes(root) => Any::Notes(root.get(cx)),
            Held::Warden(root) => Any::Warden(root.get(cx)),
            Held::Hidden(root) => Any::Hidden(root.get(cx)),
        }
    }

    /// Points the root at an object of the same kind; another kind needs another root.
    pub(super) fn set<'gc>(&mut self, cx: &Scope<'gc>, any: Any<'gc>) {
        match (&*self, any) {
            (Held::Pair(root), Any::Pair(gc)) => root.set(cx, gc),
            (Held::Bush(root), Any::Bush(gc)) => root.set(cx, gc),
            (Held::Row(root), Any::Row(gc)) => root.set(cx, gc),
            (Held::Leaf(root), Any::Leaf(gc)) => root.set(cx, gc),
            (Held::Text(root), Any::Text(gc)) => root.set(cx, gc),
            (Held::Words(root), Any::Words(gc)) => root.set(cx, gc),
            (Held::Tickets(root), Any::Tickets(gc)) => root.set(cx, gc),
            (Held::Big(root), Any::Big(gc)) => root.set(cx, gc),
            (Held::Watch(root), Any::Watch(gc)) => root.set(cx, gc),
            (Held::Vault(root), Any::Vault(gc)) => root.set(cx, gc),
            (Held::Buffer(root), Any::Buffer(gc)) => root.set(cx, gc),
            (Held::Shelf(root), Any::Shelf(gc)) => root.set(cx, gc),
            (Held::Notes(root), Any::Notes(gc)) => root.set(cx, gc),
            (Held::Warden(root), Any::Warden(gc)) => root.set(cx, gc),
            (Held::Hidden(root), Any::Hidden(gc)) => root.set(cx, gc),
            _ => *self = Held::new(cx, any),
        }
    }
}

/// Counts its drop.
pub(super) struct Ticket {
    pub(super) number: usize,
    pub(super) ledger: Arc<Ledger>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.ledger.lock()[self.number].drops += 1;
    }
}

/// All tickets of a run.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) entries: Mutex<Vec<Entry>>,
    cleanups: Mutex<Vec<Registration>>,
}

/// A cleanup.
#[derive(Clone, Copy)]
pub(super) struct Registration {
    pub(super) owner: Id,
    pub(super) runs: u32,
    pub(super) is_canceled: bool,
}

pub(super) struct Entry {
    pub(super) owner: Id,
    pub(super) drops: u32,
}

impl Ledger {
    /// Also after a failed check: a ticket that panics in its drop would hide why.
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ticket(self: &Arc<Self>, owner: Id) -> Ticket {
        let mut entries = self.lock();
        entries.push(Entry { owner, drops: 0 });
        Ticket { number: entries.len() - 1, ledger: Arc::clone(self) }
    }

    pub(super) fn drops(&self, number: usize) -> u32 {
        self.lock()[number].drops
    }

    /// A new cleanup of an object: its number, and what is to run.
    pub(super) fn cleanup(self: &Arc<Self>, owner: Id) -> (usize, impl FnOnce() + Send + use<>) {
        let mut cleanups = self.lock_cleanups();
        cleanups.push(Registration { owner, runs: 0, is_canceled: false });
        let (number, ledger) = (cleanups.len() - 1, Arc::clone(self));
        (number, move || ledger.lock_cleanups()[number].runs += 1)
    }

    pub(super) fn cancel(&self, number: usize) {
        self.lock_cleanups()[number].is_canceled = true;
    }

    pub(super) fn registration(&self, number: usize) -> Registration {
        self.lock_cleanups()[number]
    }

    fn lock_cleanups(&self) -> MutexGuard<'_, Vec<Registration>> {
        self.cleanups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No cleanup of what `is_alive` ran; if all must have run, the others ran, once, unless they were canceled.
    pub(super) fn check_cleanups(&self, must_run: bool, is_alive: impl Fn(Id) -> bool) {
        for (number, cleanup) in self.lock_cleanups().iter().enumerate() {
            let Registration { owner, runs, is_canceled } = *cleanup;
            let at_most = u32::from(!is_canceled && !is_alive(owner));
            let is_right = if must_run { runs == at_most } else { runs <= at_most };
            assert!(is_right, "the cleanup {number} of the object {owner} ran {runs} times");
        }
    }

    /// The heap is gone.
    pub(super) fn check_end(&self) {
        self.check(|_| 1);
        self.check_cleanups(true, |_| false);
    }

    /// Every ticket was dropped as often as `expected` says of its owner.
    pub(super) fn check(&self, expected: impl Fn(Id) -> u32) {
        for entry in self.lock().iter() {
            assert_eq!(entry.drops, expected(entry.owner), "drops of the object {}", entry.owner);
        }
    }
}
