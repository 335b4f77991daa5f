//! Background threads: one that drives cycles, marks, clears and sweeps; further ones that only mark.

use crate::{
    heap::{Config, Core, HeapError},
    work::MARK_BUDGET,
};
use mudlark_arena::sync::{Arc, AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, thread};
use std::ops::Deref;

/// What all handles of a heap hold.
pub type SharedCollector = std::sync::Arc<Collector>;

/// Drop glue and tracers run here too, and expect what a main thread has.
const STACK_BYTES: usize = 8 << 20;

/// What is known of the background threads of a heap.
#[derive(Debug)]
pub(crate) struct Background {
    wanted: usize,
    running: AtomicUsize,
    shutdown: AtomicBool,
    cpu_ns: AtomicU64,
}

impl Background {
    pub(crate) fn new(workers: usize) -> Background {
        Background {
            wanted: workers,
            running: AtomicUsize::new(0),
            shutdown: AtomicBool::new(false),
            cpu_ns: AtomicU64::new(0),
        }
    }

    /// Whether anybody works in the background.
    pub(crate) fn has_threads(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
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
            let run = move || if index == 0 { drive(&worker) } else { help(&worker) };
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

impl Deref for Collector {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.core.background.shutdown.store(true, Ordering::Relaxed);
        self.core.queue.kick();
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
    work_until_shutdown(core, || core.step());
}

/// The other ones: marking.
fn help(core: &Core) {
    work_until_shutdown(core, || core.driver.is_marking() && core.mark_some(MARK_BUDGET));
}

fn work_until_shutdown(core: &Core, step: impl Fn() -> bool) {
    yield_to_mutators();
    let mut counted = 0;
    while !core.background.is_shut_down() {
        // Read before the look around: a kick in between is not missed.
        let seen = core.queue.kicks();
        if step() {
            continue;
        }
        let spent = thread_cpu_ns();
        core.background.cpu_ns.fetch_add(spent - counted, Ordering::Relaxed);
        counted = spent;
        if !core.background.is_shut_down() {
            core.queue.wait(seen);
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

/// CPU time of the current thread in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    if failed { 0 } else { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 }
}
