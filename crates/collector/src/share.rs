//! The share of the CPU that marking in the background takes.
//!
//! The pacer plans with a quarter of the cores ([`Workers`]). On four cores that is one thread all the time; on two it is half of
//! one thread's, and a thread that marked as fast as the system lets it would take from mutators what the plan left to them, or, on an
//! idle core, burn power and quota for memory that nobody waits for. So each thread marks in short slices, counts its CPU time, and
//! rests when it is ahead of its share of the time since marking began. What is then missing mutators pay in assists, as planned.
//!
//! Nobody rests while somebody waits for the cycle.

use crate::{
    heap::Core,
    mark::{MarkMeter, MarkStats},
    pacing::Workers,
    safepoint::thread_cpu_ns,
};
use mudlark_arena::sync::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What a thread may be ahead of its share: marking that is over sooner is not worth a rest.
const AHEAD_MAX: Duration = Duration::from_micros(200);
/// Slices shorter than the one or longer than the other are made longer or shorter.
const SLICE_MIN: Duration = Duration::from_micros(100);
const SLICE_MAX: Duration = Duration::from_micros(300);
/// Bytes marked in a slice.
const BUDGET_MIN: u64 = 64 << 10;
const BUDGET_MAX: u64 = 4 << 20;

/// What each background thread may take while marking goes on.
#[derive(Debug)]
pub(crate) struct Share {
    birth: Instant,
    /// The part of a core for each thread, as the bits of an `f64`.
    of_core: AtomicU64,
    /// When marking began, in nanoseconds since `birth`.
    begun_ns: AtomicU64,
}

impl Default for Share {
    fn default() -> Share {
        Share { birth: Instant::now(), of_core: AtomicU64::new(1_f64.to_bits()), begun_ns: AtomicU64::new(0) }
    }
}

impl Share {
    /// Divides what the pacer gives to marking among `threads`.
    pub(crate) fn set(&self, workers: Workers, cores: u32, threads: usize) {
        let of_core = workers.share_of(cores) * f64::from(cores) / threads.max(1) as f64;
        self.of_core.store(of_core.min(1.0).to_bits(), Relaxed);
    }

    /// Marking begins.
    pub(crate) fn begin(&self) {
        self.begun_ns.store(self.birth.elapsed().as_nanos() as u64, Relaxed);
    }

    /// How long a thread rests that took `used` of this cycle.
    fn rest(&self, used: Duration) -> Option<Duration> {
        let of_core = f64::from_bits(self.of_core.load(Relaxed));
        let since = self.birth.elapsed().saturating_sub(Duration::from_nanos(self.begun_ns.load(Relaxed)));
        let earned = since.mul_f64(of_core) + AHEAD_MAX;
        (of_core < 1.0 && used > earned).then(|| used.div_f64(of_core).saturating_sub(since))
    }
}

/// A background thread as a marker: what it took in this cycle, and what it takes at once.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    meter: &'a MarkMeter,
    cycle: u64,
    used: Duration,
    budget: u64,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(meter: &'a MarkMeter) -> Turn<'a> {
        Turn { meter, cycle: 0, used: Duration::ZERO, budget: BUDGET_MIN }
    }

    /// How long the thread is to rest now, if it is.
    pub(crate) fn rest(&mut self, core: &Core) -> Option<Duration> {
        let cycle = core.cycle_number();
        if self.cycle != cycle {
            (self.cycle, self.used) = (cycle, Duration::ZERO);
        }
        // Models have no time.
        if cfg!(loom) || core.driver.is_waited_for() {
            return None;
        }
        core.share.rest(self.used)
    }

    /// Marks a slice; tells how many bytes it were. `None` when there was nothing to take.
    pub(crate) fn mark(&mut self, core: &Core) -> Option<u64> {
        let begun = thread_cpu_ns();
        let bytes = core.mark_some(self.budget, self.meter);
        let cpu_ns = thread_cpu_ns().saturating_sub(begun);
        let took = Duration::from_nanos(cpu_ns);
        self.used += took;
        self.meter.add(MarkStats { cpu_ns, ..MarkStats::default() });
        if took < SLICE_MIN {
            self.budget = (self.budget * 2).min(BUDGET_MAX);
        } else if took > SLICE_MAX {
            self.budget = (self.budget / 2).max(BUDGET_MIN);
        }
        bytes
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: on two cores one thread gets half of one. Method: rests by hand-made times.
    #[test]
    fn who_is_ahead_of_its_share_rests() {
        let share = Share::default();
        assert_eq!(share.rest(Duration::from_secs(1)), None, "a whole core needs no rest");
        share.set(Workers::on(2, false), 2, 1);
        assert_eq!(share.rest(AHEAD_MAX / 2), None);
        let rest = share.rest(Duration::from_secs(1)).expect("a second was used at once");
        assert!((1.0..=2.0).contains(&rest.as_secs_f64()), "{rest:?}");
        share.set(Workers::on(8, false), 8, 2);
        assert_eq!(share.rest(Duration::from_secs(1)), None, "two of eight mark all the time");
    }
}
