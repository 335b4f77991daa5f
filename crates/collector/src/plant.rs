//! Planted bugs: each breaks one rule of the collector on purpose, so that tests can show that the verifier sees it.
//!
//! Those of orders of steps are planted in models (`models/mod.rs`), which show the same. Outside of the tests of this crate there are none, and the question for one is answered at compile time.

use crate::heap::Core;

/// A rule that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[cfg_attr(any(not(test), loom), allow(dead_code, reason = "bugs are planted by tests of this crate"))]
pub(crate) enum Bug {
    /// Overwritten pointers are not shaded.
    BarrierOff,
    /// Pointers are taken out first, and shaded then.
    ShadedLate,
    /// Nothing happens at *flush*.
    NoFlush,
    /// Windows are not handed over.
    WindowLost,
    /// What is born in the window, or later in the cycle, is white.
    BornWhite,
    /// Barrier buffers are emptied instead of handed over.
    BufferDropped,
    /// Marking ends without a round of handshakes.
    NoRound,
    /// Marking ends although objects were pushed during the round.
    EarlyTermination,
    /// A batch of objects that a marker shares is lost.
    ChunkLost,
    /// The second piece of a large array is not scanned.
    PieceLost,
    /// The bitmaps do not take turns.
    NoTurn,
    /// The old bitmap is not cleared.
    NotCleared,
    /// Cells are stamped before their mutator is closed.
    EarlyStamp,
    /// Cells are stamped, and their contents not shaded.
    StampWithoutShading,
    /// The last chunk of roots is not scanned.
    RootMissed,
    /// A root that is dropped during a cycle is not shaded.
    RootDropUnshaded,
    /// A root is dropped during a cycle as if none were open.
    GatePassedBy,
    /// A root is cloned without the gate.
    CloneOutsideGate,
    /// What shadow stacks keep is gray from close on only.
    LocalsAtClose,
    /// Shadow stacks are not scanned.
    LocalsUnscanned,
    /// Slots of shadow stacks are used again without shading.
    LocalsUnshaded,
    /// Weak references to the dead are not cleared.
    WeakNotCleared,
    /// A weak reference is upgraded during marking without shading.
    WeakUnshaded,
    /// Ephemerons whose keys were white are looked at again only once.
    EphemeronOnce,
    /// Ephemerons wait in the table, and nobody looks there.
    EphemeronNotLookedUp,
    /// Ephemerons with dead keys are not cleared.
    EphemeronNotCleared,
    /// A closed mutator does not know that it is one, and copies ephemerons.
    ClosedUnknown,
    /// Cleanups of dead objects stay where they are.
    CleanupMissed,
    /// Guarded objects do not come back.
    GuardsMissed,
    /// They come back, and are not marked.
    RevivedUnmarked,
    /// A marked cell is forgotten before the sweep.
    LiveSwept,
    /// A mutator is served although it is in a scope.
    ServedInScope,
    /// A cycle's begin does not wake the thread that drives.
    SilentGate,
    /// A heap's end wakes none of its threads.
    SilentEnd,
    /// What stacks lead to is shaded one handshake too late.
    StacksAtClose,
    /// What stacks lead to is not shaded.
    StacksMissed,
}

impl Core {
    /// Whether the bug is planted in this heap.
    #[cfg(test)]
    pub(crate) fn plants(&self, bug: Bug) -> bool {
        self.planted.load(std::sync::atomic::Ordering::Relaxed) == bug as u8 + 1
    }

    /// Plants a bug.
    #[cfg(test)]
    pub(crate) fn plant(&self, bug: Bug) {
        self.planted.store(bug as u8 + 1, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether the bug is planted: never.
    #[cfg(not(test))]
    #[inline(always)]
    pub(crate) const fn plants(&self, _bug: Bug) -> bool {
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
