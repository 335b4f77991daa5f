//! The objects of a torture: eleven kinds, and what tells that one of them is what it should be.
//!
//! ```text
//!   Knot, Chest ──▶ anything          one thread only: contents in a `GcRefCell`
//!   Twig ──▶ Twig, Bag                these and all below can be sent to another thread
//!   Row  ──▶ Twig (a slice of cells)  Keg ──▶ Twig (with a payload)
//!   Bag  ──▶ all that can be sent     Watch ┄┄▶ Twig, Bag, Row, Keg, text (weakly)
//!   Kegs, Text, Words, Tree           never change
//! ```

use std::fmt;
use std::num::NonZeroU64;

use mudlark::{Gc, GcCell, GcMutex, GcRefCell, GcRwLock, GcWeak, Static, Trace};

use super::ledger::Ticket;

/// The name of an object, unique in a run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Id(NonZeroU64);

impl Id {
    /// The name with this number, which is not zero.
    pub(super) fn of(number: u64) -> Self {
        Self(NonZeroU64::new(number).expect("numbers of objects begin at 1"))
    }

    pub(super) fn number(self) -> u64 {
        self.0.get()
    }

    /// The name of a part of an object that names its parts itself.
    pub(super) fn part(self, index: usize) -> Self {
        Self::of(mix(self.number() ^ (index as u64 + 1)) | 1 << 63)
    }
}

impl fmt::Display for Id {
    /// The thread that made it, and its number there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.number() >> 40, self.number() & ((1 << 40) - 1))
    }
}

/// What an object is, with its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Twig,
    Bag,
    Row(u32),
    Keg,
    Kegs(u32),
    Text(u32),
    Words(u32),
    Tree(u8),
    Watch,
    Knot,
    Chest,
}

impl Kind {
    /// Edges that are there from the beginning, set or not.
    pub(super) fn slots(self) -> usize {
        match self {
            Self::Twig => TWIG_EDGES + 1,
            Self::Row(len) => len as usize,
            Self::Keg | Self::Bag => 1,
            _ => 0,
        }
    }

    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Bag | Self::Knot | Self::Chest)
    }

    /// Whether several threads may have it without knowing of each other.
    pub(super) fn is_constant(self) -> bool {
        matches!(self, Self::Kegs(_) | Self::Text(_) | Self::Words(_) | Self::Tree(_) | Self::Watch)
    }

    /// About what it takes in the heap.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Twig | Self::Keg | Self::Watch | Self::Knot | Self::Chest => 64,
            Self::Bag => 96,
            Self::Row(len) | Self::Words(len) => 8 * len as usize + 8,
            Self::Kegs(len) => 56 * len as usize + 8,
            Self::Text(len) => len as usize + 8,
            Self::Tree(depth) => 112 << depth,
        }
    }

    fn salt(self) -> u64 {
        match self {
            Self::Twig => 1,
            Self::Bag => 2,
            Self::Row(_) => 3,
            Self::Keg => 4,
            Self::Kegs(_) => 5,
            Self::Text(_) => 6,
            Self::Words(_) => 7,
            Self::Tree(depth) => 64 + u64::from(depth),
            Self::Watch => 9,
            Self::Knot => 10,
            Self::Chest => 11,
        }
    }
}

/// The check word of an object.
pub(super) fn word(id: Id, kind: Kind) -> u64 {
    mix(id.number() ^ (kind.salt() << 48))
}

/// The finalizer of splitmix64: neighbors have nothing in common.
pub(super) fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// The head of an object: who it is.
#[derive(Clone, Copy, Debug, Trace)]
pub(super) struct Tag {
    #[trace(skip)]
    id: Id,
    check: u64,
}

impl Tag {
    pub(super) fn new(id: Id, kind: Kind) -> Self {
        Self { id, check: word(id, kind) }
    }

    pub(super) fn id(&self) -> Id {
        self.id
    }

    pub(super) fn intact(&self, id: Id, kind: Kind) -> Result<(), String> {
        if self.id == id && self.check == word(id, kind) {
            return Ok(());
        }
        let (found, check) = (self.id, self.check);
        Err(format!("{kind:?} {id} is named {found} and has the check word {check:#x}"))
    }
}

pub(super) const TWIG_EDGES: usize = 3;

/// Cells of words, no drop glue.
#[derive(Debug, Trace)]
pub(super) struct Twig<'gc> {
    pub(super) tag: Tag,
    pub(super) edges: [GcCell<Option<Gc<'gc, Twig<'gc>>>>; TWIG_EDGES],
    pub(super) bag: GcCell<Option<Gc<'gc, Bag<'gc>>>>,
}

/// Contents under locks between threads.
#[derive(Debug, Trace)]
pub(super) struct Bag<'gc> {
    pub(super) tag: Tag,
    pub(super) top: GcRwLock<Option<Mail<'gc>>>,
    pub(super) items: GcMutex<Vec<Mail<'gc>>>,
}

/// Cells in a row. A long one is a large object, and is scanned in pieces.
pub(super) type Row<'gc> = [GcCell<Option<Gc<'gc, Twig<'gc>>>>];

/// A payload and an edge.
#[derive(Debug, Trace)]
pub(super) struct Keg<'gc> {
    pub(super) tag: Tag,
    pub(super) next: GcCell<Option<Gc<'gc, Twig<'gc>>>>,
    #[trace(skip)]
    pub(super) ticket: Ticket,
}

/// A tree that never changes and names its parts itself, so that whoever finds it can check it.
#[derive(Debug, Trace)]
pub(super) struct Tree<'gc> {
    pub(super) tag: Tag,
    pub(super) depth: u8,
    pub(super) text: Gc<'gc, str>,
    pub(super) kids: Option<[Gc<'gc, Tree<'gc>>; 2]>,
}

/// A weak pointer. Its target is known to the shadow.
#[derive(Debug, Trace)]
pub(super) struct Watch<'gc> {
    pub(super) tag: Tag,
    pub(super) target: WeakMail<'gc>,
}

/// A weak pointer to something.
#[derive(Clone, Copy, Debug, Trace)]
pub(super) enum WeakMail<'gc> {
    Twig(GcWeak<'gc, Twig<'gc>>),
    Bag(GcWeak<'gc, Bag<'gc>>),
    Row(GcWeak<'gc, Row<'gc>>),
    Keg(GcWeak<'gc, Keg<'gc>>),
    Text(GcWeak<'gc, str>),
}

/// A list that grows and shrinks, for one thread.
#[derive(Debug, Trace)]
pub(super) struct Knot<'gc> {
    pub(super) tag: Tag,
    pub(super) items: GcRefCell<Vec<Any<'gc>>>,
}

/// Contents of changing shape, for one thread.
#[derive(Debug, Trace)]
pub(super) struct Chest<'gc> {
    pub(super) tag: Tag,
    pub(super) choice: GcRefCell<Choice<'gc>>,
}

/// The shapes.
#[derive(Debug, Trace)]
pub(super) enum Choice<'gc> {
    Empty,
    One(Any<'gc>),
    Two { left: Any<'gc>, padding: u64, right: Any<'gc> },
    Many(Box<[Any<'gc>]>),
}

/// Any object that can go to another thread.
#[derive(Clone, Copy, Debug, Trace)]
pub(super) enum Mail<'gc> {
    Twig(Gc<'gc, Twig<'gc>>),
    Bag(Gc<'gc, Bag<'gc>>),
    Row(Gc<'gc, Row<'gc>>),
    Keg(Gc<'gc, Keg<'gc>>),
    Kegs(Gc<'gc, [Static<Ticket>]>),
    Text(Gc<'gc, str>),
    Words(Gc<'gc, [u64]>),
    Tree(Gc<'gc, Tree<'gc>>),
    Watch(Gc<'gc, Watch<'gc>>),
}

/// Any object.
#[derive(Clone, Copy, Debug, Trace)]
pub(super) enum Any<'gc> {
    Mail(Mail<'gc>),
    Knot(Gc<'gc, Knot<'gc>>),
    Chest(Gc<'gc, Chest<'gc>>),
}
