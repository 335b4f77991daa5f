//! What a heap is like: the choices before it is made.

use crate::heap::Heap;
use mudlark_arena::PageSource;
use mudlark_collector::{
    CleanupRunner, Collector, Config, GcPercent, HeapError, MemoryLimit, PressureListener, StuckScope,
    Watchdog, Zeal,
    pacing::{Parts, PressureChange},
};
use std::time::Duration;

/// Chooses what a heap is like; see [`Heap::builder`].
///
/// # Example: a small heap whose cycles run on the program's threads
///
/// ```
/// use mudlark::Heap;
///
/// let heap = Heap::builder().max_heap(8 << 20).workers(0).build()?;
/// heap.collect();
/// assert_eq!((heap.max_heap(), heap.stats().cycles), (8 << 20, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder makes a heap only when `build` is called"]
pub struct HeapBuilder {
    pub(crate) config: Config,
}

impl HeapBuilder {
    /// How much garbage to accept, in percent of what is live; 100 by default, so that the heap peaks at about twice what is
    /// live. The smallest goal is 4 MiB · percent / 100.
    ///
    /// # Example: half as much garbage as live bytes
    ///
    /// ```
    /// use mudlark::{GcPercent, Heap};
    ///
    /// let heap = Heap::builder().gc_percent(50).build()?;
    /// assert_eq!(heap.gc_percent(), GcPercent::Percent(50));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Other parts of the pacer than Go's rules: when cycles begin, how far the heap grows, what allocations owe. The answer of a policy that
    /// panics is rejected, like one that makes no sense. Policies are asked while the pacer is locked, and must not use the heap.
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
    ///
    /// # Example: a program that hears when memory gets scarce
    ///
    /// ```
    /// use mudlark::Heap;
    /// use std::{sync::mpsc::channel, time::Duration};
    ///
    /// let (sender, receiver) = channel();
    /// let tell = move |change| sender.send(change).unwrap_or_default();
    /// let heap = Heap::builder().memory_limit(1 << 20).on_pressure(tell).build()?;
    /// let _kept = heap.attach().enter(|cx| cx.root(cx.alloc_slice_fill(1 << 20, 7_u64)));
    /// heap.collect();
    /// let change = receiver.recv_timeout(Duration::from_secs(60))?;
    /// assert!(change.to > change.from, "8 MiB are kept below a limit of 1 MiB");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_pressure(mut self, tell: impl Fn(PressureChange) + Send + Sync + 'static) -> HeapBuilder {
        self.config.pressure = Some(PressureListener::new(tell));
        self
    }

    /// The most bytes the heap may ever take; allocation fails beyond. 64 GiB by default, of which only addresses are
    /// taken at first.
    ///
    /// # Example: an array that is too large
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// let error = heap.attach().enter(|cx| cx.try_alloc_slice_with(1 << 20, |_| 0_u64).err());
    /// assert_eq!(error.expect("it takes 8 MiB").full.max_heap, 1 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_heap(mut self, bytes: usize) -> HeapBuilder {
        self.config.max_heap = bytes;
        self
    }

    /// How many background threads mark, at most 256. By default a quarter of the cores, at least one. With 0 there are no
    /// background threads: cycles advance in allocations and at the ends of scopes, on the program's threads.
    ///
    /// # Example: cycles without background threads
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().workers(0).build()?;
    /// heap.collect();
    /// assert_eq!((heap.stats().cycles, heap.stats().collector_cpu_ns), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Who runs [cleanups](crate::Scope::on_drop). A thread of their own by default, which the first of them starts.
    ///
    /// # Example: cleanups that run when the program says so
    ///
    /// ```
    /// use mudlark::{CleanupRunner, Heap};
    ///
    /// let heap = Heap::builder().cleanups(CleanupRunner::Program).build()?;
    /// let mut mutator = heap.attach();
    /// mutator.enter(|cx| cx.on_drop(cx.alloc(7_u64), || println!("the seven is gone")));
    /// mutator.collect();
    /// assert_eq!(heap.run_cleanups(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cleanups(mut self, runner: CleanupRunner) -> HeapBuilder {
        self.config.cleanups = runner;
        self
    }

    /// Whether the time of safepoints is split into work and absence from the processor: see [`SafepointStats`](crate::SafepointStats). It takes up to
    /// a microsecond at each safepoint with something to do, and is off by default.
    ///
    /// # Example: pauses and the work in them
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().workers(0).split_safepoints(true).build()?;
    /// let mut mutator = heap.attach();
    /// for _ in 0..100 {
    ///     mutator.enter(|cx| _ = cx.alloc_slice_fill(100_000, 7_u64));
    /// }
    /// let safepoints = heap.stats().safepoints;
    /// assert!(safepoints.work.count > 0);
    /// assert_eq!(safepoints.work.count, safepoints.pauses.count);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split_safepoints(mut self, split: bool) -> HeapBuilder {
        self.config.split_safepoints = split;
        self
    }

    /// Checks each cycle with a second, simple marker, for tests: see [`Heap::verify_report`]. Slow, and mutators wait at the
    /// entry of scopes while it is at work. Off by default.
    ///
    /// # Example: each cycle is checked
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().verify(true).build()?;
    /// heap.collect();
    /// assert_eq!(heap.verify_report().cycles, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Where pages come from, if not from the system. For tests of this workspace.
    #[doc(hidden)]
    pub fn pages(mut self, pages: impl PageSource + 'static) -> HeapBuilder {
        self.config.pages = Box::new(pages);
        self
    }

    /// Makes the heap.
    ///
    /// # Errors
    ///
    /// If the system grants no addresses, or the maximum is below 1 MiB.
    ///
    /// # Example: a maximum that no heap can keep
    ///
    /// ```
    /// use mudlark::{Heap, HeapError};
    ///
    /// let error = Heap::builder().max_heap(1000).build().unwrap_err();
    /// assert!(matches!(error, HeapError::MaxHeapTooSmall { bytes: 1000, .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<Heap, HeapError> {
        // Everything that can outlive a handle shares the collector, and the collector must know how.
        Ok(Heap::of(Collector::new(self.config)?))
    }
}
