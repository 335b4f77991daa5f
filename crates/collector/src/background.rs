//! Background threads: one that drives cycles, marks, clears and sweeps; further ones that only mark.

use crate::{
    cycle::Phase,
    heap::{Config, Core, HeapError},
    mark::{MarkMeter, MarkStats},
    plant::Bug,
    safepoint::thread_cpu_ns,
    share::Turn,
    watchdog::Watchdog,
    work::Step,
};
use mudlark_arena::sync::{Arc, AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, thread};
use std::{ops::Deref, time::Duration};

/// What all handles of a heap hold.
pub type SharedCollector = std::sync::Arc<Collector>;

/// While a cycle is under way, mutators go on with it at their safepoints and wake nobody. So the thread that drives
/// looks by itself, after ever longer naps.
const NAP_MIN: Duration = Duration::from_micros(50);
const NAP_MAX: Duration = Duration::from_millis(1);

/// Drop glue and tracers run here too, and expect what a main thread has.
const STACK_BYTES: usize = 8 << 20;

/// What is known of the background threads of a heap.
#[derive(Debug)]
pub(crate) struct Background {
    wanted: usize,
    running: AtomicUsize,
    shutdown: AtomicBool,
    /// Somebody found the heap at its trigger and kicked; nobody looked since.
    is_asked: AtomicBool,
    cpu_ns: AtomicU64,
    /// What each thread marked.
    meters: Box<[MarkMeter]>,
}

/// More threads than this mark no faster.
const WORKERS_MAX: usize = 256;

impl Background {
    pub(crate) fn new(workers: usize) -> Background {
        let workers = workers.min(WORKERS_MAX);
        Background {
            wanted: workers,
            running: AtomicUsize::new(0),
            shutdown: AtomicBool::new(false),
            is_asked: AtomicBool::new(false),
            cpu_ns: AtomicU64::new(0),
            meters: (0..workers).map(|_| MarkMeter::default()).collect(),
        }
    }

    pub(crate) fn mark_stats(&self) -> Vec<MarkStats> {
        self.meters.iter().map(MarkMeter::stats).collect()
    }

    /// CPU time that the threads spent on marking.
    pub(crate) fn marking_ns(&self) -> u64 {
        self.meters.iter().map(MarkMeter::cpu_ns).sum()
    }

    /// Whether anybody works in the background.
    pub(crate) fn has_threads(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    /// Whether to wake the thread that drives cycles, because one is due: once, until it has looked.
    pub(crate) fn ask(&self) -> bool {
        // ORDERING: AcqRel pairs with the swap in `drive`: who finds the wish already there is looked after by whoever takes it
        // back, and the next region that is opened asks again.
        !self.is_asked.load(Ordering::Relaxed) && !self.is_asked.swap(true, Ordering::AcqRel)
    }

    /// How many there are.
    pub(crate) fn thread_count(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// CPU time of the background threads.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::Relaxed)
    }

    fn is_shut_down(&self) -> bool {
        self.shutdown.load(Ordering::Relaxed)
    }
}

/// A heap with its background threads: what all handles share. The threads end with the last of them.
#[derive(Debug)]
pub struct Collector {
    core: Arc<Core>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Collector {
    /// Builds a heap and starts its background threads. If the system refuses threads, there are fewer, or none, and
    /// mutators do the work.
    ///
    /// # Errors
    ///
    /// [`HeapError`] when no memory can be reserved or the configuration allows none.
    pub fn new(config: Config) -> Result<SharedCollector, HeapError> {
        let core = Arc::new(Core::new(config)?);
        let mut threads = Vec::new();
        for index in 0..core.background.wanted {
            // Counted first, so that nobody takes over the thread's duties while it starts.
            core.background.running.fetch_add(1, Ordering::Relaxed);
            let (worker, name) = (Arc::clone(&core), format!("mudlark-{index}"));
            let run = move || if index == 0 { drive(&worker) } else { help(&worker, index) };
            match thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(run) {
                Ok(thread) => threads.push(thread),
                Err(_) => {
                    core.background.running.fetch_sub(1, Ordering::Relaxed);
                    break;
                }
            }
        }
        let collector = SharedCollector::new(Collector { core, threads: Mutex::new(threads) });
        collector.core.set_owner(&collector);
        Ok(collector)
    }
}

impl Collector {
    /// Starts a thread that ends with the heap. If the system refuses it, there is none.
    pub(crate) fn spawn(&self, name: &str, run: impl FnOnce(&Core) + Send + 'static) {
        let core = Arc::clone(&self.core);
        let thread =
            thread::Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(move || run(&core));
        self.threads.lock().extend(thread);
    }
}

impl Deref for Collector {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if self.core.birthplace.is_elsewhere() {
            // In the child of a fork there are no threads to wait for, and the lock may be held for ever.
            return;
        }
        self.core.background.shutdown.store(true, Ordering::Relaxed);
        self.core.cleanups.end();
        if !self.core.plants(Bug::SilentEnd) {
            self.core.queue.kick();
        }
        for thread in self.threads.lock().drain(..) {
            // Drop glue that runs on a background thread may own the last handle; that thread ends by itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// The first background thread: everything a cycle needs.
fn drive(core: &Core) {
    let mut turn = Turn::new(&core.background.meters[0]);
    let mut naps = 0;
    work_until_shutdown(core, || {
        core.background.is_asked.swap(false, Ordering::AcqRel);
        // Read before the look around: a ring in between is not missed.
        let seen = core.queue.driver.rings();
        match core.step(&mut turn) {
            Step::Worked => {
                naps = 0;
                return Next::GoOn;
            }
            Step::Rest(rest) => return Next::Wait(Wait::Bell { seen, limit: Some(rest) }),
            Step::Nothing => {}
        }
        core.watch();
        let limit = if core.driver.is(Phase::Idle) {
            let watch = core.watchdog.as_ref().map(Watchdog::interval);
            [core.pace_idle(), core.scavenge(), watch].into_iter().flatten().min()
        } else {
            naps += 1;
            Some((NAP_MIN * naps).min(NAP_MAX))
        };
        Next::Wait(Wait::Bell { seen, limit })
    });
}

/// The other ones: marking.
fn help(core: &Core, index: usize) {
    let mut turn = Turn::new(&core.background.meters[index]);
    work_until_shutdown(core, || {
        let seen = core.queue.kicks();
        match core.mark_step(&mut turn) {
            Step::Worked => Next::GoOn,
            Step::Rest(rest) => Next::Wait(Wait::Kick { seen, limit: rest }),
            Step::Nothing => Next::Wait(Wait::Work { seen }),
        }
    });
}

enum Next {
    GoOn,
    Wait(Wait),
}

enum Wait {
    Bell { seen: u64, limit: Option<Duration> },
    Work { seen: u64 },
    Kick { seen: u64, limit: Duration },
}

fn work_until_shutdown(core: &Core, mut step: impl FnMut() -> Next) {
    yield_to_mutators();
    let mut counted = 0;
    while !core.background.is_shut_down() {
        let next = step();
        let spent = thread_cpu_ns();
        core.background.cpu_ns.fetch_add(spent - counted, Ordering::Relaxed);
        counted = spent;
        core.pace_tick();
        let Next::Wait(wait) = next else { continue };
        if core.background.is_shut_down() {
            return;
        }
        match wait {
            Wait::Bell { seen, limit } => core.queue.driver.wait(seen, limit),
            Wait::Work { seen } => core.queue.wait_for_work(seen),
            Wait::Kick { seen, limit } => core.queue.wait_for_kick(seen, limit),
        }
    }
}

/// Has the scheduler not take a mutator's core away when it wakes the current thread.
fn yield_to_mutators() {
    #[cfg(target_os = "linux")]
    {
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the parameters are valid for the call; a refusal changes nothing.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
    }
}
