//! Tables to read.

use std::io::{Result, Write};

use mudlark_collector::pacing::Bytes;
use mudlark_sim::{
    metrics::{CycleRow, Summary},
    reference::ReferenceCycle,
};

use super::run::{Run, Runs};

/// Of more cycles than twice this, only the first and the last are shown.
const SHOWN: usize = 20;
/// The longest bar.
const BAR: f64 = 24.0;

/// MB with one digit; nothing for what is unbounded.
pub(super) fn mb(bytes: Bytes) -> String {
    if bytes == Bytes::MAX { "-".to_owned() } else { format!("{:.1}", bytes.as_f64() / 1e6) }
}

/// Shows the first and the last of many.
fn shown<T>(rows: &[T], out: &mut impl Write, mut show: impl FnMut(&T) -> String) -> Result<()> {
    for (at, row) in rows.iter().enumerate() {
        if rows.len() > 2 * SHOWN && at == SHOWN {
            writeln!(out, "   ... {} more ...", rows.len() - 2 * SHOWN)?;
        }
        if at < SHOWN || at + SHOWN >= rows.len() {
            writeln!(out, "{}", show(row))?;
        }
    }
    Ok(())
}

/// A line for each cycle.
pub(super) fn cycles(rows: &[CycleRow], out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:>6} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>6} {:>6} {:>7} {:>9}  MB; CPU in %",
        "cycle", "at s", "cause", "live", "trigger", "peak", "goal", "ratio", "CPU", "assists", "held"
    )?;
    shown(rows, out, |row| {
        format!(
            "{:>6} {:>9.3} {:>8} {:>9} {:>9} {:>9} {:>9} {:>6.3} {:>6.1} {:>7.2} {:>9}{}",
            row.cycle,
            row.seconds,
            format!("{:?}", row.cause).to_lowercase(),
            mb(row.live_at_start),
            mb(row.trigger),
            mb(row.peak),
            mb(row.goal),
            row.goal_ratio(),
            row.utilization * 100.0,
            row.assist_share * 100.0,
            mb(row.blocks),
            if row.is_limited { "  limiter" } else { "" }
        )
    })
}

/// A line for each cycle of the reference engine.
pub(super) fn reference(cycles: &[ReferenceCycle], out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:>6} {:>7} {:>15} {:>15} {:>15} {:>15} {:>6}",
        "cycle", "CPU %", "live", "trigger", "peak", "goal", "ratio"
    )?;
    shown(cycles, out, |cycle| {
        let ratio = cycle.peak as f64 / cycle.goal.max(1) as f64;
        let bytes =
            [cycle.live_at_start, cycle.trigger, cycle.peak, cycle.goal].map(|n| Bytes(n).to_string());
        let [live, trigger, peak, goal] = bytes;
        format!(
            "{:>6} {:>7.1} {live:>15} {trigger:>15} {peak:>15} {goal:>15} {ratio:>6.3}",
            cycle.cycle,
            cycle.utilization * 100.0
        )
    })
}

/// What came of one run.
pub(super) fn summary(run: &Run, out: &mut impl Write) -> Result<()> {
    let Summary { cycles, seconds, .. } = run.summary;
    let s = &run.summary;
    writeln!(out, "policy          {}", run.policy)?;
    writeln!(out, "cycles          {cycles} in {seconds:.3} s of virtual time")?;
    writeln!(
        out,
        "peak/goal       {:.3} in the second half, {:.3} at most",
        s.goal_ratio_mean, s.goal_ratio_max
    )?;
    writeln!(out, "GC CPU          {:.2} % of all CPU time", s.gc_cpu_share * 100.0)?;
    writeln!(out, "assists         {:.3} % of mutators' time", s.assist_share * 100.0)?;
    writeln!(
        out,
        "overshoot       {:.1} % beyond the goal at most",
        (s.goal_ratio_max - 1.0).max(0.0) * 100.0
    )?;
    writeln!(
        out,
        "mutators        {:.1} % of the cores left to them over any 2 s",
        s.mutator_share_min * 100.0
    )?;
    writeln!(
        out,
        "heap            {:.1} MB at most, {:.1} MB in the mean",
        s.heap_peak / 1e6,
        s.heap_mean / 1e6
    )?;
    writeln!(
        out,
        "held            {:.1} MB at most, {:.1} MB in the end",
        s.blocks_peak / 1e6,
        s.blocks_end / 1e6
    )?;
    if s.limited_cycles > 0 {
        writeln!(out, "CPU limiter     on in {} cycles", s.limited_cycles)?;
    }
    if s.rejected > 0 {
        writeln!(out, "rejected        {} answers of the policy", s.rejected)?;
    }
    Ok(())
}

/// A line for each run, with a bar for the memory.
pub(super) fn comparison(runs: &Runs, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:16} {:>14} {:>7} {:>6} {:>6} {:>7} {:>7} {:>6} {:>9} {:>9}  MB; CPU in %; mean heap",
        "policy", "knob", "cycles", "ratio", "max", "GC CPU", "assists", "2 s", "mean", "peak"
    )?;
    let widest = runs.list.iter().map(|run| run.summary.heap_mean).fold(1.0, f64::max);
    for run in &runs.list {
        let s = &run.summary;
        let knob = run.swept.map_or(String::new(), |(_, value)| {
            if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.4}") }
        });
        writeln!(
            out,
            "{:16} {knob:>14} {:>7} {:>6.3} {:>6.3} {:>7.2} {:>7.3} {:>6.1} {:>9.1} {:>9.1}  {}",
            run.policy.to_string(),
            s.cycles,
            s.goal_ratio_mean,
            s.goal_ratio_max,
            s.gc_cpu_share * 100.0,
            s.assist_share * 100.0,
            s.mutator_share_min * 100.0,
            s.heap_mean / 1e6,
            s.heap_peak / 1e6,
            "#".repeat((s.heap_mean / widest * BAR).ceil() as usize)
        )?;
    }
    Ok(())
}
