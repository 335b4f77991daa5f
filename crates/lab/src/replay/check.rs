//! What must hold of a replay on two cores, and whether it does.

use mudlark::pacing::{GcPercent, IDLE_TIMEOUT, MemoryLimit};

use super::{
    compare::{Comparison, background_share, goal_ratio, later},
    cycle::Cycle,
    real::RealRun,
    trace::Trace,
};

/// Something that must hold. Numbers are shares or factors.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Promise {
    /// The peak is so close to the goal, in the mean of the later half of the cycles.
    PeakNearGoal(f64),
    /// The peak is below the hard goal in every cycle.
    PeakBelowHardGoal,
    /// Background marking has a quarter of the CPU while it marks, but for so much.
    QuarterOfCpu(f64),
    /// Assists take less of the program's time.
    FewAssists(f64),
    /// As many cycles as simulated, but for this share of them.
    CyclesAsSimulated(f64),
    /// Memory is never so much beyond the limit.
    MemoryBelowLimit(f64),
    /// The program has at least so much of the cores it wants over any two seconds.
    ProgramGoesOn(f64),
    /// A silent program holds so many times what is live at most, within the idle time-out.
    SilentGivesBack(f64),
}

use Promise::{
    CyclesAsSimulated, FewAssists, MemoryBelowLimit, PeakBelowHardGoal, PeakNearGoal, ProgramGoesOn,
    QuarterOfCpu, SilentGivesBack,
};

/// What is promised of each scenario.
const PROMISES: [(&str, &[Promise]); 9] = [
    ("steady-2", &[PeakNearGoal(0.05), QuarterOfCpu(0.05), FewAssists(0.01), CyclesAsSimulated(0.1)]),
    ("step-2", &[PeakNearGoal(0.05), PeakBelowHardGoal, QuarterOfCpu(0.05), CyclesAsSimulated(0.1)]),
    ("oscillate-2", &[PeakNearGoal(0.05), PeakBelowHardGoal, QuarterOfCpu(0.05), CyclesAsSimulated(0.1)]),
    ("jitter-2", &[PeakNearGoal(0.05), PeakBelowHardGoal, QuarterOfCpu(0.05), CyclesAsSimulated(0.1)]),
    ("live-jump-2", &[PeakBelowHardGoal]),
    ("limit-125-2", &[MemoryBelowLimit(0.03), ProgramGoesOn(0.45)]),
    ("limit-100-2", &[ProgramGoesOn(0.45)]),
    ("limit-80-2", &[ProgramGoesOn(0.45)]),
    ("idle-2", &[SilentGivesBack(1.25)]),
];

/// The scenarios of which something is promised.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PROMISES.iter().map(|(name, _)| *name)
}

/// Whether a promise was kept.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Verdict {
    /// What must hold.
    pub(super) promise: String,
    /// What was found.
    pub(super) found: String,
    pub(super) holds: bool,
}

/// The trace as it is checked. Objects do not move, so a block in which one of many lives stays. What is promised of silence is about
/// pacing: what lives is not spread there.
pub(super) fn prepare(trace: Trace) -> Trace {
    if trace.scenario.name == "idle-2" { trace.with_churn(0) } else { trace }
}

/// The verdicts about a replay.
pub(super) fn verdicts(trace: &Trace, real: &RealRun, comparison: &Comparison) -> Vec<Verdict> {
    let name = trace.scenario.name;
    let promises =
        PROMISES.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, promises)| promises);
    promises.iter().map(|&promise| judge(promise, trace, real, comparison)).collect()
}

fn judge(promise: Promise, trace: &Trace, real: &RealRun, comparison: &Comparison) -> Verdict {
    let cycles = &real.cycles;
    match promise {
        PeakNearGoal(error) => {
            let ratio = goal_ratio(cycles);
            verdict(
                format!("peak within {} of the goal", percent(error)),
                format!("{ratio:.3} in the mean of {} cycles", later(cycles).count()),
                (ratio - 1.0).abs() <= error,
            )
        }
        PeakBelowHardGoal => below_hard_goal(cycles, trace.scenario.knobs.percent),
        QuarterOfCpu(error) => {
            let share = background_share(cycles);
            verdict(
                format!("background marking at 25 % of the CPU, +- {}", percent(error)),
                percent(share),
                (share - 0.25).abs() <= error,
            )
        }
        FewAssists(most) => {
            let share = comparison.line("assist_percent").map_or(f64::NAN, |line| line.real / 100.0);
            verdict(
                format!("assists below {} of the program's time", percent(most)),
                format!("{:.3} %", share * 100.0),
                share < most,
            )
        }
        CyclesAsSimulated(error) => {
            let Some(line) = comparison.line("cycles") else { return unknown("cycles as simulated") };
            verdict(
                format!("as many cycles as simulated, +- {}", percent(error)),
                format!("{} of {}", line.real, line.simulated),
                line.error().abs() <= error * 100.0,
            )
        }
        MemoryBelowLimit(error) => below_limit(trace, real, error),
        ProgramGoesOn(least) => {
            let share = real.samples.mutator_share_min();
            verdict(
                format!("the program has {} of the CPU over any 2 s", percent(least)),
                percent(share),
                share >= least,
            )
        }
        SilentGivesBack(factor) => gives_back(trace, real, factor),
    }
}

fn below_hard_goal(cycles: &[Cycle], gc_percent: GcPercent) -> Verdict {
    let most = cycles.iter().map(|cycle| cycle.hard_ratio(gc_percent)).fold(0.0, f64::max);
    let found = format!("{} of it at most, in {} cycles", percent(most), cycles.len());
    verdict("every peak below the hard goal".to_owned(), found, most <= 1.0 && !cycles.is_empty())
}

fn below_limit(trace: &Trace, real: &RealRun, error: f64) -> Verdict {
    let MemoryLimit::Bytes(limit) = trace.scenario.knobs.limit else {
        return unknown("memory below the limit");
    };
    let (most, limit) = (real.samples.resident_max(), limit.as_f64());
    verdict(
        format!("resident memory below the limit + {}", percent(error)),
        format!("{:.1} MB of {:.1} MB", most / 1e6, limit / 1e6),
        most <= limit * (1.0 + error) && most > 0.0,
    )
}

fn gives_back(trace: &Trace, real: &RealRun, factor: f64) -> Verdict {
    let live = trace.scenario.program.live.at(real.samples.last().mutator);
    let timeout = IDLE_TIMEOUT.as_f64() / 1e9;
    let after = real.samples.returned_after(trace, live * factor);
    let end = real.samples.last().committed;
    let found = match after {
        Some(after) => format!("after {after:.1} s; {:.2} times in the end", end / live),
        None => format!("{:.2} times what is live in the end", end / live),
    };
    verdict(
        format!("a silent program holds {factor} times what is live after {timeout} s"),
        found,
        after.is_some_and(|after| after <= timeout),
    )
}

fn verdict(promise: String, found: String, holds: bool) -> Verdict {
    Verdict { promise, found, holds }
}

/// A promise that the scenario has no number for: never kept.
fn unknown(promise: &str) -> Verdict {
    verdict(promise.to_owned(), "nothing was measured".to_owned(), false)
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1000.0).round() / 10.0)
}
