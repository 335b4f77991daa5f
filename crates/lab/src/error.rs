//! What can go wrong with a run, said so that the next try succeeds.

use mudlark::{HeapError, HeapStats};
use mudlark_sim::policy::PolicySpec;

use crate::size::ByteSize;
use crate::torture::Fault;
use crate::workloads::Workload;

/// Why there is no (good) result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// More than one thread was asked of a workload that is defined for one.
    #[error(
        "cannot run `{workload}` with --threads {threads}: it is defined for one thread; \
         leave --threads out, or run trees or alloc"
    )]
    OneThreadOnly {
        /// What was to run.
        workload: Workload,
        /// The threads asked for.
        threads: usize,
    },
    /// An option of the collected heap was given for the other heap.
    #[error(
        "cannot apply {option} to --heap malloc: it steers a collector; leave it out, or use --heap mudlark"
    )]
    NotForMalloc {
        /// The option.
        option: &'static str,
    },
    /// A GC percent was given beside a policy that has one.
    #[error(
        "cannot apply --gc-percent beside --policy {policy}: the policy sets the percent; leave one of them out"
    )]
    TwoPercents {
        /// The policy.
        policy: PolicySpec,
    },
    /// A workload that measures collections was asked of a heap that has none.
    #[error(
        "cannot run `{workload}` with --heap malloc: it times full collections, and malloc has none; \
         use --heap mudlark, or another workload"
    )]
    NoCollections {
        /// What was to run.
        workload: Workload,
    },
    /// The heap could not be made.
    #[error("cannot make the heap: {source}; {}", heap_remedy(*max_heap))]
    Heap {
        /// The limit asked for.
        max_heap: Option<ByteSize>,
        /// What the heap says.
        source: HeapError,
    },
    /// The heap was full before the workload was done.
    #[error(
        "cannot finish `{workload}`: the heap is full with {in_use} in use, {live} of it live after the last \
         collection, of {}; raise --max-heap, or lower --gc-percent or --scale", limit(*max_heap)
    )]
    HeapFull {
        /// What was running.
        workload: Workload,
        /// The limit asked for.
        max_heap: Option<ByteSize>,
        /// Memory that holds objects, dead ones included.
        in_use: ByteSize,
        /// What the last collection found alive.
        live: ByteSize,
    },
    /// Data in the heap is not what was stored.
    #[error("`{workload}` found its data damaged: {what}; this is a bug of the heap, please report it")]
    Damaged {
        /// What was running.
        workload: Workload,
        /// What is wrong.
        what: &'static str,
    },
    /// The work was not done right.
    #[error(
        "`{workload}` gives the checksum {found}, but {expected} is right; \
         this is a bug of the heap or of the workload, please report it"
    )]
    Checksum {
        /// What was run.
        workload: Workload,
        /// The right one.
        expected: u64,
        /// The one computed.
        found: u64,
    },
    /// A torture found something.
    #[error(
        "the torture found a heap that is not as it must be: {0}; this is a bug of the heap, please report it"
    )]
    Torture(Fault),
    /// A simulation was asked for that cannot be.
    #[error(transparent)]
    Sim(#[from] crate::sim::SimError),
    /// A replay that cannot be, or that showed what must not be.
    #[error(transparent)]
    Replay(#[from] crate::replay::ReplayError),
    /// The answer could not be printed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl LabError {
    pub(crate) fn heap_full(workload: Workload, max_heap: Option<ByteSize>, stats: &HeapStats) -> Self {
        let (in_use, live) = (ByteSize(stats.in_use_bytes), ByteSize(stats.live_bytes));
        Self::HeapFull { workload, max_heap, in_use, live }
    }

    /// Returns the code to leave the process with: 2 for what a better command line avoids from the start,
    /// 1 for a run that failed.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Replay(error) if error.is_usage() => 2,
            Self::OneThreadOnly { .. } | Self::NotForMalloc { .. } | Self::NoCollections { .. } => 2,
            Self::TwoPercents { .. } => 2,
            Self::Heap { max_heap: Some(_), .. } | Self::Sim(_) => 2,
            _ => 1,
        }
    }

    /// Says whether the reader of standard output went away, as `head` does, which is no failure.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

fn limit(max_heap: Option<ByteSize>) -> String {
    max_heap.map_or_else(|| "the default maximum".to_owned(), |max| format!("a maximum of {max}"))
}

fn heap_remedy(max_heap: Option<ByteSize>) -> String {
    match max_heap {
        Some(max) => format!("choose another --max-heap than {max}, such as 1GiB"),
        None => "ask for less with --max-heap, such as 1GiB".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{LabError, PolicySpec};
    use crate::size::ByteSize;
    use crate::workloads::Workload;

    #[test]
    fn a_full_heap_names_its_limit_and_the_knob() {
        let error = LabError::HeapFull {
            workload: Workload::Trees,
            max_heap: Some(ByteSize(16 << 20)),
            in_use: ByteSize(15 << 20),
            live: ByteSize(14 << 20),
        };
        assert_eq!(
            error.to_string(),
            "cannot finish `trees`: the heap is full with 15 MiB in use, 14 MiB of it live after the last \
             collection, of a maximum of 16 MiB; raise --max-heap, or lower --gc-percent or --scale"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn what_another_command_line_avoids_leaves_with_2() {
        assert_eq!(LabError::NotForMalloc { option: "--workers" }.exit_code(), 2);
        assert_eq!(LabError::TwoPercents { policy: PolicySpec::None }.exit_code(), 2);
        assert_eq!(LabError::NoCollections { workload: Workload::Graph }.exit_code(), 2);
        assert_eq!(LabError::OneThreadOnly { workload: Workload::Graph, threads: 2 }.exit_code(), 2);
    }
}
