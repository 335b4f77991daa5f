//! When nothing happens: a cycle all the same, and memory back to the system.
//!
//! A program that stops allocating never reaches its trigger, and would keep its peak for ever. Two rules:
//!
//! - at least one cycle in two minutes, unless the GC percent is off (Go's rule);
//! - a program that is *quiet* is worth a cycle at once, and its free memory is worth giving back. An automaton decides,
//!   in the manner of V8's memory reducer:
//!
//! ```text
//!           quiet                  half the time-out           cycle complete, little more to find
//!  Active ─────────▶ Quiet ─────────────────────▶ Collecting ──────────────────────────────────────▶ Done
//!    ▲                 │ busy        ▲  (if worth it)  │  that found much less alive: once more,
//!    └─────────────────┴─────────────┴─────────────────┘  at most three in all
//! ```
//!
//! On the way to `Done` it asks for memory to be returned, so that the heap holds at most 1.25 times what is live.
//! `Done` becomes `Active` when the program has allocated again.

use super::{
    GcPercent,
    records::Cause,
    units::{Bytes, Nanos},
};
use std::fmt;

/// A cycle begins at least this often, unless the GC percent is off.
pub const FORCED_PERIOD: Nanos = Nanos::seconds(120);
/// From silence to a small heap, by default.
pub const IDLE_TIMEOUT: Nanos = Nanos::seconds(8);
/// A program that allocates less than this in a second is quiet.
pub const QUIET_RATE: Bytes = Bytes::mib(1);
/// Cycles that one silence is worth.
pub const CYCLES_MAX: u32 = 3;
/// Rates over less time than this are noise.
const LOOK_MIN: Nanos = Nanos::millis(50);
/// Less than this is not worth a cycle.
const WORTH_MIN: Bytes = Bytes::mib(1);
/// A heap that returned what it could keeps at least this much room.
const ROOM_MIN: Bytes = Bytes::kib(256);

/// What the automaton sees.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct IdleInputs {
    /// Now.
    pub now: Nanos,
    /// Bytes allocated since the heap was made.
    pub allocated: Bytes,
    /// Bytes that may be garbage: see [`Look`](super::Look).
    pub since_end: Bytes,
    /// What the last cycle left alive, without external bytes.
    pub live: Bytes,
    /// Memory that blocks and their tables take, free blocks that were not given back included.
    pub held: Bytes,
    /// Complete cycles.
    pub cycles: u64,
    /// When the last cycle was complete; zero before the first.
    pub ended: Nanos,
    /// Whether a cycle is running.
    pub is_running: bool,
    /// The knob.
    pub percent: GcPercent,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum IdleAction {
    /// Nothing.
    #[default]
    None,
    /// Begin a cycle.
    Collect(Cause),
    /// Give free memory back until the blocks take this much, or nothing is free.
    Return {
        /// What to keep.
        keep: Bytes,
    },
}

/// What is to be done, and when to ask again.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct IdleAnswer {
    /// What.
    pub action: IdleAction,
    /// When to ask again at the latest; asking earlier does no harm.
    pub again: Nanos,
}

/// Decides what to do when nothing happens.
pub trait IdlePolicy: fmt::Debug + Send {
    /// Decides. Asked from time to time.
    fn step(&mut self, inputs: &IdleInputs) -> IdleAnswer;
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    Active,
    Quiet {
        since: Nanos,
    },
    Collecting {
        cycle: u64,
        number: u32,
        live: Bytes,
    },
    Done {
        allocated: Bytes,
    },
}

/// The default automaton.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reducer {
    timeout: Nanos,
    state: State,
    looked: Nanos,
    allocated: Bytes,
}

impl Default for Reducer {
    fn default() -> Reducer {
        Reducer::new(IDLE_TIMEOUT)
    }
}

impl Reducer {
    /// An automaton that has the heap small within `timeout` after the last allocation.
    pub fn new(timeout: Nanos) -> Reducer {
        Reducer {
            timeout: timeout.max(Nanos::millis(400)),
            state: State::Active,
            looked: Nanos::ZERO,
            allocated: Bytes::ZERO,
        }
    }

    /// Whether the program allocated little since the last look, and when that was; `None` if it was too short a time ago.
    fn look(&mut self, inputs: &IdleInputs) -> Option<(bool, Nanos)> {
        let before = self.looked;
        let elapsed = inputs.now - before;
        if elapsed < LOOK_MIN {
            return None;
        }
        let bytes = inputs.allocated - self.allocated;
        (self.looked, self.allocated) = (inputs.now, inputs.allocated);
        Some((bytes <= QUIET_RATE.scaled(elapsed.0, Nanos::seconds(1).0), before))
    }

    /// What a quiet heap may keep, tables included: live and a fifth.
    fn keep(live: Bytes) -> Bytes {
        live + Bytes(live.0 / 5).max(ROOM_MIN)
    }

    /// Whether a cycle may find something: enough was allocated since the last one.
    fn is_worth_a_cycle(inputs: &IdleInputs) -> bool {
        inputs.since_end >= Bytes(inputs.live.0 / 10).max(WORTH_MIN)
    }

    fn finish(&mut self, inputs: &IdleInputs) -> IdleAction {
        self.state = State::Done { allocated: inputs.allocated };
        let keep = Reducer::keep(inputs.live);
        if inputs.held > keep { IdleAction::Return { keep } } else { IdleAction::None }
    }

    fn collect_or_finish(&mut self, inputs: &IdleInputs) -> IdleAction {
        if inputs.percent == GcPercent::Off || !Reducer::is_worth_a_cycle(inputs) {
            return self.finish(inputs);
        }
        self.collect(inputs, 1)
    }

    fn collect(&mut self, inputs: &IdleInputs, number: u32) -> IdleAction {
        self.state = State::Collecting { cycle: inputs.cycles, number, live: inputs.live };
        IdleAction::Collect(Cause::Quiet)
    }

    fn act(&mut self, inputs: &IdleInputs) -> IdleAction {
        match self.state {
            State::Active => IdleAction::None,
            State::Quiet { since } if inputs.is_running || inputs.now - since < Nanos(self.timeout.0 / 2) => {
                IdleAction::None
            }
            State::Quiet { .. } => self.collect_or_finish(inputs),
            State::Collecting { cycle, .. } if inputs.is_running || inputs.cycles <= cycle => {
                IdleAction::None
            }
            // What cleanups let go, only the next cycle finds.
            State::Collecting { number, live, .. } => {
                let is_much_less = inputs.live < live - Bytes(live.0 / 20);
                if is_much_less && number < CYCLES_MAX {
                    self.collect(inputs, number + 1)
                } else {
                    self.finish(inputs)
                }
            }
            State::Done { allocated } => {
                // Slow allocation, too, makes garbage in time.
                if inputs.allocated - allocated >= WORTH_MIN.max(Bytes(inputs.live.0 / 10)) {
                    self.state = State::Quiet { since: inputs.now };
                }
                IdleAction::None
            }
        }
    }

    /// When the state may change by time alone.
    fn again(&self, inputs: &IdleInputs) -> Nanos {
        let wait = match self.state {
            State::Collecting { .. } => Nanos(self.timeout.0 / 32),
            State::Active | State::Quiet { .. } => Nanos(self.timeout.0 / 8),
            State::Done { .. } => Nanos(self.timeout.0 / 2),
        };
        inputs.now + wait.max(LOOK_MIN)
    }
}

impl IdlePolicy for Reducer {
    fn step(&mut self, inputs: &IdleInputs) -> IdleAnswer {
        let is_forced = inputs.percent != GcPercent::Off && inputs.now - inputs.ended >= FORCED_PERIOD;
        if is_forced && !inputs.is_running {
            return IdleAnswer { action: IdleAction::Collect(Cause::Period), again: inputs.now + LOOK_MIN };
        }
        match (self.look(inputs), self.state) {
            (Some((false, _)), _) => self.state = State::Active,
            (Some((true, since)), State::Active) => self.state = State::Quiet { since },
            _ => {}
        }
        let action = self.act(inputs);
        IdleAnswer { action, again: self.again(inputs) }
    }
}

/// Cycles begin by triggers and requests only, and memory is returned by the scavenger alone.
#[derive(Clone, Copy, Default, Debug)]
pub struct NeverIdle;

impl IdlePolicy for NeverIdle {
    fn step(&mut self, inputs: &IdleInputs) -> IdleAnswer {
        IdleAnswer { action: IdleAction::None, again: inputs.now + FORCED_PERIOD }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A heap beside the automaton: cycles are complete at once.
    #[derive(Default)]
    struct Silence {
        inputs: IdleInputs,
        truly_live: u64,
        cycles: u32,
        kept: Option<Bytes>,
    }

    impl Silence {
        /// Lets time pass in steps of 100 ms, with some allocation in each.
        fn pass(&mut self, reducer: &mut Reducer, time: Nanos, bytes_per_step: u64) {
            for _ in 0..time.0 / Nanos::millis(100).0 {
                self.inputs.now += Nanos::millis(100);
                self.inputs.allocated += Bytes(bytes_per_step);
                self.inputs.since_end += Bytes(bytes_per_step);
                match reducer.step(&self.inputs).action {
                    IdleAction::None => {}
                    IdleAction::Collect(_) => {
                        self.cycles += 1;
                        self.inputs.cycles += 1;
                        self.inputs.ended = self.inputs.now;
                        self.inputs.since_end = Bytes::ZERO;
                        self.inputs.live = Bytes(self.truly_live);
                        // Cleanups let go half of the rest.
                        self.truly_live = self.truly_live / 2 + (5 << 20);
                    }
                    IdleAction::Return { keep } => {
                        self.kept = Some(keep);
                        self.inputs.held = keep.min(self.inputs.held);
                    }
                }
            }
        }
    }

    /// Goal: silence makes the heap small, in time and with few cycles. Method: a busy second, then silence; objects
    /// whose cleanups let go of more, so that each cycle finds more.
    #[test]
    fn silence_makes_the_heap_small() {
        let mut reducer = Reducer::default();
        let inputs = IdleInputs { live: Bytes::mib(100), held: Bytes::mib(200), ..IdleInputs::default() };
        let mut heap = Silence { inputs, truly_live: 100 << 20, ..Silence::default() };
        heap.pass(&mut reducer, Nanos::seconds(1), 8 << 20);
        assert_eq!((heap.cycles, heap.kept), (0, None), "a busy program is left alone");
        heap.pass(&mut reducer, IDLE_TIMEOUT, 0);
        assert!((1..=CYCLES_MAX).contains(&heap.cycles), "{} cycles", heap.cycles);
        assert!(heap.inputs.held <= heap.inputs.live.scaled(5, 4), "{heap:?}", heap = heap.inputs);
        let cycles = heap.cycles;
        heap.pass(&mut reducer, Nanos::seconds(60), 0);
        assert_eq!(heap.cycles, cycles, "it does it once");
        heap.pass(&mut reducer, Nanos::seconds(120), 0);
        assert_eq!(heap.cycles, cycles + 1, "but for the cycle of each two minutes");
    }

    /// Goal: no cycle without need. Method: silence after a cycle that nothing was allocated since; a percent of `off`.
    #[test]
    fn silence_alone_is_not_worth_a_cycle() {
        for (percent, bytes) in [(GcPercent::Percent(100), 1 << 10), (GcPercent::Off, 8 << 20)] {
            let inputs =
                IdleInputs { live: Bytes::mib(10), held: Bytes::mib(50), percent, ..IdleInputs::default() };
            let mut heap = Silence { inputs, truly_live: 10 << 20, ..Silence::default() };
            let mut reducer = Reducer::default();
            heap.pass(&mut reducer, Nanos::seconds(1), bytes);
            heap.pass(&mut reducer, IDLE_TIMEOUT, 0);
            assert_eq!(heap.cycles, 0);
            assert_eq!(heap.kept, Some(Bytes::mib(12)), "memory is returned all the same");
        }
    }
}
