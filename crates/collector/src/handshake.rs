//! Ragged handshakes: every mutator passes one safepoint, each in its own time.
//!
//! The kind is written under the registry's lock before the requests are raised; a mutator acknowledges by counting
//! `pending` down, and the last one to do so drives the cycle on. Mutators outside of scopes are served at
//! once, so for a heap with one mutator at its own safepoint consecutive handshakes are one step.

use crate::{
    heap::Core,
    local::Local,
    mark_lock::Stamp,
    pauses::{Histogram, PauseSummary},
};
use mudlark_arena::{
    Side,
    sync::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
};
use std::time::{Duration, Instant};

/// What a mutator does at the safepoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Handshake {
    /// Deletion barrier on, allocate black, open the window.
    Arm = 1,
    /// What stacks keep is gray, if there are any: after it, whatever a mutator can reach was loaded with every barrier on, or is gray.
    Flush = 2,
    /// Hand over the window: its objects are gray. From now on new objects need no scan.
    Close = 3,
    /// Hand over the barrier buffer.
    HandOver = 4,
    /// Stay outside of scopes until the verifier is done. Only in heaps that are verified.
    Hold = 5,
    /// Barrier off, allocate white, give up what goes by the old bitmap.
    Disarm = 6,
}

/// Kinds of handshakes.
pub const HANDSHAKES: usize = 6;

impl Handshake {
    const ALL: [Handshake; HANDSHAKES] = [
        Handshake::Arm,
        Handshake::Flush,
        Handshake::Close,
        Handshake::HandOver,
        Handshake::Hold,
        Handshake::Disarm,
    ];

    fn index(self) -> usize {
        self as usize - Handshake::Arm as usize
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Handshake::Arm => "arm",
            Handshake::Flush => "flush",
            Handshake::Close => "close",
            Handshake::HandOver => "hand over",
            Handshake::Hold => "hold",
            Handshake::Disarm => "disarm",
        }
    }

    /// Does it, on the mutator's thread or on its behalf.
    pub(crate) fn take(self, local: &Local, core: &Core) {
        let cycle = core.cycle_number();
        match self {
            Handshake::Arm => local.arm(core.arena.filling_side()),
            Handshake::Flush => local.flush(),
            Handshake::Hold => {}
            Handshake::Close => local.close(cycle),
            Handshake::HandOver => local.hand_over(),
            Handshake::Disarm => local.disarm(),
        }
    }

    /// Puts a mutator that attaches after the request of this handshake into the state behind it.
    pub(crate) fn join(self, local: &Local, filling: Side, cycle: u64) {
        match self {
            Handshake::Arm | Handshake::Flush => local.join(filling, None),
            Handshake::Close | Handshake::HandOver | Handshake::Hold => {
                local.join(filling, Some(Stamp::of_cycle(cycle)));
            }
            Handshake::Disarm => {}
        }
    }
}

/// What handshakes of one kind took.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HandshakeStats {
    /// What the kind is called.
    pub name: &'static str,
    /// How often all mutators were asked.
    pub rounds: u64,
    /// Mutators that were outside of their scopes, and were served by whoever asked.
    pub served: u64,
    /// From the request to the safepoint, of mutators that were in a scope.
    pub to_safepoint: PauseSummary,
    /// What those did for the handshake there.
    pub work: PauseSummary,
}

#[derive(Debug, Default)]
struct Meter {
    rounds: AtomicU64,
    served: AtomicU64,
    to_safepoint: Histogram,
    work: Histogram,
}

/// The handshake under way, or the last one.
#[derive(Debug)]
pub(crate) struct HandshakeState {
    kind: AtomicU8,
    /// Mutators that have not acknowledged; plus one while requests are being raised.
    pending: AtomicUsize,
    /// When it was requested, in nanoseconds since `birth`.
    requested_ns: AtomicU64,
    birth: Instant,
    meters: [Meter; HANDSHAKES],
}

impl Default for HandshakeState {
    fn default() -> HandshakeState {
        HandshakeState {
            kind: AtomicU8::new(Handshake::Disarm as u8),
            pending: AtomicUsize::new(0),
            requested_ns: AtomicU64::new(0),
            birth: Instant::now(),
            meters: Default::default(),
        }
    }
}

impl HandshakeState {
    fn meter(&self, handshake: Handshake) -> &Meter {
        &self.meters[handshake.index()]
    }

    fn since_birth_ns(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.birth).as_nanos() as u64
    }

    pub(crate) fn stats(&self) -> [HandshakeStats; HANDSHAKES] {
        Handshake::ALL.map(|handshake| {
            let meter = self.meter(handshake);
            HandshakeStats {
                name: handshake.name(),
                rounds: meter.rounds.load(Ordering::Relaxed),
                served: meter.served.load(Ordering::Relaxed),
                to_safepoint: meter.to_safepoint.summary(),
                work: meter.work.summary(),
            }
        })
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
            5 => Handshake::Hold,
            _ => Handshake::Disarm,
        }
    }

    /// Requests a handshake of all mutators; serves those that are passive. The caller drives the cycle.
    pub(crate) fn begin_handshake(&self, handshake: Handshake) {
        self.begin_handshake_after(handshake, || {});
    }

    /// The same after `act`, so that no mutator attaches in between.
    pub(crate) fn begin_handshake_after(&self, handshake: Handshake, act: impl FnOnce()) {
        let state = &self.handshake;
        let registry = self.registry.lock();
        act();
        state.kind.store(handshake as u8, Ordering::Relaxed);
        state.requested_ns.store(state.since_birth_ns(Instant::now()), Ordering::Relaxed);
        // Counted before the first request is raised, so that nobody finds zero too early.
        state.pending.store(registry.mutators.len() + 1, Ordering::Relaxed);
        let served = registry.mutators.iter().filter(|mutator| mutator.request(handshake, self)).count();
        let meter = state.meter(handshake);
        meter.rounds.fetch_add(1, Ordering::Relaxed);
        meter.served.fetch_add(served as u64, Ordering::Relaxed);
        state.pending.fetch_sub(served + 1, Ordering::AcqRel);
    }

    /// Takes the handshake that was requested, at a safepoint that began at `begun`.
    pub(crate) fn take_handshake(&self, local: &Local, begun: Instant) -> Handshake {
        let (state, handshake) = (&self.handshake, self.current_handshake());
        let waited = state.since_birth_ns(begun).saturating_sub(state.requested_ns.load(Ordering::Relaxed));
        handshake.take(local, self);
        let meter = state.meter(handshake);
        meter.to_safepoint.record(Duration::from_nanos(waited));
        meter.work.record(begun.elapsed());
        handshake
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

    /// If a handshake waits for mutators: when it was requested (which names it), and how long ago.
    pub(crate) fn handshake_wait(&self) -> Option<(u64, Duration)> {
        let requested = self.handshake.requested_ns.load(Ordering::Relaxed);
        if self.handshake_complete() {
            return None;
        }
        let waited = self.handshake.since_birth_ns(Instant::now()).saturating_sub(requested);
        Some((requested, Duration::from_nanos(waited)))
    }
}
