//! The share policy: collections may take this share of the CPU time, and the heap is as big as that makes it.
//!
//! A cycle costs K CPU seconds; until the next one, mutators run E/a CPU seconds, where a is their allocation per CPU
//! second and E the room to grow. The share of collections is K / (K + E/a); so E = a · K · (1 − share) / share.

use super::{
    GcPercent,
    answer::{Formula, Target},
    goal::{GoalAnswer, GoalInputs, GoalPolicy, HEAP_MIN, Measured, PercentOfLive},
    rates::Rates,
};

/// The share must leave something to both.
const SHARE_MIN: f64 = 0.001;
const SHARE_MAX: f64 = 0.9;
/// The heap never has more room than so many times what is live, however little it allocates.
const ROOM_PER_LIVE_MAX: f64 = 16.0;

/// No heap needs more room: 2^50.
const ROOM_MAX: f64 = (1_u64 << 50) as f64;

/// E = allocation · cost of a cycle · (1 − share) / share, from 4 MiB to 16 times what is live.
///
/// Before it has seen a cycle it goes by 100 percent.
#[derive(Clone, Copy, Debug)]
pub struct TargetShare {
    share: f64,
    rates: Rates,
}

impl TargetShare {
    /// A policy that lets collections take `share` of the CPU time: 0.04 is 4 %. Clamped to 0.001 to 0.9; NaN is 0.04.
    pub fn new(share: f64) -> TargetShare {
        let share = if share.is_nan() { 0.04 } else { share.clamp(SHARE_MIN, SHARE_MAX) };
        TargetShare { share, rates: Rates::default() }
    }
}

impl GoalPolicy for TargetShare {
    fn name(&self) -> &'static str {
        "share"
    }

    fn observe(&mut self, cycle: &Measured) {
        self.rates.observe(cycle);
    }

    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
        let (Some(allocation), Some(cost)) = (self.rates.allocation_per_cpu(), self.rates.cycle_cost())
        else {
            return PercentOfLive.goal(&GoalInputs { percent: GcPercent::default(), ..*inputs });
        };
        let live = inputs.live.as_f64();
        let (least, most) =
            (HEAP_MIN.as_f64(), (ROOM_PER_LIVE_MAX * live).clamp(HEAP_MIN.as_f64(), ROOM_MAX));
        let room = allocation * cost * (1.0 - self.share) / self.share;
        let text = match room {
            room if room < least => "live + 4 MiB, because the share takes less",
            room if room > most => "live + 16 x live, though the share would take more",
            _ => "live + allocation x cost x (1 - share) / share",
        };
        let terms = [
            ("live", live),
            ("allocation, bytes/cpu-s", allocation * 1e9),
            ("cost of a cycle, cpu-s", cost / 1e9),
            ("share", self.share),
        ];
        GoalAnswer {
            goal: Target::Bytes(live + room.clamp(least, most).trunc()),
            formula: Formula::new(text, &terms),
        }
    }
}
