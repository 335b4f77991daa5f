//! Lines of values, for other programs.

use std::io::{Result, Write};

use mudlark_collector::pacing::Bytes;
use mudlark_sim::reference::ReferenceCycle;

use super::run::Runs;

/// All cycles of all runs. What is unbounded is empty.
pub(super) fn runs(runs: &Runs, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "policy,value,cycle,seconds,cause,live_at_start_bytes,trigger_bytes,peak_bytes,goal_bytes,live_bytes,held_bytes,\
         mark_seconds,utilization_percent,assist_percent,limited,pressure"
    )?;
    for run in &runs.list {
        let value = run.swept.map_or(String::new(), |(_, value)| value.to_string());
        for row in &run.rows {
            let goal = if row.goal == Bytes::MAX { String::new() } else { row.goal.0.to_string() };
            writeln!(
                out,
                "{},{value},{},{:.6},{},{},{},{},{goal},{},{},{:.6},{:.1},{:.2},{},{}",
                run.policy,
                row.cycle,
                row.seconds,
                format!("{:?}", row.cause).to_lowercase(),
                row.live_at_start.0,
                row.trigger.0,
                row.peak.0,
                row.live.0,
                row.blocks.0,
                row.mark_seconds,
                row.utilization * 100.0,
                row.assist_share * 100.0,
                u8::from(row.is_limited),
                row.pressure
            )?;
        }
    }
    Ok(())
}

/// The cycles of the reference engine.
pub(super) fn reference(cycles: &[ReferenceCycle], out: &mut impl Write) -> Result<()> {
    writeln!(out, "cycle,utilization_percent,live_at_start_bytes,trigger_bytes,peak_bytes,goal_bytes")?;
    for cycle in cycles {
        let ReferenceCycle { cycle, utilization, live_at_start, trigger, peak, goal } = cycle;
        writeln!(out, "{cycle},{:.1},{live_at_start},{trigger},{peak},{goal}", utilization * 100.0)?;
    }
    Ok(())
}
