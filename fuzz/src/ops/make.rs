//! Steps that make objects of several parts, and objects on several threads; and how later steps find them.

use super::{
    Make,
    machine::{Machine, ROOTS_MAX, Registers, hold},
    model::Shape,
    objects::{Any, Buffer, Bush, Held, Id, Leaf, Notes, Pair, Shelf, Vault, Warden, Watch},
};
use mudlark::{
    Gc, GcCell, GcHashMap, GcHashSet, GcInterner, GcMutex, GcRefCell, GcRwLock, GcVec, GcWeakMap, Guardian,
    Scope,
};
use std::collections::{BTreeMap, HashSet};

/// What a step needs, out of any object.
type Pick<'gc, T> = fn(Any<'gc>) -> Option<T>;

impl Machine {
    /// An object for a step that needs one of a kind: from the registers or the roots, or else a new one, rooted unless it is a pair.
    fn find<'gc, T>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &mut Registers<'gc>,
        index: u8,
        (pick, make): (Pick<'gc, T>, Make),
    ) -> Option<(T, Id)> {
        let nearest = |count: usize| {
            let from = usize::from(index >> 1) % count.max(1);
            (from..count).chain(0..from)
        };
        let mut held =
            nearest(registers.len()).filter_map(|at| pick(registers[at].0).zip(Some(registers[at].1)));
        let held = held.next();
        // One half of the indices prefers what other scopes left.
        if held.is_some() && index.is_multiple_of(2) {
            return held;
        }
        let rooted = nearest(self.roots.len()).find_map(|at| {
            let (any, id) = (self.roots[at].0.get(cx), self.roots[at].1);
            pick(any).map(|found| (found, any, id))
        });
        if let Some((found, any, id)) = rooted {
            hold(registers, any, id);
            return Some((found, id));
        }
        if held.is_some() {
            return held;
        }
        self.make(cx, registers, make);
        let &(any, id) = registers.last()?;
        let found = pick(any)?;
        if !matches!(make, Make::Pair) && self.roots.len() < ROOTS_MAX {
            self.roots.push((Held::new(cx, any), id));
        }
        Some((found, id))
    }

    pub(super) fn find_pair<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &mut Registers<'gc>,
        index: u8,
    ) -> Option<(Gc<'gc, Pair<'gc>>, Id)> {
        let pick = |any| if let Any::Pair(pair) = any { Some(pair) } else { None };
        self.find(cx, registers, index, (pick, Make::Pair))
    }

    pub(super) fn find_shelf<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &mut Registers<'gc>,
        index: u8,
    ) -> Option<(Gc<'gc, Shelf<'gc>>, Id)> {
        let pick = |any| if let Any::Shelf(shelf) = any { Some(shelf) } else { None };
        self.find(cx, registers, index, (pick, Make::Shelf))
    }

    pub(super) fn find_notes<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &mut Registers<'gc>,
        index: u8,
    ) -> Option<(Gc<'gc, Notes<'gc>>, Id)> {
        let pick = |any| if let Any::Notes(notes) = any { Some(notes) } else { None };
        self.find(cx, registers, index, (pick, Make::Notes))
    }

    pub(super) fn find_warden<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        registers: &mut Registers<'gc>,
        index: u8,
    ) -> Option<(Gc<'gc, Warden<'gc>>, Id)> {
        let pick = |any| if let Any::Warden(warden) = any { Some(warden) } else { None };
        self.find(cx, registers, index, (pick, Make::Warden))
    }

    pub(super) fn make_of_parts<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        make: Make,
    ) -> Option<(Option<Any<'gc>>, Id)> {
        Some(match make {
            Make::Watch => {
                let (own, own_id) = self.own_leaf(cx)?;
                let id = self.model.add(Shape::Watch { own: own_id, target: None });
                (cx.try_alloc(Watch { id, own, weak: GcCell::new(None) }).map(Any::Watch).ok(), id)
            }
            Make::Vault => {
                let (own, own_id) = self.own_leaf(cx)?;
                let shape = Shape::Vault { own: own_id, items: [Vec::new(), Vec::new()], leaked: [false; 2] };
                let id = self.model.add(shape);
                let (mutex, table) = (GcMutex::new(Vec::new()), GcRwLock::new(Vec::new()));
                (cx.try_alloc(Vault { id, own, mutex, table }).map(Any::Vault).ok(), id)
            }
            Make::Buffer { bytes } => {
                let bytes = u64::from(bytes) << 4;
                let id = self.model.add(Shape::Buffer { bytes });
                let ticket = self.ledger.ticket(id);
                let held = GcRefCell::new(cx.account_external(bytes));
                (cx.try_alloc(Buffer { id, ticket, held }).map(Any::Buffer).ok(), id)
            }
            Make::Shelf => {
                let (own, own_id) = self.own_leaf(cx)?;
                let (list, map) = (Vec::new(), BTreeMap::new());
                let id = self.model.add(Shape::Shelf { own: own_id, list, map, set: HashSet::new() });
                let (list, map, set) = (GcVec::new(), GcHashMap::new(), GcHashSet::new());
                (cx.try_alloc(Shelf { id, own, list, map, set }).map(Any::Shelf).ok(), id)
            }
            Make::Notes => {
                let (own, own_id) = self.own_leaf(cx)?;
                let (entries, symbols) = (Vec::new(), BTreeMap::new());
                let id = self.model.add(Shape::Notes { own: own_id, entries, bound: None, symbols });
                let (map, bound, symbols) = (GcWeakMap::new(), GcCell::new(None), GcInterner::new());
                (cx.try_alloc(Notes { id, own, map, bound, symbols }).map(Any::Notes).ok(), id)
            }
            Make::Warden => {
                let (own, own_id) = self.own_leaf(cx)?;
                let id = self.model.add(Shape::Warden { own: own_id, registered: Vec::new() });
                (cx.try_alloc(Warden { id, own, guardian: Guardian::new() }).map(Any::Warden).ok(), id)
            }
            _ => return None,
        })
    }

    /// A bush of leaves that two threads allocate in this scope: half of them come back when the threads join, half go through a mutex.
    pub(super) fn crew<'gc>(&mut self, cx: &Scope<'gc>, count: u8) -> Option<(Gc<'gc, Bush<'gc>>, Id)> {
        let ids: Vec<Id> = (0..=count % 32).map(|_| self.model.add(Shape::Leaf)).collect();
        let (ledger, pile) = (&self.ledger, cx.try_alloc(GcMutex::new(Vec::new())).ok()?);
        let work = move |cx: &Scope<'gc>, ids: &[Id]| {
            let mut joined: Vec<(Gc<'gc, Leaf>, Id)> = Vec::new();
            for &id in ids {
                let leaf = cx.try_alloc(Leaf { id, ticket: ledger.ticket(id) });
                // Garbage, so that threads meet at safepoints and refills.
                (0..u64::from(count)).for_each(|n| _ = cx.try_alloc((n, Some(n))));
                match leaf {
                    Ok(leaf) if id % 2 == 0 => joined.push((leaf, id)),
                    Ok(leaf) => pile.lock(cx).push((leaf, id)),
                    Err(_) => {}
                }
            }
            joined
        };
        let (one, two) = ids.split_at(ids.len() / 2);
        let work = &work;
        let mut leaves = cx.scoped(|threads| {
            let threads = [one, two].map(|ids| threads.spawn(move |cx| work(cx, ids)));
            let [mut one, two] = threads.map(|thread| thread.join().expect("no panic"));
            one.extend(two);
            one
        });
        leaves.append(&mut pile.lock(cx));
        let (leaves, ids) = leaves.into_iter().map(|(leaf, id)| (Any::Leaf(leaf), id)).unzip();
        self.bush(cx, leaves, ids)
    }
}
