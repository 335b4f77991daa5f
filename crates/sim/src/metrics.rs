//! What a simulation measures: a row for each cycle, and a summary.

use mudlark_collector::pacing::{Bytes, Cause, GcPercent, Memory, Pacer, PressureLevel};
use std::collections::VecDeque;

/// The window over which mutators' share of the CPU is looked at.
pub const WINDOW_SECONDS: f64 = 2.0;

/// A cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CycleRow {
    /// Its number, from 1.
    pub cycle: u64,
    /// When it was complete.
    pub seconds: f64,
    /// Why it began.
    pub cause: Cause,
    /// What the cycle before it left alive.
    pub live_at_start: Bytes,
    /// The live estimate when it began.
    pub trigger: Bytes,
    /// The live estimate when it was complete.
    pub peak: Bytes,
    /// Its goal, at the end.
    pub goal: Bytes,
    /// What it left alive.
    pub live: Bytes,
    /// How long it marked.
    pub mark_seconds: f64,
    /// Share of all cores that workers and assists had while it marked.
    pub utilization: f64,
    /// Share of all cores that workers on idle ones had besides.
    pub idle_share: f64,
    /// Share of mutators' time that assists took, since the cycle before.
    pub assist_share: f64,
    /// What blocks take at its end, free ones included.
    pub blocks: Bytes,
    /// Whether the CPU limiter was on.
    pub is_limited: bool,
    /// How hard memory presses.
    pub pressure: PressureLevel,
}

impl CycleRow {
    /// Peak over goal; 1 without a goal.
    pub fn goal_ratio(&self) -> f64 {
        match self.goal {
            Bytes::ZERO | Bytes::MAX => 1.0,
            goal => self.peak.as_f64() / goal.as_f64(),
        }
    }

    /// The hard goal: as far again beyond the goal as the percent of it.
    pub fn hard_goal(&self, percent: GcPercent) -> Bytes {
        match percent {
            GcPercent::Off => Bytes::MAX,
            GcPercent::Percent(percent) => self.goal + self.goal.scaled(percent.into(), 100),
        }
    }
}

/// What came of a simulation.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Summary {
    /// Complete cycles.
    pub cycles: u64,
    /// Time.
    pub seconds: f64,
    /// Peak over goal: mean over the second half of the cycles that a trigger began, and the largest of all.
    pub goal_ratio_mean: f64,
    /// See above.
    pub goal_ratio_max: f64,
    /// Share of collections in all CPU time.
    pub gc_cpu_share: f64,
    /// Share of assists in the time of mutators and assists.
    pub assist_share: f64,
    /// The least share of the cores that collections left over any two seconds; marking on idle cores does not count.
    pub mutator_share_min: f64,
    /// The largest live estimate, and the mean over time.
    pub heap_peak: f64,
    /// See above.
    pub heap_mean: f64,
    /// The most that blocks took, and what they take in the end.
    pub blocks_peak: f64,
    /// See above.
    pub blocks_end: f64,
    /// Cycles in which the CPU limiter was on.
    pub limited_cycles: u64,
    /// Cycles that began because the program was quiet.
    pub quiet_cycles: u64,
    /// Answers of policies that were rejected.
    pub rejected: u64,
    /// Mutators' CPU time.
    pub mutator_seconds: f64,
    /// Collections' CPU time.
    pub gc_seconds: f64,
}

/// CPU time of one cycle and the time before it, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct Spent {
    pub(crate) mutator: f64,
    pub(crate) assist: f64,
    pub(crate) background: f64,
    pub(crate) idle: f64,
}

/// Sums of a whole simulation.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    cores: f64,
    cycles: u64,
    ratios: Vec<f32>,
    ratio_max: f64,
    spent: Spent,
    heap_time: f64,
    heap_peak: f64,
    blocks_peak: f64,
    limited: u64,
    quiet: u64,
    shares: Shares,
}

impl Totals {
    pub(crate) fn new(cores: u32) -> Totals {
        Totals {
            cores: f64::from(cores.max(1)),
            cycles: 0,
            ratios: Vec::new(),
            ratio_max: 0.0,
            spent: Spent::default(),
            heap_time: 0.0,
            heap_peak: 0.0,
            blocks_peak: 0.0,
            limited: 0,
            quiet: 0,
            shares: Shares::default(),
        }
    }

    /// Time passed.
    #[inline]
    pub(crate) fn pass(&mut self, from: f64, to: f64, gc: f64, heap: f64, blocks: f64) {
        self.shares.pass(from, to, gc);
        self.heap_time += heap * (to - from);
        self.heap_peak = self.heap_peak.max(heap);
        self.blocks_peak = self.blocks_peak.max(blocks);
    }

    /// A cycle is complete.
    pub(crate) fn end(&mut self, row: &CycleRow, spent: &Spent) {
        self.cycles += 1;
        // Cycles for other reasons do not aim at the goal.
        if row.cause == Cause::Trigger {
            self.ratios.push(row.goal_ratio() as f32);
        }
        self.ratio_max = self.ratio_max.max(row.goal_ratio());
        self.spent.mutator += spent.mutator;
        self.spent.assist += spent.assist;
        self.spent.background += spent.background;
        self.spent.idle += spent.idle;
        self.limited += u64::from(row.is_limited);
        self.quiet += u64::from(row.cause == Cause::Quiet);
    }

    /// `rest` is what was spent since the last cycle.
    pub(crate) fn summary(&self, now: f64, blocks: f64, rest: &Spent, pacer: &Pacer) -> Summary {
        let mutator = self.spent.mutator + rest.mutator;
        let assist = self.spent.assist + rest.assist;
        let background = self.spent.background + rest.background;
        let idle = self.spent.idle + rest.idle;
        let half = &self.ratios[self.ratios.len() / 2..];
        let sum: f64 = half.iter().map(|&ratio| f64::from(ratio)).sum();
        let gc = assist + background + idle;
        Summary {
            cycles: self.cycles,
            seconds: now / 1e9,
            goal_ratio_mean: sum / half.len().max(1) as f64,
            goal_ratio_max: self.ratio_max,
            gc_cpu_share: gc / (gc + mutator).max(1.0),
            assist_share: assist / (assist + mutator).max(1.0),
            mutator_share_min: 1.0 - self.shares.most_share(now, self.cores),
            heap_peak: self.heap_peak,
            heap_mean: self.heap_time / now.max(1.0),
            blocks_peak: self.blocks_peak,
            blocks_end: blocks,
            limited_cycles: self.limited,
            quiet_cycles: self.quiet,
            rejected: pacer.gauges(&Memory::default()).rejected,
            mutator_seconds: mutator / 1e9,
            gc_seconds: gc / 1e9,
        }
    }
}

/// The most CPU time of collections in any window, exactly: the worst window begins or ends where the rate changes.
#[derive(Clone, Default, Debug)]
struct Shares {
    /// Where the rate changed: time, and CPU time of collections until then. Windows from there are not over yet.
    changes: VecDeque<(f64, f64)>,
    /// The last change whose window is over.
    over: Option<(f64, f64)>,
    spent: f64,
    most: f64,
}

impl Shares {
    #[inline]
    fn pass(&mut self, from: f64, to: f64, gc: f64) {
        const WINDOW: f64 = WINDOW_SECONDS * 1e9;
        let before = self.spent;
        self.spent += gc;
        self.changes.push_back((from, before));
        let rate = gc / (to - from).max(1e-9);
        // Windows that begin at a change and end in this piece.
        while let Some(&(time, spent)) = self.changes.front().filter(|(time, _)| time + WINDOW <= to) {
            self.most = self.most.max(before + rate * (time + WINDOW - from) - spent);
            self.over = self.changes.pop_front();
        }
        // The window that ends with this piece.
        if let Some((time, spent)) = self.over {
            let (next_time, next_spent) = self.changes.front().copied().unwrap_or((to, self.spent));
            let part = (to - WINDOW - time) / (next_time - time).max(1e-9);
            self.most = self.most.max(self.spent - (spent + part * (next_spent - spent)));
        }
    }

    /// The most in `now` nanoseconds; before a window is over, all of it.
    fn most_share(&self, now: f64, cores: f64) -> f64 {
        let (most, window) = match self.over {
            Some(_) => (self.most, WINDOW_SECONDS * 1e9),
            None => (self.spent, now.max(1.0)),
        };
        most / (window * cores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the worst window is found. Method: against all windows that begin at a multiple of 10 ms, over a pattern of
    /// pieces.
    #[test]
    fn the_worst_window_is_found() {
        let mut shares = Shares::default();
        let mut fine = Vec::new();
        let mut now = 0.0;
        for at in 0..400_u64 {
            let (length, busy) = ((at * 7919 % 13 + 1) as f64 * 1e7, (at * 104_729 % 11) as f64 / 10.0);
            shares.pass(now, now + length, length * busy);
            fine.extend(std::iter::repeat_n(busy, (length / 1e7) as usize));
            now += length;
        }
        let windows = fine.windows(200).map(|window| window.iter().sum::<f64>() / 200.0);
        let worst = windows.fold(0.0, f64::max);
        assert!((shares.most_share(now, 1.0) - worst).abs() < 1e-6);
        assert!(worst > 0.5);
    }
}
