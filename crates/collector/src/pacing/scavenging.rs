//! How fast free memory goes back to the system.
//!
//! Go's rules. In the background, what the next cycle will not need goes back: the heap keeps 10 % more than its goal,
//! scaled by what blocks took at the last goal, and scavenging takes about 1 % of a CPU. Near the memory limit the rest
//! goes back as well, down to 95 % of the limit; above it at once.

use super::{
    limit::MemoryLimit,
    records::Memory,
    units::{Bytes, CpuNanos, Nanos},
};
use std::fmt;

/// Percent of the goal that the heap keeps.
const RETAIN_PERCENT: u64 = 110;
/// Percent of the memory limit from which on memory goes back.
const LIMIT_PERCENT: u64 = 95;
/// Rest for each time of work: 1 % of a CPU.
const REST_PER_WORK: u64 = 99;
/// What one step gives back at most, so that steps stay short.
const STEP_BYTES: Bytes = Bytes::mib(16);
/// Less than this stays: it would be taken again at once.
const KEEP_MIN: Bytes = Bytes::mib(4);

/// What scavenging may depend on.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct ScavengeInputs {
    /// Now.
    pub now: Nanos,
    /// The goal of the next cycle.
    pub goal: Bytes,
    /// The goal of the last cycle, and what blocks took at its end, before sweeping.
    pub last_goal: Bytes,
    /// See `last_goal`.
    pub last_in_use: Bytes,
    /// Memory now.
    pub memory: Memory,
    /// The limit.
    pub limit: MemoryLimit,
    /// Whether collections take too much CPU time already.
    pub is_limiting: bool,
    /// CPU time that the last step took.
    pub spent: CpuNanos,
}

/// How urgent it is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Pace {
    /// Nothing to give back.
    #[default]
    Rest,
    /// A step now, the next one not before `not_before`.
    Background,
    /// All of it now: memory is above the limit.
    Eager,
}

/// What to give back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ScavengeAnswer {
    /// How urgent it is.
    pub pace: Pace,
    /// Free memory to give back now.
    pub release: Bytes,
    /// What free and used blocks may keep in the end.
    pub retain: Bytes,
    /// When to ask again at the earliest.
    pub not_before: Nanos,
}

/// Decides what free memory goes back, and how fast.
pub trait ScavengePolicy: fmt::Debug + Send {
    /// Decides.
    fn step(&mut self, inputs: &ScavengeInputs) -> ScavengeAnswer;
}

/// The default rules.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Scavenger {
    not_before: Nanos,
}

impl Scavenger {
    /// What blocks may keep by the goal.
    fn retain(inputs: &ScavengeInputs) -> Bytes {
        let goal = inputs.goal;
        let in_use_at_goal = match inputs.last_goal {
            Bytes::ZERO | Bytes::MAX => goal,
            last => inputs.last_in_use.scaled(goal.0, last.0),
        };
        in_use_at_goal.scaled(RETAIN_PERCENT, 100).max(KEEP_MIN)
    }
}

impl ScavengePolicy for Scavenger {
    fn step(&mut self, inputs: &ScavengeInputs) -> ScavengeAnswer {
        let ScavengeInputs { memory, limit, .. } = *inputs;
        if inputs.spent > CpuNanos::ZERO {
            self.not_before = inputs.now + Nanos(inputs.spent.0.saturating_mul(REST_PER_WORK));
        }
        let total = memory.total();
        let retained = memory.heap_in_use + memory.heap_free;
        let by_goal = retained - Scavenger::retain(inputs);
        let by_limit = match limit {
            MemoryLimit::Off => Bytes::ZERO,
            MemoryLimit::Bytes(limit) => total - limit.scaled(LIMIT_PERCENT, 100),
        };
        let wanted = by_goal.max(by_limit).min(memory.heap_free);
        let retain = retained - wanted;
        let over = (total - limit.bytes()).min(memory.heap_free);
        let (pace, release) = match wanted {
            _ if over > Bytes::ZERO && !inputs.is_limiting => (Pace::Eager, over),
            Bytes::ZERO => (Pace::Rest, Bytes::ZERO),
            _ if inputs.now < self.not_before => (Pace::Rest, Bytes::ZERO),
            wanted => (Pace::Background, wanted.min(STEP_BYTES)),
        };
        ScavengeAnswer { pace, release, retain, not_before: self.not_before }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn inputs() -> ScavengeInputs {
        let memory = Memory {
            mapped: Bytes::mib(210),
            heap_in_use: Bytes::mib(90),
            heap_free: Bytes::mib(110),
            external: Bytes::ZERO,
        };
        ScavengeInputs {
            now: Nanos::seconds(1),
            goal: Bytes::mib(100),
            last_goal: Bytes::mib(200),
            last_in_use: Bytes::mib(200),
            memory,
            ..ScavengeInputs::default()
        }
    }

    /// Goal: 10 % over the goal stays, and the pace is 1 % of a CPU. Method: steps by hand.
    #[test]
    fn the_heap_keeps_a_tenth_more_than_its_goal() {
        let mut scavenger = Scavenger::default();
        let first = scavenger.step(&inputs());
        assert_eq!((first.pace, first.retain), (Pace::Background, Bytes::mib(110)));
        assert_eq!(first.release, Bytes::mib(16));
        let spent = ScavengeInputs { spent: CpuNanos(1_000_000), ..inputs() };
        let rest = scavenger.step(&spent);
        assert_eq!((rest.pace, rest.not_before), (Pace::Rest, Nanos(1_099_000_000)));
        let later = ScavengeInputs { now: rest.not_before, ..inputs() };
        assert_eq!(scavenger.step(&later).pace, Pace::Background);
    }

    /// Goal: near the limit more goes back, above it at once, but not while the limiter is on. Method: by hand.
    #[test]
    fn a_limit_makes_it_eager() {
        let with = |limit, is_limiting| {
            let limit = MemoryLimit::Bytes(Bytes::mib(limit));
            let mut inputs = ScavengeInputs { limit, is_limiting, ..inputs() };
            inputs.goal = Bytes::mib(300);
            Scavenger::default().step(&inputs)
        };
        assert_eq!(with(300, false).pace, Pace::Rest);
        assert_eq!(with(211, false).pace, Pace::Background);
        assert_eq!((with(200, false).pace, with(200, false).release), (Pace::Eager, Bytes::mib(10)));
        assert_eq!(with(200, true).pace, Pace::Background);
        assert_eq!(with(50, false).release, Bytes::mib(110), "no more than there is");
    }
}
