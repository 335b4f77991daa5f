//! What a thread knows of its own graph: names and edges, in plain Rust.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::edges::Edit;
use super::node::{Id, Kind, mix};

/// The model of one thread's graph. Also of objects that nothing leads to any more, until they are forgotten.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    entries: HashMap<Id, Entry, Hash>,
    bytes: usize,
}

/// A set of names.
pub(super) type IdSet = HashSet<Id, Hash>;
type Hash = BuildHasherDefault<IdHasher>;

/// What is known of one object.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) slots: Box<[Option<Id>]>,
    pub(super) items: Vec<Id>,
    /// Of a watch only.
    pub(super) watched: Option<Watched>,
}

/// What a weak pointer was made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Watched {
    pub(super) target: Id,
    pub(super) kind: Kind,
    /// An upgrade gave nothing, so none ever will again.
    pub(super) is_dead: bool,
}

impl Entry {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, slots: vec![None; kind.slots()].into(), items: Vec::new(), watched: None }
    }

    /// All that it leads to.
    pub(super) fn targets(&self) -> impl Iterator<Item = Id> {
        self.slots.iter().flatten().chain(&self.items).copied()
    }

    fn bytes(&self) -> usize {
        self.kind.bytes()
    }
}

impl Shadow {
    pub(super) fn get(&self, id: Id) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The entry of an object that was reached, so that it must be known.
    pub(super) fn known(&self, id: Id) -> Result<&Entry, String> {
        self.get(id).ok_or_else(|| format!("{id} was reached, but nothing known leads to it"))
    }

    pub(super) fn insert(&mut self, id: Id, entry: Entry) {
        self.bytes += entry.bytes();
        if let Some(old) = self.entries.insert(id, entry) {
            self.bytes -= old.bytes();
        }
    }

    pub(super) fn set_slot(&mut self, id: Id, at: usize, to: Option<Id>) {
        self.change(id).slots[at] = to;
    }

    pub(super) fn edit(&mut self, id: Id, edit: Edit<Id>) {
        edit.apply(&mut self.change(id).items);
    }

    pub(super) fn set_dead(&mut self, watch: Id) {
        self.change(watch).watched.as_mut().expect("it is a watch").is_dead = true;
    }

    fn change(&mut self, id: Id) -> &mut Entry {
        self.entries.get_mut(&id).expect("an object in hand is known")
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    /// About what these objects take in the heap.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds to `found` all that `from` and its edges lead to. What is not known is left out.
    pub(super) fn close(&self, from: impl IntoIterator<Item = Id>, found: &mut IdSet) {
        let mut stack: Vec<Id> = from.into_iter().collect();
        while let Some(id) = stack.pop() {
            if let Some(entry) = self.get(id)
                && found.insert(id)
            {
                stack.extend(entry.targets());
            }
        }
    }

    /// What live watches in `of` could bring back.
    pub(super) fn watched(&self, of: &IdSet) -> Vec<Id> {
        let watched = of.iter().filter_map(|&id| self.get(id)?.watched);
        watched.filter(|watched| !watched.is_dead).map(|watched| watched.target).collect()
    }

    /// Forgets all but `kept`.
    pub(super) fn retain(&mut self, kept: &IdSet) {
        self.entries.retain(|id, _| kept.contains(id));
        self.bytes = self.entries.values().map(Entry::bytes).sum();
    }

    /// Takes `id` out, or a copy of it if it never changes: then others may have it too.
    pub(super) fn take(&mut self, id: Id) -> Option<Entry> {
        let entry = self.entries.get(&id)?;
        if entry.kind.is_constant() {
            return Some(entry.clone());
        }
        self.bytes -= entry.bytes();
        self.entries.remove(&id)
    }

    /// Makes the shadow wrong, to see whether that is found: another edge for the first object that has one.
    #[cfg(test)]
    pub(super) fn corrupt(&mut self, among: &IdSet) -> bool {
        let entry = self
            .entries
            .iter_mut()
            .find(|(id, entry)| among.contains(id) && entry.slots.iter().any(Option::is_some));
        entry.is_some_and(|(_, entry)| {
            let slot = entry.slots.iter_mut().find(|slot| slot.is_some()).expect("one is set");
            *slot = None;
            true
        })
    }
}

/// Names are numbers that only need to be spread; the same in each run.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("names hash as one number")
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(number);
    }
}

#[cfg(test)]
mod tests {
    use super::{Edit, Entry, Id, IdSet, Kind, Shadow};

    #[test]
    fn what_nothing_leads_to_is_outside_of_the_closure() {
        let mut shadow = Shadow::default();
        let [a, b, c] = [1, 2, 3].map(Id::of);
        for (id, kind) in [(a, Kind::Knot), (b, Kind::Twig), (c, Kind::Twig)] {
            shadow.insert(id, Entry::new(kind));
        }
        shadow.edit(a, Edit::Push(b));
        shadow.set_slot(b, 0, Some(b));
        let mut found = IdSet::default();
        shadow.close([a], &mut found);
        assert!(found.contains(&a) && found.contains(&b) && !found.contains(&c));
        shadow.retain(&found);
        assert_eq!((shadow.len(), shadow.bytes()), (2, Kind::Knot.bytes() + Kind::Twig.bytes()));
    }
}
