//! Rates, smoothed as the MemBalancer paper does it (Kirisame, Shenoy, Panchekha: "Optimal Heap Limits for Reducing
//! Browser Memory Use", 2022): a rate is a quotient of two sums, and both sums forget alike.
//!
//! - Allocation per second of time keeps 0.95 of its past for each second that passes. A part of a second counts
//!   linearly, for there is no power function here: the same numbers come out on every machine.
//! - The speed of marking keeps 0.5 of its past for each cycle.

use super::goal::Measured;
use super::units::Nanos;

/// What remains of the past after a second.
const KEPT_PER_SECOND: f64 = 0.95;
/// What remains of the past after a cycle.
const KEPT_PER_CYCLE: f64 = 0.5;
/// Beyond so many seconds nothing of the past matters.
const SECONDS_MAX: u64 = 600;

/// A quotient of two sums that forget.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct Quotient {
    above: f64,
    below: f64,
}

impl Quotient {
    fn add(&mut self, kept: f64, above: f64, below: f64) {
        self.above = self.above * kept + above;
        self.below = self.below * kept + below;
    }

    /// The quotient, if there is one.
    fn get(self) -> Option<f64> {
        let quotient = self.above / self.below;
        (self.below > 0.0 && quotient.is_finite()).then_some(quotient)
    }
}

/// What the policies that weigh CPU time against memory know of a program.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Rates {
    per_elapsed: Quotient,
    per_mutator: Quotient,
    marking: Quotient,
    cost: Quotient,
}

impl Rates {
    /// Takes a cycle into account.
    pub fn observe(&mut self, cycle: &Measured) {
        let kept = kept_after(cycle.elapsed);
        self.per_elapsed.add(kept, cycle.allocated.as_f64(), cycle.elapsed.as_f64());
        self.per_mutator.add(kept, cycle.allocated.as_f64(), cycle.mutator_cpu.as_f64());
        self.marking.add(KEPT_PER_CYCLE, cycle.work.as_f64(), cycle.gc_cpu.as_f64());
        self.cost.add(KEPT_PER_CYCLE, cycle.gc_cpu.as_f64(), 1.0);
    }

    /// Bytes allocated per nanosecond of time.
    pub fn allocation(&self) -> Option<f64> {
        self.per_elapsed.get()
    }

    /// Bytes allocated per nanosecond of mutators' CPU time.
    pub fn allocation_per_cpu(&self) -> Option<f64> {
        self.per_mutator.get()
    }

    /// Bytes scanned per nanosecond of CPU time.
    pub fn marking(&self) -> Option<f64> {
        self.marking.get()
    }

    /// CPU nanoseconds of a cycle.
    pub fn cycle_cost(&self) -> Option<f64> {
        self.cost.get()
    }
}

/// What remains of the past after some time.
fn kept_after(elapsed: Nanos) -> f64 {
    let second = Nanos::seconds(1).0;
    let whole = elapsed.0 / second;
    let part = (elapsed.0 % second) as f64 / second as f64;
    let rest = 1.0 - (1.0 - KEPT_PER_SECOND) * part;
    if whole > SECONDS_MAX { 0.0 } else { (0..whole).fold(rest, |kept, _| kept * KEPT_PER_SECOND) }
}
