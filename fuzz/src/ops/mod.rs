//! A language of heap operations, and a model that says what must come of them.
//!
//! A [`Program`] drives a heap through the safe interface: it allocates objects of every kind (pairs of cells, growing
//! lists, contents under locks, rows of cells, weak pointers, weak maps and ephemerons, symbols, guardians, vectors, maps and sets, strings and
//! numbers of odd sizes, large objects, buffers outside, leaves whose drops are counted), changes their edges, makes and drops roots
//! and locals in frames, has cleanups run, turns the heap's knobs, and collects, with two mutators that take turns
//! on one thread or lie in each other; or does all that on two threads at once, step by step in turns or as they come. The
//! same steps are done to a model, a plain graph of numbers. Then they are compared:
//!
//! - whatever is reachable has the contents that the model says, at one address of its own (when a scope ends, and after each
//!   `collect`);
//! - what is reachable was not dropped, ever; what is unreachable was dropped once, after a `collect`;
//! - a weak pointer gives its target as long as that is reachable, and nothing after a `collect` that found it unreachable, or when it once
//!   gave nothing;
//! - a weak map and an ephemeron have what they were given as long as the key is reachable, and after a `collect` nothing else;
//! - what a guardian has is reachable, and it gives it back only when nothing else leads to it, and then surely after a `collect`;
//! - a cleanup runs once, not before its object is unreachable, and at the end of the heap at last; one that was canceled never runs;
//! - at the end the heap's exact counters agree with a recount, everything was dropped once, and the verifier, if it looked, saw
//!   nothing wrong.
//!
//! Any sequence of steps is a program: numbers are taken modulo what there is, a step that has nothing to work on does
//! nothing, and one that finds the heap full is skipped.
//!
//! # How to add a step
//!
//! 1. A variant here, in the enum of its kind, with registers, roots and places as small numbers.
//! 2. A line at the end of the table in `codes.rs`, with the next free code. Nothing else there changes, nor does any entry of the
//!    corpus.
//! 3. What it does to the heap and to the model: `make.rs` (allocating), `change.rs` (edges), `shelve.rs` (collections), `mortal.rs` (what
//!    may be dead), `hold.rs` (registers and roots), `frames.rs` (locals), `outside.rs` (between scopes). The compiler names the `match`.
//!
//! A new kind of object is a type in `objects.rs` (in `Any` and `Held` too), its [`model::Shape`] with the edges that keep something alive, and
//! what must be seen of it, in `check.rs`. Give it a leaf of its own, or a ticket: they tell if it is given up too early or kept too long.
//!
//! `cargo test -p mudlark --test ops -- --ignored` extends the generated part of the corpus, so that it has every code again.

mod change;
mod check;
mod codes;
mod frames;
mod hold;
mod machine;
mod make;
mod model;
mod mortal;
mod objects;
mod outside;
mod shelve;
mod threads;

use mudlark::GcPercent;

pub use codes::CODES;
pub use threads::run;

/// A heap and what to do with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// What the heap is like.
    pub setup: Setup,
    /// What happens.
    pub ops: Vec<Op>,
}

/// What the heap is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// What happens more often than it must.
    pub zeal: Zealous,
    /// Where the steps are done.
    pub threads: Threads,
}

/// Rare things made frequent: see [`mudlark::Zeal`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[allow(missing_docs, reason = "the fields are those of `Zeal`")]
pub struct Zealous {
    /// A cycle after so many allocations of a kind; zero for none.
    pub allocations: u8,
    pub yields: bool,
    pub extra_rounds: bool,
    pub fill_freed: bool,
    /// Each cycle is checked by a second marker.
    pub verify: bool,
    /// Below 16.
    pub seed: u8,
}

/// Where the steps of a program are done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    /// All of them on one thread.
    One,
    /// The first half of them on one thread, the second on another, which take turns: the order is that of the program alone.
    Turns {
        /// How many steps a turn has.
        steps: u8,
    },
    /// The same two halves at the same time.
    Free,
}

/// A GC percent. Small ones make small heaps collect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Allocates; the new object goes into a register of the scope.
    Make(Make),
    /// Changes the edges of an object in a register.
    Change(Change),
    /// Moves objects between registers and roots.
    Hold(Hold),
    /// Hides an object from the collector: takes it from where it was found, when a new object holds it.
    Steal(Steal),
    /// Changes a collection.
    Shelve(Shelve),
    /// Has to do with what dies.
    Mortal(Mortal),
    /// Begins and ends scopes.
    Turn(Turn),
}

/// Thefts: what a barrier must not let happen unseen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Opens a scope of the first or the second mutator; within a scope, one of the other mutator.
    Enter {
        /// Of the second mutator.
        second: bool,
    },
    /// Ends the innermost scope.
    Leave,
    /// Ends all scopes and does something outside of them: between the scopes of a frame, unless it needs a mutator; then frames end too.
    Outside(Outside),
    /// Ends all scopes and begins a frame of the first or the second mutator; within a frame, another one of the same.
    Frame {
        /// Of the second mutator.
        second: bool,
    },
    /// Ends all scopes and the innermost frame.
    EndFrame,
}

/// Changes of the vector, the map and the set of a shelf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "fields are registers, or places in an object")]
pub enum Shelve {
    /// Adds to the end of the vector.
    Push { of: u8, item: u8 },
    /// Takes its last element.
    Pop { of: u8 },
    /// Puts an element before another one.
    Insert { of: u8, place: u8, item: u8 },
    /// Takes an element, and moves those behind it.
    Remove { of: u8, place: u8 },
    /// Takes an element, and puts the last one in its place.
    SwapRemove { of: u8, place: u8 },
    /// Puts an element in the place of another one.
    Replace { of: u8, place: u8, item: u8 },
    /// Exchanges two elements.
    Exchange { of: u8, one: u8, other: u8 },
    /// Keeps so many elements, and gives back the rest of the buffer.
    Truncate { of: u8, len: u8 },
    /// Gives a key of the map a value.
    Put { of: u8, key: u8, item: u8 },
    /// Takes a key out of the map.
    TakeOut { of: u8, key: u8 },
    /// Keeps the even keys of the map.
    Retain { of: u8 },
    /// Puts a pair into the set.
    Add { of: u8, pair: u8 },
    /// Takes a pair out of the set.
    Discard { of: u8, pair: u8 },
    /// Empties all three.
    Clear { of: u8 },
}

/// What looks at objects that may be dead, and what happens when they die.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "fields are registers, roots, or places in an object")]
pub enum Mortal {
    /// Gives a pair a value, another pair, in the weak map of notes.
    Note { of: u8, key: u8, value: u8 },
    /// Takes a pair out of there.
    Strike { of: u8, key: u8 },
    /// Loads the value of a pair from there.
    Lookup { of: u8, key: u8 },
    /// Loads a key or value of which nothing need be alive.
    Browse { of: u8, place: u8 },
    /// Makes an ephemeron.
    Bind { of: u8, key: u8, value: u8 },
    /// Changes its value.
    Rebind { of: u8, value: u8 },
    /// The symbol of a text, which goes into a bush.
    Intern { of: u8, text: u8, to: u8 },
    /// Has a pair come back when it would die.
    Register { of: u8, item: u8 },
    /// Asks for a pair that came back.
    Poll { of: u8 },
    /// Makes a weak root of a pair.
    WeakRoot { of: u8 },
    /// What a weak root leads to, if it is not dead, into a register.
    UpgradeRoot { root: u8 },
    /// Drops a weak root.
    DropWeakRoot { root: u8 },
    /// Has something run when an object is dead.
    OnDrop { of: u8 },
    /// Takes that back.
    Cancel { which: u8 },
}

/// Allocations. Lengths are those of [`odd_len`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    Watch,
    Vault,
    Buffer {
        bytes: u16,
    },
    Shelf,
    Notes,
    Warden,
    /// Leaves that two threads allocate in the same scope, in a bush.
    Crew {
        count: u8,
    },
    /// Garbage at once: brings the next cycle nearer.
    Churn {
        count: u16,
    },
}

/// Changes of edges. Registers by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// Points the weak pointer of a watch at a pair.
    Watch { of: u8, to: u8, clear: bool },
    /// Puts an object into a vault: under its mutex, or into its table.
    Store { of: u8, item: u8, table: bool },
    /// Takes the last object out of there.
    Take { of: u8, table: bool },
    /// Exchanges what is under the mutex and what is in the table.
    Swap { of: u8 },
    /// Forgets a guard of a vault, which stays locked for good.
    LeakGuard { of: u8, table: bool },
    /// Says that a buffer holds another number of bytes.
    Resize { of: u8, bytes: u16 },
    /// Puts a pair into the cell `next` of another one, and compares what was there.
    Replace { of: u8, to: u8 },
    /// Exchanges the cells `next` of two pairs.
    SwapNext { of: u8, other: u8 },
    /// Puts a pair into the cell `next` of another one if a third one, or nothing, is there.
    ExchangeNext { of: u8, expected: u8, none: bool, to: u8 },
}

/// Registers and roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// What a watch leads to, if it is not dead, into a register.
    Upgrade { of: u8 },
    /// Forgets the type of an object: the register keeps it alive, and nothing can be seen through it any more.
    Erase { of: u8 },
    /// Asks for the type again.
    Downcast { of: u8 },
    /// Makes a root of what another root leads to.
    CloneRoot { root: u8 },
    /// Puts an object into the set of roots.
    Stash { of: u8 },
    /// Loads what a key of the set stands for, if it does.
    Fetch { key: u8 },
    /// Takes it out of the set.
    Unstash { key: u8 },
    /// Makes a local of an object, in a frame. Its type may be forgotten.
    Keep { of: u8, erase: bool },
    /// Loads a local of this frame or an outer one.
    LoadLocal { local: u8 },
    /// Points a local at another object.
    SetLocal { local: u8, of: u8 },
}

/// What is done outside of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// Changes the memory limit.
    Limit {
        /// In MiB; zero for none.
        mib: u8,
    },
    /// Changes the hard limit.
    HardLimit {
        /// In MiB; zero for none.
        mib: u8,
    },
    /// Runs the cleanups that are ready.
    RunCleanups,
    /// Suspends cycles.
    RampUp,
    /// And lets them go on.
    EndRampUp,
    /// Gives free memory back to the system.
    Release,
    /// A whole cycle that a thread without a mutator asks for.
    CollectElsewhere,
    /// Reads all there is to read of the heap.
    Look,
    /// Exchanges so many objects with the other thread, if there is one.
    Parcels {
        /// How many, at most.
        count: u8,
    },
}

/// Mostly short lengths, sometimes such that an object is large.
pub fn odd_len(len: u16) -> usize {
    if len >= 0xC000 { usize::from(len % 3000) } else { usize::from(len % 40) }
}
