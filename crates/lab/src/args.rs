//! The command line: what can be asked, and which askings make no sense.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mudlark::GcPercent;
use mudlark_sim::policy::PolicySpec;

use crate::error::LabError;
use crate::replay::ReplayArgs;
use crate::scale::Scale;
use crate::sim::{ExplainArgs, SimArgs};
use crate::size::ByteSize;
use crate::torture::{TortureRequest, random_seed};
use crate::workloads::Workload;

/// Runs garbage-collection workloads on mudlark, or the same work on malloc, and reports what they cost
#[derive(Debug, Parser)]
#[command(name = "mudlark", version, about, arg_required_else_help = true, allow_negative_numbers = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the lab can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one workload and report time, memory, pauses and the checksum
    Run(RunArgs),
    /// Name the workloads, one line each
    List,
    /// Build random graphs on many threads and compare them with a model, until the time is over or something is wrong
    Torture(TortureArgs),
    /// Run pacing scenarios in virtual time: each cycle, and what came of it
    Sim(SimArgs),
    /// Explain one cycle of a simulation: inputs, formulas, and which bound ruled
    Explain(ExplainArgs),
    /// Run a pacing scenario on the real heap and in virtual time, and tell how far apart they are
    Replay(ReplayArgs),
}

/// The options of `run`, each valid by itself; [`RunArgs::into_request`] checks them together.
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)]
pub struct RunArgs {
    /// The work to do
    #[arg(value_enum, value_name = "WORKLOAD")]
    pub workload: Workload,

    /// Threads that share the work and the heap (trees and alloc only)
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_threads)]
    pub threads: usize,

    /// How much the heap may grow between collections, in percent of what is live, or `off`
    #[arg(long, value_name = "P", value_parser = parse_gc_percent)]
    pub gc_percent: Option<GcPercent>,

    /// Most memory the heap may take, such as 512MiB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_max_heap)]
    pub max_heap: Option<ByteSize>,

    /// Soft limit on memory, such as 512MiB: collections come earlier near it, and it gives way only to what is live
    #[arg(long, value_name = "SIZE", value_parser = parse_memory_limit)]
    pub memory_limit: Option<ByteSize>,

    /// How big the heap may grow, as for `mudlark sim`: percent, percent:50, fixed:64MiB, sqrt:0.3 (cores per GiB),
    /// share:0.04, no-assists or none
    #[arg(long, value_name = "P")]
    pub policy: Option<PolicySpec>,

    /// Background threads of the collector; with 0 the workload's threads do all its work
    #[arg(long, value_name = "N", value_parser = parse_workers)]
    pub workers: Option<usize>,

    /// Factor on the counts of the workload, for quick runs
    #[arg(long, value_name = "F", default_value = "1", allow_hyphen_values = true)]
    pub scale: Scale,

    /// The heap to run on: collected by mudlark, or freed by hand on mimalloc
    #[arg(long, value_enum, default_value = "mudlark")]
    pub heap: HeapName,

    /// Print the pacer's decisions about the last cycles, after the run
    #[arg(long)]
    pub explain: bool,

    /// Print one line of JSON instead of a text to read
    #[arg(long)]
    pub json: bool,
}

/// The options of `torture`.
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)]
pub struct TortureArgs {
    /// How long the threads work
    #[arg(long, value_name = "N", default_value = "10", value_parser = parse_seconds)]
    pub seconds: u64,

    /// Threads, each with a graph of its own
    #[arg(long, value_name = "N", default_value = "8", value_parser = parse_threads)]
    pub threads: usize,

    /// Where all random numbers come from; by default another one each time
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// End each thread after so many operations, if the time is not over before
    #[arg(long, value_name = "N")]
    pub ops: Option<u64>,

    /// Background threads of the collector; by default 0 to 3, as the seed wants
    #[arg(long, value_name = "N", value_parser = parse_workers)]
    pub workers: Option<usize>,

    /// How much the heap may grow between collections, in percent of what is live, or `off`; by default 25 to 200, as the
    /// seed wants
    #[arg(long, value_name = "P", value_parser = parse_gc_percent)]
    pub gc_percent: Option<GcPercent>,

    /// Most memory the heap may take, such as 512MiB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_max_heap)]
    pub max_heap: Option<ByteSize>,

    /// About how large the graph of each thread becomes
    #[arg(long, value_name = "SIZE", default_value = "2MiB", value_parser = parse_live)]
    pub live: ByteSize,

    /// Make what is rare in a heap frequent; by default as the seed wants
    #[arg(long, value_enum)]
    pub zeal: Option<Switch>,

    /// Check each cycle with a second marker
    #[arg(long, value_enum, default_value = "on")]
    pub verify: Switch,

    /// Print one line of JSON instead of a text to read
    #[arg(long)]
    pub json: bool,
}

/// Something that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is on
    On,
    /// It is off
    Off,
}

impl TortureArgs {
    /// Returns what is asked for, with a new seed if none is given; each option is valid by itself, and none contradicts another.
    pub fn into_request(self) -> TortureRequest {
        let Self { seconds, threads, seed, ops, workers, gc_percent, max_heap, live, zeal, verify, json: _ } =
            self;
        let (time, zeal) = (Duration::from_secs(seconds), zeal.map(|zeal| zeal == Switch::On));
        let (verify, seed) = (verify == Switch::On, seed.unwrap_or_else(random_seed));
        TortureRequest { threads, time, ops, seed, workers, gc_percent, max_heap, live, zeal, verify }
    }
}

/// The heaps a workload can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HeapName {
    /// The collected heap
    Mudlark,
    /// mimalloc, with memory freed by hand
    Malloc,
}

/// A run that can be started.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The work to do.
    pub workload: Workload,
    /// Threads that share it, at least 1.
    pub threads: usize,
    /// How much of it.
    pub scale: Scale,
    /// Where.
    pub heap: HeapRequest,
    /// Whether the report explains the last cycles.
    pub explain: bool,
}

/// The heap of a run.
#[derive(Clone, Copy, Debug)]
pub enum HeapRequest {
    /// The collected heap; what is `None` is left to mudlark's defaults.
    Mudlark {
        /// Growth between collections.
        gc_percent: Option<GcPercent>,
        /// The hard limit.
        max_heap: Option<ByteSize>,
        /// The soft limit.
        memory_limit: Option<ByteSize>,
        /// The rules of pacing.
        policy: Option<PolicySpec>,
        /// Background threads.
        workers: Option<usize>,
    },
    /// mimalloc.
    Malloc,
}

impl RunArgs {
    /// Checks the options against each other.
    ///
    /// # Errors
    /// Refuses threads for a workload that has one thread's version only, options of the collected heap for the other
    /// one, and two GC percents.
    pub fn into_request(self) -> Result<Request, LabError> {
        let Self { workload, threads, gc_percent, max_heap, memory_limit, policy, .. } = self;
        let Self { workers, scale, heap, explain, json: _, .. } = self;
        if threads > 1 && !workload.is_threaded() {
            return Err(LabError::OneThreadOnly { workload, threads });
        }
        let heap = match heap {
            HeapName::Mudlark => {
                if let (Some(_), Some(policy @ (PolicySpec::Percent(Some(_)) | PolicySpec::None))) =
                    (gc_percent, policy)
                {
                    return Err(LabError::TwoPercents { policy });
                }
                HeapRequest::Mudlark { gc_percent, max_heap, memory_limit, policy, workers }
            }
            HeapName::Malloc => {
                let given = [
                    (gc_percent.is_some(), "--gc-percent"),
                    (max_heap.is_some(), "--max-heap"),
                    (memory_limit.is_some(), "--memory-limit"),
                    (policy.is_some(), "--policy"),
                    (workers.is_some(), "--workers"),
                    (explain, "--explain"),
                ];
                if let Some(&(_, option)) = given.iter().find(|(is_given, _)| *is_given) {
                    return Err(LabError::NotForMalloc { option });
                }
                HeapRequest::Malloc
            }
        };
        Ok(Request { workload, threads, scale, heap, explain })
    }
}

const THREADS_MAX: usize = 64;
const WORKERS_MAX: usize = 256;
const SECONDS_MAX: usize = 7 * 24 * 3600;
const LIVE_MIN: ByteSize = ByteSize(16 << 10);
const LIVE_MAX: ByteSize = ByteSize(1 << 30);
/// A heap has tables of its own and a minimum to run on; below this nothing can be learned from a run.
const MAX_HEAP_MIN: ByteSize = ByteSize(1 << 20);
/// The headroom below a memory limit is as much.
const MEMORY_LIMIT_MIN: ByteSize = ByteSize(1 << 20);

fn parse_threads(text: &str) -> Result<usize, String> {
    parse_count(text, 1, THREADS_MAX, "someone must do the work")
}

fn parse_seconds(text: &str) -> Result<u64, String> {
    let seconds = parse_count(text, 1, SECONDS_MAX, "a week is enough")?;
    Ok(seconds as u64)
}

fn parse_live(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: crate::size::SizeError| error.to_string())?;
    if size < LIVE_MIN || size > LIVE_MAX {
        return Err(format!(
            "use a size from {LIVE_MIN} to {LIVE_MAX}; each thread has that much, and a model of it"
        ));
    }
    Ok(size)
}

fn parse_workers(text: &str) -> Result<usize, String> {
    parse_count(text, 0, WORKERS_MAX, "0 makes the collector work on the workload's own threads")
}

fn parse_count(text: &str, min: usize, max: usize, why: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if (min..=max).contains(&count) => Ok(count),
        _ => Err(format!("use a whole number from {min} to {max}; {why}")),
    }
}

fn parse_gc_percent(text: &str) -> Result<GcPercent, String> {
    text.parse().map_err(|_| "use a percentage such as 100, or off".to_owned())
}

fn parse_max_heap(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: crate::size::SizeError| error.to_string())?;
    if size < MAX_HEAP_MIN {
        return Err(format!("a heap needs at least {MAX_HEAP_MIN}; try 64MiB"));
    }
    Ok(size)
}

fn parse_memory_limit(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: crate::size::SizeError| error.to_string())?;
    if size < MEMORY_LIMIT_MIN {
        return Err(format!(
            "the headroom alone is {MEMORY_LIMIT_MIN}, so less cannot be a limit; try 64MiB"
        ));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Cli, Command, HeapRequest, LabError, PolicySpec, Request};
    use crate::size::ByteSize;
    use crate::workloads::Workload;

    fn request(line: &str) -> Result<Request, LabError> {
        match Cli::parse_from(line.split(' ')).command {
            Command::Run(args) => args.into_request(),
            _ => panic!("{line} is no run"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_run_takes_the_defaults() {
        let request = request("mudlark run trees").unwrap();
        assert_eq!((request.workload, request.threads), (Workload::Trees, 1));
        assert_eq!(request.scale.factor(), 1.0);
        let HeapRequest::Mudlark { gc_percent, max_heap, memory_limit, policy, workers } = request.heap
        else {
            panic!("mudlark is the default heap")
        };
        assert!(gc_percent.is_none() && max_heap.is_none() && workers.is_none());
        assert!(memory_limit.is_none() && policy.is_none() && !request.explain);
    }

    #[test]
    fn every_knob_arrives() {
        let line = "mudlark run alloc --threads 2 --gc-percent off --max-heap 512MiB --memory-limit 256MiB \
                    --policy sqrt:0.3 --workers 0 --scale 0.5 --explain";
        let request = request(line).unwrap();
        assert_eq!((request.threads, request.scale.factor(), request.explain), (2, 0.5, true));
        let HeapRequest::Mudlark { gc_percent, max_heap, memory_limit, policy, workers } = request.heap
        else {
            panic!("mudlark is the default heap")
        };
        assert!(gc_percent.is_some());
        assert_eq!((max_heap, workers), (Some(ByteSize(512 << 20)), Some(0)));
        assert_eq!((memory_limit, policy), (Some(ByteSize(256 << 20)), Some(PolicySpec::SquareRoot(0.3))));
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let refused = request("mudlark run splay --threads 2");
        assert!(matches!(refused, Err(LabError::OneThreadOnly { workload: Workload::Splay, threads: 2 })));
        let refused = request("mudlark run trees --heap malloc --workers 1");
        assert!(matches!(refused, Err(LabError::NotForMalloc { option: "--workers" })));
        for policy in ["percent:50", "none"] {
            let refused = request(&format!("mudlark run trees --gc-percent 50 --policy {policy}"));
            assert!(matches!(refused, Err(LabError::TwoPercents { .. })), "{policy}");
        }
        for policy in ["percent", "no-assists", "share:0.04"] {
            let request = request(&format!("mudlark run trees --gc-percent 50 --policy {policy}"));
            assert!(request.is_ok(), "{policy}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let lines = [
            "run trees --threads 0",
            "run trees --threads -1",
            "run trees --threads 65",
            "run trees --threads two",
            "run trees --workers 257",
            "run trees --gc-percent lots",
            "run trees --gc-percent -1",
            "run trees --max-heap 0",
            "run trees --max-heap 4KiB",
            "run trees --max-heap lots",
            "run trees --memory-limit 0",
            "run trees --memory-limit 4KiB",
            "run trees --memory-limit -1",
            "run trees --memory-limit off",
            "run trees --policy magic",
            "run trees --policy fixed",
            "run trees --policy percent --policy none",
            "run trees --explain 3",
            "run trees --scale 0",
            "run trees --scale -1",
            "run trees --scale nan",
            "run trees --scale -inf",
            "run tress",
            "torture --threads 0",
            "torture --threads 65",
            "torture --seconds 0",
            "torture --seconds -1",
            "torture --seconds 0.5",
            "torture --seed x",
            "torture --seed -1",
            "torture --workers 257",
            "torture --zeal maybe",
            "torture --verify",
            "torture --live 1",
            "torture --live 2GiB",
            "torture --max-heap 4KiB",
            "torture trees",
            "run",
        ];
        for line in lines {
            let words = std::iter::once("mudlark").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
