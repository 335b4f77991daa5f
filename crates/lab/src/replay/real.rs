//! The real side: a heap, threads that follow the trace, and somebody who looks.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use mudlark::{CpuStats, Heap, MarkStats, RampUpGuard};

use super::{
    clock::Clock,
    cycle::{Cycle, Logbook},
    error::ReplayError,
    program::{self, Shared},
    sample::{Sample, Samples},
    trace::Trace,
};
use crate::measure::{machine_cpu, process_cpu, resident_memory};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What came of a run.
#[derive(Debug)]
pub(super) struct RealRun {
    pub(super) cycles: Vec<Cycle>,
    /// All that were complete: the pacer may have forgotten some.
    pub(super) cycle_count: u64,
    pub(super) samples: Samples,
    /// What the pacer decided besides, and when.
    pub(super) events: Vec<(f64, String)>,
    pub(super) cpu: CpuStats,
    /// What background threads marked.
    pub(super) background: MarkStats,
    pub(super) allocated: u64,
    /// Bytes that the program should have allocated and could not in time.
    pub(super) missed: u64,
    /// Cores that other processes used meanwhile, as far as the system tells: what a verdict on timing is worth.
    pub(super) others: Option<f64>,
    /// How long it took.
    pub(super) seconds: f64,
}

impl RealRun {
    /// Bytes that a core marks per second of its CPU time; `None` before anything was marked.
    pub(super) fn mark_rate(&self) -> Option<f64> {
        let MarkStats { bytes, cpu_ns, .. } = self.background;
        (bytes > 0 && cpu_ns > 0).then(|| bytes as f64 * 1e9 / cpu_ns as f64)
    }
}

/// Runs the trace on a heap of its own.
pub(super) fn run(trace: &Trace) -> Result<RealRun, ReplayError> {
    let others_before = cpu_of_others();
    let resident_before = resident_memory().0;
    let knobs = trace.scenario.knobs;
    let heap = Heap::builder().gc_percent(knobs.percent).memory_limit(knobs.limit).build()?;
    let mut ramp_up = trace.scenario.ramp_up.map(|ramp_up| heap.ramp_up(ramp_up.bound));
    let shared = Shared {
        trace,
        heap: &heap,
        clock: Clock::new(trace.threads),
        begun: Instant::now(),
        is_over: AtomicBool::new(false),
        missed: AtomicU64::new(0),
    };
    let mut watch =
        Watch { shared: &shared, resident_before, logbook: Logbook::default(), samples: Samples::default() };
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for index in 0..trace.threads {
            let (shared, failure) = (&shared, &failure);
            scope.spawn(move || {
                // A panic of this thread ends the run too.
                let _over = Over(&shared.is_over);
                if let Err(error) = program::run(shared, index) {
                    failure.lock().expect("nobody panics with it").get_or_insert(error);
                }
            });
        }
        watch.until_over(&mut ramp_up);
        shared.is_over.store(true, Relaxed);
    });
    if let Some(error) = failure.into_inner().expect("nobody panicked with it") {
        return Err(error);
    }
    let Watch { logbook, samples, .. } = watch;
    let stats = heap.stats();
    let seconds = samples.last().clock;
    let others =
        others_before.zip(cpu_of_others()).map(|(before, after)| (after - before) / seconds.max(1e-3));
    Ok(RealRun {
        others,
        seconds,
        cycles: logbook.cycles(),
        events: logbook.events(),
        cycle_count: stats.cycles,
        samples,
        cpu: heap.cpu_stats(),
        background: sum(&heap.worker_stats().threads),
        allocated: stats.allocated_bytes,
        missed: shared.missed.load(Relaxed),
    })
}

/// CPU time of all other processes, in seconds.
fn cpu_of_others() -> Option<f64> {
    machine_cpu().map(|all| all.as_secs_f64() - process_cpu().as_secs_f64())
}

/// Says that the run is over when a thread ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Who looks.
struct Watch<'a> {
    shared: &'a Shared<'a>,
    resident_before: u64,
    logbook: Logbook,
    samples: Samples,
}

impl Watch<'_> {
    /// Looks until the time is over, or a thread is.
    fn until_over(&mut self, ramp_up: &mut Option<RampUpGuard>) {
        let Shared { trace, begun, .. } = *self.shared;
        let mut wanted = 0.0;
        let mut before = 0.0;
        loop {
            let clock = begun.elapsed().as_secs_f64();
            wanted += trace.wanted((clock + before) / 2.0) * (clock - before);
            before = clock;
            let sample = self.look(clock, wanted);
            if trace.scenario.ramp_up.is_some_and(|ramp_up| sample.mutator >= ramp_up.until) {
                *ramp_up = None;
            }
            if clock >= trace.seconds || self.shared.is_over.load(Relaxed) {
                return;
            }
            let left = Duration::from_secs_f64(trace.seconds - clock);
            thread::sleep(LOOK.min(left));
        }
    }

    fn look(&mut self, clock: f64, wanted: f64) -> Sample {
        let heap = self.shared.heap;
        let stats = heap.stats();
        let sample = Sample {
            clock,
            mutator: self.shared.clock.now_ns(heap) as f64 / 1e9,
            wanted,
            resident: resident_memory().0.saturating_sub(self.resident_before) as f64,
            committed: (stats.committed_bytes + stats.side_table_bytes) as f64,
            live_now: stats.live_now_bytes as f64,
        };
        self.samples.push(sample);
        self.logbook.read(&heap.decisions());
        sample
    }
}

fn sum(threads: &[MarkStats]) -> MarkStats {
    threads.iter().fold(MarkStats::default(), |sum, thread| MarkStats {
        objects: sum.objects + thread.objects,
        bytes: sum.bytes + thread.bytes,
        takes: sum.takes + thread.takes,
        shares: sum.shares + thread.shares,
        cpu_ns: sum.cpu_ns + thread.cpu_ns,
    })
}
