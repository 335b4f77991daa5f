//! A thread of the program: it allocates, keeps and drops what the trace wants, and computes in between.
//!
//! ```text
//!   step:  claim the time that passed ──▶ so many bytes are due ──▶ a batch is due: a scope that allocates it
//!                                                              └──▶ else: arithmetic for some 20 µs
//! ```
//!
//! So a thread that the trace wants is busy all the time, as in the simulator, and one that it does not want sleeps. Rates that the
//! thread cannot hold do not pile up for ever: what is missing is counted.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use mudlark::{ExternalBytes, Heap, Mutator, Trace as Traced};
use mudlark_sim::scenario::Program;

use super::{
    clock::{Clock, Stretch},
    error::ReplayError,
    kept::{Full, Kept, Recipe},
    trace::Trace,
};
use crate::measure::thread_cpu;

/// Bytes that a scope allocates: some tens of microseconds.
const BATCH_BYTES: f64 = 32.0 * 1024.0;
/// Rounds of arithmetic between two looks at the clock: some 20 microseconds.
const ROUNDS: u64 = 12_000;
/// Threads that are wanted for a part of the time are there for that part of each period.
const PERIOD: Duration = Duration::from_millis(10);
/// A thread that is not wanted looks this often whether it is.
const NAP: Duration = Duration::from_millis(2);
/// What a thread may be behind the trace, in seconds of its rate.
const BEHIND_MAX: f64 = 0.05;

/// What all threads of a run share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) trace: &'a Trace,
    pub(super) heap: &'a Heap,
    pub(super) clock: Clock,
    pub(super) begun: Instant,
    pub(super) is_over: AtomicBool,
    /// Bytes that the trace wanted and the threads could not allocate in time.
    pub(super) missed: AtomicU64,
}

/// An object that holds memory outside of the heap.
#[derive(Traced)]
struct Buffer {
    _held: ExternalBytes,
}

/// A thread of the program.
struct Worker<'a> {
    shared: &'a Shared<'a>,
    mutator: Mutator,
    kept: Kept,
    index: usize,
    /// Bytes that are due.
    due: f64,
    external_due: f64,
    big_due: f64,
    scannable: f64,
    recipe: Recipe,
    number: u64,
}

/// Runs thread `index` until the run is over.
pub(super) fn run(shared: &Shared<'_>, index: usize) -> Result<(), ReplayError> {
    let name = || shared.trace.scenario.name.to_owned();
    let full = |Full| ReplayError::HeapFull { name: name() };
    let begun_ns = thread_cpu().as_nanos() as u64;
    let mut worker = Worker::new(shared, index).map_err(full)?;
    while !shared.is_over.load(Relaxed) {
        if worker.is_wanted() {
            worker.step().map_err(full)?;
        } else {
            thread::sleep(NAP);
        }
        shared.clock.publish(index, begun_ns);
    }
    let Worker { mut mutator, kept, .. } = worker;
    let (found, expected) = mutator.enter(|cx| kept.links(cx));
    if found == expected { Ok(()) } else { Err(ReplayError::Damaged { name: name(), found, expected }) }
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared<'a>, index: usize) -> Result<Worker<'a>, Full> {
        let mut mutator = shared.heap.attach();
        let share = shared.trace.live_max / shared.trace.threads as f64;
        let kept = Kept::new(&mut mutator, share, shared.trace.churn, index as u64)?;
        let scannable = shared.trace.scenario.program.scannable.at(0.0);
        let big_due = shared.trace.scenario.program.big_objects.map_or(f64::INFINITY, |big| big.every);
        Ok(Worker {
            shared,
            mutator,
            kept,
            index,
            due: 0.0,
            external_due: 0.0,
            big_due,
            scannable,
            recipe: Recipe::new(scannable),
            number: index as u64,
        })
    }

    /// Whether the trace wants this thread now.
    fn is_wanted(&self) -> bool {
        let clock = self.shared.begun.elapsed();
        let part = self.shared.trace.wanted(clock.as_secs_f64()) - self.index as f64;
        let at = clock.as_nanos() % PERIOD.as_nanos();
        part >= 1.0 || (at as f64) < part * PERIOD.as_nanos() as f64
    }

    fn step(&mut self) -> Result<(), Full> {
        let program = &self.shared.trace.scenario.program;
        let stretch = self.shared.clock.claim(self.shared.heap);
        let now = stretch.from + stretch.length;
        self.owe(program, stretch);
        let live = program.live.at(now).max(0.0) / self.shared.trace.threads as f64;
        self.drop_to(live);
        let scannable = program.scannable.at(now);
        if scannable != self.scannable {
            (self.scannable, self.recipe) = (scannable, Recipe::new(scannable));
        }
        if self.index == 0 && now >= self.big_due {
            self.allocate_big(program)?;
        }
        if self.due >= BATCH_BYTES || self.external_due >= BATCH_BYTES {
            self.allocate(live)
        } else {
            self.number = compute(self.number);
            Ok(())
        }
    }

    /// What the trace wants for the time that passed.
    fn owe(&mut self, program: &Program, stretch: Stretch) {
        let rate = program.alloc_rate.at(stretch.from).max(0.0);
        self.due += rate * stretch.length;
        self.external_due += program.external_rate.at(stretch.from).max(0.0) * stretch.length;
        let due_max = (rate * BEHIND_MAX).max(2.0 * BATCH_BYTES);
        if self.due > due_max {
            self.shared.missed.fetch_add((self.due - due_max) as u64, Relaxed);
            self.due = due_max;
        }
    }

    /// Drops what is more than `live` bytes, if it is worth it.
    fn drop_to(&mut self, live: f64) {
        if self.kept.bytes() as f64 > live + BATCH_BYTES {
            let Worker { kept, mutator, .. } = self;
            mutator.enter(|cx| kept.shrink(cx, live));
        }
    }

    fn allocate(&mut self, live: f64) -> Result<(), Full> {
        let Worker { mutator, kept, recipe, due, external_due, .. } = self;
        mutator.enter(|cx| {
            if *due >= BATCH_BYTES {
                *due -= kept.allocate(cx, *recipe, BATCH_BYTES as usize, live)? as f64;
            }
            if *external_due >= BATCH_BYTES {
                let buffer = Buffer { _held: cx.account_external(*external_due as u64) };
                *external_due = 0.0;
                cx.try_alloc(buffer).map_err(|_| Full)?;
            }
            Ok(())
        })
    }

    /// An object that is garbage at once.
    fn allocate_big(&mut self, program: &Program) -> Result<(), Full> {
        let Some(big) = program.big_objects else { return Ok(()) };
        self.big_due += big.every;
        self.mutator
            .enter(|cx| cx.try_alloc_slice_with(big.bytes as usize, |_| 0_u8).map(drop).map_err(|_| Full))
    }
}

/// Real work that nobody can leave out: each round needs the one before.
fn compute(number: u64) -> u64 {
    (0..ROUNDS).fold(black_box(number), |number, round| {
        number.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(round)
    })
}
