//! Heaps and mutators.

use crate::{builder::HeapBuilder, scope::Scope, stats::HeapStats};
use mudlark_collector::{
    self as collector, CellStats, Config, Core, CpuStats, CycleClock, GcPercent, MemoryLimit,
    SharedCollector, VerifyReport, WorkerStats,
    pacing::{Gauges, RampBound, Record},
};
use std::{fmt, marker::PhantomData, sync::Arc};

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

impl Heap {
    /// Begins the choice of what a heap is like.
    ///
    /// # Example: a heap as it is by default
    ///
    /// ```
    /// use mudlark::{GcPercent, Heap, MemoryLimit};
    ///
    /// let heap = Heap::builder().build()?;
    /// assert_eq!((heap.gc_percent(), heap.memory_limit()), (GcPercent::Percent(100), MemoryLimit::Off));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> HeapBuilder {
        HeapBuilder { config: Config::default() }
    }

    pub(crate) fn of(collector: SharedCollector) -> Heap {
        Heap { collector }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.collector
    }

    /// Access to the heap for one thread at a time.
    ///
    /// # Panics
    ///
    /// In drop glue that the collector runs.
    ///
    /// # Example: two threads, one heap
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let threads = [1_u64, 2].map(|n| {
    ///     let mut mutator = heap.attach();
    ///     std::thread::spawn(move || mutator.enter(|cx| cx.root(cx.alloc(n))))
    /// });
    /// let roots = threads.map(|thread| thread.join().expect("no panic"));
    /// heap.attach().enter(|cx| assert_eq!(roots.map(|root| *root.get(cx)), [1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// # Example: what nothing leads to goes
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let kept = heap.attach().enter(|cx| {
    ///     cx.alloc_slice_fill(1 << 20, 0_u8);
    ///     cx.root(cx.alloc_slice_fill(1 << 10, 0_u8))
    /// });
    /// heap.collect();
    /// assert!((1 << 10..1 << 20).contains(&heap.stats().live_bytes));
    /// drop(kept);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn collect(&self) {
        self.collector.collect();
    }

    /// The GC percent in force.
    ///
    /// # Example: twice as much garbage as now
    ///
    /// ```
    /// use mudlark::{GcPercent, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// if let GcPercent::Percent(percent) = heap.gc_percent() {
    ///     heap.set_gc_percent(2 * percent);
    /// }
    /// assert_eq!(heap.gc_percent(), GcPercent::Percent(200));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gc_percent(&self) -> GcPercent {
        self.collector.percent()
    }

    /// Changes the GC percent, at once; returns the old one.
    ///
    /// # Example: no cycles while there is no time
    ///
    /// ```
    /// use mudlark::{GcPercent, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let usual = heap.set_gc_percent(GcPercent::Off);
    /// heap.attach().enter(|cx| _ = cx.alloc_slice_fill(16 << 20, 0_u8));
    /// assert_eq!(heap.stats().cycles, 0);
    /// assert_eq!(heap.set_gc_percent(usual), GcPercent::Off);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_gc_percent(&self, percent: impl Into<GcPercent>) -> GcPercent {
        self.collector.set_percent(percent.into())
    }

    /// The memory limit in force.
    ///
    /// # Example: what was chosen
    ///
    /// ```
    /// use mudlark::{Heap, MemoryLimit};
    ///
    /// let heap = Heap::builder().memory_limit(64 << 20).build()?;
    /// assert_eq!(heap.memory_limit(), MemoryLimit::from(64 << 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory_limit(&self) -> MemoryLimit {
        self.collector.with_pacer(|pacer, _| pacer.knobs().limit)
    }

    /// Changes the memory limit, at once; returns the old one.
    ///
    /// # Example: a container that got smaller
    ///
    /// ```
    /// use mudlark::{Heap, MemoryLimit};
    ///
    /// let heap = Heap::builder().memory_limit(64 << 20).build()?;
    /// assert_eq!(heap.set_memory_limit(32 << 20), MemoryLimit::from(64 << 20));
    /// assert_eq!(heap.memory_limit(), MemoryLimit::from(32 << 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_memory_limit(&self, limit: impl Into<MemoryLimit>) -> MemoryLimit {
        self.collector.set_memory_limit(limit.into())
    }

    /// The hard limit in force; none at first.
    ///
    /// # Example: room for a handler
    ///
    /// ```
    /// use mudlark::{Heap, MemoryLimit};
    ///
    /// let heap = Heap::builder().build()?;
    /// assert_eq!(heap.hard_limit(), MemoryLimit::Off);
    /// heap.set_hard_limit(1 << 20);
    /// assert_eq!(heap.hard_limit(), MemoryLimit::from(1 << 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hard_limit(&self) -> MemoryLimit {
        self.collector.hard_limit()
    }

    /// Changes the hard limit, at once; returns the old one. Beyond it allocation fails, as it does beyond the maximum heap
    /// ([`HeapBuilder::max_heap`]), with [`FullCause::HardLimit`](crate::FullCause::HardLimit).
    ///
    /// What counts is the bytes that were handed to mutators and not found dead yet, and the external bytes of objects: not what
    /// tables and free blocks take. To fail allocates nothing. A cycle follows the end of the scope: what the program let go of
    /// makes room then. A handler that has to allocate itself needs headroom: raise the limit for it.
    ///
    /// Memory is handed out in pieces of up to 32 KiB per type. A program with one mutator fails up to 32 KiB before the limit,
    /// and never exceeds it; several mutators that take a piece at the same moment may, by as much each.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    ///
    /// # Example: a script that hits its limit, and its handler
    ///
    /// ```
    /// use mudlark::{FullCause, Heap, MemoryLimit};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// heap.set_hard_limit(1 << 20);
    /// mutator.enter(|cx| {
    ///     let error = (0..).find_map(|n: u64| cx.try_alloc([n; 20]).err()).expect("the limit is met");
    ///     assert_eq!(error.full.cause, FullCause::HardLimit { bytes: 1 << 20 });
    ///     let old = heap.set_hard_limit(2 << 20);
    ///     assert!(cx.try_alloc_str(&error.to_string()).is_ok());
    ///     heap.set_hard_limit(old);
    /// });
    /// mutator.enter(|cx| assert!(cx.try_alloc([0_u64; 20]).is_ok(), "all that garbage is gone"));
    /// assert_eq!(heap.set_hard_limit(MemoryLimit::Off), MemoryLimit::from(1 << 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_hard_limit(&self, limit: impl Into<MemoryLimit>) -> MemoryLimit {
        self.collector.set_hard_limit(limit.into())
    }

    /// # Panics
    ///
    /// In a scope of this heap on this thread.
    #[track_caller]
    pub(crate) fn assert_not_entered_here(&self, what: &str) {
        assert!(
            !self.collector.is_entered_here(),
            "cannot {what} inside a scope: cycles would wait for its end; leave the scope first"
        );
    }

    pub(crate) fn cycle_clock(&self) -> CycleClock {
        self.collector.cycle_clock()
    }

    /// Gives all free memory back to the system now; returns how many bytes it were. What is needed again must be got again.
    ///
    /// # Example: after the work
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| _ = cx.alloc_slice_fill(1 << 20, 0_u8));
    /// heap.collect();
    /// heap.release_free_memory();
    /// let stats = heap.stats();
    /// assert_eq!(stats.committed_bytes, stats.total_bytes - stats.free_bytes);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// The pacer's last decisions, from the oldest to the newest: what [`Heap::explain`] tells as a text, as values. It remembers
    /// [`RECORDS_MAX`](crate::pacing::RECORDS_MAX) of them.
    ///
    /// # Example: how close the last cycle came to its goal
    ///
    /// ```
    /// use mudlark::{Heap, pacing::Decision};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.collect();
    /// let ends = heap.decisions().into_iter().filter_map(|record| match record.decision {
    ///     Decision::End(end) => Some((record.cycle, end.peak.as_f64() / end.goal.as_f64())),
    ///     _ => None,
    /// });
    /// assert_eq!(ends.map(|(cycle, _)| cycle).collect::<Vec<_>>(), [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decisions(&self) -> Vec<Record> {
        self.collector.with_pacer(|pacer, _| pacer.records().copied().collect())
    }

    /// Why the pacer decided as it did about a cycle (they are counted from 1; the running one is the last), a line for each decision
    /// that it still remembers: inputs, formula, which bound ruled, result.
    ///
    /// # Example: a cycle that somebody asked for
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.collect();
    /// let text = heap.explain(1);
    /// assert!(text.contains("goal"), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self, cycle: u64) -> String {
        self.collector.with_pacer(|pacer, _| pacer.explain(cycle))
    }

    /// The maximum heap in bytes; less than was asked for if the system granted fewer addresses.
    ///
    /// # Example: what was granted
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().max_heap(64 << 20).build()?;
    /// assert!((1 << 20..=64 << 20).contains(&heap.max_heap()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_heap(&self) -> usize {
        self.collector.max_heap()
    }

    /// The heap's numbers, without stopping anybody.
    ///
    /// # Example: bytes that a cycle found live
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let _kept = heap.attach().enter(|cx| cx.root(cx.alloc_slice_fill(1 << 20, 0_u8)));
    /// heap.collect();
    /// assert!(heap.stats().live_bytes >= 1 << 20);
    /// assert_eq!(heap.stats().roots, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> HeapStats {
        HeapStats::from(self.collector.stats())
    }

    /// CPU time that the heap took so far: a few loads, so that it can be asked as often as one likes.
    ///
    /// # Example: what collections cost
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().workers(0).build()?;
    /// let _kept = heap.attach().enter(|cx| cx.root(cx.alloc_slice_fill(10_000, cx.alloc_str("marked"))));
    /// heap.collect();
    /// let cpu = heap.cpu_stats();
    /// assert!(cpu.assist_ns > 0 && cpu.background_ns == 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cpu_stats(&self) -> CpuStats {
        self.collector.cpu_stats()
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

    /// Runs the [cleanups](Scope::on_drop) that are ready, on this thread; returns how many it were. Their panics are contained, and counted
    /// in [`HeapStats::cleanups`].
    ///
    /// # Panics
    ///
    /// In a scope of this heap on this thread, and in drop glue that the collector runs.
    ///
    /// # Example: at a moment of the program's choice
    ///
    /// ```
    /// use mudlark::{CleanupRunner, Heap};
    /// use std::sync::mpsc::channel;
    ///
    /// let (sender, receiver) = channel();
    /// let heap = Heap::builder().cleanups(CleanupRunner::Program).build()?;
    /// let cleanup = move || sender.send("gone").expect("there is a receiver");
    /// heap.attach().enter(|cx| _ = cx.on_drop(cx.alloc(7_u64), cleanup));
    /// heap.collect();
    /// assert!(receiver.try_recv().is_err());
    /// assert_eq!((heap.run_cleanups(), receiver.try_recv()), (1, Ok("gone")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_cleanups(&self) -> usize {
        self.collector.run_cleanups()
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
///
/// # Example: a guard that another object owns
///
/// ```
/// use mudlark::{Heap, RampUpGuard, Root, pacing::RampBound};
///
/// struct Loader {
///     rows: Vec<Root<[u64]>>,
///     _no_cycles: RampUpGuard,
/// }
///
/// let heap = Heap::builder().build()?;
/// let mut loader = Loader { rows: Vec::new(), _no_cycles: heap.ramp_up(RampBound::Limits) };
/// for row in 0..100_u64 {
///     heap.attach().enter(|cx| loader.rows.push(cx.root(cx.alloc_slice_fill(10_000, row))));
/// }
/// assert_eq!((loader.rows.len(), heap.stats().cycles), (100, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// # Example: from thread to thread
///
/// ```
/// use mudlark::Heap;
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let word = mutator.enter(|cx| cx.root(cx.alloc_str("here")));
/// let there = std::thread::spawn(move || mutator.enter(|cx| word.get(cx).to_string()));
/// assert_eq!(there.join().expect("no panic"), "here");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Mutator {
    raw: Arc<collector::Mutator>,
    heap: Heap,
    /// One thread at a time; `&Mutator` gives nothing that two threads could share.
    not_sync: PhantomData<std::cell::Cell<()>>,
}

/// Ends a scope, also when it unwinds.
pub(crate) struct Exit<'a> {
    pub(crate) raw: &'a collector::Mutator,
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

    pub(crate) fn raw(&self) -> &collector::Mutator {
        &self.raw
    }

    /// Runs a complete cycle; see [`Heap::collect`].
    ///
    /// # Panics
    ///
    /// As [`Heap::collect`]: if this thread is in a scope of another mutator of the heap.
    ///
    /// # Example: between two scopes
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let kept = mutator.enter(|cx| cx.root(cx.alloc(7_u64)));
    /// mutator.collect();
    /// assert_eq!(heap.stats().cycles, 1);
    /// assert_eq!(mutator.enter(|cx| *kept.get(cx)), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn collect(&mut self) {
        self.heap.collect();
    }
    /// The heap.
    ///
    /// # Example: a function that gets a mutator only
    ///
    /// ```
    /// use mudlark::{Heap, Mutator};
    ///
    /// fn cycles(mutator: &Mutator) -> u64 {
    ///     mutator.heap().stats().cycles
    /// }
    ///
    /// let mut mutator = Heap::builder().build()?.attach();
    /// mutator.collect();
    /// assert_eq!(cycles(&mutator), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
