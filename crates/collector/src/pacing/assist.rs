//! In the cycle: how much marking an allocated byte owes, so that marking is complete at the goal.
//!
//! As long as the work is what the last cycle did, the ratio is simply what remains of the work over what remains of the
//! way. A cycle that finds more goes on as if all that could be scanned had to be, towards a goal that is moved out in
//! proportion, but not beyond the hard goal: (1 + percent/100) times the goal.

use super::{
    GcPercent,
    units::{Bytes, ScanWork},
};
use std::fmt;

/// The share of the CPU that background marking aims at.
pub const BACKGROUND_SHARE: f64 = 0.25;
/// The least work that is ever assumed to remain: keeps ratios above zero.
const WORK_MIN: i64 = 1000;
/// A heap beyond its goal gets this much more room, once.
const OVERSHOOT: f64 = 1.1;
/// The percent that stands for "off" in the hard goal.
const PERCENT_OF_OFF: u32 = 100_000;
/// Sizes are cut here, so that sums of two fit into a signed number.
const SIZE_MAX: u64 = 1 << 62;

/// What an assist ratio may depend on.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct AssistInputs {
    /// The live estimate now.
    pub live: Bytes,
    /// The live estimate when the cycle began.
    pub triggered: Bytes,
    /// Where the cycle should be complete.
    pub goal: Bytes,
    /// What was scanned so far.
    pub done: ScanWork,
    /// What the last cycle scanned.
    pub expected: ScanWork,
    /// The most that there can be to scan.
    pub most: ScanWork,
    /// The knob.
    pub percent: GcPercent,
}

/// Which branch an assist ratio took.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Stretch {
    /// The work is as expected.
    #[default]
    None,
    /// More work than expected: the goal was moved out in proportion.
    Extrapolated,
    /// More work than expected: the goal was moved out to the hard goal.
    Hard,
    /// The heap is beyond its goal.
    Beyond,
}

/// How much marking an allocated byte owes, and why.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AssistAnswer {
    /// Scanned bytes per allocated byte.
    pub ratio: f64,
    /// The goal that it steers to.
    pub goal: Bytes,
    /// The work that it counts with.
    pub expected: ScanWork,
    /// The branch.
    pub stretch: Stretch,
}

/// Decides what allocations owe while a cycle marks.
pub trait AssistPolicy: fmt::Debug + Send {
    /// The name that explanations show.
    fn name(&self) -> &'static str;

    /// Decides. Called at the begin of a cycle and as it goes on.
    fn revise(&self, inputs: &AssistInputs) -> AssistAnswer;
}

/// Go's rule, and the default.
#[derive(Clone, Copy, Default, Debug)]
pub struct InProportion;

impl AssistPolicy for InProportion {
    fn name(&self) -> &'static str {
        "in proportion"
    }

    fn revise(&self, inputs: &AssistInputs) -> AssistAnswer {
        let percent = match inputs.percent {
            GcPercent::Percent(percent) => percent,
            GcPercent::Off => PERCENT_OF_OFF,
        };
        let (live, triggered, mut goal) =
            (signed(inputs.live.0), signed(inputs.triggered.0), signed(inputs.goal.0));
        let (done, mut expected, most) =
            (signed(inputs.done.0), signed(inputs.expected.0), signed(inputs.most.0));
        let mut stretch = Stretch::None;
        if done > expected {
            let per_work = (goal - triggered) as f64 / expected as f64;
            let moved = signed_of_f64(per_work * most as f64) + triggered;
            let hard = signed_of_f64((1.0 + f64::from(percent) / 100.0) * goal as f64);
            stretch = if moved > hard { Stretch::Hard } else { Stretch::Extrapolated };
            goal = moved.min(hard);
            expected = most;
        }
        if live > goal {
            goal = signed_of_f64(goal as f64 * OVERSHOOT);
            expected = most;
            stretch = Stretch::Beyond;
        }
        let work = (expected - done).max(WORK_MIN);
        let way = (goal - live).max(1);
        AssistAnswer {
            ratio: work as f64 / way as f64,
            goal: Bytes(goal.max(0) as u64),
            expected: ScanWork(expected.max(0) as u64),
            stretch,
        }
    }
}

/// No assists: what the heap does without them shows what they are for.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoAssists;

impl AssistPolicy for NoAssists {
    fn name(&self) -> &'static str {
        "none"
    }

    fn revise(&self, inputs: &AssistInputs) -> AssistAnswer {
        AssistAnswer { ratio: 0.0, goal: inputs.goal, expected: inputs.expected, stretch: Stretch::None }
    }
}

fn signed(size: u64) -> i64 {
    size.min(SIZE_MAX) as i64
}

/// Truncates; NaN is zero, and the rest saturates where sums of two still fit.
fn signed_of_f64(number: f64) -> i64 {
    (number as i64).clamp(-(SIZE_MAX as i64), SIZE_MAX as i64)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn inputs(live: u64, done: u64) -> AssistInputs {
        AssistInputs {
            live: Bytes(live * MB),
            triggered: Bytes(180 * MB),
            goal: Bytes(200 * MB),
            done: ScanWork(done * MB),
            expected: ScanWork(100 * MB),
            most: ScanWork(180 * MB),
            percent: GcPercent::Percent(100),
        }
    }

    /// Goal: each branch is the formula. Method: values worked out by hand.
    #[test]
    fn ratios_follow_the_formulas() {
        let revise = |inputs| {
            let answer = InProportion.revise(&inputs);
            (answer.ratio, answer.goal.0 / MB, answer.stretch)
        };
        assert_eq!(revise(inputs(190, 50)), (5.0, 200, Stretch::None));
        // 20 MB of way for 100 MB of work are 36 MB for 180 MB.
        assert_eq!(revise(inputs(206, 120)), (6.0, 216, Stretch::Extrapolated));
        // A hundred times the work would take 2180 MB of heap; the hard goal is twice the goal.
        let huge = AssistInputs { most: ScanWork(10_000 * MB), ..inputs(300, 120) };
        assert_eq!(revise(huge), (98.8, 400, Stretch::Hard));
        // Beyond the goal, with the work as expected: a tenth more room.
        assert_eq!(revise(inputs(210, 50)), (13.0, 220, Stretch::Beyond));
        // Everything done and no way left: the least ratio is above zero, the largest is finite.
        let done = AssistInputs { expected: ScanWork(50 * MB), most: ScanWork(50 * MB), ..inputs(100, 50) };
        assert_eq!(revise(done).0, 1000.0 / (100.0 * MB as f64));
        assert_eq!(revise(inputs(200, 50)), (50.0 * MB as f64, 200, Stretch::None));
    }
}
