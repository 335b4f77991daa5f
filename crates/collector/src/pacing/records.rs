//! What the caller tells the pacer: memory, work, the moments of a cycle, and how things are from time to time.

use super::units::{Bytes, CpuNanos, Nanos, ScanWork};

/// Work of a cycle, by where it was found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Work {
    /// In objects.
    pub heap: ScanWork,
    /// In stacks, or whatever else a mutator has of its own.
    pub stacks: ScanWork,
    /// In globals: roots that no mutator owns.
    pub globals: ScanWork,
}

impl Work {
    /// All of it.
    pub fn total(self) -> ScanWork {
        self.heap + self.stacks + self.globals
    }
}

/// The process's memory, as far as the heap is concerned. All zero where nobody knows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Memory {
    /// Memory that the heap has from the system: blocks, free blocks that were not given back, and all tables.
    pub mapped: Bytes,
    /// The part of it that blocks in use take.
    pub heap_in_use: Bytes,
    /// The part of it that free blocks take that were not given back.
    pub heap_free: Bytes,
    /// Memory outside of the heap that objects hold, as the program accounts for it.
    pub external: Bytes,
}

impl Memory {
    /// What is neither objects nor room for objects.
    pub fn non_heap(self) -> Bytes {
        self.mapped - self.heap_free - self.heap_in_use
    }

    /// All that the memory limit is about.
    pub fn total(self) -> Bytes {
        self.mapped + self.external
    }
}

/// Why a cycle begins.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Cause {
    /// The heap has grown to its trigger.
    #[default]
    Trigger,
    /// Somebody asked.
    Asked,
    /// None has begun for a long time.
    Period,
    /// The program is quiet.
    Quiet,
}

/// The beginning of a cycle.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct CycleBegin {
    /// When.
    pub now: Nanos,
    /// The estimate of live bytes, external ones included.
    pub live: Bytes,
    /// The most that this cycle can scan, as far as is known.
    pub most: ScanWork,
    /// Memory now.
    pub memory: Memory,
    /// Why.
    pub cause: Cause,
}

/// How far a cycle is.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Progress {
    /// The estimate of live bytes, external ones included.
    pub live: Bytes,
    /// What was scanned so far.
    pub done: Work,
    /// The most that this cycle can scan, as far as is known.
    pub most: ScanWork,
    /// Memory now.
    pub memory: Memory,
}

/// A complete cycle.
///
/// What the default rules need is `live`, `left`, `peak`, `work`, `duration` and `assist_cpu`. The policies that weigh CPU time
/// against memory use the rest.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct CycleReport {
    /// When it was complete.
    pub now: Nanos,
    /// What it left alive, external bytes included: the base of the next goal. Go counts all that was born during the
    /// cycle; [`Survival`](super::Survival) counts a share of it.
    pub live: Bytes,
    /// The estimate of live bytes behind it: all that it kept. At least `live`.
    pub left: Bytes,
    /// The estimate of live bytes at its end, before anything was found dead.
    pub peak: Bytes,
    /// What was scanned.
    pub work: Work,
    /// How long it marked.
    pub duration: Nanos,
    /// CPU time of assists.
    pub assist_cpu: CpuNanos,
    /// CPU time of background marking, without workers that only used idle cores. For the record: the rules go by the quarter
    /// that is planned.
    pub background_cpu: CpuNanos,
    /// CPU time of workers that only used idle cores.
    pub idle_cpu: CpuNanos,
    /// CPU time of all marking, the three above included.
    pub gc_cpu: CpuNanos,
    /// CPU time of mutators since the report before, without assists.
    pub mutator_cpu: CpuNanos,
    /// What was allocated since the report before, external bytes included.
    pub allocated: Bytes,
    /// Memory now.
    pub memory: Memory,
}

/// What the idle automaton is told from time to time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Look {
    /// Now.
    pub now: Nanos,
    /// Bytes allocated since the heap was made.
    pub allocated: Bytes,
    /// Bytes that may be garbage: what was allocated since the last cycle was complete, or what that cycle kept and does not count as
    /// live, with all since, if that is more.
    pub since_end: Bytes,
    /// Memory that blocks and their tables take, free blocks that were not given back included.
    pub held: Bytes,
    /// Whether a cycle is running.
    pub is_running: bool,
}
