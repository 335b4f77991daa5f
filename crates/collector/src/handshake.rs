//! Ragged handshakes: every mutator passes one safepoint, each in its own time.
//!
//! The kind is written under the registry's lock before the requests are raised; a mutator acknowledges by counting
//! `pending` down, and the last one to do so drives the cycle on. Mutators outside of scopes are served at
//! once, so for a heap with one mutator at its own safepoint consecutive handshakes are one step.

use crate::{heap::Core, local::Local, mark_lock::Stamp};
use mudlark_arena::{
    Side,
    sync::{AtomicU8, AtomicUsize, Ordering},
};

/// What a mutator does at the safepoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Handshake {
    /// Deletion barrier on, allocate black, open the window.
    Arm = 1,
    /// Nothing: after it, whatever a mutator can reach was loaded with every barrier on.
    Flush = 2,
    /// Hand over the window: its objects are gray. From now on new objects need no scan.
    Close = 3,
    /// Hand over the barrier buffer.
    HandOver = 4,
    /// Barrier off, allocate white, give up what goes by the old bitmap.
    Disarm = 5,
}

impl Handshake {
    /// Does it, on the mutator's thread or on its behalf.
    pub(crate) fn take(self, local: &Local, core: &Core) {
        let cycle = core.cycle_number();
        match self {
            Handshake::Arm => local.arm(core.arena.filling_side()),
            Handshake::Flush => {}
            Handshake::Close => local.close(cycle),
            Handshake::HandOver => local.hand_over(),
            Handshake::Disarm => local.disarm(),
        }
    }

    /// Puts a mutator that attaches after the request of this handshake into the state behind it.
    pub(crate) fn join(self, local: &Local, filling: Side, cycle: u64) {
        match self {
            Handshake::Arm | Handshake::Flush => local.join(filling, None),
            Handshake::Close | Handshake::HandOver => local.join(filling, Some(Stamp::of_cycle(cycle))),
            Handshake::Disarm => {}
        }
    }
}

/// The handshake under way, or the last one.
#[derive(Debug)]
pub(crate) struct HandshakeState {
    kind: AtomicU8,
    /// Mutators that have not acknowledged; plus one while requests are being raised.
    pending: AtomicUsize,
}

impl Default for HandshakeState {
    fn default() -> HandshakeState {
        HandshakeState { kind: AtomicU8::new(Handshake::Disarm as u8), pending: AtomicUsize::new(0) }
    }
}

impl Core {
    pub(crate) fn current_handshake(&self) -> Handshake {
        // ORDERING: Relaxed: the request in the mutator's state word, or the registry's lock, published it.
        match self.handshake.kind.load(Ordering::Relaxed) {
            1 => Handshake::Arm,
            2 => Handshake::Flush,
            3 => Handshake::Close,
            4 => Handshake::HandOver,
            _ => Handshake::Disarm,
        }
    }

    /// Requests a handshake of all mutators; serves those that are passive. The caller drives the cycle.
    pub(crate) fn begin_handshake(&self, handshake: Handshake) {
        let registry = self.registry.lock();
        self.handshake.kind.store(handshake as u8, Ordering::Relaxed);
        // Counted before the first request is raised, so that nobody finds zero too early.
        self.handshake.pending.store(registry.mutators.len() + 1, Ordering::Relaxed);
        let served = registry.mutators.iter().filter(|mutator| mutator.request(handshake, self)).count();
        self.handshake.pending.fetch_sub(served + 1, Ordering::AcqRel);
    }

    /// Counts one mutator down. `true` for the last one.
    pub(crate) fn acknowledge(&self) -> bool {
        // ORDERING: AcqRel: all mutators' acts of the handshake are seen by whoever sees zero.
        self.handshake.pending.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether every mutator has acknowledged.
    pub(crate) fn handshake_complete(&self) -> bool {
        // ORDERING: Acquire pairs with the Release half in `acknowledge`.
        self.handshake.pending.load(Ordering::Acquire) == 0
    }
}
