//! Results to read.

use std::io::{Result, Write};

use super::{
    Replay,
    check::Verdict,
    compare::{Comparison, Line, Unit},
};

/// One replay: the machine, both sides, the error.
pub(super) fn replay(replay: &Replay, out: &mut impl Write) -> Result<()> {
    let Replay { trace, real, twin, comparison } = replay;
    let scenario = &trace.scenario;
    writeln!(out, "{}: {}", scenario.name, scenario.summary)?;
    writeln!(
        out,
        "{:.1} s on {} cores, {} threads; a core marks {:.0} MB/s",
        real.seconds,
        scenario.knobs.cores,
        trace.threads,
        twin.mark_rate / 1e6
    )?;
    writeln!(out)?;
    writeln!(out, "{:34} {:>10} {:>10} {:>13}", "", "real", "simulated", "error")?;
    for line in &comparison.lines {
        writeln!(out, "{}", row(line))?;
    }
    writeln!(out)?;
    only_real(replay, out)
}

/// What the simulator does not have.
fn only_real(Replay { trace, real, .. }: &Replay, out: &mut impl Write) -> Result<()> {
    let all = (real.cpu.background_ns + real.cpu.assist_ns) as f64 / 1e9;
    let marking = (real.cpu.marking_ns + real.cpu.assist_ns) as f64 / 1e9;
    writeln!(
        out,
        "{:34} {:>10.3} s, {:.3} s of it not for marking",
        "collections, all CPU time",
        all,
        all - marking
    )?;
    writeln!(out, "{:34} {:>10.1} MB", "resident, at most", real.samples.resident_max() / 1e6)?;
    writeln!(out, "{:34} {:>10.1} MB", "allocated", real.allocated as f64 / 1e6)?;
    if let Some(others) = real.others {
        writeln!(out, "{:34} {others:>10.2} cores", "other processes")?;
    }
    if real.missed > 0 {
        writeln!(
            out,
            "{:34} {:>10.1} MB: {} threads could not allocate as fast as the trace wants",
            "not allocated",
            real.missed as f64 / 1e6,
            trace.threads
        )?;
    }
    let known = real.cycles.len() as u64;
    if known < real.cycle_count {
        let lost = real.cycle_count - known;
        writeln!(out, "{:34} {lost:>10} cycles came faster than they were looked at", "not seen")?;
    }
    Ok(())
}

fn row(line: &Line) -> String {
    let digits = match line.unit {
        Unit::Count => 0,
        Unit::Ratio | Unit::Seconds => 3,
        Unit::Millis | Unit::Megabytes => 1,
        Unit::Percent => 2,
    };
    let unit = match line.unit {
        Unit::Count | Unit::Ratio => "",
        Unit::Seconds => ", s",
        Unit::Millis => ", ms",
        Unit::Megabytes => ", MB",
        Unit::Percent => ", %",
    };
    let error = error(line);
    let Line { name, real, simulated, .. } = line;
    let what = format!("{name}{unit}");
    format!("{what:34} {real:>10.digits$} {simulated:>10.digits$} {error:>13}")
}

/// A line for each verdict.
pub(super) fn verdicts(verdicts: &[Verdict], out: &mut impl Write) -> Result<()> {
    for Verdict { promise, found, holds } in verdicts {
        writeln!(out, "{} {promise}: {found}", if *holds { "ok    " } else { "FAILED" })?;
    }
    Ok(())
}

/// A row for each scenario: real and simulated numbers, and the errors.
pub(super) fn overview(list: &[(&'static str, Comparison)], out: &mut impl Write) -> Result<()> {
    let columns = [
        ("cycles", "cycles", 0),
        ("goal_ratio_mean", "peak/goal", 3),
        ("heap_peak_mb", "heap at most, MB", 0),
        ("mark_cpu_s", "marking, CPU s", 2),
        ("mutator_percent_min_2s", "least of 2 s, %", 1),
    ];
    let heads = columns.map(|(_, head, _)| format!("{head} | error"));
    writeln!(out, "| real / simulated | {} |", heads.join(" | "))?;
    writeln!(out, "|---|{}", "---|---|".repeat(columns.len()))?;
    for (name, comparison) in list {
        let cells = columns.map(|(key, _, digits)| {
            comparison.line(key).map_or_else(String::new, |line| {
                let Line { real, simulated, .. } = line;
                format!("{real:.digits$} / {simulated:.digits$} | {}", error(line))
            })
        });
        writeln!(out, "| `{name}` | {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// How far apart both sides are.
fn error(line: &Line) -> String {
    match (line.unit, line.error()) {
        (_, error) if error.is_nan() => "-".to_owned(),
        (Unit::Percent, error) => format!("{error:+.2} points"),
        (_, error) => format!("{error:+.1} %"),
    }
}
