//! The name of a step, for traces.

use crate::state::{NONE, Object, Phase};
use std::fmt;

/// A pointer as it is printed: objects are `a`, `b`, `c`.
pub(crate) struct Pointer(pub(crate) Object);

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            NONE => f.write_str("null"),
            object => write!(f, "{}", (b'a' + object - 1) as char),
        }
    }
}

/// What one process does at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A mutator does something.
    Mutator(usize, Act),
    /// A marker does something.
    Marker(usize, Look),
    /// The cycle goes on to a phase.
    Cycle(Phase),
    /// The collector has the pair looked at again.
    Pass {
        /// Whether it is to wait for its key, if that is still white.
        keyed: bool,
    },
    /// The collector marks what was chosen to come back.
    Revives,
    /// Dead objects are freed.
    Frees,
    /// The sweep is complete.
    Rests,
    /// A thread that is no mutator drops the root in a slot.
    ThreadDrops(usize, Object),
    /// It takes the object out of a slot, and no more than that.
    ThreadTakes(usize, Object),
    /// It shades what it has taken.
    ThreadShades(Object),
}

/// What a mutator does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Loads a root.
    LoadsRoot(usize, Object),
    /// Loads the word of an object.
    Loads(Object, Object),
    /// Stores into the word of an object, what was there, what comes there.
    Swaps(Object, Object, Object),
    /// Points a root at an object.
    SetsRoot(usize, Object, Object),
    /// Shades what was overwritten.
    Shades(Object),
    /// Reads what will be overwritten.
    ReadsOld(Object, Object),
    /// The same with a root.
    ReadsOldRoot(usize, Object),
    /// Stores at last.
    Stores(Object, Object),
    /// Allocates.
    Allocates(Object),
    /// Loads what is on its stack.
    LoadsStack(Object),
    /// Changes its stack, what was there, what comes there.
    SetsStack(Object, Object),
    /// Fills the weak box.
    Downgrades(Object),
    /// Reads the weak box.
    ReadsWeak(Object),
    /// Ends an upgrade.
    Upgrades(Object),
    /// Ends an upgrade with nothing.
    FailsToUpgrade(Object),
    /// Begins an exclusive access.
    Borrows(Object),
    /// Shades the contents of a cell.
    Logs(Object),
    /// Ends an exclusive access.
    Returns(Object, Object),
    /// Fills the pair.
    FillsPair(Object, Object),
    /// Loads the value of the pair, whose key it holds.
    LoadsValue(Object),
    /// Reads the value of the pair, which will be overwritten.
    ReadsOldValue(Object),
    /// Changes the value of the pair: what was there, what comes there.
    SetsValue(Object, Object),
    /// Takes the key out of the pair, which has no value any more.
    EmptiesPair,
    /// Moves the pair to a new slot.
    MovesPair,
    /// Registers with the guardian.
    Registers(Object),
    /// Takes what came back.
    Polls(Object),
    /// Hands a full buffer over.
    Spills,
    /// Spawns a child.
    Spawns,
    /// Is handed a pointer by its child or parent.
    IsHanded(Object),
    /// Ends its scope and itself, as a child.
    Detaches,
    /// Ends its scope.
    Leaves,
    /// Ends its scope, or is outside of it, and takes the handshake.
    Acknowledges,
}

/// What a marker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// Reads a root slot.
    ReadsRoot(usize, Object),
    /// Takes an object and reads its word.
    Reads(Object, Object),
    /// Takes an object and passes its cell by.
    Skips(Object),
    /// Takes an object and the lock of its cell.
    Locks(Object),
    /// Reads a cell and marks what is there.
    ReadsLocked(Object, Object),
    /// Marks what it has read.
    Marks(Object),
    /// Reads the key of the pair.
    ReadsKey(Object),
    /// Looks whether what is guarded is to come back.
    Chooses(Object),
    /// Reads the value of the pair, whose key it found marked.
    ReadsValue(Object),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Step::Mutator(mutator, act) => write!(f, "mutator {} {act}", mutator + 1),
            Step::Marker(marker, look) => write!(f, "marker {} {look}", marker + 1),
            Step::Cycle(phase) => write!(f, "collector {}", arrival(phase)),
            Step::Revives => f.write_str("collector has what comes back marked"),
            Step::Pass { keyed: false } => f.write_str("collector has the pair looked at again"),
            Step::Pass { keyed: true } => {
                f.write_str("collector has the pair looked at again, to wait for its key")
            }
            Step::Frees => f.write_str("sweeper frees what is dead"),
            Step::Rests => f.write_str("collector finds the sweep complete"),
            Step::ThreadDrops(slot, object) => {
                write!(f, "thread drops root {slot} -> {} under the gate", Pointer(object))
            }
            Step::ThreadTakes(slot, object) => {
                write!(f, "thread takes {} out of root {slot}", Pointer(object))
            }
            Step::ThreadShades(object) => write!(f, "thread comes to the gate with {}", Pointer(object)),
        }
    }
}

fn arrival(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "rests",
        Phase::Arm => "opens the gate and requests handshake arm",
        Phase::Flush => "requests handshake flush",
        Phase::Close => "requests handshake close",
        Phase::Mark => "lets markers take work",
        Phase::HandOver => "finds nothing gray and requests handshake hand-over",
        Phase::Finished => "closes the gate: marking is complete",
        Phase::Disarm => "clears the weak box, turns the bitmaps, requests handshake disarm",
        Phase::Clear => "finds all mutators disarmed",
        Phase::Sweep => "clears the old bitmap",
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Act::LoadsRoot(slot, object) => write!(f, "loads root {slot} -> {}", Pointer(object)),
            Act::Loads(from, object) => write!(f, "loads {}.field -> {}", Pointer(from), Pointer(object)),
            Act::Swaps(holder, old, new) => {
                write!(f, "stores {}.field := {} (was {})", Pointer(holder), Pointer(new), Pointer(old))
            }
            Act::SetsRoot(slot, old, new) => {
                write!(f, "sets root {slot} := {} (was {})", Pointer(new), Pointer(old))
            }
            Act::Shades(object) => write!(f, "shades {}", Pointer(object)),
            Act::ReadsOld(holder, old) => {
                write!(f, "reads {}.field = {}, to overwrite it", Pointer(holder), Pointer(old))
            }
            Act::ReadsOldRoot(slot, old) => {
                write!(f, "reads root {slot} = {}, to overwrite it", Pointer(old))
            }
            Act::Stores(holder, new) => write!(f, "stores {}.field := {}", Pointer(holder), Pointer(new)),
            Act::Allocates(object) => write!(f, "allocates {}", Pointer(object)),
            Act::LoadsStack(object) => write!(f, "loads {} from its stack", Pointer(object)),
            Act::SetsStack(old, new) => {
                write!(f, "sets its stack := {} (was {})", Pointer(new), Pointer(old))
            }
            Act::Downgrades(object) => write!(f, "makes the weak box of {}", Pointer(object)),
            Act::ReadsWeak(object) => write!(f, "reads the weak box -> {}", Pointer(object)),
            Act::Upgrades(object) => write!(f, "upgrades to {}", Pointer(object)),
            Act::FailsToUpgrade(object) => write!(f, "upgrades {} to nothing", Pointer(object)),
            Act::Borrows(object) => write!(f, "begins to borrow {}'s cell exclusively", Pointer(object)),
            Act::Logs(object) => write!(f, "shades the contents of {}'s cell", Pointer(object)),
            Act::Returns(object, new) => {
                write!(f, "leaves {} in {}'s cell and ends the borrow", Pointer(new), Pointer(object))
            }
            Act::FillsPair(key, value) => write!(f, "fills the pair: {} => {}", Pointer(key), Pointer(value)),
            Act::LoadsValue(value) => write!(f, "loads the pair's value -> {}", Pointer(value)),
            Act::ReadsOldValue(old) => {
                write!(f, "reads the pair's value = {}, to overwrite it", Pointer(old))
            }
            Act::SetsValue(old, new) => {
                write!(f, "sets the pair's value := {} (was {})", Pointer(new), Pointer(old))
            }
            Act::Registers(object) => write!(f, "registers {} with the guardian", Pointer(object)),
            Act::Polls(object) => write!(f, "takes {}, which came back", Pointer(object)),
            Act::EmptiesPair => f.write_str("empties the pair"),
            Act::MovesPair => f.write_str("moves the pair to a new object"),
            Act::Spills => f.write_str("hands its full buffer over"),
            Act::Spawns => f.write_str("spawns a child in its scope"),
            Act::IsHanded(object) => write!(f, "is handed {} within the family", Pointer(object)),
            Act::Detaches => f.write_str("ends its scope and detaches"),
            Act::Leaves => f.write_str("ends its scope"),
            Act::Acknowledges => f.write_str("is outside of its scope: takes the handshake"),
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Look::ReadsRoot(slot, object) => write!(f, "reads root {slot} = {}", Pointer(object)),
            Look::Reads(object, value) => {
                write!(f, "takes {} and reads its field = {}", Pointer(object), Pointer(value))
            }
            Look::Skips(object) => write!(f, "takes {} and passes its cell by", Pointer(object)),
            Look::Locks(object) => write!(f, "takes {} and locks its cell", Pointer(object)),
            Look::ReadsLocked(object, value) => {
                write!(f, "reads {}'s cell = {}, marks that, unlocks", Pointer(object), Pointer(value))
            }
            Look::Chooses(object) => write!(f, "looks whether {} comes back", Pointer(object)),
            Look::ReadsKey(key) => write!(f, "reads the pair's key = {}", Pointer(key)),
            Look::ReadsValue(value) => write!(f, "reads the pair's value = {}", Pointer(value)),
            Look::Marks(object) => write!(f, "marks {}", Pointer(object)),
        }
    }
}
