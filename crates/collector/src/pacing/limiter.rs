//! The CPU limiter: near a memory limit, collections must not take the whole CPU.
//!
//! A leaky bucket, as in Go. It fills with the CPU time of collections and drains with that of mutators; while it is
//! full, allocations do not assist, and nothing is given back to the system in a hurry. With a bucket of C seconds per core, mutators
//! get at least (W − C)/2 of any W seconds of CPU time on each core, if without assists collections take at most half of it.
//!
//! Go's bucket holds one second, so two seconds that begin with an empty bucket may leave mutators a quarter. The default
//! here is 0.18 seconds: 45.5 % of any two seconds. Unlike Go's, the bucket keeps what did not fit, up to its size
//! once more; else coarse updates would lose time of mutators.

use super::units::{CpuNanos, Nanos};
use std::fmt;

/// CPU time since the window before.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Window {
    /// Of collections: workers and assists. Marking on idle cores does not count, it takes nothing from mutators.
    pub gc: CpuNanos,
    /// Of mutators, without assists.
    pub mutator: CpuNanos,
}

impl Window {
    /// The window of a process that owns its cores: what is neither collection nor idle is mutator.
    pub fn of_cores(elapsed: Nanos, cores: u32, gc: CpuNanos, idle: CpuNanos) -> Window {
        Window { gc, mutator: elapsed.on(cores) - idle - gc }
    }
}

/// Decides when collections have had enough CPU time.
pub trait Limiter: fmt::Debug + Send {
    /// Takes a window into account; returns whether assists are off from now on.
    fn update(&mut self, window: &Window) -> bool;

    /// Whether assists are off.
    fn is_limiting(&self) -> bool;

    /// How full it is, from 0 to 1.
    fn fill(&self) -> f64;
}

/// The default limiter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeakyBucket {
    capacity: CpuNanos,
    fill: CpuNanos,
}

impl LeakyBucket {
    /// The default capacity for each core.
    pub const PER_CORE: CpuNanos = CpuNanos(180_000_000);
    /// Go's capacity for each core.
    pub const PER_CORE_GO: CpuNanos = CpuNanos(1_000_000_000);

    /// An empty bucket with room for `per_core` on each core.
    pub fn new(cores: u32, per_core: CpuNanos) -> LeakyBucket {
        let capacity = CpuNanos(per_core.0.saturating_mul(cores.max(1).into()).max(1));
        LeakyBucket { capacity, fill: CpuNanos::ZERO }
    }
}

impl Limiter for LeakyBucket {
    fn update(&mut self, window: &Window) -> bool {
        let most = self.capacity + self.capacity;
        self.fill = (self.fill + window.gc).min(most + window.mutator) - window.mutator;
        self.is_limiting()
    }

    fn is_limiting(&self) -> bool {
        self.fill >= self.capacity
    }

    fn fill(&self) -> f64 {
        (self.fill.as_f64() / self.capacity.as_f64()).min(1.0)
    }
}

/// No limit: collections may take all of the CPU.
#[derive(Clone, Copy, Default, Debug)]
pub struct Unlimited;

impl Limiter for Unlimited {
    fn update(&mut self, _: &Window) -> bool {
        false
    }

    fn is_limiting(&self) -> bool {
        false
    }

    fn fill(&self) -> f64 {
        0.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Goal: the bucket is the one described. Method: fill, overfill, drain by hand.
    #[test]
    fn a_full_bucket_limits() {
        let mut bucket = LeakyBucket::new(2, CpuNanos(100));
        let gc = |gc| Window { gc: CpuNanos(gc), mutator: CpuNanos::ZERO };
        let mutator = |mutator| Window { gc: CpuNanos::ZERO, mutator: CpuNanos(mutator) };
        assert!(!bucket.update(&gc(199)));
        assert!(bucket.update(&gc(1)));
        assert!(bucket.update(&gc(50)), "it keeps what did not fit");
        assert!(bucket.update(&mutator(50)));
        assert!(!bucket.update(&mutator(1)));
        assert!(!bucket.update(&mutator(10_000)));
        assert_eq!(bucket.fill(), 0.0);
        assert!(bucket.update(&gc(u64::MAX)));
        assert!(!bucket.update(&mutator(201)), "but no more than its size");
    }

    proptest! {
        /// Goal: mutators get 45 % of any two seconds. Method: collections that take what they may, in windows of up to
        /// 10 ms; each span of two seconds is looked at.
        #[test]
        fn mutators_get_their_share(windows in prop::collection::vec((1_u64..10, 0.0..1.0_f64), 300..600)) {
            let mut bucket = LeakyBucket::new(1, LeakyBucket::PER_CORE);
            let mut spans = Vec::new();
            let mut is_limiting = false;
            for (ms, wish) in windows {
                let share = if is_limiting { 0.25 } else { wish.max(0.6) };
                let gc = (ms as f64 * 1e6 * share) as u64;
                let window = Window::of_cores(Nanos::millis(ms), 1, CpuNanos(gc), CpuNanos::ZERO);
                is_limiting = bucket.update(&window);
                spans.push((ms, window.mutator.0));
            }
            for first in 0..spans.len() {
                let (mut ms, mut mutator) = (0, 0);
                for span in &spans[first..] {
                    (ms, mutator) = (ms + span.0, mutator + span.1);
                    if ms >= 2000 {
                        prop_assert!(mutator as f64 >= ms as f64 * 1e6 * 0.45, "{mutator} of {ms} ms");
                        break;
                    }
                }
            }
        }
    }
}
