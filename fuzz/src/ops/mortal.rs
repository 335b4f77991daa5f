//! Steps that look at what may be dead, and at what comes of that: weak maps, ephemerons, symbols, guardians, weak roots, cleanups.

use super::{
    Mortal,
    machine::{Machine, ROOTS_MAX, Registers, at, bush_at, hold},
    model::Shape,
    objects::{Any, Id, Notes, Pair},
};
use mudlark::{Ephemeron, Gc, Scope, WeakRoot};
use std::collections::HashSet;

/// A pair and its number.
type Known<'gc> = (Gc<'gc, Pair<'gc>>, Id);

impl Machine {
    pub(super) fn mortal<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, step: Mortal) {
        match step {
            Mortal::Note { .. } | Mortal::Strike { .. } | Mortal::Lookup { .. } => {
                self.note(cx, registers, step);
            }
            Mortal::Browse { of, place } => {
                let Some((notes, id)) = self.find_notes(cx, registers, of) else { return };
                let found = self.notes_alive(cx, notes, id);
                if let Some(index) = usize::from(place).checked_rem(found.len()) {
                    let (any, id) = found[index];
                    self.comes_back(registers, id);
                    hold(registers, any, id);
                }
            }
            Mortal::Bind { .. } | Mortal::Rebind { .. } => self.bind(cx, registers, step),
            Mortal::Intern { of, text, to } => self.intern(cx, registers, [of, text % 32, to]),
            Mortal::Register { of, item } => {
                let Some(((warden, id), (pair, item))) =
                    self.find_warden(cx, registers, of).zip(self.find_pair(cx, registers, item))
                else {
                    return;
                };
                if warden.guardian.try_register(cx, pair).is_ok() {
                    self.model.registered(id).push(item);
                    // A registration that the last cycle did not see.
                    self.due.remove(&(id, item));
                }
            }
            Mortal::Poll { of } => self.poll(cx, registers, of),
            Mortal::WeakRoot { of } => {
                if let Some((pair, id)) = self.find_pair(cx, registers, of)
                    && self.stash.weak.len() < ROOTS_MAX
                    && let Ok(weak) = WeakRoot::try_new(cx, pair)
                {
                    self.stash.weak.push((weak, id));
                }
            }
            Mortal::UpgradeRoot { root } => {
                let Some((weak, id)) = at(&self.stash.weak, root) else { return };
                if let Some((pair, id)) = self.alive(weak.clone().upgrade(cx), *id) {
                    self.comes_back(registers, id);
                    hold(registers, Any::Pair(pair), id);
                }
            }
            Mortal::DropWeakRoot { root } => {
                if let Some(index) = usize::from(root).checked_rem(self.stash.weak.len()) {
                    self.stash.weak.swap_remove(index);
                }
            }
            Mortal::OnDrop { of } => {
                let Some(&(any, id)) = at(registers, of) else { return };
                let (number, run) = self.ledger.cleanup(id);
                self.cleanups.push((Some(cx.on_drop(any.erase(), run)), number));
            }
            Mortal::Cancel { which } => self.cancel(registers, which),
        }
    }

    fn note<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, step: Mortal) {
        let (Mortal::Note { of, key, .. } | Mortal::Strike { of, key } | Mortal::Lookup { of, key }) = step
        else {
            return;
        };
        let Some(((notes, id), (key, key_id))) =
            self.find_notes(cx, registers, of).zip(self.find_pair(cx, registers, key))
        else {
            return;
        };
        let value = match step {
            Mortal::Note { value, .. } => self.find_pair(cx, registers, value),
            _ => None,
        };
        let Shape::Notes { entries, .. } = &mut self.model.objects[id] else { panic!("{id} has no notes") };
        let place = entries.iter().position(|&(key, _)| key == key_id);
        let known = place.map(|place| entries[place].1);
        assert_eq!(notes.map.contains_key(key), known.is_some(), "what {id} says of {key_id}");
        let given = match step {
            Mortal::Note { .. } => {
                let Some((value, value_id)) = value else { return };
                let Ok(old) = notes.map.try_insert(cx, key, value) else { return };
                match place {
                    Some(place) => entries[place].1 = value_id,
                    None => entries.push((key_id, value_id)),
                }
                old
            }
            Mortal::Strike { .. } => {
                place.map(|place| entries.swap_remove(place));
                notes.map.remove(cx, key)
            }
            _ => notes.map.get(cx, key),
        };
        assert_eq!(given.map(|pair| pair.id), known, "what {id} says of {key_id}");
        if let (Mortal::Lookup { .. }, Some((pair, id))) = (step, given.zip(known)) {
            hold(registers, Any::Pair(pair), id);
        }
    }

    fn bind<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, step: Mortal) {
        let (Mortal::Bind { of, value, .. } | Mortal::Rebind { of, value }) = step else { return };
        let Some(((notes, id), (value, value_id))) =
            self.find_notes(cx, registers, of).zip(self.find_pair(cx, registers, value))
        else {
            return;
        };
        let key = match step {
            Mortal::Bind { key, .. } => self.find_pair(cx, registers, key),
            _ => None,
        };
        let Shape::Notes { bound, .. } = &mut self.model.objects[id] else { panic!("{id} has no notes") };
        if let Mortal::Bind { .. } = step {
            let Some((key, key_id)) = key else { return };
            let Ok(pair) = Ephemeron::try_new(cx, key, value) else { return };
            notes.bound.set(cx, Some(pair));
            *bound = Some((key_id, value_id));
            return;
        }
        let Some((pair, (key, known))) = notes.bound.get().zip(*bound) else { return };
        match pair.set(cx, value) {
            Some(old) => {
                assert_eq!(old.id, known, "what is bound to {key}");
                *bound = Some((key, value_id));
                assert!(!self.gone.borrow().contains(&key), "{key} is back from the dead");
            }
            None => _ = self.gone.borrow_mut().insert(key),
        }
    }

    fn intern<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, [of, text, to]: [u8; 3]) {
        let Some(((notes, id), (bush, bush_id))) =
            self.find_notes(cx, registers, of).zip(bush_at(registers, to))
        else {
            return;
        };
        let name = symbol(text);
        let found = notes.symbols.get(cx, &name);
        let known = self.model.symbols(id).get(&text).copied();
        let Ok(given) = notes.symbols.try_intern(cx, &name) else {
            assert!(found.is_none(), "a symbol that is there needs no room");
            return;
        };
        let given_id = match (found, known) {
            (Some(found), Some(known)) => {
                assert!(Gc::ptr_eq(found, given), "two symbols for {name}");
                assert!(!self.gone.borrow().contains(&known), "{name} is back from the dead");
                known
            }
            (Some(_), None) => panic!("{id} has a symbol {name} that nobody made"),
            (None, known) => {
                let all = self.ids(registers);
                let reachable = self.model.reachable(all);
                assert!(known.is_none_or(|known| !reachable.contains(&known)), "{id} lost {name}");
                self.gone.get_mut().extend(known);
                let new = self.model.add(Shape::Symbol { text });
                self.model.symbols(id).insert(text, new);
                new
            }
        };
        if let Ok(mut items) = bush.items.try_borrow_mut(cx) {
            items.push(Any::Text(given));
            self.model.bush_items(bush_id).push(given_id);
        }
    }

    fn poll<'gc>(&mut self, cx: &Scope<'gc>, registers: &mut Registers<'gc>, of: u8) {
        let Some((warden, id)) = self.find_warden(cx, registers, of) else { return };
        let registered = self.model.registered(id).clone();
        let Some(pair) = warden.guardian.poll(cx) else {
            let late = registered.iter().find(|&&item| self.due.contains(&(id, item)));
            assert_eq!(late, None, "{id} does not give what a cycle found unreachable");
            return;
        };
        let place = registered.iter().position(|&item| item == pair.id).expect("it was registered");
        let earlier = registered[..place].iter().find(|&&item| self.due.contains(&(id, item)));
        assert_eq!(earlier, None, "{id} gives {} first", pair.id);
        assert!(!self.gone.borrow().contains(&pair.id), "{} is back from the dead", pair.id);
        let all = self.ids(registers);
        let is_held = self.model.reachable_plainly(all).contains(&pair.id);
        assert!(!is_held || self.back.contains(&pair.id), "{id} gives {}, which was never lost", pair.id);
        self.model.registered(id).remove(place);
        self.due.remove(&(id, pair.id));
        self.comes_back(registers, pair.id);
        hold(registers, Any::Pair(pair), pair.id);
    }

    fn cancel(&mut self, registers: &Registers<'_>, which: u8) {
        let Some(index) = usize::from(which).checked_rem(self.cleanups.len()) else { return };
        let (cleanup, number) = &mut self.cleanups[index];
        let (number, Some(cleanup)) = (*number, cleanup.take()) else { return };
        let is_canceled = cleanup.cancel();
        let known = self.ledger.registration(number);
        if is_canceled {
            assert_eq!(known.runs, 0, "the cleanup {number} was canceled when it had run");
            self.ledger.cancel(number);
        } else {
            let reachable = self.model.reachable(self.ids(registers));
            assert!(!reachable.contains(&known.owner), "the cleanup {number} cannot be canceled");
        }
    }

    /// All that is alive by itself, in this scope.
    fn ids(&self, registers: &Registers<'_>) -> Vec<Id> {
        self.root_ids().chain(registers.iter().map(|&(_, id)| id)).collect()
    }

    /// Notes what is reachable again with an object that a scope got, though nothing need have led to it.
    pub(super) fn comes_back(&mut self, registers: &Registers<'_>, id: Id) {
        let mut all = self.ids(registers);
        let before = self.model.reachable_plainly(all.iter().copied());
        all.push(id);
        self.back.extend(self.model.reachable_plainly(all).difference(&before));
    }

    /// Behind a whole cycle: finds what guardians must give.
    pub(super) fn find_due(&mut self, reachable: &HashSet<Id>) {
        let roots: Vec<Id> = self.root_ids().collect();
        let plain = self.model.reachable_plainly(roots.iter().copied());
        let registered = |alive: &HashSet<Id>| -> Vec<(Id, Id)> {
            let of = |&id: &Id| match &self.model.objects[id] {
                Shape::Warden { registered, .. } => registered.iter().map(|&item| (id, item)).collect(),
                _ => Vec::new(),
            };
            alive.iter().flat_map(of).collect()
        };
        let all = registered(reachable);
        // What another one leads to that came back may come back with it, or later; and until it is polled, what came back to one
        // guardian is reachable for another.
        let is_due = |&(_, item): &(Id, Id)| {
            if all.iter().filter(|&&(_, other)| other == item).count() > 1 {
                return false;
            }
            let others = all.iter().map(|&(_, other)| other).filter(|&other| other != item);
            !self.model.reachable_plainly(roots.iter().copied().chain(others)).contains(&item)
        };
        let due: Vec<(Id, Id)> = registered(&plain).into_iter().filter(is_due).collect();
        // Dead guardians give nothing.
        self.due.retain(|(warden, _)| reachable.contains(warden));
        self.due.extend(due);
    }

    /// What a weak pointer gives; what was dead once is dead for ever.
    fn alive<'gc>(&self, given: Option<Gc<'gc, Pair<'gc>>>, target: Id) -> Option<Known<'gc>> {
        let Some(pair) = given else {
            self.gone.borrow_mut().insert(target);
            return None;
        };
        assert_eq!(pair.id, target, "what a weak pointer gives");
        assert!(!self.gone.borrow().contains(&target), "{target} is back from the dead");
        Some((pair, target))
    }

    /// What the notes still give, keys and values. What they do not give any more is dead.
    fn notes_alive<'gc>(&self, cx: &Scope<'gc>, notes: Gc<'gc, Notes<'gc>>, id: Id) -> Registers<'gc> {
        let Shape::Notes { entries, bound, .. } = &self.model.objects[id] else {
            panic!("{id} has no notes")
        };
        let given = notes.map.entries(cx);
        assert!(given.len() <= entries.len(), "{id} says more than it was told");
        let mut found = Registers::new();
        let bound_pair = notes.bound.get();
        assert_eq!(bound_pair.is_some(), bound.is_some(), "what is bound in {id}");
        let bound_given = bound_pair.and_then(|pair| pair.get(cx)).map(|given| (*bound, given));
        let of_map =
            entries.iter().map(|entry| (entry, given.iter().find(|(key, _)| key.id == entry.0).copied()));
        let of_bound = bound.iter().map(|entry| (entry, bound_given.map(|(_, given)| given)));
        for (&(key_id, value_id), given) in of_map.chain(of_bound) {
            let Some((key, key_id)) = self.alive(given.map(|(key, _)| key), key_id) else { continue };
            let (_, value) = given.expect("there is a key");
            assert_eq!(value.id, value_id, "what {id} says of {key_id}");
            found.extend([(Any::Pair(key), key_id), (Any::Pair(value), value_id)]);
        }
        found
    }

    /// Looks at all weak things of an object. Its notes must give all that is reachable, and if a cycle just ended, nothing else.
    pub(super) fn look_at_notes<'gc>(
        &self,
        cx: &Scope<'gc>,
        notes: Gc<'gc, Notes<'gc>>,
        id: Id,
        (reachable, is_exact): (&HashSet<Id>, bool),
    ) -> Registers<'gc> {
        let mut found = self.notes_alive(cx, notes, id);
        let Shape::Notes { entries, bound, symbols, .. } = &self.model.objects[id] else { return found };
        for (key, _) in entries.iter().chain(bound) {
            let (is_given, is_alive) =
                (found.iter().step_by(2).any(|(_, id)| id == key), reachable.contains(key));
            assert!(is_given || !is_alive, "{id} lost what it says of {key}");
            assert!(!is_given || is_alive || !is_exact, "{id} still says something of {key}");
        }
        for (&text, &symbol_id) in symbols {
            let given = notes.symbols.get(cx, &symbol(text));
            let is_alive = reachable.contains(&symbol_id);
            assert!(given.is_some() || !is_alive, "{id} lost the symbol {symbol_id}");
            assert!(given.is_none() || is_alive || !is_exact, "{id} still has the symbol {symbol_id}");
            match given {
                Some(given) => {
                    assert!(!self.gone.borrow().contains(&symbol_id), "{symbol_id} is back from the dead");
                    found.push((Any::Text(given), symbol_id));
                }
                None => _ = self.gone.borrow_mut().insert(symbol_id),
            }
        }
        found
    }

    /// The same for weak roots.
    pub(super) fn look_at_weak_roots<'gc>(
        &self,
        cx: &Scope<'gc>,
        (reachable, is_exact): (&HashSet<Id>, bool),
    ) -> Registers<'gc> {
        let mut found = Registers::new();
        for (weak, id) in &self.stash.weak {
            let given = self.alive(weak.upgrade(cx), *id);
            let is_alive = reachable.contains(id);
            assert!(given.is_some() || !is_alive, "a weak root lost {id}");
            assert!(given.is_none() || is_alive || !is_exact, "a weak root still has {id}");
            found.extend(given.map(|(pair, id)| (Any::Pair(pair), id)));
        }
        found
    }
}

/// The text of a symbol.
pub(super) fn symbol(text: u8) -> String {
    format!("symbol {text}")
}
