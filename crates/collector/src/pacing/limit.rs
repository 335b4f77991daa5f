//! Limits: what the memory limit and the maximum heap leave of a goal. They win over every policy.
//!
//! The memory limit is soft: it is about all memory of the heap and what its objects hold outside, and it gives way only
//! to what is live. The maximum heap is hard, and enforced by whoever allocates; here, it only makes cycles come in time.

use super::{records::Memory, units::Bytes};
use std::fmt;

/// The headroom below the memory limit is at least this much.
const HEADROOM_MIN: Bytes = Bytes::mib(1);

/// A soft limit on memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum MemoryLimit {
    /// So many bytes.
    Bytes(Bytes),
    /// None.
    #[default]
    Off,
}

impl MemoryLimit {
    /// The bytes; without a limit, more than there can be.
    pub const fn bytes(self) -> Bytes {
        match self {
            MemoryLimit::Bytes(bytes) => bytes,
            MemoryLimit::Off => Bytes::MAX,
        }
    }

    /// Whether there is a limit.
    pub const fn is_on(self) -> bool {
        matches!(self, MemoryLimit::Bytes(_))
    }

    /// What the limit leaves for heap and external bytes, of which `live` are live.
    ///
    /// Goal = limit − what is neither heap nor external − what is over the limit already − headroom, where the headroom
    /// is 3 % of the goal and at least 1 MiB. It is at least the headroom, and at least what is live: if only live
    /// objects are left, cycles follow each other, and the CPU limiter keeps the program going.
    pub fn goal(self, memory: &Memory, live: Bytes) -> Bytes {
        let MemoryLimit::Bytes(limit) = self else { return Bytes::MAX };
        let over = memory.total() - limit;
        let taken = memory.non_heap() + over;
        if taken >= limit {
            return live;
        }
        let goal = limit - taken;
        let headroom = Bytes(goal.0 / 100 * 3).max(HEADROOM_MIN);
        (goal - headroom).max(headroom).max(live)
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryLimit::Bytes(bytes) => bytes.fmt(f),
            MemoryLimit::Off => f.write_str("off"),
        }
    }
}

/// The goal below a hard maximum: a sixteenth is kept for what is allocated while the cycle runs.
pub(super) fn goal_below_max(max_heap: Bytes, live: Bytes) -> Bytes {
    if max_heap == Bytes::MAX { Bytes::MAX } else { (max_heap - Bytes(max_heap.0 / 16)).max(live) }
}
