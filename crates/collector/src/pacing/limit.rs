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

impl From<u64> for MemoryLimit {
    fn from(bytes: u64) -> MemoryLimit {
        MemoryLimit::Bytes(Bytes(bytes))
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: the limit is about all memory, and leaves headroom. Method: values worked out by hand.
    #[test]
    fn goals_below_a_limit_follow_the_formula() {
        let limit = MemoryLimit::Bytes(Bytes(1_000_000_000));
        let memory = Memory {
            mapped: Bytes(500_000_000),
            heap_in_use: Bytes(300_000_000),
            heap_free: Bytes(150_000_000),
            external: Bytes::ZERO,
        };
        // 50 MB are no heap; 3 % of the rest is headroom.
        assert_eq!(limit.goal(&memory, Bytes::ZERO), Bytes(950_000_000 - 28_500_000));
        assert_eq!(MemoryLimit::Off.goal(&memory, Bytes::ZERO), Bytes::MAX);
        // What is over the limit goes off twice: once to be given back, once not to come again.
        let over = Memory { external: Bytes(600_000_000), ..memory };
        assert_eq!(limit.goal(&over, Bytes::ZERO), Bytes(850_000_000 - 25_500_000));
        // Live data is never beyond the goal, and a limit that is used up leaves nothing else.
        assert_eq!(limit.goal(&memory, Bytes(2_000_000_000)), Bytes(2_000_000_000));
        assert_eq!(MemoryLimit::Bytes(Bytes(1000)).goal(&memory, Bytes(7)), Bytes(7));
        // A small limit leaves at least the headroom.
        let small = MemoryLimit::Bytes(Bytes(51_500_000));
        let tables = Memory { mapped: Bytes(50_000_000), ..Memory::default() };
        assert_eq!(small.goal(&tables, Bytes::ZERO), Bytes::mib(1));
        assert!(MemoryLimit::Bytes(Bytes(5)) < MemoryLimit::Off);
        assert_eq!(goal_below_max(Bytes(1600), Bytes(7)), Bytes(1500));
    }
}
