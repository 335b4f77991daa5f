//! When to start: the runway of a cycle, and the trigger that leaves it.
//!
//! While a cycle marks, the program goes on allocating. How much, the last cycles tell: *cons/mark* is bytes allocated per
//! byte scanned, each divided by its share of the CPU. Go's pacer design ("GC pacer redesign") has the
//! derivation; Go ships the largest of the last five measured values, which errs on the side of beginning early.

use super::{
    answer::Target,
    assist::BACKGROUND_SHARE,
    units::{Bytes, ScanWork},
};
use std::fmt;

/// Measured cycles that are remembered.
pub const HISTORY: usize = 5;
/// The latest trigger of a large heap is this far below the goal.
const RUNWAY_OF_LARGE: Bytes = Bytes::mib(4);
/// The trigger lies from 45/64 to 61/64 of the way from what is live to the goal.
const LOW_64THS: u64 = 45;
const HIGH_64THS: u64 = 61;

/// What a cycle showed about runways.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Pass {
    /// Allocated from its begin to its end.
    pub allocated: Bytes,
    /// Scanned.
    pub work: ScanWork,
    /// Share of the CPU that marking had, without workers on idle cores.
    pub utilization: f64,
    /// Share that workers on idle cores had.
    pub idle: f64,
}

/// What a trigger may depend on.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct TriggerInputs {
    /// What the last cycle left alive, external bytes included.
    pub live: Bytes,
    /// Where the cycle should be complete; limits are already in it.
    pub goal: Bytes,
    /// Not before this, while the last cycle is being swept; zero else.
    pub least: Bytes,
    /// What the next cycle is expected to scan.
    pub expected: ScanWork,
}

/// What bound a trigger.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Bound {
    /// Nothing: goal − runway.
    #[default]
    None,
    /// The runway is longer than allowed: the earliest trigger.
    Earliest,
    /// The runway is shorter than allowed: the latest trigger.
    Latest,
    /// There is no room at all: the trigger is the goal.
    NoRoom,
}

/// When the next cycle begins, and why.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TriggerAnswer {
    /// The trigger, in bytes of live heap and external memory.
    pub trigger: Target,
    /// The runway that was asked for.
    pub runway: Bytes,
    /// Bytes allocated per byte scanned, if the policy goes by that.
    pub cons_mark: f64,
    /// The least and the greatest trigger allowed.
    pub range: (Bytes, Bytes),
    /// Which of them bound.
    pub bound: Bound,
}

/// Decides when to start.
pub trait RunwayPolicy: fmt::Debug + Send {
    /// The name that explanations show.
    fn name(&self) -> &'static str;

    /// Takes a complete cycle into account.
    fn observe(&mut self, _pass: &Pass) {}

    /// Decides. Called often, and whenever memory changes under a limit; the same inputs give the same answer.
    fn trigger(&self, inputs: &TriggerInputs) -> TriggerAnswer;
}

/// Go's rule, and the default: runway = largest recent cons/mark · 3 · expected work.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct ConsMark {
    /// The largest of the last measured values.
    largest: f64,
    /// The values before the last one.
    before: [f64; HISTORY - 1],
}

impl ConsMark {
    /// The estimate in force: bytes allocated per byte scanned, at equal CPU.
    pub fn estimate(&self) -> f64 {
        self.largest
    }
}

impl RunwayPolicy for ConsMark {
    fn name(&self) -> &'static str {
        "cons/mark"
    }

    fn observe(&mut self, pass: &Pass) {
        let scanned = pass.work.as_f64() * (1.0 - pass.utilization);
        let current = pass.allocated.as_f64() * (pass.utilization + pass.idle) / scanned;
        // A cycle that scanned nothing, or left mutators nothing, tells nothing.
        if pass.allocated == Bytes::ZERO || !current.is_finite() || current < 0.0 {
            return;
        }
        self.largest = self.before.iter().copied().fold(current, f64::max);
        self.before.rotate_left(1);
        self.before[HISTORY - 2] = current;
    }

    fn trigger(&self, inputs: &TriggerInputs) -> TriggerAnswer {
        let TriggerInputs { live, goal, .. } = *inputs;
        let per_work = self.largest * (1.0 - BACKGROUND_SHARE) / BACKGROUND_SHARE;
        let runway = Bytes::from_f64(per_work * inputs.expected.as_f64());
        let answer = |trigger: Bytes, range, bound| TriggerAnswer {
            trigger: Target::Bytes(trigger.as_f64()),
            runway,
            cons_mark: self.largest,
            range,
            bound,
        };
        if live >= goal {
            return answer(goal, (goal, goal), Bound::NoRoom);
        }
        let step = (goal - live).0 / 64;
        let low = inputs.least.max(live).max(live + Bytes(step * LOW_64THS));
        let high = (live + Bytes(step * HIGH_64THS)).max(goal - RUNWAY_OF_LARGE).max(low);
        let wanted = if runway > goal { low } else { goal - runway };
        let bound = match wanted {
            wanted if wanted < low || runway > goal => Bound::Earliest,
            wanted if wanted > high => Bound::Latest,
            _ => Bound::None,
        };
        answer(wanted.clamp(low, high), (low, high), bound)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn inputs(live: u64, goal: u64) -> TriggerInputs {
        TriggerInputs {
            live: Bytes(live * MIB),
            goal: Bytes(goal * MIB),
            least: Bytes::ZERO,
            expected: ScanWork(live * MIB),
        }
    }

    /// A cycle with a quarter of the CPU that let mutators allocate a part of what it scanned.
    fn after(part: f64) -> ConsMark {
        let mut policy = ConsMark::default();
        let work = ScanWork(100 * MIB);
        let allocated = Bytes::from_f64(work.as_f64() * part);
        policy.observe(&Pass { allocated, work, utilization: 0.25, idle: 0.0 });
        policy
    }

    /// Goal: the formulas and their clamps. Method: values worked out by hand.
    #[test]
    fn triggers_follow_the_formulas() {
        let answer = |part, inputs| {
            let TriggerAnswer { trigger: Target::Bytes(trigger), bound, .. } = after(part).trigger(&inputs)
            else {
                panic!("the default rule always has a trigger")
            };
            (trigger as u64, bound)
        };
        // A quarter of a byte allocated per byte scanned: 25 MiB of runway.
        assert_eq!(answer(0.25, inputs(100, 200)), (175 * MIB, Bound::None));
        // Far more than scanning can keep up with: the earliest trigger.
        assert_eq!(answer(10.0, inputs(100, 200)), (100 * MIB + 100 * MIB / 64 * 45, Bound::Earliest));
        // None at all: the latest, 4 MiB below a large goal, 61/64 of the way to a small one.
        assert_eq!(answer(0.0, inputs(100, 200)), (196 * MIB, Bound::Latest));
        assert_eq!(answer(0.0, inputs(1, 2)), (MIB + MIB / 64 * 61, Bound::Latest));
        // No room.
        assert_eq!(answer(0.25, inputs(100, 100)), (100 * MIB, Bound::NoRoom));
        // Not while the heap is swept.
        let sweeping = TriggerInputs { least: Bytes(199 * MIB), ..inputs(100, 200) };
        assert_eq!(answer(0.25, sweeping), (199 * MIB, Bound::Earliest));
    }

    /// Goal: the largest of five measured cycles counts, and unmeasured ones do not. Method: one large, then small ones.
    #[test]
    fn the_largest_of_five_counts() {
        let mut policy = after(0.9);
        let largest = policy.estimate();
        let small = Pass { allocated: Bytes(MIB), work: ScanWork(100 * MIB), utilization: 0.25, idle: 0.0 };
        for _ in 0..4 {
            policy.observe(&small);
            assert_eq!(policy.estimate(), largest);
            policy.observe(&Pass::default());
            policy.observe(&Pass { allocated: Bytes::ZERO, ..small });
        }
        policy.observe(&small);
        assert!(policy.estimate() < largest / 10.0);
    }
}
