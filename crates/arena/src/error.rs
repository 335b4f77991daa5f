//! What can fail, and what to do about it.

use std::fmt;

/// The operating system granted no range of addresses for a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReserveError {
    /// Bytes of heap that were asked for.
    pub wanted_bytes: usize,
    /// The smallest request that was tried, in bytes of heap.
    pub least_bytes: usize,
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot reserve addresses for a heap of {} bytes, nor of {} bytes; \
             lower the maximum heap or raise the address-space limit (ulimit -v)",
            self.wanted_bytes, self.least_bytes
        )
    }
}

impl std::error::Error for ReserveError {}

/// No block is free and none can be committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exhausted {
    /// Every block of the reservation is in use (or no run of free blocks is long enough).
    Limit,
    /// The operating system refused to commit memory.
    System,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exhausted::Limit => "every block of the reservation is in use; raise the maximum heap",
            Exhausted::System => "the operating system refused to commit memory; raise its limit (ulimit -d)",
        })
    }
}

impl std::error::Error for Exhausted {}
