//! The command `replay`: the same trace on the real heap and in the simulator, and how far apart they are.
//!
//! ```text
//!               ┌─▶ real: threads on a heap, 50 ms looks ──▶ cycles from the pacer's records, CPU times, memory ─┐
//!   scenario ─▶ trace                                  │ speed of marking                                       ├─▶ compare ─▶ check
//!               └─▶ twin: the simulator ◀──────────────┘                                                        ─┘
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `trace` | a scenario as this machine can follow it |
//! | `program`, `clock`, `kept` | a thread of the real program; the time it goes by; what it keeps alive |
//! | `real`, `sample`, `cycle` | a real run; what is looked at; its cycles |
//! | `twin` | the simulated run |
//! | `compare`, `check` | both in the same numbers; what must hold |
//! | `text`, `line` | results to read, and for programs |

mod args;
mod check;
mod clock;
mod compare;
mod cycle;
mod error;
mod kept;
mod line;
mod program;
mod real;
mod sample;
mod text;
mod trace;
mod twin;

pub use args::ReplayArgs;
pub use error::ReplayError;

use std::io::Write;

use crate::error::LabError;
use check::Verdict;
use compare::Comparison;
use real::RealRun;
use trace::Trace;
use twin::TwinRun;

/// The cores that promises are made for.
const CHECKED_CORES: u32 = 2;

/// Both sides of a trace.
#[derive(Debug)]
struct Replay {
    trace: Trace,
    real: RealRun,
    twin: TwinRun,
    comparison: Comparison,
}

/// Does what `mudlark replay` asks.
///
/// # Errors
/// Fails if the request makes no sense, if the program cannot be run, if a promise is not kept, or if the output cannot be
/// written.
pub fn replay(args: &ReplayArgs, out: &mut impl Write) -> Result<(), LabError> {
    if args.check {
        return check(args, out);
    }
    let name = args.scenario.as_deref().unwrap_or_default();
    let replay = run(Trace::new(name, args.seed, args.seconds)?.with_churn(args.churn))?;
    print(&replay, None, args.json, out)
}

fn check(args: &ReplayArgs, out: &mut impl Write) -> Result<(), LabError> {
    let names: Vec<&str> = match &args.scenario {
        None => check::names().collect(),
        Some(name) => vec![known(name, args.seed)?],
    };
    if cfg!(debug_assertions) {
        return Err(ReplayError::Unoptimized.into());
    }
    let cores = trace::cores();
    if cores != CHECKED_CORES {
        return Err(ReplayError::Cores { cores }.into());
    }
    let (mut failed, mut checked, mut list) = (0, 0, Vec::new());
    for name in names {
        let trace = Trace::new(name, args.seed, None)?;
        let replay = run(check::prepare(trace))?;
        let verdicts = check::verdicts(&replay.trace, &replay.real, &replay.comparison);
        failed += verdicts.iter().filter(|verdict| !verdict.holds).count();
        checked += verdicts.len();
        print(&replay, Some(&verdicts), args.json, out)?;
        out.flush()?;
        list.push((replay.trace.scenario.name, replay.comparison));
    }
    if !args.json {
        text::overview(&list, out)?;
    }
    if failed > 0 { Err(ReplayError::Failed { failed, checked }.into()) } else { Ok(()) }
}

/// The name, if something is promised of it.
fn known(name: &str, seed: u64) -> Result<&str, ReplayError> {
    // A name that there is not is another mistake.
    Trace::new(name, seed, None)?;
    match check::names().any(|known| known == name) {
        true => Ok(name),
        false => {
            let known = check::names().collect::<Vec<_>>().join(", ");
            Err(ReplayError::NoChecks { name: name.to_owned(), known })
        }
    }
}

fn run(trace: Trace) -> Result<Replay, ReplayError> {
    let real = real::run(&trace)?;
    let twin = twin::run(&trace, &real);
    let comparison = Comparison::new(&trace, &real, &twin);
    Ok(Replay { trace, real, twin, comparison })
}

fn print(
    replay: &Replay,
    verdicts: Option<&[Verdict]>,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), LabError> {
    if as_json {
        writeln!(out, "{}", line::json(replay, verdicts))?;
        return Ok(());
    }
    text::replay(replay, out)?;
    if let Some(verdicts) = verdicts {
        writeln!(out)?;
        text::verdicts(verdicts, out)?;
        writeln!(out)?;
    }
    Ok(())
}
