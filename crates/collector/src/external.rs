//! Memory outside of the heap that objects hold: it paces cycles and counts against the memory limit.

use crate::heap::Core;
use mudlark_arena::sync::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

/// Says that an object holds so many bytes outside of the heap. To be kept in the object: when it dies, the bytes are gone.
#[derive(Debug)]
pub struct ExternalBytes {
    /// Shared with the heap, which may end before the object does.
    held: Arc<AtomicU64>,
    bytes: u64,
}

impl ExternalBytes {
    pub(crate) fn new(held: &Arc<AtomicU64>, bytes: u64) -> ExternalBytes {
        held.fetch_add(bytes, Relaxed);
        ExternalBytes { held: Arc::clone(held), bytes }
    }

    /// How many bytes it says.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Says another number from now on: the buffer has grown, or shrunk.
    pub fn resize(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            self.held.fetch_add(bytes - self.bytes, Relaxed);
        } else {
            self.held.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for ExternalBytes {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Relaxed);
    }
}

impl Core {
    /// Counts bytes outside of the heap that an object will hold.
    pub fn external_bytes(&self, bytes: u64) -> ExternalBytes {
        ExternalBytes::new(self.pace.external_held(), bytes)
    }
}
