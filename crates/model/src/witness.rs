//! What happened somewhere in a search: so that a scene in which nothing happens proves nothing.

/// Things that happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Witness {
    /// A cycle went through all its phases.
    CycleComplete,
    /// An object was freed.
    Freed,
    /// An object was allocated in the place of a freed one, or of one that was never there.
    Allocated,
    /// A barrier shaded an object.
    Shaded,
    /// An object was handed over with a window.
    WindowHandedOver,
    /// A marker marked an object.
    Marked,
    /// A marker met an object that was marked since it read the pointer.
    MarkRace,
    /// A round of hand-overs brought something.
    AnotherRound,
    /// A mutator handed over a buffer in a round.
    BufferHandedOver,
    /// An object was freed while a mutator was armed.
    FreedWhileArmed,
    /// A dropped root was shaded.
    DropShaded,
    /// A root was dropped while no cycle was open.
    DropOutside,
    /// An unarmed mutator upgraded.
    PlainUpgrade,
    /// An upgrade found its target marked.
    UpgradeMarked,
    /// An upgrade went through the open gate.
    UpgradeGated,
    /// An upgrade found the gate closed.
    UpgradeRefused,
    /// An upgrade after the clearing found its target unmarked and yet alive.
    UpgradeFresh,
    /// The weak box was cleared.
    WeakCleared,
    /// A closed mutator stamped a cell.
    Stamped,
    /// A mutator shaded the contents of a cell without a stamp.
    Logged,
    /// A marker passed by a stamped cell.
    SkippedStamped,
    /// A marker passed by a locked cell.
    SkippedLocked,
    /// A mutator changed a cell that it had not to shade any more.
    StampSpared,
    /// A mutator read the value of the pair.
    ValueRead,
    /// The pair was looked at again.
    PairPass,
    /// The pair waited for its key.
    PairWaits,
    /// The key that the pair waited for was scanned.
    PairFound,
    /// A pointer was handed over within a family.
    Handed,
    /// Giver and taker were in different stages: the parent was unarmed, armed before it closed, or not disarmed.
    HandedToArmed,
    /// As above.
    HandedToClosed,
    /// As above.
    HandedToDisarmed,
    /// A child gave to a parent that was a stage behind.
    HandedBack,
    /// A child detached with something in its buffer or window.
    ChildHandedOver,
    /// A handshake found an unmarked object on a stack.
    StackShaded,
    /// A mutator loaded from its stack what it had put there before a safepoint.
    StackLoaded,
    /// An object was chosen to come back.
    Chosen,
    /// A mutator took one that came back.
    GivenBack,
}

/// A set of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Witnesses(u64);

impl Witnesses {
    /// Adds one.
    pub fn note(&mut self, witness: Witness) {
        self.0 |= 1 << witness as u8;
    }

    /// Whether it happened.
    pub fn has(self, witness: Witness) -> bool {
        self.0 & 1 << witness as u8 != 0
    }
}
