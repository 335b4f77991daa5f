//! The heap, as the embedder of own layouts sees it.

use crate::{
    background::{Collector, SharedCollector},
    heap::{Config, HeapError},
    raw::{RawDescriptor, RawKind, RawMutator, RawTypeError, RawTypeStats},
    stats::Stats,
    verify::VerifyReport,
};
use std::{collections::HashMap, fmt, ptr::NonNull};

/// A garbage-collected heap for objects with layouts of your own. Cloning makes another handle to the same heap.
///
/// It ends with the last of its handles, mutators and roots; then what is left in it is dropped.
///
/// # Example: objects that are bytes
///
/// ```
/// use mudlark_collector::{Config, raw::{RawDescriptor, RawHeap}};
///
/// let heap = RawHeap::new(Config::default())?;
/// // SAFETY: E1: there is nothing to trace, and no function.
/// let bytes = unsafe { heap.register(RawDescriptor::variable("bytes")) }?;
/// let mut mutator = heap.attach();
/// let mut scope = mutator.enter();
/// // SAFETY: E11: the kind is of this heap; E3: zeros are an object of it.
/// let object = unsafe { scope.alloc_zeroed(bytes, 100) }?;
/// // SAFETY: E2: the object was made in this scope.
/// let root = unsafe { scope.add_root(object) };
/// scope.safepoint();
/// assert_eq!(root.get(), object);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RawHeap {
    collector: SharedCollector,
}

impl fmt::Debug for RawHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawHeap").field("collector", &self.collector).finish()
    }
}

impl RawHeap {
    /// Builds a heap, and starts its background threads.
    ///
    /// # Errors
    ///
    /// [`HeapError`] when no memory can be reserved, or the configuration allows none.
    pub fn new(config: Config) -> Result<RawHeap, HeapError> {
        Collector::new(config).map(|collector| RawHeap { collector })
    }

    /// Everything else that a heap can do: its knobs, statistics, explanations.
    pub fn collector(&self) -> &SharedCollector {
        &self.collector
    }

    /// Makes a type known. It stays known as long as the heap lives; register types once, not objects.
    ///
    /// # Errors
    ///
    /// [`RawTypeError`] if no object could be laid out like that.
    ///
    /// # Safety
    ///
    /// The functions do what E1 says, and live with their data as long as the heap (E12).
    pub unsafe fn register(&self, descriptor: RawDescriptor) -> Result<RawKind, RawTypeError> {
        // SAFETY: E1: promised by the caller.
        unsafe { self.collector.raw_types.register(descriptor) }
    }

    /// Access to the heap for one thread at a time.
    ///
    /// # Panics
    ///
    /// In a finalizer, and in a fork of the process that made the heap.
    pub fn attach(&self) -> RawMutator {
        RawMutator::new(self)
    }

    /// Runs a complete cycle and waits for its end, sweep included. What was unreachable when it was called is freed.
    ///
    /// # Panics
    ///
    /// In a scope of this heap on this thread, in a finalizer, and in a fork of the process that made the heap.
    pub fn collect(&self) {
        self.collector.collect();
    }

    /// The heap's numbers.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn stats(&self) -> Stats {
        self.collector.stats()
    }

    /// What the verifier found, in a heap with [`Config::verify`].
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn verify_report(&self) -> VerifyReport {
        self.collector.verify_report()
    }

    /// What each registered type holds, in order of registration.
    ///
    /// # Example: how many are left
    ///
    /// ```
    /// use mudlark_collector::{Config, raw::{RawDescriptor, RawHeap}};
    ///
    /// let heap = RawHeap::new(Config::default())?;
    /// // SAFETY: E1: there is nothing to trace, and no function.
    /// let point = unsafe { heap.register(RawDescriptor::fixed("point", 24)) }?;
    /// let mut mutator = heap.attach();
    /// for _ in 0..10 {
    ///     // SAFETY: E11: the kind is of this heap; E3: zeros are a point.
    ///     unsafe { mutator.enter().alloc_zeroed(point, 24) }?;
    /// }
    /// heap.collect();
    /// let stats = &heap.type_stats()[0];
    /// assert_eq!((&*stats.name, stats.allocated, stats.freed), ("point", 10, 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn type_stats(&self) -> Vec<RawTypeStats> {
        self.collector.assert_not_forked("read the statistics");
        let mut large: HashMap<*const (), (u64, u64)> = HashMap::new();
        self.collector.arena.each_large(|tag, bytes| {
            let sum = large.entry(tag).or_default();
            *sum = (sum.0 + 1, sum.1 + bytes as u64);
        });
        let tags: Vec<*const ()> = self.collector.arena.bins().into_iter().map(|bin| bin.tag()).collect();
        // Bins are only ever added, behind those whose tags were read.
        let bins = self.collector.arena.bin_stats();
        let kinds = self.collector.raw_types.all();
        let stats_of = |kind: RawKind| {
            // SAFETY: E11: the heap exists.
            let name = unsafe { kind.raw_type() }.name().to_owned();
            let mut stats = RawTypeStats { name, ..RawTypeStats::default() };
            for (_, bin) in tags.iter().zip(&bins).filter(|&(&tag, _)| tag == kind.tag()) {
                stats.allocated += bin.allocated;
                stats.freed += bin.freed;
                stats.blocks += bin.blocks;
            }
            (stats.large_objects, stats.large_bytes) = large.get(&kind.tag()).copied().unwrap_or_default();
            stats
        };
        kinds.into_iter().map(stats_of).collect()
    }

    /// How many bytes of the heap an object takes: those of its cell, or of its blocks if it is large.
    ///
    /// # Safety
    ///
    /// `object` is one of this heap, and alive (E2).
    pub unsafe fn place_bytes(&self, object: NonNull<u8>) -> usize {
        // SAFETY: E2: promised by the caller.
        unsafe { self.collector.arena.object_bytes(object.as_ptr()) }
    }

    /// Compares the exact counters with a slow recount. For tests: no mutator may be attached, and nothing run.
    ///
    /// # Errors
    ///
    /// The first counter that is off.
    #[doc(hidden)]
    pub fn recount(&self) -> Result<(), String> {
        self.collector.recount()
    }
}
