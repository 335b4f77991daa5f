//! Scenarios: a program, the machine that it runs on, and the knobs of its heap.

use crate::stream::Stream;
use mudlark_collector::pacing::{Knobs, RampBound};

/// A program, as the heap sees it.
///
/// All streams but `threads` go by the CPU time of mutators: a collection makes a program slower, but its work stays the
/// same. `threads` goes by the clock.
#[derive(Clone, PartialEq, Debug)]
pub struct Program {
    /// Bytes allocated per second of CPU time.
    pub alloc_rate: Stream,
    /// Bytes that the program wants to have alive. More of it becomes alive only by allocating it.
    pub live: Stream,
    /// The share of the heap that has to be scanned, from 0 to 1.
    pub scannable: Stream,
    /// Bytes of stacks to scan.
    pub stacks: Stream,
    /// Bytes of globals to scan.
    pub globals: f64,
    /// Bytes that a core scans per second.
    pub scan_rate: Stream,
    /// Cores that the program wants.
    pub threads: Stream,
    /// Bytes outside of the heap that objects acquire per second of CPU time; all of it dies before the next cycle.
    pub external_rate: Stream,
    /// Bytes of single objects that are allocated at once, one every so many seconds of CPU time.
    pub big_objects: Option<BigObjects>,
}

/// Objects that are allocated at once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BigObjects {
    /// The size of one.
    pub bytes: f64,
    /// Seconds of CPU time from one to the next.
    pub every: f64,
}

/// What the machine adds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Machine {
    /// Seconds from the end of marking to the moment when everybody knows; allocation goes on without assists.
    pub end_delay: f64,
    /// The share of its CPU time that background marking really gets.
    pub worker_share: f64,
    /// Memory of the heap that is neither objects nor free, as a share of the blocks.
    pub tables: f64,
    /// Bytes that a core gives back to the system per second.
    pub release_rate: f64,
    /// Whether the glue discounts what is born during a cycle, as mudlark's heap does.
    pub has_survival: bool,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            end_delay: 0.0,
            worker_share: 1.0,
            tables: 0.025,
            release_rate: 4.0 * 1024.0 * 1024.0 * 1024.0,
            has_survival: false,
        }
    }
}

/// A ramp-up at the begin of a program.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RampUpAtStart {
    /// How far.
    pub bound: RampBound,
    /// When the program ends it, in seconds of CPU time.
    pub until: f64,
}

/// All that a simulation needs, but for policies.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is about, in a line.
    pub summary: &'static str,
    /// The program.
    pub program: Program,
    /// The machine.
    pub machine: Machine,
    /// The knobs.
    pub knobs: Knobs,
    /// A ramp-up, if there is one.
    pub ramp_up: Option<RampUpAtStart>,
    /// It ends after so many cycles,
    pub cycles: u64,
    /// or after so many seconds.
    pub seconds: f64,
}

impl Scenario {
    /// The same for another number of cycles; it may take as much longer as they are more.
    pub fn with_cycles(mut self, cycles: u64) -> Scenario {
        let factor = cycles as f64 / self.cycles.max(1) as f64;
        self.seconds *= factor.max(1.0);
        self.cycles = cycles;
        self
    }
}
