//! Cleanups: what is to be done after an object died.
//!
//! ```text
//!   registered ──(the end of marking finds the object dead)──▶ ready ──▶ run: by a thread of their own, or by the program
//!        └── canceled                                                    └── or at the end of the heap, all that are left
//! ```
//!
//! A registration is memory outside of the heap; it knows the address of its object and does not keep it alive. What it runs can have no
//! pointer into the heap, so nothing comes back from the dead. When marking is complete, registrations whose objects are not marked are
//! moved to the queue, some hundred at a time, before any mutator disarms (W1). An object that is registered while that goes on is
//! in the hands of its mutator, and marked.
//!
//! Cleanups run outside of all locks of the heap. Their panics are contained and counted.

use crate::{
    background::Collector,
    heap::Core,
    plant::Bug,
    sweeper::{self, contain},
};
use mudlark_arena::sync::{AtomicU64, Condvar, Mutex, Ordering::Relaxed};
use std::{collections::VecDeque, fmt, mem, ptr::NonNull};

/// What runs after a death.
type Run = Box<dyn FnOnce() + Send>;

/// Registrations that are looked at in one piece.
const BATCH_LEN: usize = 256;

/// Who runs cleanups.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum CleanupRunner {
    /// A thread that the first registration starts. If the system refuses it, the program runs them.
    #[default]
    Thread,
    /// The program, when it asks for it.
    Program,
}

/// Names a registration of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupId {
    index: usize,
    number: u64,
}

/// Numbers of cleanups.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CleanupStats {
    /// Those whose objects are not known to be dead.
    pub registered: u64,
    /// Those whose objects are dead, and which did not run yet.
    pub ready: u64,
    /// Those that ran, since birth.
    pub run: u64,
    /// Those of them that panicked.
    pub panicked: u64,
}

struct Registration {
    target: NonNull<u8>,
    number: u64,
    run: Run,
}

// SAFETY: the target is only an address, whose mark is looked at.
unsafe impl Send for Registration {}

#[derive(Default)]
struct Registered {
    entries: Vec<Option<Registration>>,
    free: Vec<usize>,
    /// Registrations so far.
    numbers: u64,
    /// Where the look of this cycle goes on.
    next: usize,
}

impl Registered {
    fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    fn take(&mut self, index: usize) -> Option<Registration> {
        let taken = self.entries[index].take();
        if taken.is_some() {
            self.free.push(index);
        }
        taken
    }
}

#[derive(Default)]
struct Ready {
    queue: VecDeque<Run>,
    has_thread: bool,
    has_ended: bool,
}

/// The cleanups of a heap.
#[derive(Default)]
pub(crate) struct Cleanups {
    runner: CleanupRunner,
    registered: Mutex<Registered>,
    ready: Mutex<Ready>,
    changed: Condvar,
    run: AtomicU64,
    panicked: AtomicU64,
}

impl fmt::Debug for Cleanups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

impl Cleanups {
    pub(crate) fn new(runner: CleanupRunner) -> Cleanups {
        Cleanups { runner, ..Cleanups::default() }
    }

    pub(crate) fn stats(&self) -> CleanupStats {
        CleanupStats {
            registered: self.registered.lock().len() as u64,
            ready: self.ready.lock().queue.len() as u64,
            run: self.run.load(Relaxed),
            panicked: self.panicked.load(Relaxed),
        }
    }

    pub(crate) fn has_registered(&self) -> bool {
        self.registered.lock().len() > 0
    }

    fn register(&self, target: NonNull<u8>, run: Run) -> CleanupId {
        let mut registered = self.registered.lock();
        let number = registered.numbers;
        registered.numbers += 1;
        let entry = Some(Registration { target, number, run });
        let index = match registered.free.pop() {
            Some(index) => {
                registered.entries[index] = entry;
                index
            }
            None => {
                registered.entries.push(entry);
                registered.entries.len() - 1
            }
        };
        CleanupId { index, number }
    }

    fn cancel(&self, id: CleanupId) -> Option<Run> {
        let mut registered = self.registered.lock();
        let entry = registered.entries.get(id.index)?.as_ref()?;
        if entry.number != id.number {
            return None;
        }
        registered.take(id.index).map(|registration| registration.run)
    }

    fn run_one(&self, run: Run) {
        let mut is_done = false;
        contain(|| {
            run();
            is_done = true;
        });
        self.run.fetch_add(1, Relaxed);
        if !is_done {
            self.panicked.fetch_add(1, Relaxed);
        }
    }

    /// Runs what is ready now, in the order of the queue. How many it were.
    fn run_ready(&self) -> usize {
        let count = self.ready.lock().queue.len();
        let mut done = 0;
        while done < count {
            let Some(run) = self.ready.lock().queue.pop_front() else { break };
            self.run_one(run);
            done += 1;
        }
        done
    }

    /// The thread's wait. `None` when the heap ends.
    fn wait_for_next(&self) -> Option<Run> {
        let mut ready = self.ready.lock();
        loop {
            if ready.has_ended {
                return None;
            }
            if let Some(run) = ready.queue.pop_front() {
                return Some(run);
            }
            ready = self.changed.wait(ready);
        }
    }

    /// Has the thread come to its end.
    pub(crate) fn end(&self) {
        self.ready.lock().has_ended = true;
        self.changed.notify_all();
    }

    /// At the end of a heap, everything in it is dead: runs all that is left.
    pub(crate) fn run_all(&self) {
        while self.run_ready() > 0 {}
        let mut left: Vec<Registration> =
            mem::take(&mut *self.registered.lock()).entries.into_iter().flatten().collect();
        left.sort_unstable_by_key(|registration| registration.number);
        for registration in left {
            self.run_one(registration.run);
        }
    }
}

impl Core {
    /// Behind the end of marking: has cleanups of dead objects run, some of them. `false` when all registrations were looked at.
    pub(crate) fn ready_cleanup_batch(&self) -> bool {
        let marks = self.arena.marks(self.arena.filling_side());
        let mut dead = Vec::new();
        let goes_on = {
            let mut guard = self.cleanups.registered.lock();
            let registered = &mut *guard;
            let end = registered.entries.len().min(registered.next + BATCH_LEN);
            for index in registered.next..end {
                // SAFETY: C2: the target is an object of this heap: it was alive when the last cycle ended, or was registered since.
                let is_dead = |entry: &Registration| unsafe { !marks.is_marked(entry.target.as_ptr()) };
                if registered.entries[index].as_ref().is_some_and(is_dead) && !self.plants(Bug::CleanupMissed)
                {
                    dead.extend(registered.take(index).map(|registration| registration.run));
                }
            }
            let goes_on = end < registered.entries.len();
            registered.next = if goes_on { end } else { 0 };
            goes_on
        };
        if !dead.is_empty() {
            self.cleanups.ready.lock().queue.extend(dead);
            self.cleanups.changed.notify_all();
        }
        goes_on
    }

    /// Calls `each` with every object that a cleanup waits for the death of.
    pub(crate) fn each_cleanup_target(&self, mut each: impl FnMut(NonNull<u8>)) {
        let registered = self.cleanups.registered.lock();
        registered.entries.iter().flatten().for_each(|registration| each(registration.target));
    }

    /// Takes a cleanup back. `false` if it ran, or is about to.
    pub fn cancel_cleanup(&self, id: CleanupId) -> bool {
        if self.birthplace.is_elsewhere() {
            return false;
        }
        // Dropped outside of the lock: it has drop glue of its own.
        self.cleanups.cancel(id).is_some()
    }

    /// Runs the cleanups that are ready, on this thread; returns how many it were. Panics in them are contained.
    ///
    /// # Panics
    ///
    /// In a scope of this heap, in drop glue that the collector runs, and in a fork of the process that made the heap.
    pub fn run_cleanups(&self) -> usize {
        sweeper::assert_outside_of_drop_glue("run cleanups");
        self.assert_not_forked("run cleanups");
        assert!(!self.is_entered_here(), "cannot run cleanups inside a scope; leave the scope first");
        self.cleanups.run_ready()
    }
}

impl Collector {
    /// Has `run` called once, after the object died.
    ///
    /// # Safety
    ///
    /// `target` holds an object of this heap that is reachable now.
    pub unsafe fn on_death(
        &self,
        target: NonNull<u8>,
        run: impl FnOnce() + Send + 'static,
    ) -> Option<CleanupId> {
        if self.birthplace.is_elsewhere() {
            return None;
        }
        let id = self.cleanups.register(target, Box::new(run));
        if self.cleanups.runner == CleanupRunner::Thread {
            self.start_cleanup_thread();
        }
        Some(id)
    }

    fn start_cleanup_thread(&self) {
        let is_started = mem::replace(&mut self.cleanups.ready.lock().has_thread, true);
        if is_started {
            return;
        }
        self.spawn("mudlark-cleanup", |core| {
            while let Some(run) = core.cleanups.wait_for_next() {
                core.cleanups.run_one(run);
            }
        });
    }
}
