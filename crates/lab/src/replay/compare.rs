//! Both sides in the same numbers, and how far apart they are.

use mudlark::pacing::Workers;
use mudlark_sim::metrics::CycleRow;

use super::{cycle::Cycle, real::RealRun, trace::Trace, twin::TwinRun};

/// How a number is read, and how its error is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Count,
    Ratio,
    Seconds,
    Millis,
    Megabytes,
    /// A share; its error is in points.
    Percent,
}

/// One number of both sides, in its unit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Line {
    /// What it is, and its key in JSON.
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) unit: Unit,
    pub(super) real: f64,
    pub(super) simulated: f64,
}

impl Line {
    /// How far the real side is from the simulated one: in percent of it, or in points.
    pub(super) fn error(&self) -> f64 {
        match self.unit {
            Unit::Percent => self.real - self.simulated,
            _ if self.simulated == 0.0 => f64::NAN,
            _ => (self.real / self.simulated - 1.0) * 100.0,
        }
    }
}

/// All numbers.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) lines: Vec<Line>,
}

/// The share of the CPU that background marking had while it marked, in the second half of the cycles: from 0 to 1.
pub(super) fn background_share(cycles: &[Cycle]) -> f64 {
    mean(later(cycles), Cycle::seconds, |cycle| cycle.end.background)
}

/// Peak over goal in the mean of the second half.
pub(super) fn goal_ratio(cycles: &[Cycle]) -> f64 {
    mean(later(cycles), |_| 1.0, Cycle::goal_ratio)
}

/// The second half of the cycles that aim at their goals.
pub(super) fn later(cycles: &[Cycle]) -> impl Iterator<Item = &Cycle> {
    let count = cycles.iter().filter(|cycle| cycle.is_triggered()).count();
    cycles.iter().filter(|cycle| cycle.is_triggered()).skip(count / 2)
}

/// A mean with weights; 0 of nothing.
fn mean<T: Copy>(items: impl Iterator<Item = T>, weight: impl Fn(T) -> f64, value: impl Fn(T) -> f64) -> f64 {
    let (weights, sum) = items
        .fold((0.0, 0.0), |(weights, sum), item| (weights + weight(item), sum + weight(item) * value(item)));
    if weights > 0.0 { sum / weights } else { 0.0 }
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

impl Comparison {
    pub(super) fn new(trace: &Trace, real: &RealRun, twin: &TwinRun) -> Comparison {
        let mut lines = Vec::new();
        let mut line =
            |name, key, unit, real, simulated| lines.push(Line { name, key, unit, real, simulated });
        let (cycles, rows, summary) = (&real.cycles, &twin.rows, &twin.summary);
        let cores = trace.scenario.knobs.cores;
        let planned = Workers::on(cores, false).share_of(cores);
        let assists = real.cpu.assist_ns as f64 / 1e9;
        let marking = assists + real.cpu.marking_ns as f64 / 1e9;
        let program = real.samples.last().mutator;

        line("cycles", "cycles", Unit::Count, real.cycle_count as f64, summary.cycles as f64);
        line(
            "peak/goal, later half",
            "goal_ratio_mean",
            Unit::Ratio,
            goal_ratio(cycles),
            summary.goal_ratio_mean,
        );
        let ratio_max = largest(cycles.iter().map(Cycle::goal_ratio));
        line("peak/goal, at most", "goal_ratio_max", Unit::Ratio, ratio_max, summary.goal_ratio_max);
        let live = |cycle: &Cycle| cycle.end.live.as_f64() / 1e6;
        let row_live = |row: &CycleRow| row.live.as_f64() / 1e6;
        let simulated = mean(rows[rows.len() / 2..].iter(), |_| 1.0, row_live);
        line("live, later half", "live_mb", Unit::Megabytes, mean(later(cycles), |_| 1.0, live), simulated);
        let peak = largest(cycles.iter().map(|cycle| cycle.end.peak.as_f64())) / 1e6;
        line("heap, at most", "heap_peak_mb", Unit::Megabytes, peak, summary.heap_peak / 1e6);
        let held = real.samples.committed_max() / 1e6;
        let tables = 1.0 + trace.scenario.machine.tables;
        line("held, at most", "held_peak_mb", Unit::Megabytes, held, summary.blocks_peak * tables / 1e6);
        let held = real.samples.last().committed / 1e6;
        line("held, in the end", "held_end_mb", Unit::Megabytes, held, twin.committed / 1e6);
        line("program's CPU time", "mutator_cpu_s", Unit::Seconds, program, summary.mutator_seconds);
        line("marking, CPU time", "mark_cpu_s", Unit::Seconds, marking, summary.gc_seconds);
        let millis = |seconds: f64, count: usize| seconds * 1e3 / count.max(1) as f64;
        let real_millis = millis(cycles.iter().map(Cycle::seconds).sum(), cycles.len());
        let row_millis = millis(rows.iter().map(|row| row.mark_seconds).sum(), rows.len());
        line("a cycle, on the clock", "cycle_ms", Unit::Millis, real_millis, row_millis);
        line(
            "background while it marks",
            "background_percent",
            Unit::Percent,
            background_share(cycles) * 100.0,
            planned * 100.0,
        );
        let share = 100.0 * assists / (assists + program).max(1e-9);
        line(
            "assists of the program's time",
            "assist_percent",
            Unit::Percent,
            share,
            summary.assist_share * 100.0,
        );
        let least = real.samples.mutator_share_min() * 100.0;
        line(
            "program, least of any 2 s",
            "mutator_percent_min_2s",
            Unit::Percent,
            least,
            summary.mutator_share_min * 100.0,
        );
        Comparison { lines }
    }

    /// The line with a key.
    pub(super) fn line(&self, key: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.key == key)
    }
}
