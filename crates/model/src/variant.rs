//! The protocol, and ways to get it wrong.

/// Which protocol a search is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// As it should be.
    Correct,
    /// No handshake between arm and close.
    NoFlush,
    /// Barrier on and snapshot taken in one handshake.
    ArmIsClose,
    /// The window is forgotten when a mutator closes.
    NoWindowScan,
    /// Objects of the window are born white.
    WhiteWindow,
    /// Closed mutators' objects are born white.
    WhiteBirth,
    /// Overwritten pointers are not shaded.
    NoDeletionBarrier,
    /// The old value is swapped out first and shaded later.
    SwapBarrier,
    /// The same, and marking ends only after two rounds in succession that brought nothing.
    SwapTwoRounds,
    /// The same, and who has acknowledged the round shades under the gate, into the shared queue.
    SwapGated,
    /// The old value is read, shaded, and overwritten: three steps.
    NonAtomicBarrier,
    /// Setting a root shades nothing.
    NoRootBarrier,
    /// A thread takes a root out, and asks the gate later.
    TwoStepDrop,
    /// The gate opens after the handshakes.
    GateOpensAtMark,
    /// The gate opens before the third handshake.
    GateOpensAtClose,
    /// Buffers stay with their mutators at close: the round of hand-overs will fetch them.
    CloseKeepsBuffer,
    /// Marking ends when the queue is empty: nobody is asked for buffers.
    NoHandOver,
    /// What was pushed during the round does not matter, if the queue is empty at its end.
    IgnorePushes,
    /// Markers that hold work are not counted.
    IgnoreActive,
    /// Marking ends, and sweeping begins, although work is queued.
    SweepTooEarly,
    /// An armed mutator upgrades by a plain load.
    PlainUpgrade,
    /// A mutator that is not closed upgrades by a plain load, a closed one through the gate.
    PlainUpgradeBeforeClose,
    /// An upgrade shades into the mutator's buffer.
    BufferedUpgrade,
    /// Once the gate is closed, upgrades of unmarked targets fail, also when the weak boxes have been cleared.
    UpgradeFailsLate,
    /// Once the gate is closed, a mark is good enough for an upgrade, and the box is not read again.
    UpgradeReadsOnce,
    /// Weak boxes are not cleared.
    WeakNotCleared,
    /// Weak boxes are cleared when all mutators are disarmed.
    WeakClearedLate,
    /// The old bitmap is not cleared.
    BitsNotCleared,
    /// Exclusive accesses shade only in closed mutators.
    NoLogBeforeClose,
    /// Armed and flushed mutators stamp, and stamps are honored.
    StampsFromArm,
    /// Flushed mutators stamp, and stamps are honored.
    StampsFromFlush,
    /// Stamps of earlier cycles are honored.
    StampsStay,
    /// A closed mutator stamps without shading.
    StampsWithoutShading,
    /// Closed mutators do not take the mark lock.
    NoMarkLock,
    /// Markers read cells that are stamped.
    StampsIgnored,
    /// A pair whose key is white when a marker comes to it is forgotten.
    PairForgotten,
    /// It is noted, to be cleared when the key is dead, and not looked at again.
    PairLookedAtOnce,
    /// It is looked at again once in a cycle, and not after a later round brought something.
    PairPassesOnce,
    /// It waits for its key, and nobody looks it up.
    PairNotLookedUp,
    /// The value of a pair is overwritten without shading.
    PairValueUnshaded,
    /// Closed mutators move pairs to new objects, which are not looked at in this cycle.
    PairMovedLate,
    /// A child that detaches keeps what it has in its buffer and window.
    ChildKeepsAll,
    /// A child attaches in the state of one that no handshake has reached.
    ChildUnarmed,
    /// A parent ends its scope although its child goes on.
    ChildOutlives,
    /// Stacks are scanned at the first handshake.
    StackAtArm,
    /// Stacks are scanned at the third handshake only.
    StackAtClose,
    /// Stacks are scanned when marking seems to be over, and written without a barrier.
    StackAtHandOver,
    /// Stacks are scanned at the second handshake and at the third.
    StackTwice,
    /// What is guarded, and white at the end of marking, is let go.
    GuardForgotten,
    /// It is chosen when marking has run dry, without a round of handshakes.
    GuardChosenEarly,
    /// It comes back, and is not marked.
    RevivedUnmarked,
    /// A mutator takes what came back by a plain load.
    PollUnshaded,
}

impl Variant {
    /// All of them.
    pub const ALL: [Variant; 52] = [
        Variant::Correct,
        Variant::NoFlush,
        Variant::ArmIsClose,
        Variant::NoWindowScan,
        Variant::WhiteWindow,
        Variant::WhiteBirth,
        Variant::NoDeletionBarrier,
        Variant::SwapBarrier,
        Variant::SwapTwoRounds,
        Variant::SwapGated,
        Variant::NonAtomicBarrier,
        Variant::NoRootBarrier,
        Variant::TwoStepDrop,
        Variant::GateOpensAtMark,
        Variant::GateOpensAtClose,
        Variant::CloseKeepsBuffer,
        Variant::NoHandOver,
        Variant::IgnorePushes,
        Variant::IgnoreActive,
        Variant::SweepTooEarly,
        Variant::PlainUpgrade,
        Variant::PlainUpgradeBeforeClose,
        Variant::BufferedUpgrade,
        Variant::UpgradeFailsLate,
        Variant::UpgradeReadsOnce,
        Variant::WeakNotCleared,
        Variant::WeakClearedLate,
        Variant::BitsNotCleared,
        Variant::NoLogBeforeClose,
        Variant::StampsFromArm,
        Variant::StampsFromFlush,
        Variant::StampsStay,
        Variant::StampsWithoutShading,
        Variant::NoMarkLock,
        Variant::StampsIgnored,
        Variant::PairForgotten,
        Variant::PairLookedAtOnce,
        Variant::PairPassesOnce,
        Variant::PairNotLookedUp,
        Variant::PairValueUnshaded,
        Variant::PairMovedLate,
        Variant::ChildKeepsAll,
        Variant::ChildUnarmed,
        Variant::ChildOutlives,
        Variant::StackAtArm,
        Variant::StackAtClose,
        Variant::StackAtHandOver,
        Variant::StackTwice,
        Variant::GuardForgotten,
        Variant::GuardChosenEarly,
        Variant::RevivedUnmarked,
        Variant::PollUnshaded,
    ];
}
