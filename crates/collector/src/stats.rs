//! The numbers of a heap, gathered without stopping anybody.

use crate::{
    cleanup::CleanupStats,
    descriptor::Descriptor,
    handshake::{HANDSHAKES, HandshakeStats},
    heap::Core,
    mark::MarkStats,
    safepoint::SafepointStats,
};
use mudlark_arena::{
    ArenaStats, Bin, BinStats,
    sync::{AtomicU64, Ordering::Relaxed},
};
use std::sync::Arc;

/// Numbers of a heap at one moment. Bytes unless a name says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Cycles that are complete, sweep included.
    pub cycles: u64,
    /// Those of them that somebody asked for.
    pub forced_cycles: u64,
    /// Cycles that were given up because a tracer panicked.
    pub aborted_cycles: u64,
    /// What the last cycle found live.
    pub marked_bytes: u64,
    /// What is believed to live now.
    pub live_bytes: u64,
    /// Where the next cycle should end.
    pub goal_bytes: u64,
    /// Where the next cycle begins.
    pub trigger_bytes: u64,
    /// Outside of the heap, held by objects, as far as the program accounts for it.
    pub external_bytes: u64,
    /// Allocated since birth, counted by regions.
    pub allocated_bytes: u64,
    /// Objects allocated since birth, without those of open regions.
    pub allocated_objects: u64,
    /// Roots in use.
    pub roots: u64,
    /// Looks of markers at ephemerons and entries of weak maps, all cycles together.
    pub ephemeron_looks: u64,
    /// Cleanups by how far they are.
    pub cleanups: CleanupStats,
    /// The arena's numbers.
    pub arena: ArenaStats,
    /// Time that mutators spent at safepoints with something to do.
    pub safepoints: SafepointStats,
    /// The handshakes, kind by kind in the order of a cycle.
    pub handshakes: [HandshakeStats; HANDSHAKES],
    /// CPU time of the background threads.
    pub collector_cpu_ns: u64,
    /// Time that mutators spent on cycles: in allocations, and without background threads at safepoints and in `collect`.
    pub assist_ns: u64,
    /// How long the last cycle marked.
    pub last_mark_ns: u64,
}

/// Numbers of one kind of cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CellStats {
    /// The type whose objects are in the cells, or `(pointer-free)`.
    pub type_name: &'static str,
    /// Blocks, and objects allocated and freed. Objects in open regions are not counted yet.
    pub cells: BinStats,
}

/// CPU time that a heap took since birth, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CpuStats {
    /// The background threads: marking, clearing, sweeping, giving memory back.
    pub background_ns: u64,
    /// What of it was marking.
    pub marking_ns: u64,
    /// Time that mutators spent on cycles: see [`Stats::assist_ns`].
    pub assist_ns: u64,
}

/// What those who mark did since birth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerStats {
    /// The background threads, one by one.
    pub threads: Vec<MarkStats>,
    /// Mutators together: assists, and marking in heaps without background threads.
    pub mutators: MarkStats,
}

/// How many cycles of a heap are over, for those that outlive it: it stands still then.
#[derive(Clone, Debug)]
pub struct CycleClock(Arc<AtomicU64>);

impl CycleClock {
    /// Cycles that are over, complete or not. One load.
    #[inline]
    pub fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Core {
    /// How many cycles are over, to be asked often.
    pub fn cycle_clock(&self) -> CycleClock {
        CycleClock(Arc::clone(&self.driver.ended))
    }

    /// The numbers of the heap, without stopping anybody.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn stats(&self) -> Stats {
        self.assert_not_forked("read the statistics");
        let cycles = self.driver.counts();
        Stats {
            cycles: cycles.finished,
            forced_cycles: cycles.forced,
            aborted_cycles: cycles.aborted,
            marked_bytes: cycles.last_live,
            live_bytes: self.accounts.live(),
            goal_bytes: self.pace.goal(),
            trigger_bytes: self.pace.trigger(),
            external_bytes: self.pace.external(),
            allocated_bytes: self.accounts.allocated(),
            allocated_objects: self.accounts.objects(),
            roots: self.roots.len() as u64,
            ephemeron_looks: self.ephemerons.looks(),
            cleanups: self.cleanups.stats(),
            arena: self.arena.stats(),
            safepoints: self.safepoints.stats(self.registry.lock().armed_exits()),
            handshakes: self.handshake.stats(),
            collector_cpu_ns: self.background.cpu_ns(),
            assist_ns: self.assist_ns.load(Relaxed),
            last_mark_ns: cycles.last_mark_ns,
        }
    }

    /// CPU time that the heap took: a few loads, so that it can be asked as often as one likes.
    pub fn cpu_stats(&self) -> CpuStats {
        CpuStats {
            background_ns: self.background.cpu_ns(),
            marking_ns: self.background.marking_ns(),
            assist_ns: self.assist_ns.load(Relaxed),
        }
    }

    /// What each background thread marked, and what mutators did.
    pub fn worker_stats(&self) -> WorkerStats {
        WorkerStats { threads: self.background.mark_stats(), mutators: self.assists.stats() }
    }

    /// What each kind of cells holds, in order of first allocation. Pointer-free types share kinds by size class.
    pub fn cell_stats(&self) -> Vec<CellStats> {
        self.assert_not_forked("read the statistics");
        let name_of = |bin: &Bin| {
            // SAFETY: C2: the tag of every bin of a heap is the address of a static descriptor.
            let descriptor = unsafe { &*bin.tag().cast::<Descriptor>() };
            (descriptor.name)()
        };
        let names: Vec<&'static str> = self.arena.bins().into_iter().map(name_of).collect();
        // Bins are only ever added, behind those that were named.
        let stats = self.arena.bin_stats();
        names.into_iter().zip(stats).map(|(type_name, cells)| CellStats { type_name, cells }).collect()
    }

    /// Checks the exact counters against a slow recount. For tests; nothing may run at the same time, and no mutator may
    /// be attached.
    ///
    /// # Errors
    ///
    /// The first counter that is off.
    pub fn recount(&self) -> Result<(), String> {
        self.arena.recount()
    }
}
