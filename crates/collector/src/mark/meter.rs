//! What a marker did, counted.

use mudlark_arena::sync::{AtomicU64, Ordering::Relaxed};

/// What one thread, or all mutators together, marked since birth.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MarkStats {
    /// Objects scanned, and objects without pointers that were found.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Batches of objects taken from the shared queue: from other markers, mostly.
    pub takes: u64,
    /// Batches of objects given to others.
    pub shares: u64,
    /// CPU time of it, in nanoseconds. Not measured for mutators.
    pub cpu_ns: u64,
}

/// The same while it grows. All accesses are relaxed: nothing is read through them.
#[derive(Debug, Default)]
pub(crate) struct MarkMeter {
    objects: AtomicU64,
    bytes: AtomicU64,
    takes: AtomicU64,
    shares: AtomicU64,
    cpu_ns: AtomicU64,
}

impl MarkMeter {
    pub(crate) fn add(&self, done: MarkStats) {
        self.objects.fetch_add(done.objects, Relaxed);
        self.bytes.fetch_add(done.bytes, Relaxed);
        self.takes.fetch_add(done.takes, Relaxed);
        self.shares.fetch_add(done.shares, Relaxed);
        self.cpu_ns.fetch_add(done.cpu_ns, Relaxed);
    }

    pub(crate) fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Relaxed)
    }

    pub(crate) fn stats(&self) -> MarkStats {
        MarkStats {
            objects: self.objects.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            takes: self.takes.load(Relaxed),
            shares: self.shares.load(Relaxed),
            cpu_ns: self.cpu_ns.load(Relaxed),
        }
    }
}
