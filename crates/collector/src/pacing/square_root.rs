//! The square-root policy of MemBalancer (Kirisame, Shenoy, Panchekha: "Optimal Heap Limits for Reducing Browser Memory
//! Use", 2022): memory goes where it saves the most CPU time.
//!
//! A heap with L live bytes that allocates g bytes a second and marks s bytes per CPU second costs L·g/(s·E) cores when it
//! has E bytes to grow. What minimizes that cost plus c·E is E = √(L·g / (s·c)): there, one more byte saves exactly c
//! cores. So c is an exchange rate, and the knob is its humane form: cores per GiB.

use super::{
    GcPercent,
    answer::{Formula, Target},
    goal::{GoalAnswer, GoalInputs, GoalPolicy, HEAP_MIN, Measured, PercentOfLive},
    rates::Rates,
};

/// Bytes of a GiB.
const GIB: f64 = (1_u64 << 30) as f64;

/// No heap needs more room: 2^50.
const ROOM_MAX: f64 = (1_u64 << 50) as f64;

/// E = √(live · allocation / (marking · exchange rate)), and at least 4 MiB.
///
/// Before it has seen a cycle it goes by 100 percent.
#[derive(Clone, Copy, Debug)]
pub struct SquareRoot {
    cores_per_gib: f64,
    rates: Rates,
}

impl SquareRoot {
    /// What V8 uses by default for its memory balancer, in this unit.
    pub const EXCHANGE_RATE_V8: f64 = 0.3;

    /// A policy that spends `cores_per_gib` cores to save a GiB. What is not a positive number becomes V8's rate.
    pub fn new(cores_per_gib: f64) -> SquareRoot {
        let is_sane = cores_per_gib.is_finite() && cores_per_gib > 0.0;
        let cores_per_gib = if is_sane { cores_per_gib } else { SquareRoot::EXCHANGE_RATE_V8 };
        SquareRoot { cores_per_gib, rates: Rates::default() }
    }
}

impl GoalPolicy for SquareRoot {
    fn name(&self) -> &'static str {
        "square root"
    }

    fn observe(&mut self, cycle: &Measured) {
        self.rates.observe(cycle);
    }

    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
        let (Some(allocation), Some(marking)) = (self.rates.allocation(), self.rates.marking()) else {
            return PercentOfLive.goal(&GoalInputs { percent: GcPercent::default(), ..*inputs });
        };
        let exchange = self.cores_per_gib / GIB;
        // Over a marking speed of zero this is infinite; the heap may then double, as before the first cycle.
        let room = (inputs.live.as_f64() * allocation / (marking * exchange)).sqrt();
        let room = if room.is_finite() { room.min(ROOM_MAX) } else { inputs.live.as_f64() };
        let terms = [
            ("live", inputs.live.as_f64()),
            ("allocation, bytes/s", allocation * 1e9),
            ("marking, bytes/cpu-s", marking * 1e9),
            ("cores/GiB", self.cores_per_gib),
        ];
        let (room, text) = match room < HEAP_MIN.as_f64() {
            true => (HEAP_MIN.as_f64(), "live + 4 MiB, because the root is less"),
            false => (room, "live + sqrt(live x allocation / (marking x exchange rate))"),
        };
        GoalAnswer {
            goal: Target::Bytes(inputs.live.as_f64() + room.trunc()),
            formula: Formula::new(text, &terms),
        }
    }
}
