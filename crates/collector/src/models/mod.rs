//! Models: the collector's own code under loom, in heaps of a few blocks.
//!
//! `queue` has the mark queue and `locks` the mark lock and that of containers, each alone; `cycle` has whole cycles, `roots`, `locals`, `weak`, `ephemeron`,
//! `handshake` and `background` what happens to roots, shadow stacks, weak references, scopes and threads in them. There, objects lie in real memory and each leads to a [`Thing`] beside it, whose fields loom watches: reading
//! what is half-written is a failure, and so is the death of what can be reached.
//!
//! Threads that race are spawned, both of them: loom explores the main thread's steps less thoroughly.
//!
//! To run them: `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 LOOM_MAX_BRANCHES=10000 cargo test --release
//! -p mudlark-collector --lib`.

mod background;
mod cycle;
mod ephemeron;
mod family;
mod handshake;
mod locals;
mod locks;
mod queue;
mod roots;
mod stacks;
mod weak;

#[path = "../../../arena/tests/support/loom_pages.rs"]
mod loom_pages;

use crate::{
    cycle::Progress,
    descriptor::{Descriptor, trace_no_part},
    heap::{Config, Core, MAX_HEAP_LEAST},
    local::Kind,
    mark::Marker,
    mark_lock::MarkLock,
    mutator::Mutator,
    pacing::GcPercent,
    plant::Bug,
    roots::RootSlot,
    trace::{EdgeVisitor, Visitor},
    weak::WeakBox,
};
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{
            AtomicPtr,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
};
use std::{
    alloc::Layout,
    any::TypeId,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

/// Bytes of a model's objects: two fit into a block.
const CELL_BYTES: usize = 512;

/// What an object of a model leads to. Not freed before the model's end, so that a dead one can be looked at.
struct Thing {
    /// The cell of another object, or null.
    edge: AtomicPtr<u8>,
    /// Guards `list`.
    lock: MarkLock,
    /// A further edge, which changes under the lock's rules.
    list: UnsafeCell<*mut u8>,
    /// Written when the object is made, read when it is scanned.
    contents: UnsafeCell<u32>,
    /// Tracing it panics.
    panics: AtomicBool,
    drops: AtomicUsize,
}

impl Thing {
    fn new() -> Arc<Thing> {
        Arc::new(Thing {
            edge: AtomicPtr::new(null_mut()),
            lock: MarkLock::new(),
            list: UnsafeCell::new(null_mut()),
            contents: UnsafeCell::new(0),
            panics: AtomicBool::new(false),
            drops: AtomicUsize::new(0),
        })
    }

    fn drops(&self) -> usize {
        self.drops.load(SeqCst)
    }

    /// Reads the edge, as a program does.
    fn load(&self) -> Option<NonNull<u8>> {
        NonNull::new(self.edge.load(Acquire))
    }

    /// Reads the guarded edge.
    fn listed(&self) -> Option<NonNull<u8>> {
        // SAFETY: a read; loom checks that nobody writes.
        NonNull::new(self.list.with(|list| unsafe { list.read() }))
    }

    /// Changes the guarded edge as a program does.
    fn enlist(&self, mutator: &Mutator, to: NonNull<u8>) {
        // SAFETY: the model's thread has entered the mutator.
        let local = unsafe { mutator.local() };
        local.log(&self.lock, |shader| {
            if let Some(old) = self.listed() {
                // SAFETY: edges of models lead to objects.
                unsafe { shader.edge(old) };
            }
        });
        // SAFETY: a write; loom checks that nobody looks.
        self.list.with_mut(|list| unsafe { list.write(to.as_ptr()) });
    }

    /// Changes the edge as a program does, with or without the barrier.
    fn store(&self, mutator: &Mutator, to: *mut u8, barrier: Barrier) {
        // SAFETY: the model's thread has entered the mutator.
        let local = unsafe { mutator.local() };
        match barrier {
            // SAFETY: edges of models lead to objects.
            Barrier::On => unsafe { local.store(&self.edge, to) },
            Barrier::Compared => {
                let mut current = self.edge.load(Acquire);
                // SAFETY: edges of models lead to objects, and what was loaded is alive in the scope.
                while let Err(now) = unsafe { local.overwrite_if(&self.edge, current, to) } {
                    current = now;
                }
            }
            Barrier::Late if local.is_armed() => {
                if let Some(old) = NonNull::new(self.edge.swap(to, AcqRel)) {
                    // SAFETY: edges of models lead to objects.
                    unsafe { local.shade(old) };
                }
            }
            Barrier::Late | Barrier::Forgotten => self.edge.store(to, Release),
        }
    }
}

/// Whether a model plays by the rules.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Barrier {
    On,
    /// On, and the overwritten pointer is named.
    Compared,
    /// Takes out first, and shades then.
    Late,
    Forgotten,
}

/// The record that an object leads to.
///
/// # Safety
///
/// `cell` holds an object of a model that is not over.
unsafe fn thing<'a>(cell: NonNull<u8>) -> &'a Thing {
    // SAFETY: objects of models begin with this address.
    let address = unsafe { cell.cast::<*const Thing>().read() };
    // SAFETY: things live as long as the model.
    unsafe { &*address }
}

unsafe fn trace_thing(cell: NonNull<u8>, marker: &mut Marker<'_>) {
    // SAFETY: the collector passes cells of its descriptor.
    let thing = unsafe { thing(cell) };
    // SAFETY: a read; loom checks that nobody writes.
    thing.contents.with(|contents| unsafe { contents.read() });
    assert!(!thing.panics.load(SeqCst), "a tracer panics, as planned");
    if let Some(target) = thing.load() {
        // SAFETY: edges of models lead to objects.
        unsafe { marker.edge(target) };
    }
    marker.guarded(&thing.lock, |marker| {
        if let Some(target) = thing.listed() {
            // SAFETY: edges of models lead to objects.
            unsafe { marker.edge(target) };
        }
    });
}

unsafe fn visit_thing(_: NonNull<u8>, _: &mut EdgeVisitor<'_>) {}

unsafe fn drop_thing(cell: NonNull<u8>) {
    // SAFETY: the collector passes cells of its descriptor.
    unsafe { thing(cell) }.drops.fetch_add(1, SeqCst);
}

static THING: Descriptor = Descriptor {
    trace: trace_thing,
    trace_part: trace_no_part,
    visit: visit_thing,
    drop: Some(drop_thing),
    name: || "Thing",
    needs_trace: true,
    layout: Layout::new::<*const Thing>(),
    identity: TypeId::of::<Thing>,
    raw: None,
};

/// A heap without a trigger.
fn config(workers: usize) -> Config {
    Config {
        percent: GcPercent::Off,
        max_heap: MAX_HEAP_LEAST,
        workers,
        pages: Box::new(loom_pages::ModelPages),
        ..Config::default()
    }
}

/// The same without background threads.
fn core() -> Arc<Core> {
    Arc::new(Core::new(config(0)).expect("models have memory"))
}

/// Breaks a rule, if the model is one that must fail.
fn plant(core: &Core, bug: Option<Bug>) {
    if let Some(bug) = bug {
        core.plant(bug);
    }
}

/// Shows that a model, which is the whole test of this name, ends in a deadlock. Loom tells of one by a panic that cannot be unwound,
/// so a process of its own ends with it.
fn must_deadlock(name: &str, model: impl FnOnce()) {
    const IS_CHILD: &str = "MUDLARK_MODEL_MUST_DEADLOCK";
    if std::env::var_os(IS_CHILD).is_some() {
        return model();
    }
    let (_crate, name) = name.split_once("::").expect("a path");
    let test = std::env::current_exe().expect("the test is a program");
    let mut child = std::process::Command::new(test);
    let output = child.args(["--exact", name, "--nocapture"]).env(IS_CHILD, "1").output();
    let output = output.expect("a test can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("deadlock; threads"), "no deadlock in {name}: {told}");
}

/// Makes an object of a thing, in a scope.
fn alloc(mutator: &Mutator, of: &Arc<Thing>) -> NonNull<u8> {
    // SAFETY: the model's thread has entered the mutator.
    let local = unsafe { mutator.local() };
    let kind = Kind::of(&THING);
    // SAFETY: kind, descriptor and size belong together, and the cell is filled below.
    let cell = unsafe { local.bump(kind, CELL_BYTES) };
    // SAFETY: as above.
    let slow = || unsafe { local.alloc_slow(mutator, kind, &THING, CELL_BYTES) }.ok();
    let cell = cell.or_else(slow);
    let cell = cell.expect("models have memory");
    // SAFETY: a write; loom checks that nobody looks.
    of.contents.with_mut(|contents| unsafe { contents.write(1) });
    // SAFETY: the cell is new and large enough.
    unsafe { cell.cast::<*const Thing>().write(&raw const **of) };
    cell
}

/// Makes a weak box for an object of this scope.
fn alloc_weak(mutator: &Mutator, target: NonNull<u8>) -> WeakBox {
    // SAFETY: the model's thread has entered the mutator.
    let local = unsafe { mutator.local() };
    // SAFETY: the object was made or loaded in this scope.
    unsafe { local.alloc_weak(mutator, target) }.expect("models have memory")
}

/// Makes a root of an object of this scope.
fn add_root(mutator: &Mutator, cell: NonNull<u8>) -> RootSlot {
    // SAFETY: the model's thread has entered the mutator.
    let local = unsafe { mutator.local() };
    // SAFETY: the object was made or loaded in this scope.
    unsafe { local.add_root(cell) }
}

/// Drops a root.
fn give_up(root: RootSlot) {
    // SAFETY: models drop a root once.
    unsafe { root.give_up() };
}

/// Runs `work` in a scope.
fn enter<R>(mutator: &Mutator, work: impl FnOnce() -> R) -> R {
    // SAFETY: models enter a mutator on one thread at a time, and not twice.
    unsafe { mutator.enter() };
    let result = work();
    // SAFETY: entered just now.
    unsafe { mutator.exit() };
    result
}

/// Asks for a cycle and does what can be done for it without waiting. Returns its number.
fn drive(core: &Core) -> u64 {
    let number = core.driver.request();
    core.driver.run(core, Progress::Any);
    while core.work_as_assist(1 << 20, 8) {
        core.driver.run(core, Progress::Any);
    }
    core.driver.run(core, Progress::Any);
    number
}

/// What a driver does beside a mutator: marks, if marking has begun, or else drives a cycle.
fn drive_or_mark(core: &Core, has_begun: bool) {
    if has_begun {
        let _ = core.mark_some(1 << 20, &core.assists);
    } else {
        drive(core);
    }
}

/// Brings a cycle that others began to its end. Nobody else may be at work.
fn finish(core: &Core, number: u64) {
    while core.stats().cycles + core.stats().aborted_cycles < number {
        core.driver.run(core, Progress::Any);
        let _ = core.work_as_assist(1 << 20, 8);
    }
}
