//! How big: the goal of the next cycle.
//!
//! A policy sees what is live, and what the last cycles took; it answers where the next cycle should be complete.
//! Limits are not its business: the [`Pacer`](super::Pacer) takes the smaller of its answer and what the limits leave.

use super::{
    GcPercent,
    answer::{Formula, Target},
    guard::SIZE_MAX,
    units::{Bytes, CpuNanos, Nanos, ScanWork},
};
use std::fmt;

/// The goal at 100 percent is at least this much; other percents scale it.
pub const HEAP_MIN: Bytes = Bytes::mib(4);
/// The least room between what is live and a goal.
pub const RUNWAY_MIN: Bytes = Bytes::kib(64);

/// What a goal may depend on.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct GoalInputs {
    /// What the last cycle left alive, external bytes included.
    pub live: Bytes,
    /// What it scanned in stacks.
    pub stacks: Bytes,
    /// What it scanned in globals.
    pub globals: Bytes,
    /// The knob.
    pub percent: GcPercent,
}

/// What happened from the end of one cycle to the end of the next.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Measured {
    /// What the cycle left alive.
    pub live: Bytes,
    /// What was allocated.
    pub allocated: Bytes,
    /// CPU time of mutators, without assists.
    pub mutator_cpu: CpuNanos,
    /// CPU time of the cycle.
    pub gc_cpu: CpuNanos,
    /// What it scanned.
    pub work: ScanWork,
    /// Time from end to end.
    pub elapsed: Nanos,
}

/// Where a policy wants the next cycle to be complete, and why.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GoalAnswer {
    /// The goal, in bytes of live heap and external memory.
    pub goal: Target,
    /// How it was found.
    pub formula: Formula,
}

/// Decides how big the heap may grow before the next cycle is complete.
pub trait GoalPolicy: fmt::Debug + Send {
    /// The name that explanations show.
    fn name(&self) -> &'static str;

    /// Takes a complete cycle into account.
    fn observe(&mut self, _cycle: &Measured) {}

    /// Decides. Called after each cycle and whenever a knob changes; the same inputs give the same answer.
    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer;
}

/// Go's rule, and the default: live + (live + stacks + globals) · percent / 100, and at least 4 MiB · percent / 100.
///
/// The division comes last, and truncates. Unlike Go, a tiny percent leaves 64 KiB of room: nothing is gained by cycles
/// that follow each other without a break.
#[derive(Clone, Copy, Default, Debug)]
pub struct PercentOfLive;

impl PercentOfLive {
    const PERCENT: &'static str = "live + (live + stacks + globals) x percent";
    const LEAST: &'static str = "the least heap, 4 MiB x percent";
    const ROOM: &'static str = "live + 64 KiB, because the percent leaves less";
}

impl GoalPolicy for PercentOfLive {
    fn name(&self) -> &'static str {
        "percent"
    }

    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
        let GcPercent::Percent(percent) = inputs.percent else {
            return GoalAnswer {
                goal: Target::Unbounded,
                formula: Formula::new("none, because the GC percent is off", &[]),
            };
        };
        let base = inputs.live + inputs.stacks + inputs.globals;
        let grown = inputs.live + base.scaled(percent.into(), 100);
        let least = HEAP_MIN.scaled(percent.into(), 100);
        let room = inputs.live + RUNWAY_MIN;
        let goal = grown.max(least).max(room);
        let text = match goal {
            goal if goal == grown => PercentOfLive::PERCENT,
            goal if goal == least => PercentOfLive::LEAST,
            _ => PercentOfLive::ROOM,
        };
        let terms = [
            ("live", inputs.live.as_f64()),
            ("stacks", inputs.stacks.as_f64()),
            ("globals", inputs.globals.as_f64()),
            ("percent", f64::from(percent)),
        ];
        GoalAnswer { goal: Target::Bytes(goal.min(SIZE_MAX).as_f64()), formula: Formula::new(text, &terms) }
    }
}

/// A heap of one size, whatever lives in it: for experiments that compare collectors at equal memory.
#[derive(Clone, Copy, Debug)]
pub struct FixedHeap {
    /// The size.
    pub size: Bytes,
}

impl GoalPolicy for FixedHeap {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
        let room = inputs.live + RUNWAY_MIN;
        let text = if self.size >= room { "the fixed size" } else { "live + 64 KiB: the fixed size is full" };
        let terms = [("size", self.size.as_f64()), ("live", inputs.live.as_f64())];
        GoalAnswer {
            goal: Target::Bytes(self.size.max(room).min(SIZE_MAX).as_f64()),
            formula: Formula::new(text, &terms),
        }
    }
}

/// No cycle by itself; limits and requests still begin one.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoGc;

impl GoalPolicy for NoGc {
    fn name(&self) -> &'static str {
        "none"
    }

    fn goal(&self, _: &GoalInputs) -> GoalAnswer {
        GoalAnswer {
            goal: Target::Unbounded,
            formula: Formula::new("none, because nothing is collected", &[]),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: the default rule is the formula. Method: values worked out by hand.
    #[test]
    fn goals_follow_the_formula() {
        let goal = |live, percent| {
            let inputs =
                GoalInputs { live: Bytes(live), stacks: Bytes(8192), globals: Bytes(32_768), percent };
            PercentOfLive.goal(&inputs).goal
        };
        let bytes = |bytes: u64| Target::Bytes(bytes as f64);
        // A cycle of Go's own scenario "Steady".
        assert_eq!(goal(20_886_438, 100.into()), bytes(41_813_836));
        assert_eq!(goal(20_886_438, GcPercent::Off), Target::Unbounded);
        // The least heap, by the percent; and the least room.
        assert_eq!(goal(0, 100.into()), bytes(4 << 20));
        assert_eq!(goal(0, 50.into()), bytes(2 << 20));
        assert_eq!(goal(1 << 20, 1.into()), bytes((1 << 20) + (64 << 10)));
        // A percent that means "never" is no mistake.
        assert_eq!(goal(1 << 40, u32::MAX.into()), bytes(1 << 62));
    }
}
