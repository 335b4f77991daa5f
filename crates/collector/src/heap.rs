//! The heap: what mutators and collector share, and how both come and go.

use crate::{
    accounts::Accounts,
    background::{Background, Collector, SharedCollector},
    cleanup::{CleanupRunner, Cleanups},
    cycle::{Driver, Progress},
    descriptor::{Descriptor, LEAF},
    fork::Birthplace,
    handshake::HandshakeState,
    interrupt::InterruptFlag,
    local::{Kind, Local},
    mark::{Ephemerons, Guards, MarkMeter, MarkQueue},
    mutator::Mutator,
    pace::{Pace, PressureListener},
    pacing::{Bytes, GcPercent, Knobs, MemoryLimit, Parts},
    raw::RawTypes,
    roots::RootTable,
    safepoint::SafepointMeter,
    shadow_stack::StackChunks,
    share::Share,
    sweeper,
    verify::Verifier,
    watchdog::Watchdog,
    weak::WeakList,
    zeal::{Zeal, Zealot},
};
use hashbrown::HashMap;
use mudlark_arena::{
    Arena, ArenaConfig, Bin, BinSpec, PageSource, ReserveError, SystemPages,
    sync::{Arc, AtomicBool, AtomicPtr, AtomicU64, Mutex, Ordering::Relaxed},
};
use std::{
    fmt,
    ptr::{NonNull, null_mut},
};

/// How a heap is built.
#[derive(Debug)]
pub struct Config {
    /// How much garbage to accept. 100 percent by default.
    pub percent: GcPercent,
    /// A soft limit on all memory of the heap, external bytes included. None by default.
    pub memory_limit: MemoryLimit,
    /// The parts of the pacer. Go's rules by default.
    pub pacing: Option<Parts>,
    /// Told of changes of memory pressure. Nobody by default.
    pub pressure: Option<PressureListener>,
    /// Bytes of heap that may ever be in use; allocation fails beyond. 64 GiB of addresses by default.
    pub max_heap: usize,
    /// Background threads that mark. By default a quarter of the cores, at least one. With 0 there are no background
    /// threads at all: cycles advance in allocations and at safepoints.
    pub workers: usize,
    /// Where pages come from.
    pub pages: Box<dyn PageSource>,
    /// Who runs cleanups. A thread of their own by default.
    pub cleanups: CleanupRunner,
    /// Splits the time of safepoints into work and absence from the processor, which costs a microsecond each. Off by
    /// default.
    pub split_safepoints: bool,
    /// Tells of scopes that cycles wait for. None by default.
    pub watchdog: Option<Watchdog>,
    /// Checks every cycle with a second marker. Slow; for tests. Off by default.
    pub verify: bool,
    /// Makes rare things happen often. For tests; none by default.
    pub zeal: Zeal,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            percent: GcPercent::default(),
            memory_limit: MemoryLimit::Off,
            pacing: None,
            pressure: None,
            max_heap: mudlark_arena::MAX_HEAP_BYTES_DEFAULT,
            workers: (cores() / 4).max(1),
            pages: Box::new(SystemPages),
            cleanups: CleanupRunner::default(),
            split_safepoints: false,
            watchdog: None,
            verify: false,
            zeal: Zeal::default(),
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A heap could not be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeapError {
    /// The system granted no addresses.
    Reserve(ReserveError),
    /// The maximum heap is smaller than anything can live in.
    MaxHeapTooSmall {
        /// What was asked for.
        bytes: usize,
        /// The least that works.
        least: usize,
    },
}

const CACHE_LINE_BYTES: usize = 64;

/// The least maximum heap: room for a few types.
#[cfg(not(loom))]
pub const MAX_HEAP_LEAST: usize = 1 << 20;
/// The least maximum heap: eight of a model's blocks.
#[cfg(loom)]
pub const MAX_HEAP_LEAST: usize = 8 << 10;

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeapError::Reserve(error) => error.fmt(f),
            HeapError::MaxHeapTooSmall { bytes, least } => {
                write!(f, "a maximum heap of {bytes} bytes was asked for; give at least {least} bytes")
            }
        }
    }
}

impl std::error::Error for HeapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            HeapError::Reserve(error) => Some(error),
            HeapError::MaxHeapTooSmall { .. } => None,
        }
    }
}

/// The mutators of a heap.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) mutators: Vec<Arc<Mutator>>,
    /// [`Mutator::armed_exits`] of those that are gone.
    armed_exits: u64,
}

impl Registry {
    /// Scopes that ended while a cycle was under way.
    pub(crate) fn armed_exits(&self) -> u64 {
        self.armed_exits + self.mutators.iter().map(|mutator| mutator.armed_exits()).sum::<u64>()
    }
}

/// What mutators and collector share.
///
/// | field | written by | protected by |
/// |---|---|---|
/// | `arena`, `queue`, `roots`, `stacks`, `weak`, `ephemerons`, `guards`, `cleanups`, `raw_types`, `accounts`, `safepoints`, `assists` | everybody | themselves |
/// | `registry` | attach, detach; held while handshakes are requested | its lock |
/// | `bins` | the first allocation of a kind | its lock |
/// | `driver` | whoever drives the cycle; never waited for | its lock, by `try_lock` |
/// | `pace` | the driver, paying mutators, background threads, knobs | its lock, by `try_lock` in mutators; relaxed atomics |
///
/// Locks are taken in this order: driver, registry, bins of the arena, queue.
pub struct Core {
    pub(crate) arena: Arena,
    pub(crate) queue: MarkQueue,
    pub(crate) roots: RootTable,
    pub(crate) stacks: StackChunks,
    pub(crate) weak: WeakList,
    pub(crate) ephemerons: Ephemerons,
    pub(crate) guards: Guards,
    pub(crate) cleanups: Cleanups,
    /// Freed behind the last sweep, which is in `drop`.
    pub(crate) raw_types: RawTypes,
    pub(crate) accounts: Accounts,
    pub(crate) safepoints: SafepointMeter,
    pub(crate) assists: MarkMeter,
    pub(crate) handshake: HandshakeState,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) driver: Driver,
    pub(crate) background: Background,
    pub(crate) share: Share,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) verifier: Verifier,
    pub(crate) zealot: Zealot,
    pub(crate) birthplace: Birthplace,
    bins: Mutex<HashMap<usize, NonNull<Bin>>>,
    pub(crate) pace: Pace,
    pub(crate) assist_ns: AtomicU64,
    /// A mutator found no memory: it waits for a cycle when its scope ends.
    pub(crate) starved: AtomicBool,
    max_heap: usize,
    /// Bytes beyond which allocation fails; `u64::MAX` without a limit.
    pub(crate) hard_limit: AtomicU64,
    #[cfg(test)]
    pub(crate) planted: std::sync::atomic::AtomicU8,
    /// The shared owner of this very value; for those who make further handles.
    owner: AtomicPtr<Collector>,
}

// SAFETY: the bin pointers name bins of the arena, which are shared and live as long.
unsafe impl Send for Core {}
// SAFETY: as above; everything else synchronizes itself.
unsafe impl Sync for Core {}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

impl Core {
    /// Builds a heap without background threads; [`crate::Collector`] adds them.
    pub(crate) fn new(config: Config) -> Result<Core, HeapError> {
        if config.max_heap < MAX_HEAP_LEAST {
            return Err(HeapError::MaxHeapTooSmall { bytes: config.max_heap, least: MAX_HEAP_LEAST });
        }
        let arena = Arena::new(ArenaConfig {
            max_bytes: config.max_heap,
            pages: config.pages,
            fill_freed: config.zeal.fill_freed,
        })
        .map_err(HeapError::Reserve)?;
        let max_heap = arena.stats().reserved_bytes;
        let knobs = Knobs {
            percent: config.percent,
            limit: config.memory_limit,
            max_heap: Bytes(max_heap as u64),
            cores: cores() as u32,
            ..Knobs::default()
        };
        Ok(Core {
            arena,
            queue: MarkQueue::default(),
            roots: RootTable::default(),
            stacks: StackChunks::default(),
            weak: WeakList::default(),
            ephemerons: Ephemerons::default(),
            guards: Guards::default(),
            cleanups: Cleanups::new(config.cleanups),
            raw_types: RawTypes::default(),
            accounts: Accounts::default(),
            safepoints: SafepointMeter::new(config.split_safepoints),
            assists: MarkMeter::default(),
            handshake: HandshakeState::default(),
            registry: Mutex::new(Registry::default()),
            driver: Driver::default(),
            background: Background::new(config.workers),
            share: Share::default(),
            watchdog: config.watchdog,
            verifier: Verifier::new(config.verify),
            zealot: Zealot::new(config.zeal),
            birthplace: Birthplace::here(),
            bins: Mutex::new(HashMap::new()),
            pace: Pace::new(knobs, config.pacing, config.pressure),
            assist_ns: AtomicU64::new(0),
            starved: AtomicBool::new(false),
            max_heap,
            hard_limit: AtomicU64::new(u64::MAX),
            #[cfg(test)]
            planted: std::sync::atomic::AtomicU8::new(0),
            owner: AtomicPtr::new(null_mut()),
        })
    }

    pub(crate) fn set_owner(&self, owner: &SharedCollector) {
        self.owner.store(SharedCollector::as_ptr(owner).cast_mut(), Relaxed);
    }

    /// A further handle to the heap; none in models, whose heaps have no handles.
    pub(crate) fn kept_handle(&self) -> Option<SharedCollector> {
        // SAFETY: C4: whoever has a mutator or a root of the heap holds it.
        (!self.owner.load(Relaxed).is_null()).then(|| unsafe { self.share() })
    }

    /// The handle that [`Core::kept_handle`] gave and that was forgotten for roots.
    ///
    /// # Safety
    ///
    /// It is taken once.
    pub(crate) unsafe fn take_kept_handle(&self) -> Option<SharedCollector> {
        let owner = self.owner.load(Relaxed);
        // SAFETY: R3: the count is the one that was forgotten.
        (!owner.is_null()).then(|| unsafe { SharedCollector::from_raw(owner) })
    }

    /// A further handle to the heap.
    ///
    /// # Safety
    ///
    /// Somebody holds one during the call; every attached mutator does.
    pub unsafe fn share(&self) -> SharedCollector {
        let owner = self.owner.load(Relaxed);
        // SAFETY: C4: `owner` is the pointer of a shared collector that the caller keeps alive.
        unsafe { SharedCollector::increment_strong_count(owner) };
        // SAFETY: C4: the count just taken.
        unsafe { SharedCollector::from_raw(owner) }
    }

    /// Registers a mutator.
    ///
    /// # Safety
    ///
    /// The heap outlives the mutator, which ends with [`Core::detach`].
    ///
    /// # Panics
    ///
    /// In drop glue that the collector runs, and in a fork of the process that made the heap.
    pub unsafe fn attach(&self) -> Arc<Mutator> {
        sweeper::assert_outside_of_drop_glue("attach a mutator");
        self.assert_not_forked("attach a mutator");
        let pool = self.roots.take_pool();
        // SAFETY: promised by the caller; pools end with the heap.
        let local = unsafe { Local::new(NonNull::from(self), pool) };
        self.register(Mutator::new(local, InterruptFlag::shared()), |mutator| {
            if self.verifier.is_holding() {
                mutator.hold();
            }
        })
    }

    /// Adds a mutator to the registry, in the state that `prepare` gives it.
    pub(crate) fn register(&self, mutator: Mutator, prepare: impl FnOnce(&Mutator)) -> Arc<Mutator> {
        let mutator = Arc::new(mutator);
        mutator.adopt_pool(self);
        let mut registry = self.registry.lock();
        // Under the lock, so that no handshake is requested between here and the registration (M3).
        prepare(&mutator);
        // SAFETY: M1: nobody else knows the mutator yet.
        let local = unsafe { mutator.local() };
        self.current_handshake().join(local, self.arena.filling_side(), self.cycle_number());
        registry.mutators.push(Arc::clone(&mutator));
        mutator
    }

    /// Ends a mutator.
    ///
    /// # Safety
    ///
    /// It came from [`Core::attach`] of this heap, is in no scope, and is not used any more.
    pub unsafe fn detach(&self, mutator: &Arc<Mutator>) {
        if self.birthplace.is_elsewhere() {
            mutator.leave_pool(self);
            return;
        }
        let mut registry = self.registry.lock();
        if let Some(index) = registry.mutators.iter().position(|other| Arc::ptr_eq(other, mutator)) {
            registry.mutators.swap_remove(index);
            registry.armed_exits += mutator.armed_exits();
            mutator.detach();
            self.roots.return_pool(mutator.leave_pool(self));
        }
    }

    /// The bin of a kind, made when the kind is new.
    pub(crate) fn bin(&self, kind: Kind, descriptor: &'static Descriptor, cell_bytes: usize) -> NonNull<Bin> {
        *self.bins.lock().entry(kind.bits()).or_insert_with(|| {
            let tag = std::ptr::from_ref(if kind.is_leaf() { &LEAF } else { descriptor }).cast();
            NonNull::from(self.arena.new_bin(BinSpec { cell_bytes, tag, drops: descriptor.drop.is_some() }))
        })
    }

    /// The GC percent in force.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn percent(&self) -> GcPercent {
        self.with_pacer(|pacer, _| pacer.knobs().percent)
    }

    /// The maximum heap in bytes; less than was asked for if the system granted fewer addresses.
    pub fn max_heap(&self) -> usize {
        self.max_heap
    }

    /// Whether the current thread is in a scope of this heap.
    pub fn is_entered_here(&self) -> bool {
        // In a fork the lock may be held for ever.
        !self.birthplace.is_elsewhere()
            && self.registry.lock().mutators.iter().any(|mutator| mutator.is_entered_here())
    }

    /// Asks for the memory of the heap's own state, all of it at once: a mutator that comes to a safepoint has just gone through
    /// megabytes of objects, and would otherwise wait for one cold line after the other.
    pub(crate) fn prefetch(&self) {
        let start = std::ptr::from_ref(self).cast::<u8>();
        for offset in (0..size_of::<Core>()).step_by(CACHE_LINE_BYTES) {
            crate::mark::prefetch(start.wrapping_add(offset));
        }
    }

    /// Drives the cycle as far as it goes without waiting and without work that takes long.
    pub(crate) fn advance(&self) {
        self.driver.run(self, Progress::Light);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // No mutator is left, so every region is retired.
        sweeper::drop_everything(&mut self.arena);
        if !self.birthplace.is_elsewhere() {
            self.cleanups.run_all();
        }
    }
}
