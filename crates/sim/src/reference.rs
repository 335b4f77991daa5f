//! The reference engine: one cycle exactly as the test model of Go's pacer runs it.
//!
//! What it models: cycles that begin at their triggers; marking and allocation in periods of 500 µs, in which the share of
//! the CPU that marking has is solved from the assist ratio; live data that grows by a factor from cycle to cycle. What it
//! leaves out: time between cycles, sweeping, idle cores, the CPU limiter, memory that is not heap. It is there to be
//! compared digit by digit; for questions about programs, there is the [`engine`](crate::engine).
//!
//! Rates are in KiB per millisecond of CPU time on one core, and arithmetic is in the order of the model, conversions
//! to integers truncate.

use mudlark_collector::pacing::{
    BACKGROUND_SHARE, Bytes, Cause, CpuNanos, CycleBegin, CycleReport, GcPercent, Knobs, Memory, MemoryLimit,
    Nanos, Pacer, Parts, Progress, ScanWork, Work,
};

mod json;

pub use json::{InputError, cycles_to_json};

/// The time between two revisions of the assist ratio.
const PERIOD_NANOS: f64 = 500_000.0;
/// Bytes of a period at a rate of one.
const PER_PERIOD: f64 = 512.0;
/// More periods than this in a cycle, or in all of them, are a mistake of the input.
const PERIODS_MAX: u64 = 1_000_000;
const PERIODS_MAX_ALL: u64 = 50 * PERIODS_MAX;
/// What the first cycle finds live.
const FIRST_LIVE: f64 = (256 << 10) as f64;

/// What is given for one cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CycleInput {
    /// KiB allocated per millisecond and core.
    pub alloc_rate: f64,
    /// KiB scanned per millisecond and core.
    pub scan_rate: f64,
    /// What is live, as a factor on the cycle before.
    pub growth_rate: f64,
    /// The share of the heap that has to be scanned.
    pub scannable_fraction: f64,
    /// Bytes of stacks.
    pub stack_bytes: u64,
}

/// A scenario of the reference engine.
#[derive(Clone, PartialEq, Debug)]
pub struct ReferenceInput {
    /// How much garbage to accept.
    pub percent: GcPercent,
    /// The soft limit.
    pub limit: MemoryLimit,
    /// Bytes of globals.
    pub globals: u64,
    /// Cores, at least 1.
    pub cores: u32,
    /// The cycles.
    pub series: Vec<CycleInput>,
}

/// What came of one cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ReferenceCycle {
    /// Its number, from 1.
    pub cycle: u64,
    /// The share of the CPU that marking had.
    pub utilization: f64,
    /// What was live when the cycle before it ended.
    pub live_at_start: u64,
    /// Where it began.
    pub trigger: u64,
    /// The live estimate at its end.
    pub peak: u64,
    /// Its goal, at the end.
    pub goal: u64,
}

/// A cycle that does not end: scanning cannot keep up with what is live.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "cannot finish cycle {cycle}: there is still work after a million periods of 500 us, or fifty million in all; raise `scan_rate`, or lower `growth_rate`"
)]
pub struct EndlessCycle {
    /// Its number.
    pub cycle: u64,
}

/// Runs a scenario with the default parts.
///
/// # Errors
/// Fails if a cycle does not end.
pub fn run(input: &ReferenceInput) -> Result<Vec<ReferenceCycle>, EndlessCycle> {
    let mut cycles = Vec::with_capacity(input.series.len());
    run_with(input, Parts::on(input.cores), |cycle, _| cycles.push(*cycle))?;
    Ok(cycles)
}

/// Runs a scenario with parts of one's own, and shows each cycle as it ends, with the pacer and its records.
///
/// # Errors
/// Fails if a cycle does not end.
pub fn run_with(
    input: &ReferenceInput,
    parts: Parts,
    mut see: impl FnMut(&ReferenceCycle, &Pacer),
) -> Result<(), EndlessCycle> {
    let knobs = Knobs { percent: input.percent, limit: input.limit, cores: input.cores, ..Knobs::default() };
    let mut heap = ReferenceHeap::new(Pacer::with_parts(knobs, parts), input);
    for given in &input.series {
        let cycle = heap.cycle(given)?;
        see(&cycle, &heap.pacer);
    }
    Ok(())
}

/// The heap between two cycles.
struct ReferenceHeap {
    pacer: Pacer,
    memory: Memory,
    cores: u32,
    globals: u64,
    number: u64,
    /// Periods so far, of all cycles.
    periods: u64,
    now: Nanos,
    /// Live at the end of the last cycle, and the part that is scannable; born during it.
    marked: Bytes,
    scannable: ScanWork,
    black: Bytes,
}

/// A cycle that runs.
struct Running {
    left: Work,
    done: Work,
    live: Bytes,
    scannable: ScanWork,
    max_stacks: ScanWork,
    black: Bytes,
    assist_cpu: CpuNanos,
    duration: Nanos,
    /// Work owed for each byte.
    ratio: f64,
}

impl ReferenceHeap {
    fn new(mut pacer: Pacer, input: &ReferenceInput) -> ReferenceHeap {
        let memory = Memory::default();
        pacer.set_globals(ScanWork(input.globals), &memory);
        ReferenceHeap {
            pacer,
            memory,
            cores: input.cores,
            globals: input.globals,
            number: 0,
            periods: 0,
            now: Nanos::ZERO,
            marked: Bytes::ZERO,
            scannable: ScanWork::ZERO,
            black: Bytes::ZERO,
        }
    }

    fn cycle(&mut self, given: &CycleInput) -> Result<ReferenceCycle, EndlessCycle> {
        self.number += 1;
        let live_at_start = self.marked;
        let trigger = self.pacer.plan(&self.memory).trigger.max(self.marked);
        let marks = match self.number {
            1 => FIRST_LIVE as u64,
            _ => ((self.marked - self.black).as_f64() * given.growth_rate) as u64,
        };
        let mut running = self.begin(given, trigger, marks);
        let mut periods = 0;
        while running.left.total() > ScanWork::ZERO {
            periods += 1;
            if periods > PERIODS_MAX || self.periods + periods > PERIODS_MAX_ALL {
                return Err(EndlessCycle { cycle: self.number });
            }
            self.period(&mut running, given);
        }
        self.periods += periods;
        let goal = self.pacer.goal(&self.memory);
        let time = running.duration.on(self.cores).as_f64();
        let utilization = running.assist_cpu.as_f64() / time + BACKGROUND_SHARE;
        self.end(&running, Bytes(marks));
        Ok(ReferenceCycle {
            cycle: self.number,
            utilization: if utilization.is_finite() { utilization } else { BACKGROUND_SHARE },
            live_at_start: live_at_start.0,
            trigger: trigger.0,
            peak: running.live.0,
            goal: goal.0,
        })
    }

    fn begin(&mut self, given: &CycleInput, trigger: Bytes, marks: u64) -> Running {
        let born = ((trigger - self.marked).as_f64() * given.scannable_fraction) as u64;
        let running = Running {
            left: Work {
                heap: ScanWork((marks as f64 * given.scannable_fraction) as u64),
                stacks: ScanWork(given.stack_bytes),
                globals: ScanWork(self.globals),
            },
            done: Work::default(),
            live: trigger,
            scannable: self.scannable + ScanWork(born),
            max_stacks: ScanWork(given.stack_bytes),
            black: Bytes::ZERO,
            assist_cpu: CpuNanos::ZERO,
            duration: Nanos::ZERO,
            ratio: 0.0,
        };
        let most = running.most(self.globals);
        let now = self.now;
        let begin = CycleBegin { now, live: trigger, most, memory: self.memory, cause: Cause::Trigger };
        Running { ratio: self.pacer.begin(&begin).assist.ratio, ..running }
    }

    /// Half a millisecond of marking, or less if it ends.
    fn period(&mut self, running: &mut Running, given: &CycleInput) {
        let cores = f64::from(self.cores);
        let owed = given.alloc_rate * running.ratio;
        let solved = owed / (owed + given.scan_rate);
        let share = if solved < BACKGROUND_SHARE || solved.is_nan() { BACKGROUND_SHARE } else { solved };
        let full = given.scan_rate * PER_PERIOD * cores * share;
        let budget = ScanWork(full as u64);
        let done = running.work(budget);
        let mut elapsed = PERIOD_NANOS;
        let mut allocated = given.alloc_rate * PER_PERIOD * cores * (1.0 - share);
        if done < budget || running.left.total() == ScanWork::ZERO {
            elapsed = ((done.as_f64() * PERIOD_NANOS / full) as u64) as f64;
            allocated = given.alloc_rate * PER_PERIOD * (elapsed / PERIOD_NANOS) * cores * (1.0 - share);
        }
        let allocated = Bytes::from_f64(allocated);
        running.live += allocated;
        running.black += allocated;
        running.scannable += ScanWork::from_f64(allocated.as_f64() * given.scannable_fraction);
        running.assist_cpu += CpuNanos::from_f64(elapsed * cores * (share - BACKGROUND_SHARE));
        running.duration += Nanos::from_f64(elapsed);
        let most = running.most(self.globals);
        let progress = Progress { live: running.live, done: running.done, most, memory: self.memory };
        running.ratio = self.pacer.revise(&progress).ratio;
    }

    fn end(&mut self, running: &Running, marks: Bytes) {
        self.now += running.duration;
        self.marked = marks + running.black;
        self.black = running.black;
        self.scannable = running.done.heap;
        self.pacer.end(&CycleReport {
            now: self.now,
            live: self.marked,
            left: self.marked,
            peak: running.live,
            work: running.done,
            duration: running.duration,
            assist_cpu: running.assist_cpu,
            ..CycleReport::default()
        });
    }
}

impl Running {
    /// The most that this cycle can scan.
    fn most(&self, globals: u64) -> ScanWork {
        self.scannable + self.max_stacks + ScanWork(globals)
    }

    /// Does up to so much work: globals, then stacks, then the heap.
    fn work(&mut self, budget: ScanWork) -> ScanWork {
        let mut rest = budget;
        let (left, done) = (&mut self.left, &mut self.done);
        let kinds = [
            (&mut left.globals, &mut done.globals),
            (&mut left.stacks, &mut done.stacks),
            (&mut left.heap, &mut done.heap),
        ];
        for (left, done) in kinds {
            let now = rest.min(*left);
            *left -= now;
            *done += now;
            rest -= now;
        }
        budget - rest
    }
}
