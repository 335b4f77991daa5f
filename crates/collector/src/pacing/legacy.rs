//! The pacer that the collector runs with today: when to begin a cycle, and how much an allocation owes while one runs.
//!
//! A pure module: no clock, no atomics, no threads; reports in, plans out. The rules are Go's (its pacer of 1.18 and
//! later), in the units of this heap:
//!
//! - live = marked + born · survival, where *born* is what was allocated during the cycle (all of it is kept; nobody knows
//!   what of it lives) and survival is the share of allocation that the snapshots show to have stayed: the growth of
//!   *marked* over the allocation between two snapshots, from 1/4 to 1. Go counts all of *born*; in a heap that allocates
//!   fast and holds a constant set, that is garbage, doubled by the goal. The share trades memory for time;
//! - goal = live + live · percent/100, and at least 4 MiB · percent/100;
//! - runway = (largest of the last five ratios of bytes allocated to bytes marked during a cycle) · expected marking;
//! - trigger = goal − runway, clamped to `[live + 45/64 · (goal − live), max(live + 61/64 · (goal − live), goal − 4 MiB)]`;
//! - while a cycle marks, each allocated byte owes (marking that remains) / (bytes until the goal).

use super::percent::GcPercent;

/// What a cycle tells the pacer when it is complete. Bytes throughout.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct CycleReport {
    /// What markers marked: the work of the cycle, and what was live at its snapshot.
    pub marked: u64,
    /// What was born during the cycle, alive or not.
    pub born: u64,
    /// What mutators allocated while it marked.
    pub allocated: u64,
    /// What mutators allocated from the snapshot before to this one.
    pub between: u64,
}

/// When the next cycle begins, and where it should end. Bytes of live heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// A cycle begins when the heap has grown to this.
    pub trigger: u64,
    /// A cycle should be complete before the heap has grown to this.
    pub goal: u64,
}

const MINIMUM_HEAP: u64 = 4 << 20;
/// The least share of what was born during a cycle that counts as live.
const SURVIVAL_MIN: f64 = 0.25;
const HISTORY: usize = 5;
/// The least that is ever assumed to remain, of work and of runway: keeps ratios finite.
const REMAINING_MIN: u64 = 64 << 10;

/// The pacer of one heap.
#[derive(Clone, Debug)]
pub struct Pacer {
    percent: GcPercent,
    max_heap: u64,
    last: CycleReport,
    /// What the last cycle is believed to have left alive.
    live: u64,
    /// Bytes allocated per byte marked, of the last cycles.
    ratios: [f64; HISTORY],
    cycles: usize,
}

impl Pacer {
    /// A pacer for a heap that has not had a cycle.
    pub fn new(percent: GcPercent, max_heap: u64) -> Pacer {
        Pacer { percent, max_heap, last: CycleReport::default(), live: 0, ratios: [0.0; HISTORY], cycles: 0 }
    }

    /// The GC percent in force.
    pub fn percent(&self) -> GcPercent {
        self.percent
    }

    /// Changes the GC percent; the next plan goes by it.
    pub fn set_percent(&mut self, percent: GcPercent) {
        self.percent = percent;
    }

    /// Takes a complete cycle into account.
    pub fn report(&mut self, report: CycleReport) {
        if report.marked > 0 && report.allocated > 0 {
            self.ratios[self.cycles % HISTORY] = report.allocated as f64 / report.marked as f64;
            self.cycles += 1;
        }
        let growth = report.marked.saturating_sub(self.last.marked);
        let survival = (growth as f64 / report.between.max(1) as f64).clamp(SURVIVAL_MIN, 1.0);
        self.live = report.marked + (report.born as f64 * survival) as u64;
        self.last = report;
    }

    /// What the last cycle is believed to have left alive.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// The plan until the next report.
    pub fn plan(&self) -> Plan {
        let live = self.live;
        // Near the hard limit cycles follow each other; the last sixteenth is for what is allocated during them.
        let limit = (self.max_heap - self.max_heap / 16).max(live);
        let goal = match self.percent {
            GcPercent::Off => limit,
            GcPercent::Percent(percent) => {
                let least = MINIMUM_HEAP.saturating_mul(percent.into()) / 100;
                let grown = live.saturating_add(live.saturating_mul(percent.into()) / 100);
                grown.max(least).min(limit)
            }
        };
        let room = goal - live;
        let ratio = self.ratios.iter().copied().fold(0.0, f64::max);
        let runway = (ratio * self.last.marked as f64) as u64;
        let lowest = live + room / 64 * 45;
        let highest = (live + room / 64 * 61).max(goal.saturating_sub(MINIMUM_HEAP)).max(lowest);
        Plan { trigger: goal.saturating_sub(runway).clamp(lowest, highest), goal }
    }

    /// Bytes to mark for each byte allocated now, so that marking is complete at the goal.
    pub fn assist_ratio(&self, marked: u64, live: u64, goal: u64) -> f64 {
        let expected = if self.last.marked > 0 { self.last.marked } else { goal };
        let work = expected.saturating_sub(marked).max(REMAINING_MIN);
        let runway = goal.saturating_sub(live).max(REMAINING_MIN);
        work as f64 / runway as f64
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn after(percent: GcPercent, report: CycleReport) -> Plan {
        let mut pacer = Pacer::new(percent, 64 << 30);
        pacer.report(report);
        pacer.plan()
    }

    /// Goal: the documented formulas. Method: values worked out by hand.
    #[test]
    fn plans_follow_the_formulas() {
        let first = Pacer::new(GcPercent::Percent(100), 64 << 30).plan();
        assert_eq!(first.goal, 4 * MIB);
        assert_eq!(Pacer::new(GcPercent::Percent(50), 64 << 30).plan().goal, 2 * MIB);
        // 100 MiB live, a quarter of a byte allocated per byte marked: 25 MiB of runway.
        let report = CycleReport { marked: 100 * MIB, born: 0, allocated: 25 * MIB, between: 0 };
        let plan = after(GcPercent::Percent(100), report);
        assert_eq!(plan, Plan { goal: 200 * MIB, trigger: 175 * MIB });
        // Far more allocation than marking can keep up with: the earliest trigger.
        let report = CycleReport { allocated: 1000 * MIB, ..report };
        assert_eq!(after(GcPercent::Percent(100), report).trigger, 100 * MIB + 100 * MIB / 64 * 45);
        // None at all: the latest.
        let report = CycleReport { allocated: 0, ..report };
        assert_eq!(after(GcPercent::Percent(100), report).trigger, 196 * MIB);
        assert_eq!(after(GcPercent::Off, report).goal, (64 << 30) / 16 * 15);
        // Three quarters of what was allocated between two snapshots stayed: so will as much of what was born.
        let mut pacer = Pacer::new(GcPercent::Percent(100), 64 << 30);
        pacer.report(report);
        pacer.report(CycleReport { marked: 130 * MIB, born: 20 * MIB, allocated: 0, between: 40 * MIB });
        assert_eq!(pacer.live(), 145 * MIB);
        // None did, as far as the snapshots tell: a quarter counts all the same.
        pacer.report(CycleReport { marked: 130 * MIB, born: 20 * MIB, allocated: 0, between: 40 * MIB });
        assert_eq!(pacer.live(), 135 * MIB);
    }

    proptest! {
        /// Goal: whatever is reported, plans are sane and more percent never means less heap.
        #[test]
        fn plans_are_sane(marked in 0..1_u64 << 40, born in 0..1_u64 << 40, allocated in 0..1_u64 << 40,
                          percent in 0_u32..10_000, max_heap in 1_u64 << 20..1 << 40) {
            let report = CycleReport { marked, born, allocated, between: allocated };
            let plan_at = |percent| {
                let mut pacer = Pacer::new(GcPercent::Percent(percent), max_heap);
                pacer.report(report);
                (pacer.plan(), pacer.live())
            };
            let (plan, live) = plan_at(percent);
            prop_assert!(live <= plan.trigger && plan.trigger <= plan.goal);
            prop_assert!(plan.goal <= plan_at(percent + 1).0.goal);
            let ratio = Pacer::new(GcPercent::Off, max_heap).assist_ratio(marked, live, plan.goal);
            prop_assert!(ratio.is_finite() && ratio > 0.0);
        }
    }
}
