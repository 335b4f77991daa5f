//! The graph as it must be, in plain numbers.

use super::objects::Id;
use std::collections::{BTreeMap, HashSet};

/// What an object must be.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Pair {
        own: Id,
        next: Option<Id>,
        bush: Option<Id>,
    },
    Bush {
        own: Id,
        items: Vec<Id>,
        leaked: bool,
    },
    Row {
        slots: Vec<Option<Id>>,
    },
    Big {
        own: Id,
        next: Option<Id>,
    },
    Leaf,
    Text {
        len: usize,
    },
    Words {
        len: usize,
    },
    Tickets {
        len: usize,
    },
    /// What it watches it does not keep alive.
    Watch {
        own: Id,
        target: Option<Id>,
    },
    /// Under the mutex, and in the table.
    Vault {
        own: Id,
        items: [Vec<Id>; 2],
        leaked: [bool; 2],
    },
    Buffer {
        bytes: u64,
    },
    Shelf {
        own: Id,
        list: Vec<Id>,
        map: BTreeMap<u8, Id>,
        set: HashSet<Id>,
    },
    /// Keys and values, each value reachable with its key.
    Notes {
        own: Id,
        entries: Vec<(Id, Id)>,
        bound: Option<(Id, Id)>,
        symbols: BTreeMap<u8, Id>,
    },
    /// What it gets when that would die it keeps alive: in the order of registration.
    Warden {
        own: Id,
        registered: Vec<Id>,
    },
    Symbol {
        text: u8,
    },
}

impl Shape {
    /// The leaf that the object was made with, if it has one.
    pub(super) fn own(&self) -> Option<Id> {
        match self {
            Shape::Pair { own, .. }
            | Shape::Bush { own, .. }
            | Shape::Big { own, .. }
            | Shape::Watch { own, .. }
            | Shape::Vault { own, .. }
            | Shape::Shelf { own, .. }
            | Shape::Notes { own, .. }
            | Shape::Warden { own, .. } => Some(*own),
            _ => None,
        }
    }

    pub(super) fn edges(&self) -> Vec<Id> {
        match self {
            Shape::Pair { own, next, bush } => [own].into_iter().chain(next).chain(bush).copied().collect(),
            Shape::Bush { own, items, .. } => [own].into_iter().chain(items).copied().collect(),
            Shape::Row { slots } => slots.iter().flatten().copied().collect(),
            Shape::Big { own, next } => [own].into_iter().chain(next).copied().collect(),
            Shape::Watch { own, .. } | Shape::Notes { own, .. } | Shape::Warden { own, .. } => vec![*own],
            Shape::Shelf { own, list, map, set } => {
                [own].into_iter().chain(list).chain(map.values()).chain(set).copied().collect()
            }
            Shape::Vault { own, items, .. } => {
                [own].into_iter().chain(items.iter().flatten()).copied().collect()
            }
            Shape::Leaf
            | Shape::Text { .. }
            | Shape::Words { .. }
            | Shape::Tickets { .. }
            | Shape::Symbol { .. }
            | Shape::Buffer { .. } => Vec::new(),
        }
    }
}

/// The graph as it must be: objects by number, dead ones too.
#[derive(Default)]
pub(super) struct Model {
    pub(super) objects: Vec<Shape>,
}

impl Model {
    pub(super) fn add(&mut self, shape: Shape) -> Id {
        self.objects.push(shape);
        self.objects.len() - 1
    }

    /// What must be alive.
    pub(super) fn reachable(&self, from: impl IntoIterator<Item = Id>) -> HashSet<Id> {
        self.reach(from, true)
    }

    /// What has no need of guardians to be alive.
    pub(super) fn reachable_plainly(&self, from: impl IntoIterator<Item = Id>) -> HashSet<Id> {
        self.reach(from, false)
    }

    fn reach(&self, from: impl IntoIterator<Item = Id>, by_guardians: bool) -> HashSet<Id> {
        let mut stack: Vec<Id> = from.into_iter().collect();
        let (mut seen, mut said) = (HashSet::new(), Vec::new());
        loop {
            while let Some(id) = stack.pop() {
                if !seen.insert(id) {
                    continue;
                }
                stack.extend(self.objects[id].edges());
                match &self.objects[id] {
                    Shape::Notes { entries, bound, .. } => said.extend(entries.iter().chain(bound)),
                    Shape::Warden { registered, .. } if by_guardians => stack.extend(registered),
                    _ => {}
                }
            }
            let values = said.iter().filter(|(key, value)| seen.contains(key) && !seen.contains(value));
            stack.extend(values.map(|&(_, value)| value));
            if stack.is_empty() {
                return seen;
            }
        }
    }

    /// The cell `next` of a pair.
    pub(super) fn next(&mut self, id: Id) -> &mut Option<Id> {
        match &mut self.objects[id] {
            Shape::Pair { next, .. } => next,
            other => panic!("{id} is no pair but {other:?}"),
        }
    }

    /// What a guardian has, in the order of registration.
    pub(super) fn registered(&mut self, id: Id) -> &mut Vec<Id> {
        match &mut self.objects[id] {
            Shape::Warden { registered, .. } => registered,
            other => panic!("{id} is no warden but {other:?}"),
        }
    }

    pub(super) fn symbols(&mut self, id: Id) -> &mut BTreeMap<u8, Id> {
        match &mut self.objects[id] {
            Shape::Notes { symbols, .. } => symbols,
            other => panic!("{id} has no notes but is {other:?}"),
        }
    }

    pub(super) fn bush_items(&mut self, id: Id) -> &mut Vec<Id> {
        match &mut self.objects[id] {
            Shape::Bush { items, .. } => items,
            other => panic!("{id} is no bush but {other:?}"),
        }
    }
}

pub(super) fn letter(id: Id, index: usize) -> u8 {
    b'a' + ((id + index) % 26) as u8
}

pub(super) fn word(id: Id, index: usize) -> u64 {
    (id as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(index as u64)
}
