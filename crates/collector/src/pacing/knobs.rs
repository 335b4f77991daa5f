//! The knobs of a pacer.

use super::{GcPercent, limit::MemoryLimit, units::Bytes};

/// The knobs of a pacer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Knobs {
    /// How much garbage to accept.
    pub percent: GcPercent,
    /// The soft limit.
    pub limit: MemoryLimit,
    /// The hard limit; [`Bytes::MAX`] for none.
    pub max_heap: Bytes,
    /// Cores that the process has.
    pub cores: u32,
    /// The most workers on idle cores: fewer make a process that is mostly idle look less busy to an autoscaler.
    pub idle_workers: u32,
}

impl Default for Knobs {
    fn default() -> Knobs {
        Knobs {
            percent: GcPercent::default(),
            limit: MemoryLimit::Off,
            max_heap: Bytes::MAX,
            cores: 1,
            idle_workers: u32::MAX,
        }
    }
}
