//! Heaps and mutators.

use crate::scope::Scope;
use mudlark_collector::{
    self as collector, CellStats, Collector, Config, GcPercent, HANDSHAKES, HandshakeStats, HeapError,
    PressureListener, SafepointStats, SharedCollector, StuckScope, VerifyReport, Watchdog, WorkerStats, Zeal,
    pacing::{Gauges, MemoryLimit, Parts, PressureChange, RampBound},
};
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

/// A garbage-collected heap. Cloning makes another handle to the same heap.
///
/// The heap ends with the last of its handles, mutators and roots; then all that is still in it is dropped.
///
/// # Example: a heap with its own limits
///
/// ```
/// use mudlark::{GcPercent, Heap};
///
/// let heap = Heap::builder().gc_percent(GcPercent::Percent(200)).max_heap(64 << 20).workers(1).build()?;
/// let mut mutator = heap.attach();
/// let sum = mutator.enter(|cx| (0..1000_u64).map(|n| *cx.alloc(n)).sum::<u64>());
/// assert_eq!(sum, 499_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Heap {
    collector: SharedCollector,
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap").field("collector", &self.collector).finish()
    }
}

/// Chooses what a heap is like; see [`Heap::builder`].
#[derive(Debug)]
#[must_use = "a builder makes a heap only when `build` is called"]
pub struct HeapBuilder {
    config: Config,
}

impl HeapBuilder {
    /// How much garbage to accept, in percent of what is live; 100 by default, so that the heap peaks at about twice what is
    /// live. The smallest goal is 4 MiB · percent / 100.
    pub fn gc_percent(mut self, percent: impl Into<GcPercent>) -> HeapBuilder {
        self.config.percent = percent.into();
        self
    }

    /// A soft limit on memory, in bytes: all that the heap has from the system, and the external bytes of objects. None by default.
    ///
    /// Near the limit cycles come earlier than the GC percent says, and free memory goes back at once. It gives way only to what is
    /// live; then collections are kept from taking more than about half of the CPU. For a limit that is never exceeded,
    /// see [`HeapBuilder::max_heap`]; that of the process's cgroup is read by [`MemoryLimit::from_cgroup_at`].
    ///
    /// # Example: no garbage beyond a limit
    ///
    /// ```
    /// use mudlark::{Heap, MemoryLimit};
    ///
    /// let heap = Heap::builder().gc_percent(400).memory_limit(64 << 20).build()?;
    /// assert_eq!(heap.set_memory_limit(MemoryLimit::Off), MemoryLimit::from(64 << 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory_limit(mut self, limit: impl Into<MemoryLimit>) -> HeapBuilder {
        self.config.memory_limit = limit.into();
        self
    }

    /// Other parts of the pacer than Go's rules: when cycles begin, how far the heap grows, what allocations owe.
    ///
    /// # Example: the square root rule, at a third of a core per GiB
    ///
    /// ```
    /// use mudlark::{Heap, pacing::{Parts, SquareRoot}};
    ///
    /// let cores = std::thread::available_parallelism()?.get() as u32;
    /// let parts = Parts::on(cores).with_goal(SquareRoot::new(0.3));
    /// let heap = Heap::builder().pacing(parts).build()?;
    /// heap.collect();
    /// assert!(heap.explain(heap.stats().cycles).contains("goal"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pacing(mut self, parts: Parts) -> HeapBuilder {
        self.config.pacing = Some(parts);
        self
    }

    /// Calls `tell` when memory pressure changes, at most once a cycle, on the thread that ends the cycle. It must not use the heap.
    pub fn on_pressure(mut self, tell: impl Fn(PressureChange) + Send + Sync + 'static) -> HeapBuilder {
        self.config.pressure = Some(PressureListener::new(tell));
        self
    }

    /// The most bytes the heap may ever take; allocation fails beyond. 64 GiB by default, of which only addresses are
    /// taken at first.
    pub fn max_heap(mut self, bytes: usize) -> HeapBuilder {
        self.config.max_heap = bytes;
        self
    }

    /// How many background threads mark. By default a quarter of the cores, at least one. With 0 there are no
    /// background threads: cycles advance in allocations and at the ends of scopes, on the program's threads.
    pub fn workers(mut self, count: usize) -> HeapBuilder {
        self.config.workers = count;
        self
    }

    /// Calls `tell` for each scope whose end a cycle has waited for longer than `after`, once per handshake. By default nobody is
    /// told.
    ///
    /// Such a scope does no harm but one: while it lasts no cycle ends, and memory grows. `tell` is called on a background thread
    /// (without any, on a thread in [`Heap::collect`]) and must not use the heap.
    ///
    /// # Example: print where the scope began
    ///
    /// ```
    /// use mudlark::Heap;
    /// use std::time::Duration;
    ///
    /// let heap = Heap::builder().watchdog(Duration::from_secs(1), |stuck| eprintln!("{stuck}")).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watchdog(
        mut self,
        after: Duration,
        tell: impl Fn(&StuckScope) + Send + Sync + 'static,
    ) -> HeapBuilder {
        self.config.watchdog = Some(Watchdog::new(after, tell));
        self
    }

    /// Whether the time of safepoints is split into work and absence from the processor: see [`SafepointStats`]. It takes up to
    /// a microsecond at each safepoint with something to do, and is off by default.
    pub fn split_safepoints(mut self, split: bool) -> HeapBuilder {
        self.config.split_safepoints = split;
        self
    }

    /// Checks each cycle with a second, simple marker, for tests: see [`Heap::verify_report`]. Slow, and mutators wait at the
    /// entry of scopes while it is at work. Off by default.
    pub fn verify(mut self, verify: bool) -> HeapBuilder {
        self.config.verify = verify;
        self
    }

    /// Makes rare things happen often, for tests. Nothing by default.
    ///
    /// # Example: a cycle after each third allocation
    ///
    /// ```
    /// use mudlark::{Heap, Zeal};
    ///
    /// let zeal = Zeal { allocations_per_cycle: Some(3), fill_freed: true, ..Zeal::default() };
    /// let heap = Heap::builder().workers(0).zeal(zeal).verify(true).build()?;
    /// let mut mutator = heap.attach();
    /// for n in 0..30_u64 {
    ///     mutator.enter(|cx| assert_eq!(*cx.alloc(n), n));
    /// }
    /// assert!(heap.stats().cycles >= 5);
    /// assert_eq!(heap.verify_report().violations, Vec::<String>::new());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zeal(mut self, zeal: Zeal) -> HeapBuilder {
        self.config.zeal = zeal;
        self
    }

    /// Makes the heap.
    ///
    /// # Errors
    ///
    /// If the system grants no addresses, or the maximum is below 1 MiB.
    pub fn build(self) -> Result<Heap, HeapError> {
        // Everything that can outlive a handle shares the collector, and the collector must know how.
        Ok(Heap { collector: Collector::new(self.config)? })
    }
}

impl Heap {
    /// Begins the choice of what a heap is like.
    pub fn builder() -> HeapBuilder {
        HeapBuilder { config: Config::default() }
    }

    /// Access to the heap for one thread at a time.
    ///
    /// # Panics
    ///
    /// In drop glue that the collector runs.
    pub fn attach(&self) -> Mutator {
        // SAFETY: the mutator holds the collector, and detaches in its drop.
        let raw = unsafe { self.collector.attach() };
        Mutator { raw, heap: self.clone(), not_sync: PhantomData }
    }

    /// Runs a complete cycle and waits for its end, sweep included. What was unreachable when it was called is freed.
    ///
    /// # Panics
    ///
    /// In a scope of this heap on this thread (the cycle would wait for its end), and in drop glue that the
    /// collector runs.
    pub fn collect(&self) {
        self.collector.collect();
    }

    /// The GC percent in force.
    pub fn gc_percent(&self) -> GcPercent {
        self.collector.percent()
    }

    /// Changes the GC percent, at once; returns the old one.
    pub fn set_gc_percent(&self, percent: impl Into<GcPercent>) -> GcPercent {
        self.collector.set_percent(percent.into())
    }

    /// The memory limit in force.
    pub fn memory_limit(&self) -> MemoryLimit {
        self.collector.with_pacer(|pacer, _| pacer.knobs().limit)
    }

    /// Changes the memory limit, at once; returns the old one.
    pub fn set_memory_limit(&self, limit: impl Into<MemoryLimit>) -> MemoryLimit {
        self.collector.set_memory_limit(limit.into())
    }

    /// Gives all free memory back to the system now; returns how many bytes it were. What is needed again must be got again.
    pub fn release_free_memory(&self) -> usize {
        self.collector.release_free_memory()
    }

    /// Suspends cycles while a program builds what it will keep: until the heap reaches the bound, or the guard is dropped. One cycle
    /// then makes up for it.
    ///
    /// # Example: load first, collect then
    ///
    /// ```
    /// use mudlark::{Heap, pacing::RampBound};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let ramp_up = heap.ramp_up(RampBound::Limits);
    /// let _table = mutator.enter(|cx| cx.root(cx.alloc_slice_fill(1 << 20, 7_u64)));
    /// assert_eq!(heap.stats().cycles, 0);
    /// drop(ramp_up);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ramp_up(&self, bound: RampBound) -> RampUpGuard {
        self.collector.begin_ramp_up(bound);
        RampUpGuard { heap: self.clone() }
    }

    /// What the pacer can be watched by: the effective GC percent, memory pressure, the CPU limiter.
    ///
    /// # Example: how much garbage there is room for
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// println!("{:.0} % of what is live", heap.gauges().effective_gc_percent);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gauges(&self) -> Gauges {
        self.collector.with_pacer(|pacer, memory| pacer.gauges(memory))
    }

    /// Why the pacer decided as it did about a cycle (they are counted from 1; the running one is the last), a line for each decision
    /// that it still remembers: inputs, formula, which bound ruled, result.
    pub fn explain(&self, cycle: u64) -> String {
        self.collector.with_pacer(|pacer, _| pacer.explain(cycle))
    }

    /// The maximum heap in bytes; less than was asked for if the system granted fewer addresses.
    pub fn max_heap(&self) -> usize {
        self.collector.max_heap()
    }

    /// The heap's numbers, without stopping anybody.
    pub fn stats(&self) -> HeapStats {
        HeapStats::from(self.collector.stats())
    }

    /// What each background thread marked, and what mutators did in allocations.
    ///
    /// # Example: how much the background takes off
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().workers(2).build()?;
    /// heap.collect();
    /// let stats = heap.worker_stats();
    /// let background: u64 = stats.threads.iter().map(|thread| thread.bytes).sum();
    /// println!("{background} bytes in the background, {} in allocations", stats.mutators.bytes);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker_stats(&self) -> WorkerStats {
        self.collector.worker_stats()
    }

    /// What each type holds, in order of first allocation; types without pointers and drop glue together, by size class.
    ///
    /// # Example: how many nodes there are
    ///
    /// ```
    /// use mudlark::{Gc, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Cons<'gc>(u64, Option<Gc<'gc, Cons<'gc>>>);
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// mutator.enter(|cx| (0..100).fold(None, |tail, n| Some(cx.alloc(Cons(n, tail)))).is_some());
    /// mutator.collect();
    /// let stats = heap.cell_stats();
    /// let cons = stats.iter().find(|stats| stats.type_name.contains("Cons")).expect("some were allocated");
    /// assert_eq!((cons.cells.cell_bytes, cons.cells.allocated, cons.cells.objects()), (16, 100, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cell_stats(&self) -> Vec<CellStats> {
        self.collector.cell_stats()
    }

    /// What the verifier found, in a heap that was built with [`HeapBuilder::verify`].
    ///
    /// # Example: a test that trusts nobody
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().verify(true).build()?;
    /// heap.attach().enter(|cx| cx.root(cx.alloc_str("kept")));
    /// heap.collect();
    /// let report = heap.verify_report();
    /// assert_eq!((report.cycles, report.skipped), (1, 0));
    /// assert!(report.violations.is_empty(), "{:#?}", report.violations);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify_report(&self) -> VerifyReport {
        self.collector.verify_report()
    }

    /// Compares the exact counters with a slow recount. For tests of this workspace.
    ///
    /// # Errors
    ///
    /// The first counter that is off.
    #[doc(hidden)]
    pub fn recount(&self) -> Result<(), String> {
        self.collector.recount()
    }
}

/// Suspends cycles until it is dropped; see [`Heap::ramp_up`].
#[derive(Debug)]
#[must_use = "a ramp-up lasts as long as its guard"]
pub struct RampUpGuard {
    heap: Heap,
}

impl Drop for RampUpGuard {
    fn drop(&mut self) {
        self.heap.collector.end_ramp_up();
    }
}

/// A thread's access to a heap. It can move between threads, outside of its scopes.
#[derive(Debug)]
pub struct Mutator {
    raw: Arc<collector::Mutator>,
    heap: Heap,
    /// One thread at a time; `&Mutator` gives nothing that two threads could share.
    not_sync: PhantomData<std::cell::Cell<()>>,
}

/// Ends a scope, also when it unwinds.
struct Exit<'a> {
    raw: &'a collector::Mutator,
}

impl Drop for Exit<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: H4: `enter` entered on this thread, and the scope's pointers are gone with its closure.
        unsafe { self.raw.exit() };
    }
}

impl Mutator {
    /// Opens a scope and runs `f` in it.
    ///
    /// The collector frees nothing that the scope could see, and the scope waits for nobody but in the program's own locks. A cycle makes its
    /// steps when scopes end, so long computations should enter short scopes.
    ///
    /// # Example: what leaves a scope is data
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let len = mutator.enter(|cx| cx.alloc_str("four").len());
    /// assert_eq!(len, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// In drop glue that the collector runs; and in a fork of the process that made the heap, if something would have to be waited
    /// for.
    #[inline]
    #[track_caller]
    pub fn enter<R>(&mut self, f: impl for<'gc> FnOnce(&Scope<'gc>) -> R) -> R {
        // SAFETY: H4: `&mut self` means no other scope of this mutator is open.
        unsafe { self.raw.enter() };
        let _exit = Exit { raw: &self.raw };
        // SAFETY: H4: entered just now; the closure takes any brand, so none is known to anything else.
        f(unsafe { Scope::of(&self.raw) })
    }

    /// Runs a complete cycle; see [`Heap::collect`].
    ///
    /// # Panics
    ///
    /// As [`Heap::collect`]: if this thread is in a scope of another mutator of the heap.
    pub fn collect(&mut self) {
        self.heap.collect();
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }
}

impl Drop for Mutator {
    fn drop(&mut self) {
        // SAFETY: H4: it was attached to this heap and no scope borrows it.
        unsafe { self.heap.collector.detach(&self.raw) };
    }
}

/// Numbers of a heap at one moment. Bytes unless a name says otherwise; since birth where it says `allocated`.
///
/// `total_bytes = in_use_bytes + free_bytes` and `committed_bytes = total_bytes - released_bytes`, always.
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
    /// Time that mutators spent at safepoints at which they had something to do.
    pub safepoints: SafepointStats,
    /// Handshakes between collector and mutators, kind by kind in the order of a cycle.
    pub handshakes: [HandshakeStats; HANDSHAKES],
    /// CPU time of the background threads in nanoseconds.
    pub collector_cpu_ns: u64,
    /// Time that mutators spent marking in allocations, in nanoseconds.
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
            safepoints: stats.safepoints,
            handshakes: stats.handshakes,
            collector_cpu_ns: stats.collector_cpu_ns,
            assist_ns: stats.assist_ns,
            last_mark_ns: stats.last_mark_ns,
        }
    }
}
