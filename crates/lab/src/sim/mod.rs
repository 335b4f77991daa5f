//! The commands `sim` and `explain`: pacing in virtual time.

mod args;
mod csv;
mod error;
mod explain;
mod plot;
mod run;
mod table;

pub use args::{ExplainArgs, SimArgs};
pub use error::SimError;

use std::io::Write;

use mudlark_sim::{reference::cycles_to_json, scenarios};

use crate::error::LabError;
use run::{Runs, read_file, simulate};

/// Does what `mudlark sim` asks.
///
/// # Errors
/// Fails if the request makes no sense, or if the output cannot be written.
pub fn sim(args: &SimArgs, out: &mut impl Write) -> Result<(), LabError> {
    args.check()?;
    if args.list {
        for (name, summary) in scenarios::names() {
            writeln!(out, "{name:17} {summary}")?;
        }
        return Ok(());
    }
    if let Some(path) = &args.file {
        let cycles = read_file(path, args)?;
        if args.json {
            writeln!(out, "{}", cycles_to_json(&cycles))?;
        } else if args.csv {
            csv::reference(&cycles, out)?;
        } else {
            table::reference(&cycles, out)?;
        }
        return Ok(());
    }
    let runs = simulate(args)?;
    if args.json {
        writeln!(out, "{}", runs.to_json())?;
    } else if args.csv {
        csv::runs(&runs, out)?;
    } else {
        text(&runs, out)?;
    }
    Ok(())
}

/// Does what `mudlark explain` asks.
///
/// # Errors
/// Fails if there is no such cycle, or if the output cannot be written.
pub fn explain(args: &ExplainArgs, out: &mut impl Write) -> Result<(), LabError> {
    write!(out, "{}", explain::explain(args)?)?;
    Ok(())
}

/// One run with all its cycles, or several as lines to compare.
fn text(runs: &Runs, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}: {}", runs.scenario.name, runs.scenario.summary)?;
    if let [run] = runs.list.as_slice() {
        writeln!(out)?;
        table::cycles(&run.rows, out)?;
        writeln!(out)?;
        plot::cycles(&run.rows, out)?;
        writeln!(out)?;
        return table::summary(run, out);
    }
    writeln!(out)?;
    table::comparison(runs, out)
}
