//! The engine: a program, a heap and a machine in virtual time, driven by the collector's own pacer.
//!
//! ```text
//!   mutate ── trigger, idle automaton ──▶ mark ── no work left ──▶ end, sweep
//!      ▲                                                               │
//!      └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! What it models: allocation and live data as streams over mutators' CPU time; cores that mutators, workers, idle workers
//! and assists share; work that has to be scanned from a snapshot, with everything that is born meanwhile kept; assists as
//! the share of mutators' time at which they do the work they owe, after the workers' credit; the CPU limiter; silence and
//! the idle automaton; memory that is mapped, free and given back; external bytes; ramp-up; a late end of marking.
//!
//! What it leaves out: single objects and size classes, so fragmentation; the caches of the machine; pauses, which this
//! collector has not; single threads, of which one may allocate more than another; sweeping, which is free and done as
//! soon as marking is. Time goes in pieces in which rates are constant: a piece ends where a stream changes.

mod mark;
mod mutate;

use crate::{
    metrics::{CycleRow, Spent, Summary, Totals},
    scenario::Scenario,
};
use mudlark_collector::pacing::{Bytes, CpuNanos, Memory, Nanos, Pace, Pacer, Parts, Survival, Window};

/// Nanoseconds of a second.
pub(crate) const SECOND: f64 = 1e9;

/// Streams are asked so many nanoseconds ahead, so that rounding does not hide a change.
const AHEAD: f64 = 10.0;

/// A simulation that goes on cycle by cycle.
#[derive(Debug)]
pub struct Simulation {
    scenario: Scenario,
    pacer: Pacer,
    survival: Survival,
    state: State,
    since: SinceEnd,
    totals: Totals,
}

/// Heap and program now. Bytes and nanoseconds as fractions.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct State {
    now: f64,
    /// CPU time of mutators.
    mutator: f64,
    /// What the heap holds, dead or alive, and what of it is alive.
    heap: f64,
    alive: f64,
    /// What blocks take, free ones included.
    blocks: f64,
    allocated: f64,
    idle_again: f64,
    scavenge_again: f64,
    scavenge_spent: f64,
    next_big: f64,
    is_ramping: bool,
    /// Where the next stream changes, in mutators' time and on the clock.
    mutator_change: f64,
    clock_change: f64,
}

/// Sums since the last cycle ended, for its report and its row.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct SinceEnd {
    mutator: f64,
    assist: f64,
    background: f64,
    idle: f64,
    allocated: f64,
    /// Allocated until the snapshot.
    between: f64,
}

impl SinceEnd {
    fn spent(&self) -> Spent {
        let SinceEnd { mutator, assist, background, idle, .. } = *self;
        Spent { mutator, assist, background, idle }
    }
}

/// How the cores are used in a piece.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct Cores {
    mutators: f64,
    assists: f64,
    background: f64,
    idle: f64,
}

impl Simulation {
    /// A simulation with the default parts.
    pub fn new(scenario: Scenario) -> Simulation {
        let parts = Parts::on(scenario.knobs.cores);
        Simulation::with_parts(scenario, parts)
    }

    /// A simulation with parts of one's own.
    pub fn with_parts(scenario: Scenario, parts: Parts) -> Simulation {
        let mut pacer = Pacer::with_parts(scenario.knobs, parts);
        let program = &scenario.program;
        let next_big = program.big_objects.map_or(f64::INFINITY, |big| big.every * SECOND);
        let mut state = State { next_big, ..State::default() };
        if let Some(ramp_up) = scenario.ramp_up {
            pacer.begin_ramp_up(ramp_up.bound, Bytes::ZERO, &Memory::default());
            state.is_ramping = true;
        }
        Simulation {
            totals: Totals::new(scenario.knobs.cores),
            scenario,
            pacer,
            survival: Survival::default(),
            state,
            since: SinceEnd::default(),
        }
    }

    /// Goes on until the next cycle is complete; `None` if the time of the scenario is over before that.
    pub fn next_cycle(&mut self) -> Option<CycleRow> {
        let cause = self.mutate()?;
        Some(self.mark(cause))
    }

    /// Goes on to the end of the scenario; shows each cycle.
    pub fn run(&mut self, mut see: impl FnMut(&CycleRow, &Pacer)) -> Summary {
        for _ in 0..self.scenario.cycles {
            let Some(row) = self.next_cycle() else { break };
            see(&row, &self.pacer);
        }
        self.summary()
    }

    /// What came of it so far.
    pub fn summary(&self) -> Summary {
        self.totals.summary(self.state.now, self.state.blocks, &self.since.spent(), &self.pacer)
    }

    /// The pacer, for its records and gauges.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The clock, in seconds.
    pub fn seconds(&self) -> f64 {
        self.state.now / SECOND
    }

    /// What blocks take now, free ones included; and what is alive of it.
    pub fn blocks_and_alive(&self) -> (f64, f64) {
        (self.state.blocks, self.state.alive)
    }

    fn now(&self) -> Nanos {
        Nanos::from_f64(self.state.now)
    }

    fn memory(&mut self) -> Memory {
        let State { blocks, heap, .. } = self.state;
        Memory {
            mapped: Bytes::from_f64(blocks * (1.0 + self.scenario.machine.tables)),
            heap_in_use: Bytes::from_f64(heap),
            heap_free: Bytes::from_f64(blocks - heap),
            external: self.pacer.external().held(),
        }
    }

    /// The live estimate, with the external bytes that count.
    fn live(&mut self) -> Bytes {
        Bytes::from_f64(self.state.heap) + self.pacer.external().counted()
    }

    /// Mutators' time in seconds, just behind a change that it has come to.
    fn mutator_seconds(&self) -> f64 {
        (self.state.mutator + AHEAD) / SECOND
    }

    /// The clock, likewise.
    fn clock_seconds(&self) -> f64 {
        (self.state.now + AHEAD) / SECOND
    }

    /// The longest piece in which no stream changes, with mutators on so many cores.
    #[inline]
    fn steady_piece(&mut self, mutators: f64) -> f64 {
        let program = &self.scenario.program;
        if self.state.mutator + AHEAD >= self.state.mutator_change {
            let at = self.mutator_seconds();
            let streams = [
                &program.alloc_rate,
                &program.live,
                &program.scannable,
                &program.stacks,
                &program.scan_rate,
                &program.external_rate,
            ];
            let next = streams.iter().map(|stream| stream.next_change(at)).fold(f64::INFINITY, f64::min);
            self.state.mutator_change = next * SECOND;
        }
        if self.state.now + AHEAD >= self.state.clock_change {
            self.state.clock_change = program.threads.next_change(self.clock_seconds()) * SECOND;
        }
        let by_mutators = (self.state.mutator_change - self.state.mutator) / mutators.max(1e-9);
        by_mutators.min(self.state.clock_change - self.state.now)
    }

    /// Lets time pass.
    fn pass(&mut self, nanos: f64, cores: Cores) {
        let Cores { mutators, assists, background, idle } = cores;
        let (begin, cpu) = (self.state.now, mutators * nanos);
        if cpu > 0.0 {
            self.allocate(cpu);
        }
        self.state.now += nanos;
        self.since.mutator += cpu;
        self.since.assist += assists * nanos;
        self.since.background += background * nanos;
        self.since.idle += idle * nanos;
        let gc = (assists + background) * nanos;
        self.totals.pass(begin, self.state.now, gc, self.state.heap, self.state.blocks);
        if gc > 0.0 || self.pacer.is_limiting() || cpu > 0.0 {
            let window = Window { gc: CpuNanos::from_f64(gc), mutator: CpuNanos::from_f64(cpu) };
            self.pacer.tick(self.now(), &window);
        }
    }

    /// Mutators run for some CPU time.
    fn allocate(&mut self, cpu: f64) {
        let program = &self.scenario.program;
        let begin = self.mutator_seconds();
        let bytes = program.alloc_rate.at(begin).max(0.0) * cpu / SECOND;
        let external = program.external_rate.at(begin).max(0.0) * cpu / SECOND;
        self.state.mutator += cpu;
        let mut big = 0.0;
        if let Some(objects) = program.big_objects {
            while self.state.next_big <= self.state.mutator {
                self.state.next_big += objects.every.max(1e-6) * SECOND;
                big += objects.bytes;
            }
        }
        let wanted = program.live.at(self.state.mutator / SECOND).max(0.0);
        self.state.alive = wanted.min(self.state.alive + bytes);
        let bytes = bytes + big;
        self.state.heap += bytes;
        self.state.allocated += bytes;
        self.since.allocated += bytes + external;
        self.state.blocks = self.state.blocks.max(self.state.heap);
        if external > 0.0 {
            self.pacer.external().acquire(Bytes::from_f64(external));
        }
    }

    /// Gives memory back, if the scavenger says so.
    fn scavenge(&mut self) {
        let free = self.state.blocks - self.state.heap;
        if free < 1.0 || self.state.now < self.state.scavenge_again {
            return;
        }
        let (memory, now) = (self.memory(), self.now());
        let spent = CpuNanos::from_f64(self.state.scavenge_spent);
        let answer = self.pacer.scavenge(now, &memory, spent);
        self.state.scavenge_spent = 0.0;
        // Without a limit, nothing more is to be given back before the next goal is set.
        let is_done =
            answer.pace == Pace::Rest && now >= answer.not_before && !self.scenario.knobs.limit.is_on();
        self.state.scavenge_again = if is_done { f64::INFINITY } else { answer.not_before.as_f64() };
        self.release(answer.release.as_f64());
    }

    fn release(&mut self, bytes: f64) {
        let bytes = bytes.min(self.state.blocks - self.state.heap).max(0.0);
        self.state.blocks -= bytes;
        self.state.scavenge_spent += bytes / self.scenario.machine.release_rate * SECOND;
    }
}
