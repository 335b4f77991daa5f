//! The pacer at work: the pure module [`pacing`](crate::pacing) with a clock, counters and a lock around it.
//!
//! Mutators read three words (trigger, goal, assist ratio) and never wait for the pacer: whoever does not get its lock goes by what
//! it said last.
//!
//! | moment | who | what the pacer is told |
//! |---|---|---|
//! | a cycle begins, is complete, is given up, is swept | the driver | live, peak, work, CPU time |
//! | an allocation pays | the mutator, if the lock is free | how far the cycle is; under a memory limit, memory |
//! | now and then | background threads | CPU time, for the limiter; whether the program is quiet |

use crate::{
    cycle::Phase,
    heap::Core,
    pacing::{
        Bytes, Cause, CpuNanos, CycleBegin, CycleReport, External, GcPercent, IdleAction, Knobs, Look,
        Memory, MemoryLimit, Nanos, Pacer, Parts, Plan, PressureChange, Progress, RampBound, ScanWork,
        Survival, Window, Work,
    },
    safepoint::cpu_ns,
    sweeper::contain,
};
use mudlark_arena::sync::{
    AtomicBool, AtomicU8, AtomicU64, Mutex, MutexGuard,
    Ordering::{self, Relaxed},
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// A window of the limiter, at least.
const TICK_MIN: Duration = Duration::from_millis(5);

/// Between two looks at whether the program is quiet, at least.
const IDLE_MIN: Duration = Duration::from_millis(10);

/// Told of changes of memory pressure.
pub struct PressureListener(Box<dyn Fn(PressureChange) + Send + Sync>);

impl PressureListener {
    /// Calls `tell` when the level changes, at most once a cycle, on the thread that ends the cycle. It must not use the heap; a
    /// panic in it is contained.
    pub fn new(tell: impl Fn(PressureChange) + Send + Sync + 'static) -> PressureListener {
        PressureListener(Box::new(tell))
    }
}

impl fmt::Debug for PressureListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PressureListener")
    }
}

/// The pacer of a running heap.
#[derive(Debug)]
pub(crate) struct Pace {
    birth: Instant,
    state: Mutex<State>,
    trigger: AtomicU64,
    goal: AtomicU64,
    /// What an allocated byte owes, as the bits of an `f64`.
    ratio: AtomicU64,
    /// A cycle has begun and the pacer was not told: when, with which live estimate, and why.
    is_begun: AtomicBool,
    begun_ns: AtomicU64,
    begun_live: AtomicU64,
    begun_because: AtomicU8,
    /// What assists and background marking had used by then, in nanoseconds.
    begun_assist_ns: AtomicU64,
    begun_marking_ns: AtomicU64,
    /// Whether a memory limit is set, so that plans move with memory.
    is_limited: AtomicBool,
    /// Collections have had enough CPU time: nobody assists.
    is_limiting: AtomicBool,
    /// When the limiter was told of CPU time last, in nanoseconds since `birth`.
    ticked_ns: AtomicU64,
    /// Bytes outside of the heap that objects hold, how many it were when the last cycle ended, and how many more count.
    external: Arc<AtomicU64>,
    external_at_end: AtomicU64,
    external_room: AtomicU64,
    listener: Option<PressureListener>,
}

#[derive(Debug)]
struct State {
    pacer: Pacer,
    survival: Survival,
    /// CPU time when the last cycle ended, and when the limiter was told last.
    at_end: Spent,
    at_tick: Spent,
    scavenged: CpuNanos,
}

/// CPU time in nanoseconds.
#[derive(Clone, Copy, Default, Debug)]
struct Spent {
    gc: u64,
    process: u64,
}

impl Spent {
    /// What was spent since `before`.
    fn since(self, before: Spent) -> Window {
        let gc = self.gc.saturating_sub(before.gc);
        let process = self.process.saturating_sub(before.process);
        Window { gc: CpuNanos(gc), mutator: CpuNanos(process.saturating_sub(gc)) }
    }
}

/// What the driver knows of a complete cycle. Bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completed {
    /// The live estimate before anything was found dead.
    pub(crate) peak: u64,
    pub(crate) marked: u64,
    /// Allocated during the cycle, and all of it kept.
    pub(crate) born: u64,
    /// Allocated from the snapshot before to this one.
    pub(crate) between: u64,
    /// Allocated since the last cycle was complete.
    pub(crate) allocated: u64,
}

impl Pace {
    pub(crate) fn new(knobs: Knobs, parts: Option<Parts>, listener: Option<PressureListener>) -> Pace {
        let pacer = match parts {
            Some(parts) => Pacer::with_parts(knobs, parts),
            None => Pacer::new(knobs),
        };
        let plan = pacer.plan(&Memory::default());
        let state = State {
            pacer,
            survival: Survival::default(),
            at_end: Spent::default(),
            at_tick: Spent::default(),
            scavenged: CpuNanos::ZERO,
        };
        let pace = Pace {
            birth: Instant::now(),
            state: Mutex::new(state),
            trigger: AtomicU64::new(0),
            goal: AtomicU64::new(0),
            ratio: AtomicU64::new(0),
            is_begun: AtomicBool::new(false),
            begun_ns: AtomicU64::new(0),
            begun_live: AtomicU64::new(0),
            begun_because: AtomicU8::new(0),
            begun_assist_ns: AtomicU64::new(0),
            begun_marking_ns: AtomicU64::new(0),
            is_limited: AtomicBool::new(knobs.limit.is_on()),
            is_limiting: AtomicBool::new(false),
            ticked_ns: AtomicU64::new(0),
            external: Arc::new(AtomicU64::new(0)),
            external_at_end: AtomicU64::new(0),
            external_room: AtomicU64::new(plan.goal.0),
            listener,
        };
        pace.store(plan);
        pace
    }

    /// Models have no time: it would make them differ from run to run.
    fn now(&self) -> Nanos {
        if cfg!(loom) { Nanos::ZERO } else { Nanos(self.birth.elapsed().as_nanos() as u64) }
    }

    fn store(&self, plan: Plan) {
        self.trigger.store(plan.trigger.0, Relaxed);
        self.goal.store(plan.goal.0, Relaxed);
    }

    /// Where the next cycle begins.
    pub(crate) fn trigger(&self) -> u64 {
        self.trigger.load(Relaxed)
    }

    /// Where it should be complete.
    pub(crate) fn goal(&self) -> u64 {
        self.goal.load(Relaxed)
    }

    pub(crate) fn external_held(&self) -> &Arc<AtomicU64> {
        &self.external
    }

    /// Bytes outside of the heap that objects hold.
    pub(crate) fn external(&self) -> u64 {
        self.external.load(Relaxed)
    }

    /// Whether objects hold more of them than when the last cycle ended.
    pub(crate) fn external_grew(&self) -> bool {
        self.external() > self.external_at_end.load(Relaxed)
    }

    /// Those of them that count in the live estimate: a burst is worth one cycle.
    pub(crate) fn external_counted(&self) -> u64 {
        let [held, at_end, room] = [&*self.external, &self.external_at_end, &self.external_room]
            .map(|bytes| Bytes(bytes.load(Relaxed)));
        External::counted_of(at_end, held, room).0
    }
}

impl Core {
    /// The pacer, once it knows what was noted for it.
    fn pacer(&self) -> MutexGuard<'_, State> {
        let mut state = self.pace.state.lock();
        self.tell_notes(&mut state);
        state
    }

    /// The same, if nobody else asks it just now.
    fn idle_pacer(&self) -> Option<MutexGuard<'_, State>> {
        let mut state = self.pace.state.try_lock()?;
        self.tell_notes(&mut state);
        Some(state)
    }

    fn tell_notes(&self, state: &mut State) {
        // ORDERING: Acquire pairs with the Release in `pace_begin`.
        if self.pace.is_begun.swap(false, Ordering::Acquire) {
            self.tell_begin(state);
        }
    }

    /// Memory, if plans depend on it.
    fn memory_of_plans(&self) -> Memory {
        if self.pace.is_limited.load(Relaxed) { self.memory() } else { Memory::default() }
    }

    /// Memory as the pacer wants to know it.
    pub(crate) fn memory(&self) -> Memory {
        let stats = self.arena.stats();
        Memory {
            mapped: Bytes((stats.committed_bytes + stats.side_table_bytes) as u64),
            heap_in_use: Bytes(stats.in_use_bytes as u64),
            heap_free: Bytes((stats.committed_bytes - stats.in_use_bytes) as u64),
            external: Bytes(self.pace.external()),
        }
    }

    fn spent(&self) -> Spent {
        let gc = self.background.cpu_ns() + self.assist_ns.load(Relaxed);
        Spent { gc, process: cpu_ns(libc::CLOCK_PROCESS_CPUTIME_ID) }
    }

    /// The live estimate, external bytes included.
    pub(crate) fn live(&self) -> u64 {
        self.accounts.live().saturating_add(self.pace.external_counted())
    }

    /// Whether the heap has grown to its trigger.
    pub(crate) fn is_triggered(&self) -> bool {
        self.live() >= self.pace.trigger()
    }

    /// Whether the heap has outgrown its goal: the cycle did not keep up.
    pub(crate) fn is_behind(&self) -> bool {
        self.live() >= self.pace.goal()
    }

    // ---- the moments of a cycle, told by the driver

    /// A cycle begins, at a safepoint perhaps: noted, and told when there is time ([`Core::pacer`]).
    pub(crate) fn pace_begin(&self, cause: Cause) {
        self.pace.begun_ns.store(self.pace.now().0, Relaxed);
        self.pace.begun_live.store(self.live(), Relaxed);
        self.pace.begun_because.store(cause as u8, Relaxed);
        self.pace.begun_assist_ns.store(self.assist_ns.load(Relaxed), Relaxed);
        self.pace.begun_marking_ns.store(self.background.marking_ns(), Relaxed);
        // ORDERING: Release pairs with the Acquire in `pacer`: who finds the note finds what it says.
        self.pace.is_begun.store(true, Ordering::Release);
    }

    fn tell_begin(&self, state: &mut State) {
        let begun = Nanos(self.pace.begun_ns.load(Relaxed));
        let live = Bytes(self.pace.begun_live.load(Relaxed));
        let cause = match self.pace.begun_because.load(Relaxed) {
            cause if cause == Cause::Asked as u8 => Cause::Asked,
            cause if cause == Cause::Period as u8 => Cause::Period,
            cause if cause == Cause::Quiet as u8 => Cause::Quiet,
            _ => Cause::Trigger,
        };
        let most = ScanWork(self.accounts.live());
        let begin = CycleBegin { now: begun, live, most, memory: self.memory_of_plans(), cause };
        let start = state.pacer.begin(&begin);
        self.pace.ratio.store(start.assist.ratio.to_bits(), Relaxed);
        self.share.set(start.workers, state.pacer.knobs().cores, self.background.thread_count());
    }

    /// A cycle is complete, but not swept. Takes microseconds, so it is not for safepoints.
    pub(crate) fn pace_end(&self, done: Completed) {
        let (now, spent, memory) = (self.pace.now(), self.spent(), self.memory());
        let change = {
            let mut guard = self.pacer();
            let state = &mut *guard;
            let external = Bytes(self.pace.external());
            let heap = state.survival.live(Bytes(done.marked), Bytes(done.born), Bytes(done.between));
            let window = spent.since(state.at_end);
            // They are of this cycle: the next one begins when this one has ended.
            let begun = |noted: &AtomicU64| noted.load(Relaxed);
            let roots = ScanWork((self.roots.len() * size_of::<usize>()) as u64);
            let plan = state.pacer.end(&CycleReport {
                now,
                live: heap + external,
                left: Bytes(done.marked + done.born) + external,
                peak: Bytes(done.peak),
                work: Work { heap: ScanWork(done.marked), stacks: ScanWork(0), globals: roots },
                duration: now - Nanos(begun(&self.pace.begun_ns)),
                assist_cpu: CpuNanos(
                    self.assist_ns.load(Relaxed).saturating_sub(begun(&self.pace.begun_assist_ns)),
                ),
                background_cpu: CpuNanos(
                    self.background.marking_ns().saturating_sub(begun(&self.pace.begun_marking_ns)),
                ),
                idle_cpu: CpuNanos::ZERO,
                gc_cpu: window.gc,
                mutator_cpu: window.mutator,
                allocated: Bytes(done.allocated),
                memory,
            });
            state.at_end = spent;
            self.pace.external_at_end.store(external.0, Relaxed);
            self.pace.external_room.store(plan.goal.0.saturating_sub((heap + external).0), Relaxed);
            self.pace.store(plan);
            state.pacer.update_pressure(&memory)
        };
        if let (Some(change), Some(listener)) = (change, &self.pace.listener) {
            contain(|| (listener.0)(change));
        }
    }

    pub(crate) fn pace_abandon(&self) {
        let (now, live, memory) = (self.pace.now(), Bytes(self.live()), self.memory());
        let plan = self.pacer().pacer.abandon(now, live, &memory);
        self.pace.store(plan);
    }

    pub(crate) fn pace_swept(&self) {
        let memory = self.memory_of_plans();
        let external = self.pace.external();
        let mut state = self.pacer();
        state.pacer.swept();
        if external < self.pace.external_at_end.load(Relaxed) {
            let plan = state.pacer.swept_external(Bytes(external), &memory);
            self.pace.external_at_end.store(external, Relaxed);
            self.pace.external_room.store(plan.goal.0.saturating_sub(state.pacer.live().0), Relaxed);
        }
        self.pace.store(state.pacer.plan(&memory));
    }

    // ---- told by mutators

    /// What an allocated byte owes now; zero while collections have had enough CPU time.
    pub(crate) fn assist_ratio(&self) -> f64 {
        if self.pace.is_limiting.load(Relaxed) {
            return 0.0;
        }
        // Whoever finds the pacer busy goes by what it said last.
        if let Some(mut state) = self.idle_pacer() {
            let memory = self.memory_of_plans();
            let done = Work { heap: ScanWork(self.accounts.marked()), ..Work::default() };
            let (live, most) = (Bytes(self.live()), ScanWork(self.accounts.live()));
            let answer = state.pacer.revise(&Progress { live, done, most, memory });
            self.pace.ratio.store(answer.ratio.to_bits(), Relaxed);
        }
        f64::from_bits(self.pace.ratio.load(Relaxed))
    }

    /// Under a memory limit plans move with memory, and what is free goes back at once when the limit is met. Called when an
    /// allocation took memory.
    pub(crate) fn pace_memory(&self) {
        if !self.pace.is_limited.load(Relaxed) {
            return;
        }
        let Some(state) = self.idle_pacer() else { return };
        let memory = self.memory();
        self.pace.store(state.pacer.plan(&memory));
        let limit = state.pacer.knobs().limit.bytes();
        drop(state);
        if memory.total() > limit && memory.heap_free > Bytes::ZERO {
            let _ = self.scavenge();
        }
    }

    // ---- told by background threads

    /// Tells the limiter of CPU time, now and then.
    pub(crate) fn pace_tick(&self) {
        let now = self.pace.now();
        if now.0.saturating_sub(self.pace.ticked_ns.load(Relaxed)) < TICK_MIN.as_nanos() as u64 {
            return;
        }
        let Some(mut state) = self.idle_pacer() else { return };
        self.pace.ticked_ns.store(now.0, Relaxed);
        let spent = self.spent();
        let window = spent.since(state.at_tick);
        state.at_tick = spent;
        // Without a memory limit there is no spiral to break: the heap grows instead.
        let is_limiting = state.pacer.tick(now, &window) && self.pace.is_limited.load(Relaxed);
        self.pace.is_limiting.store(is_limiting, Relaxed);
    }

    /// Asks whether the program is quiet, and does what that calls for. Returns when to ask again.
    pub(crate) fn pace_idle(&self) -> Option<Duration> {
        if cfg!(loom) {
            return None;
        }
        let now = self.pace.now();
        let stats = self.arena.stats();
        let allocated = self.accounts.allocated();
        let tables = stats.side_table_bytes as u64;
        let answer = {
            let mut state = self.pacer();
            let since_end = allocated.saturating_sub(self.driver.allocated_at_end());
            // What was born while the last cycle ran was kept whole, but not believed to live.
            let believed = state.pacer.live() - Bytes(self.pace.external_at_end.load(Relaxed));
            let doubtful = Bytes(self.accounts.live()) - believed;
            state.pacer.idle(&Look {
                now,
                allocated: Bytes(allocated),
                since_end: Bytes(since_end).max(doubtful),
                held: Bytes(stats.committed_bytes as u64 + tables),
                is_running: !self.driver.is(Phase::Idle),
            })
        };
        match answer.action {
            IdleAction::None => {}
            IdleAction::Collect(cause) => self.driver.request_because(cause),
            IdleAction::Return { keep } => {
                let free = keep.0.saturating_sub(stats.in_use_bytes as u64 + tables);
                self.arena.release_free(free as usize, false);
            }
        }
        (answer.again != Nanos::MAX).then(|| Duration::from_nanos((answer.again - now).0).max(IDLE_MIN))
    }

    /// Gives free memory back as fast as the pacer says. Returns how long to wait before there may be more, if there is.
    pub(crate) fn scavenge(&self) -> Option<Duration> {
        if cfg!(loom) {
            return None;
        }
        let memory = self.memory();
        let begun = cpu_ns(libc::CLOCK_THREAD_CPUTIME_ID);
        let answer = {
            let mut state = self.pacer();
            let spent = std::mem::take(&mut state.scavenged);
            state.pacer.scavenge(self.pace.now(), &memory, spent)
        };
        if answer.release > Bytes::ZERO {
            let keep = (memory.heap_free - answer.release).0 as usize;
            let released = self.arena.release_free(keep, memory.mapped.0 >= WHOLE_CHUNKS_FROM_BYTES);
            let spent = cpu_ns(libc::CLOCK_THREAD_CPUTIME_ID).saturating_sub(begun);
            self.pacer().scavenged = CpuNanos(spent);
            // The pacer says then how long to rest. What the system does not take back need not be asked for again and again.
            return (released > 0).then_some(IDLE_MIN);
        }
        let rest = answer.not_before - self.pace.now();
        (rest > Nanos::ZERO).then(|| Duration::from_nanos(rest.0).max(IDLE_MIN))
    }

    // ---- knobs

    /// Changes the GC percent at once; returns the old one.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn set_percent(&self, percent: GcPercent) -> GcPercent {
        self.assert_not_forked("set the GC percent");
        self.change(|pacer, memory| pacer.set_gc_percent(percent, memory))
    }

    /// Changes the memory limit at once; returns the old one.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn set_memory_limit(&self, limit: MemoryLimit) -> MemoryLimit {
        self.assert_not_forked("set the memory limit");
        self.pace.is_limited.store(limit.is_on(), Relaxed);
        if !limit.is_on() {
            self.pace.is_limiting.store(false, Relaxed);
        }
        self.change(|pacer, memory| pacer.set_memory_limit(limit, memory))
    }

    /// Gives all free memory back to the system now; returns how many bytes it were.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn release_free_memory(&self) -> usize {
        self.assert_not_forked("release memory");
        self.arena.release_free(0, false)
    }

    /// Begins a ramp-up: see [`RampBound`].
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn begin_ramp_up(&self, bound: RampBound) {
        self.assert_not_forked("ramp up");
        let live = Bytes(self.live());
        self.change(|pacer, memory| pacer.begin_ramp_up(bound, live, memory));
    }

    /// Ends a ramp-up. In a fork of the process that made the heap it does nothing.
    pub fn end_ramp_up(&self) {
        if !self.birthplace.is_elsewhere() {
            let live = Bytes(self.live());
            self.change(|pacer, memory| pacer.end_ramp_up(live, memory));
        }
    }

    /// Reads the pacer, without changing it.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn with_pacer<R>(&self, read: impl FnOnce(&Pacer, &Memory) -> R) -> R {
        self.assert_not_forked("ask the pacer");
        let memory = self.memory();
        read(&self.pacer().pacer, &memory)
    }

    /// Changes something of the pacer, with effect on the plan at once.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Pacer, &Memory) -> R) -> R {
        let memory = self.memory();
        let mut state = self.pacer();
        let result = change(&mut state.pacer, &memory);
        self.pace.store(state.pacer.plan(&memory));
        result
    }
}

/// From this heap on only whole huge pages are given back.
const WHOLE_CHUNKS_FROM_BYTES: u64 = 16 << 30;
