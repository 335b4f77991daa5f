//! The clock of the program: CPU time of all its threads, without assists.
//!
//! Streams go by it, as in the simulator. Each thread publishes its CPU time after every step; what the heap took in assists is
//! subtracted from the sum, for it is known of all threads together only. What passed since the last look belongs to whoever
//! looks: that thread allocates what the trace wants for it, so all of the time is accounted for, once.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mudlark::Heap;

use crate::measure::thread_cpu;

/// The clock.
#[derive(Debug)]
pub(super) struct Clock {
    threads: Box<[AtomicU64]>,
    /// What somebody accounted for.
    claimed: AtomicU64,
}

/// A stretch of the program's time, in seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Stretch {
    pub(super) from: f64,
    pub(super) length: f64,
}

impl Clock {
    /// A clock at zero.
    pub(super) fn new(threads: usize) -> Clock {
        Clock { threads: (0..threads).map(|_| AtomicU64::new(0)).collect(), claimed: AtomicU64::new(0) }
    }

    /// Publishes the CPU time that the current thread took since it began.
    pub(super) fn publish(&self, thread: usize, begun_ns: u64) {
        let cpu = thread_cpu().as_nanos() as u64;
        self.threads[thread].store(cpu.saturating_sub(begun_ns), Relaxed);
    }

    /// The program's time in nanoseconds.
    pub(super) fn now_ns(&self, heap: &Heap) -> u64 {
        // Assists first: they are part of what threads publish later.
        let assists = heap.cpu_stats().assist_ns;
        let threads: u64 = self.threads.iter().map(|cpu| cpu.load(Relaxed)).sum();
        threads.saturating_sub(assists)
    }

    /// What passed since somebody looked; it belongs to the caller.
    pub(super) fn claim(&self, heap: &Heap) -> Stretch {
        let now = self.now_ns(heap);
        let before = self.claimed.fetch_max(now, Relaxed);
        Stretch { from: before as f64 / 1e9, length: now.saturating_sub(before) as f64 / 1e9 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use mudlark::Heap;

    use super::Clock;

    /// Goal: all time is accounted for once. Method: CPU times by hand.
    #[test]
    fn every_stretch_belongs_to_one_thread() {
        let heap = Heap::builder().workers(1).build().unwrap();
        let clock = Clock::new(2);
        clock.threads[0].store(2_000_000_000, Relaxed);
        clock.threads[1].store(1_000_000_000, Relaxed);
        assert_eq!(clock.claim(&heap).length, 3.0);
        assert_eq!(clock.claim(&heap).length, 0.0);
        clock.threads[1].store(1_500_000_000, Relaxed);
        let stretch = clock.claim(&heap);
        assert_eq!((stretch.from, stretch.length), (3.0, 0.5));
    }
}
