//! The workloads, and their versions for the collected heap.
//!
//! Each module defines one workload: its counts at a given scale, the checksum that must come out, and the
//! version that runs on mudlark, in safe code only. The twins that free by hand are in `baseline`.
//!
//! `Gc` pointers live only inside a scope, and the collector makes progress only between scopes. So every
//! workload works in scopes of a few thousand objects: long enough to cost nothing, short enough to keep the
//! collector going.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use clap::ValueEnum;
use mudlark::{AllocError, Heap};

use crate::latency::Latency;
use crate::measure::Elapsed;
use crate::progress::Progress;
use crate::scale::Scale;

pub(crate) mod alloc;
pub(crate) mod gcbench;
pub(crate) mod graph;
pub(crate) mod lists;
pub(crate) mod pusher;
pub(crate) mod splay;
pub(crate) mod trees;

/// The names of the workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Many short-lived binary trees beside one that lives: time; one or more threads
    Trees,
    /// Trees built from the top and from the bottom beside long-lived data: time
    Gcbench,
    /// A map with a sliding window of 1 KiB messages: latency of each push
    Pusher,
    /// A large random graph, collected five times: time of a full collection
    Graph,
    /// Short-lived objects of six sizes: time per object; one or more threads
    Alloc,
    /// A splay tree whose nodes carry large payloads: latency of each modification
    Splay,
    /// Random pointer writes into old objects: time per write
    Lists,
}

impl Workload {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 7] =
        [Self::Trees, Self::Gcbench, Self::Pusher, Self::Graph, Self::Alloc, Self::Splay, Self::Lists];

    /// Returns the name people type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::Gcbench => "gcbench",
            Self::Pusher => "pusher",
            Self::Graph => "graph",
            Self::Alloc => "alloc",
            Self::Splay => "splay",
            Self::Lists => "lists",
        }
    }

    /// Returns one line on what it does and measures: what the help of the command line says.
    pub fn summary(self) -> String {
        self.to_possible_value()
            .and_then(|value| value.get_help().map(ToString::to_string))
            .unwrap_or_default()
    }

    /// Says whether its work can be shared by several threads.
    pub const fn is_threaded(self) -> bool {
        matches!(self, Self::Trees | Self::Alloc)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A workload at a certain scale.
pub(crate) trait Bench: Sized {
    /// Works out the counts.
    fn plan(scale: Scale) -> Self;
    /// The checksum that must come out.
    fn checksum(&self) -> u64;
    /// The number of objects the whole run allocates.
    fn objects(&self) -> u64;
    /// The number of units that are reported to [`Progress`] over the whole run.
    fn units(&self) -> u64;
    /// Does the work on the collected heap.
    fn run_on_mudlark(&self, heap: &Heap, context: &Context<'_>) -> Result<Outcome, Failure>;
    /// Does the same work on malloc, with memory freed by hand.
    fn run_on_malloc(&self, context: &Context<'_>) -> Result<Outcome, Failure>;
}

/// What a workload needs to know of the run around it.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) threads: usize,
    pub(crate) progress: &'a Progress,
}

/// What a workload has found.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) checksum: u64,
    pub(crate) timed: Elapsed,
    pub(crate) finding: Finding,
}

/// What a workload measures besides its time.
#[derive(Debug)]
pub(crate) enum Finding {
    Nothing,
    /// The time goes to objects: report it for each.
    PerObject,
    /// The time goes to this many pointer writes.
    PerWrite(u64),
    /// Each operation was timed.
    Latency(Latency),
    /// The median full collection, with this many live objects.
    FullCollection {
        median: Duration,
        live_objects: u64,
    },
}

/// Why a workload cannot be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    HeapFull,
    /// Data in the heap is not what was stored.
    Damaged(&'static str),
    /// The workload is about collections and has no version without them.
    NeedsCollector,
}

/// The heap has no room for an object.
///
/// Of no size, so that a `Result` with a pointer stays one word in the recursive builders. What there is to
/// say about it is read from the heap later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeapFull;

impl From<HeapFull> for Failure {
    fn from(HeapFull: HeapFull) -> Self {
        Self::HeapFull
    }
}

impl<T> From<AllocError<T>> for HeapFull {
    #[cold]
    fn from(_: AllocError<T>) -> Self {
        Self
    }
}

/// Splits `0..count` evenly over threads, runs `work` on each with its share, and adds up the answers.
pub(crate) fn on_threads<E: Send>(
    threads: usize,
    count: u64,
    work: impl Fn(Range<u64>) -> Result<u64, E> + Sync,
) -> Result<u64, E> {
    let share = |thread: usize| count * thread as u64 / threads as u64;
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(share(thread)..share(thread + 1)))).collect();
        let answers = workers.into_iter().map(|worker| match worker.join() {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        answers.sum()
    })
}

/// Cuts `range` into batches of `len`; the last one may be shorter.
pub(crate) fn batches(range: Range<u64>, len: u64) -> impl Iterator<Item = Range<u64>> {
    let starts = range.clone().step_by(usize::try_from(len).expect("a batch is short"));
    starts.map(move |start| start..(start + len).min(range.end))
}

#[cfg(test)]
mod tests {
    use super::{Bench, Workload, alloc, batches, gcbench, graph, lists, on_threads, pusher, splay, trees};
    use crate::scale::Scale;

    /// Goal: the plans are the workloads that others run. Method: the checksums everyone agrees on.
    #[test]
    fn whole_workloads_have_the_known_checksums() {
        fn checksum<B: Bench>() -> u64 {
            B::plan(Scale::FULL).checksum()
        }
        assert_eq!(checksum::<trees::Trees>(), 68_332_206);
        assert_eq!(checksum::<gcbench::Gcbench>(), 524_287);
        assert_eq!(checksum::<pusher::Pusher>(), 25_506_144);
        assert_eq!(checksum::<graph::Graph>(), 31_999_996_000_000);
        assert_eq!(checksum::<alloc::Alloc>(), 200_000_000);
        assert_eq!(checksum::<splay::Splay>(), 800_000);
        assert_eq!(checksum::<lists::Lists>(), 499_999_500_000);
    }

    #[test]
    fn the_names_are_those_of_the_command_line() {
        use clap::ValueEnum as _;
        for workload in Workload::ALL {
            assert_eq!(Workload::from_str(workload.name(), false), Ok(workload));
        }
        assert_eq!(Workload::ALL.len(), Workload::value_variants().len());
    }

    #[test]
    fn shares_cover_the_count_without_overlap() {
        for threads in 1..5 {
            let sum: Result<u64, ()> = on_threads(threads, 10, |share| Ok(share.sum()));
            assert_eq!(sum, Ok(45), "{threads} threads");
        }
        assert_eq!(on_threads(3, 2, |share| if share.is_empty() { Err("idle") } else { Ok(1) }), Err("idle"));
    }

    #[test]
    fn batches_cover_the_range_without_overlap() {
        assert_eq!(batches(3..10, 3).collect::<Vec<_>>(), [3..6, 6..9, 9..10]);
        assert_eq!(batches(3..3, 3).count(), 0);
    }
}
