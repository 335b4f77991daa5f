//! The graph as it must be, in plain numbers.

use super::objects::Id;
use std::collections::HashSet;

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
}

impl Shape {
    /// The leaf that the object was made with, if it has one.
    pub(super) fn own(&self) -> Option<Id> {
        match self {
            Shape::Pair { own, .. }
            | Shape::Bush { own, .. }
            | Shape::Big { own, .. }
            | Shape::Watch { own, .. }
            | Shape::Vault { own, .. } => Some(*own),
            _ => None,
        }
    }

    pub(super) fn edges(&self) -> Vec<Id> {
        match self {
            Shape::Pair { own, next, bush } => [own].into_iter().chain(next).chain(bush).copied().collect(),
            Shape::Bush { own, items, .. } => [own].into_iter().chain(items).copied().collect(),
            Shape::Row { slots } => slots.iter().flatten().copied().collect(),
            Shape::Big { own, next } => [own].into_iter().chain(next).copied().collect(),
            Shape::Watch { own, .. } => vec![*own],
            Shape::Vault { own, items, .. } => {
                [own].into_iter().chain(items.iter().flatten()).copied().collect()
            }
            Shape::Leaf
            | Shape::Text { .. }
            | Shape::Words { .. }
            | Shape::Tickets { .. }
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

    pub(super) fn reachable(&self, from: impl Iterator<Item = Id>) -> HashSet<Id> {
        let mut stack: Vec<Id> = from.collect();
        let mut seen = HashSet::new();
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                stack.extend(self.objects[id].edges());
            }
        }
        seen
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
