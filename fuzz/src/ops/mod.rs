//! A language of heap operations, and a model that says what must come of them.
//!
//! A [`Program`] drives a heap through the safe interface: it allocates objects of every kind (pairs of cells, growing
//! lists, rows of cells, strings and numbers of odd sizes, large objects, leaves whose drops are counted), changes their
//! edges, makes and drops roots, and collects, with two mutators that take turns on one thread or lie in each
//! other. The same steps are done to a model, a plain graph of numbers. Then they are compared:
//!
//! - whatever is reachable has the contents that the model says, at one address of its own (when a scope ends, and after each
//!   `collect`);
//! - what is reachable was not dropped, ever; what is unreachable was dropped once, after a `collect`;
//! - at the end the heap's exact counters agree with a recount, and everything was dropped once.
//!
//! Any sequence of steps is a program: numbers are taken modulo what there is, a step that has nothing to work on does
//! nothing, and one that finds the heap full is skipped.

mod machine;
mod model;
mod objects;

use arbitrary::{Arbitrary, Unstructured};
use mudlark::GcPercent;

pub use machine::run;

/// A heap and what to do with it.
#[derive(Clone, Debug)]
pub struct Program {
    /// What the heap is like.
    pub setup: Setup,
    /// What happens.
    pub ops: Vec<Op>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Program> {
        let setup = Setup::arbitrary(u)?;
        // Until the bytes are used up, so that their number alone decides how long the program is.
        let mut ops = Vec::new();
        while !u.is_empty() {
            ops.push(Op::arbitrary(u)?);
        }
        Ok(Program { setup, ops })
    }
}

impl Program {
    /// The program that some bytes stand for: an entry of the corpus, or random ones.
    pub fn from_bytes(bytes: &[u8]) -> Option<Program> {
        Program::arbitrary(&mut Unstructured::new(bytes)).ok()
    }
}

/// What the heap is like.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Setup {
    /// One background thread, or none.
    pub background: bool,
    /// A heap that is soon full.
    pub tight: bool,
    /// The heap and its mutators end before the roots do.
    pub roots_last: bool,
    /// Begins with so many large roots that marking takes several safepoints.
    pub ballast: bool,
    /// How often cycles begin.
    pub percent: Percent,
}

/// A GC percent. Small ones make small heaps collect.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Percent {
    /// All the time.
    One,
    /// Often.
    Ten,
    /// As by default.
    Hundred,
    /// Only when asked to.
    Off,
}

impl From<Percent> for GcPercent {
    fn from(percent: Percent) -> GcPercent {
        match percent {
            Percent::One => GcPercent::Percent(1),
            Percent::Ten => GcPercent::Percent(10),
            Percent::Hundred => GcPercent::Percent(100),
            Percent::Off => GcPercent::Off,
        }
    }
}

/// A step. Outside of a scope, a step that needs one opens a scope of the first mutator.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Op {
    /// Allocates; the new object goes into a register of the scope.
    Make(Make),
    /// Changes the edges of an object in a register.
    Change(Change),
    /// Moves objects between registers and roots.
    Hold(Hold),
    /// Hides an object from the collector: takes it from where it was found, when a new object holds it.
    Steal(Steal),
    /// Begins and ends scopes.
    Turn(Turn),
}

/// Thefts: what a barrier must not let happen unseen.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are registers, roots, or places in an object")]
pub enum Steal {
    /// The referent of a root goes into a new object. The root is dropped, or leads to the new one.
    Root { root: u8, drop: bool },
    /// The target of an edge goes into a new object, which is rooted. The edge is cut.
    Edge { root: u8, steps: u8 },
    /// The same, in two halves, which different mutators may do. The new object, rooted.
    Copy { root: u8, steps: u8 },
    /// The cut.
    Cut { root: u8, steps: u8 },
}

/// Begins and ends of scopes.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Turn {
    /// Opens a scope of the first or the second mutator; within a scope, one of the other mutator.
    Enter {
        /// Of the second mutator.
        second: bool,
    },
    /// Ends the innermost scope.
    Leave,
    /// Ends all scopes and does something outside of them.
    Outside(Outside),
}

/// Allocations. Lengths are those of [`odd_len`].
#[derive(Arbitrary, Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names of the kinds of objects are explained there")]
pub enum Make {
    Pair,
    Bush,
    Row {
        len: u16,
    },
    Leaf,
    Text {
        len: u16,
    },
    Words {
        len: u16,
    },
    Tickets {
        len: u16,
    },
    Big,
    /// Garbage at once: brings the next cycle nearer.
    Churn {
        count: u16,
    },
}

/// Changes of edges. Registers by number.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are registers, or places in an object")]
pub enum Change {
    /// The cell `next` of a pair or a big object.
    Next { of: u8, to: u8, clear: bool },
    /// The cell `bush` of a pair.
    Bush { of: u8, to: u8, clear: bool },
    /// A cell of a row.
    Slot { of: u8, slot: u16, to: u8, clear: bool },
    /// Puts an object into a bush.
    Push { of: u8, item: u8 },
    /// Puts a new leaf into a bush while the bush is borrowed.
    PushNew { of: u8 },
    /// Takes the last object out of a bush.
    Pop { of: u8 },
    /// Moves all contents of a bush into another one.
    Pour { of: u8, to: u8 },
    /// Forgets a mutable borrow of a bush, which keeps its contents for good.
    Leak { of: u8 },
}

/// Registers and roots.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are registers, roots, or places in an object")]
pub enum Hold {
    /// Follows an edge of an object, into a register.
    Load { of: u8, edge: u16 },
    /// Forgets a register.
    Forget { of: u8 },
    /// Makes a root.
    Root { of: u8 },
    /// Loads a root into a register.
    LoadRoot { root: u8 },
    /// Points a root at another object.
    SetRoot { root: u8, of: u8 },
    /// Drops a root.
    DropRoot { root: u8 },
}

/// What is done outside of scopes.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Outside {
    /// A whole cycle, and a check of everything.
    Collect,
    /// Drops a root.
    DropRoot {
        /// Which.
        root: u8,
    },
    /// Changes the GC percent.
    Percent(Percent),
    /// Detaches a mutator and attaches a new one.
    Reattach {
        /// The second mutator.
        second: bool,
    },
}

/// Mostly short lengths, sometimes such that an object is large.
pub fn odd_len(len: u16) -> usize {
    if len >= 0xC000 { usize::from(len % 3000) } else { usize::from(len % 40) }
}
