//! What mutators spend at safepoints at which they have something to do.
//!
//! The wall clock alone cannot tell work from absence: on a busy machine the system takes the core away now and then, at a
//! safepoint as anywhere else. So the time can be split, at the price of two readings of the thread's CPU clock around it.

use crate::pauses::{Histogram, PauseSummary};
use std::time::{Duration, Instant};

/// A pause that is no longer was no absence: the system does not take a core away for so short a time. And what reading the CPU
/// clock twice may take of the wall clock's time alone; any longer, and the thread had no core.
const READING_MAX: Duration = Duration::from_micros(2);

/// Times of safepoints with something to do.
#[derive(Debug)]
pub(crate) struct SafepointMeter {
    splits: bool,
    pauses: Histogram,
    work: Histogram,
    away: Histogram,
}

/// A safepoint that has begun.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) begun: Instant,
    /// When the CPU clock was read before, and what it showed.
    outer: Option<(Instant, u64)>,
}

/// What mutators spent at safepoints at which they had something to do. Those with nothing to do take one atomic instruction
/// and are not in the summaries.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SafepointStats {
    /// From begin to end by the clock on the wall.
    pub pauses: PauseSummary,
    /// CPU time of it. Empty unless [`Config::split_safepoints`](crate::Config::split_safepoints) is set.
    pub work: PauseSummary,
    /// The rest: the thread had no core. Empty like `work`.
    pub descheduled: PauseSummary,
    /// All safepoints that mutators passed while a cycle was under way, with or without something to do.
    pub passed: u64,
    /// The CPU time that 99.99 % of those took at most. Zero unless [`Config::split_safepoints`](crate::Config::split_safepoints) is
    /// set.
    pub passed_work_p9999_ns: u64,
}

impl SafepointMeter {
    pub(crate) fn new(splits: bool) -> SafepointMeter {
        SafepointMeter {
            splits,
            pauses: Histogram::default(),
            work: Histogram::default(),
            away: Histogram::default(),
        }
    }

    pub(crate) fn begin(&self) -> Visit {
        let outer = self.splits.then(|| (Instant::now(), thread_cpu_ns()));
        Visit { outer, begun: Instant::now() }
    }

    pub(crate) fn end(&self, visit: &Visit) {
        let pause = visit.begun.elapsed();
        self.pauses.record(pause);
        let Some((begun, cpu_ns)) = visit.outer else { return };
        if pause <= READING_MAX {
            self.work.record(pause);
            self.away.record(Duration::ZERO);
        } else {
            // The CPU clock takes longer to read than many a safepoint lasts, so it is read before and after, not within.
            let worked = Duration::from_nanos(thread_cpu_ns().saturating_sub(cpu_ns));
            let away = begun.elapsed().saturating_sub(worked);
            let away = if away < READING_MAX { Duration::ZERO } else { away.min(pause) };
            self.work.record(pause - away);
            self.away.record(away);
        }
    }

    /// `passed` counts all safepoints while cycles were under way.
    pub(crate) fn stats(&self, passed: u64) -> SafepointStats {
        SafepointStats {
            passed,
            passed_work_p9999_ns: self.work.quantile_of(passed, 0.9999),
            pauses: self.pauses.summary(),
            work: self.work.summary(),
            descheduled: self.away.summary(),
        }
    }
}

/// CPU time of the current thread in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    cpu_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time by one of the system's clocks, in nanoseconds; 0 if it has no such clock.
pub(crate) fn cpu_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) } != 0;
    if failed { 0 } else { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 }
}
