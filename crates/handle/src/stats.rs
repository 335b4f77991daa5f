//! The numbers of a heap.

use mudlark_collector::{self as collector, CleanupStats, HANDSHAKES, HandshakeStats, SafepointStats};

/// Numbers of a heap at one moment. Bytes unless a name says otherwise; since birth where it says `allocated`.
///
/// `total_bytes = in_use_bytes + free_bytes` and `committed_bytes = total_bytes - released_bytes`, always.
///
/// # Example: how much of the committed memory is used
///
/// ```
/// use mudlark::{Heap, HeapStats};
///
/// fn in_use_percent(stats: &HeapStats) -> u64 {
///     100 * stats.in_use_bytes / stats.committed_bytes.max(1)
/// }
///
/// let heap = Heap::builder().build()?;
/// let _kept = heap.attach().enter(|cx| cx.root(cx.alloc_slice_fill(1 << 20, 0_u8)));
/// let stats = heap.stats();
/// assert_eq!(stats.total_bytes, stats.in_use_bytes + stats.free_bytes);
/// assert!(in_use_percent(&stats) > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HeapStats {
    /// Cycles that are complete, sweep included.
    pub cycles: u64,
    /// Those that somebody asked for.
    pub forced_cycles: u64,
    /// Cycles given up because a tracer panicked.
    pub aborted_cycles: u64,
    /// What the last cycle found live.
    pub live_bytes: u64,
    /// What is believed to live now.
    pub live_now_bytes: u64,
    /// Where the next cycle should end.
    pub goal_bytes: u64,
    /// Where the next cycle begins.
    pub trigger_bytes: u64,
    /// Blocks that exist.
    pub total_bytes: u64,
    /// Blocks that hold objects.
    pub in_use_bytes: u64,
    /// Blocks that hold none.
    pub free_bytes: u64,
    /// Blocks that may be backed by memory.
    pub committed_bytes: u64,
    /// Blocks that are not.
    pub released_bytes: u64,
    /// Committed memory beside the blocks: mark bitmaps, block records.
    pub side_table_bytes: u64,
    /// Outside of the heap, held by objects: what [`Scope::account_external`](crate::Scope::account_external) was told.
    pub external_bytes: u64,
    /// Allocated, counted by regions.
    pub allocated_bytes: u64,
    /// Objects allocated, without those in regions that are still open.
    pub allocated_objects: u64,
    /// Roots in use.
    pub roots: u64,
    /// Looks of markers at ephemerons and entries of weak maps, all cycles together.
    pub ephemeron_looks: u64,
    /// Cleanups by how far they are.
    pub cleanups: CleanupStats,
    /// Time that mutators spent at safepoints at which they had something to do.
    pub safepoints: SafepointStats,
    /// Handshakes between collector and mutators, kind by kind in the order of a cycle.
    pub handshakes: [HandshakeStats; HANDSHAKES],
    /// CPU time of the background threads in nanoseconds.
    pub collector_cpu_ns: u64,
    /// Time that mutators spent on cycles, in nanoseconds: in allocations, and without background threads at safepoints and in
    /// [`Heap::collect`](crate::Heap::collect).
    pub assist_ns: u64,
    /// How long the last cycle marked, in nanoseconds.
    pub last_mark_ns: u64,
}

impl From<collector::Stats> for HeapStats {
    fn from(stats: collector::Stats) -> HeapStats {
        let arena = stats.arena;
        HeapStats {
            cycles: stats.cycles,
            forced_cycles: stats.forced_cycles,
            aborted_cycles: stats.aborted_cycles,
            live_bytes: stats.marked_bytes,
            live_now_bytes: stats.live_bytes,
            goal_bytes: stats.goal_bytes,
            trigger_bytes: stats.trigger_bytes,
            total_bytes: arena.total_bytes as u64,
            in_use_bytes: arena.in_use_bytes as u64,
            free_bytes: arena.free_bytes as u64,
            committed_bytes: arena.committed_bytes as u64,
            released_bytes: arena.released_bytes as u64,
            side_table_bytes: arena.side_table_bytes as u64,
            external_bytes: stats.external_bytes,
            allocated_bytes: stats.allocated_bytes,
            allocated_objects: stats.allocated_objects,
            roots: stats.roots,
            ephemeron_looks: stats.ephemeron_looks,
            cleanups: stats.cleanups,
            safepoints: stats.safepoints,
            handshakes: stats.handshakes,
            collector_cpu_ns: stats.collector_cpu_ns,
            assist_ns: stats.assist_ns,
            last_mark_ns: stats.last_mark_ns,
        }
    }
}
