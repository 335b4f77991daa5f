//! The lab: runs well-known garbage-collection workloads and reports what they cost.
//!
//! Each workload exists twice, on the collected heap (`workloads`, safe code only) and with memory freed by
//! hand on mimalloc (`baseline`). Both do the same work in the same order and give the same checksum.
//!
//! Beside them there is the [`torture`], which compares random graphs with a model until something is wrong.
//!
//! The way of a run: [`args`] turns the command line into a [`args::Request`]; [`bench::run`] plans the
//! workload, runs it on the asked heap and fills a [`report::Report`]; the report is printed as text or as
//! one line of JSON and then judged, for a wrong checksum is a failure.

use std::io::Write as _;

pub mod args;
#[forbid(unsafe_code)]
mod baseline;
pub mod bench;
pub mod error;
mod json;
pub mod latency;
pub mod measure;
pub mod progress;
#[forbid(unsafe_code)]
pub mod replay;
pub mod report;
pub mod rng;
pub mod scale;
#[forbid(unsafe_code)]
pub mod sim;
pub mod size;
#[forbid(unsafe_code)]
pub mod torture;
#[forbid(unsafe_code)]
pub mod workloads;

use args::{Cli, Command};
use error::LabError;
use workloads::Workload;

/// Does what the command line asks and prints the answer to standard output.
///
/// # Errors
/// Returns what went wrong: an argument that cannot be served, a heap that is full, a wrong checksum, or an
/// output that cannot be written.
pub fn run(cli: Cli) -> Result<(), LabError> {
    let mut out = std::io::stdout().lock();
    match cli.command {
        Command::List => {
            for workload in Workload::ALL {
                writeln!(out, "{:8} {}", workload.name(), workload.summary())?;
            }
            Ok(())
        }
        Command::Run(args) => {
            let as_json = args.json;
            let report = bench::run(&args.into_request()?)?;
            if as_json {
                writeln!(out, "{}", report.to_json())?;
            } else {
                write!(out, "{report}")?;
            }
            report.judge()
        }
        Command::Sim(args) => sim::sim(&args, &mut out),
        Command::Explain(args) => sim::explain(&args, &mut out),
        Command::Replay(args) => replay::replay(&args, &mut out),
        Command::Torture(args) => {
            let as_json = args.json;
            let request = args.into_request();
            // Said before anything can go wrong: a heap that is broken may end the process.
            eprintln!("torture with --seed {}", request.seed);
            let report = torture::run(request)?;
            if as_json {
                writeln!(out, "{}", report.to_json())?;
            } else {
                write!(out, "{report}")?;
            }
            Ok(())
        }
    }
}
