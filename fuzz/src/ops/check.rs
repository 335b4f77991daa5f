//! What must be seen of the objects.

use super::{
    machine::{Machine, Registers},
    model::{Shape, letter, word},
    mortal::symbol,
    objects::{Any, Id},
};
use mudlark::Scope;
use std::collections::{HashMap, HashSet};

impl Machine {
    /// Everything that the roots and registers reach is what the model says.
    pub(super) fn check<'gc>(&self, cx: &Scope<'gc>, registers: Registers<'gc>) {
        let mut stack = registers;
        stack.extend(self.rooted(cx));
        let reachable = self.model.reachable(stack.iter().map(|&(_, id)| id));
        self.ledger.check_cleanups(false, |id| reachable.contains(&id));
        stack.extend(self.look_at_weak_roots(cx, (&reachable, false)));
        let (mut places, mut addresses) = (HashMap::new(), HashSet::new());
        let mut hidden = Vec::new();
        while let Some((any, id)) = stack.pop() {
            let address = any.address();
            if let Any::Hidden(_) = any {
                // It is only an address; who comes by with a type sees the rest.
                hidden.push((address, id));
                continue;
            }
            if let Some(known) = places.insert(id, address) {
                assert_eq!(known, address, "the object {id} is in two places");
                continue;
            }
            assert!(addresses.insert(address), "the object {id} is in the place of another one");
            stack.extend(self.edges(cx, any, id));
            if let Any::Watch(watch) = any {
                let target = self.upgrade(cx, watch, id);
                assert!(
                    target.is_some() || !self.watches_any_of(id, &reachable),
                    "{id} lost what it watches"
                );
                stack.extend(target.map(|(pair, id)| (Any::Pair(pair), id)));
            }
            if let Any::Notes(notes) = any {
                stack.extend(self.look_at_notes(cx, notes, id, (&reachable, false)));
            }
        }
        for (address, id) in hidden {
            let known = places.get(&id).copied().unwrap_or(address);
            assert_eq!(known, address, "the object {id} is hidden in another place");
        }
    }

    /// What the roots lead to.
    fn rooted<'gc>(&self, cx: &Scope<'gc>) -> Registers<'gc> {
        let mut rooted: Registers<'gc> = self.roots.iter().map(|(held, id)| (held.get(cx), *id)).collect();
        let known = self.stash.keys.iter().filter(|(_, id)| id.is_some()).count();
        assert_eq!(self.stash.set.len(), known, "the set of roots");
        for &(key, id) in &self.stash.keys {
            let found = self.stash.set.get(cx, key);
            assert_eq!(found.is_some(), id.is_some(), "what a key stands for");
            rooted.extend(found.map(Any::Hidden).zip(id));
        }
        rooted
    }

    /// Behind a whole cycle: weak pointers to what was unreachable lead nowhere.
    pub(super) fn check_cleared<'gc>(
        &self,
        cx: &Scope<'gc>,
        locals: Registers<'gc>,
        reachable: &HashSet<Id>,
    ) {
        self.look_at_weak_roots(cx, (reachable, true));
        let mut stack = locals;
        stack.extend(self.rooted(cx));
        let mut seen = HashSet::new();
        while let Some((any, id)) = stack.pop() {
            if matches!(any, Any::Hidden(_)) || !seen.insert(id) {
                continue;
            }
            if let Any::Watch(watch) = any {
                let is_given = self.upgrade(cx, watch, id).is_some();
                assert_eq!(is_given, self.watches_any_of(id, reachable), "what {id} watches");
            }
            if let Any::Notes(notes) = any {
                self.look_at_notes(cx, notes, id, (reachable, true));
            }
            stack.extend(self.edges(cx, any, id));
        }
    }

    fn watches_any_of(&self, id: Id, alive: &HashSet<Id>) -> bool {
        matches!(self.model.objects[id], Shape::Watch { target: Some(target), .. } if alive.contains(&target))
    }

    /// Compares an object with the model, and returns where its edges lead.
    pub(super) fn edges<'gc>(&self, cx: &Scope<'gc>, any: Any<'gc>, id: Id) -> Registers<'gc> {
        let mut edges = Registers::new();
        let mut expect = |what: Option<Any<'gc>>, target: Option<Id>| {
            assert_eq!(what.is_some(), target.is_some(), "an edge of the object {id}");
            edges.extend(what.zip(target));
        };
        match (any, &self.model.objects[id]) {
            (Any::Pair(pair), Shape::Pair { own, next, bush }) => {
                assert_eq!(pair.id, id);
                expect(Some(Any::Leaf(pair.own)), Some(*own));
                expect(pair.next.get().map(Any::Pair), *next);
                expect(pair.bush.get().map(Any::Bush), *bush);
            }
            (Any::Big(big), Shape::Big { own, next }) => {
                assert_eq!(big.id, id);
                expect(Some(Any::Leaf(big.own)), Some(*own));
                assert!(big.filling.iter().enumerate().all(|(index, &n)| n == word(id, index)), "{id}");
                expect(big.next.get().map(Any::Pair), *next);
            }
            (Any::Bush(bush), Shape::Bush { own, items, leaked }) => {
                assert_eq!(bush.id, id);
                expect(Some(Any::Leaf(bush.own)), Some(*own));
                let contents = bush.items.try_borrow();
                assert_eq!(contents.is_err(), *leaked, "{id}");
                if let Ok(contents) = contents {
                    assert_eq!(contents.len(), items.len(), "{id}");
                    edges.extend(contents.iter().copied().zip(items.iter().copied()));
                }
            }
            (Any::Row(row), Shape::Row { slots }) => {
                assert_eq!(row.len(), slots.len(), "{id}");
                for (cell, slot) in row.iter().zip(slots) {
                    expect(cell.get().map(Any::Pair), *slot);
                }
            }
            (Any::Leaf(leaf), Shape::Leaf) => {
                assert_eq!(leaf.id, id);
                assert_eq!(
                    self.ledger.drops(leaf.ticket.number),
                    0,
                    "the leaf {id} is reachable and dropped"
                );
            }
            (Any::Text(text), Shape::Text { len }) => {
                assert_eq!(text.len(), *len);
                assert!(text.bytes().enumerate().all(|(index, byte)| byte == letter(id, index)), "{id}");
            }
            (Any::Words(words), Shape::Words { len }) => {
                assert_eq!(words.len(), *len);
                assert!(words.iter().enumerate().all(|(index, &n)| n == word(id, index)), "{id}");
            }
            (Any::Tickets(tickets), Shape::Tickets { len }) => {
                assert_eq!(tickets.len(), *len);
                for ticket in tickets.iter() {
                    assert_eq!(self.ledger.drops(ticket.number), 0, "{id} is reachable and dropped");
                }
            }
            (Any::Hidden(_), _) => {}
            _ => return self.edges_of_others(cx, any, id),
        }
        edges
    }

    /// The same for what is made of several parts.
    fn edges_of_others<'gc>(&self, cx: &Scope<'gc>, any: Any<'gc>, id: Id) -> Registers<'gc> {
        let mut edges = Registers::new();
        match (any, &self.model.objects[id]) {
            (Any::Watch(watch), Shape::Watch { own, target }) => {
                assert_eq!(watch.id, id);
                edges.push((Any::Leaf(watch.own), *own));
                assert_eq!(watch.weak.get().is_some(), target.is_some(), "{id}");
            }
            (Any::Vault(vault), Shape::Vault { own, items, leaked }) => {
                assert_eq!(vault.id, id);
                edges.push((Any::Leaf(vault.own), *own));
                let table = vault.table.try_read().map(|guard| guard.clone());
                let mutex = vault.mutex.try_lock(cx).map(|guard| guard.clone());
                for (stored, (items, leaked)) in [mutex, table].iter().zip(items.iter().zip(leaked)) {
                    assert!(stored.is_some() || *leaked, "{id}");
                    if let Some(stored) = stored {
                        assert_eq!(stored.len(), items.len(), "{id}");
                        edges.extend(stored.iter().copied().zip(items.iter().copied()));
                    }
                }
            }
            (Any::Buffer(buffer), Shape::Buffer { bytes }) => {
                assert_eq!((buffer.id, buffer.held.borrow().bytes()), (id, *bytes));
                assert_eq!(
                    self.ledger.drops(buffer.ticket.number),
                    0,
                    "the buffer {id} is reachable and dropped"
                );
            }
            (Any::Shelf(shelf), Shape::Shelf { own, list, map, set }) => {
                assert_eq!(shelf.id, id);
                edges.push((Any::Leaf(shelf.own), *own));
                assert_eq!(
                    (shelf.list.len(), shelf.map.len(), shelf.set.len()),
                    (list.len(), map.len(), set.len())
                );
                edges.extend(shelf.list.iter().zip(list.iter().copied()));
                for (key, item) in map {
                    edges.push((shelf.map.get(key).expect("a key of the map"), *item));
                }
                for pair in shelf.set.borrow().iter() {
                    assert!(set.contains(&pair.id), "{} is not in the set of {id}", pair.id);
                    edges.push((Any::Pair(pair.0), pair.id));
                }
            }
            (Any::Notes(notes), Shape::Notes { own, .. }) => {
                assert_eq!(notes.id, id);
                edges.push((Any::Leaf(notes.own), *own));
            }
            (Any::Warden(warden), Shape::Warden { own, registered }) => {
                assert_eq!((warden.id, warden.guardian.len()), (id, registered.len()), "registrations");
                edges.push((Any::Leaf(warden.own), *own));
            }
            (Any::Text(given), Shape::Symbol { text }) => assert_eq!(*given, symbol(*text), "{id}"),
            (_, shape) => panic!("the object {id} is not {shape:?}"),
        }
        edges
    }
}
