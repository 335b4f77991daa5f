//! Every planted bug is seen: by the verifier, by a counter, or because what must be dead is alive.
//!
//! A script moves objects around during a cycle in one of the orders that the bug is fatal for. The same script without the
//! bug finds nothing. Everything happens on one thread, in heaps without background threads.

mod ephemerons;
mod guards;
mod stacks;

use super::Bug;
use crate::{
    Config, Descriptor, EdgeVisitor, EphemeronSlot, GcPercent, Kind, MarkLock, Marker, Mutator, Visitor,
    WeakBox, Zeal,
    cycle::{Phase, Progress},
    heap::Core,
    raw::{RawStack, RawVisitor},
    roots::RootSlot,
    shadow_stack::LocalSlot,
    trace_no_part,
};
use std::{
    alloc::Layout,
    any::TypeId,
    cell::UnsafeCell,
    ffi::c_void,
    ptr::{NonNull, null_mut},
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering::SeqCst},
    },
};

type Cell = NonNull<u8>;

/// What objects of these tests are: three words that change, one behind a lock, an ephemeron, and a guardian of one object.
#[repr(C)]
struct Node {
    edges: [AtomicPtr<u8>; 3],
    lock: MarkLock,
    locked: UnsafeCell<*mut u8>,
    pair: EphemeronSlot,
    guard: EphemeronSlot,
}

const NODE_BYTES: usize = size_of::<Node>();

/// # Safety
///
/// `cell` holds a node of a heap that still exists.
unsafe fn node<'a>(cell: Cell) -> &'a Node {
    // SAFETY: promised by the caller.
    unsafe { cell.cast::<Node>().as_ref() }
}

/// # Safety
///
/// As for descriptors.
unsafe fn trace_node<V: Visitor>(cell: Cell, visitor: &mut V) {
    // SAFETY: descriptors are called with cells of their type.
    let node = unsafe { node(cell) };
    for edge in &node.edges {
        if let Some(target) = NonNull::new(edge.load(SeqCst)) {
            // SAFETY: edges lead to nodes of the heap.
            unsafe { visitor.edge(target) };
        }
    }
    // SAFETY: P1: nodes do not move.
    unsafe { visitor.ephemeron(&node.pair) };
    // SAFETY: P1: as above.
    unsafe { visitor.guard(&node.guard) };
    visitor.guarded(&node.lock, |visitor| {
        // SAFETY: these tests have one thread.
        if let Some(target) = NonNull::new(unsafe { *node.locked.get() }) {
            // SAFETY: edges lead to nodes of the heap.
            unsafe { visitor.edge(target) };
        }
    });
}

unsafe fn mark_node(cell: Cell, marker: &mut Marker<'_>) {
    // SAFETY: as the caller promises.
    unsafe { trace_node(cell, marker) };
}

unsafe fn visit_node(cell: Cell, visitor: &mut EdgeVisitor<'_>) {
    // SAFETY: as the caller promises.
    unsafe { trace_node(cell, visitor) };
}

static NODE: Descriptor = Descriptor {
    trace: mark_node,
    trace_part: trace_no_part,
    visit: visit_node,
    drop: None,
    name: || "Node",
    needs_trace: true,
    layout: Layout::new::<Node>(),
    identity: TypeId::of::<Node>,
    raw: None,
};

/// Words of a large array.
const ARRAY_LEN: usize = 2000;
type Array = [AtomicPtr<u8>; ARRAY_LEN];

unsafe fn visit_array(cell: Cell, visitor: &mut EdgeVisitor<'_>) {
    // SAFETY: as the caller promises.
    unsafe { trace_array(cell, 0, ARRAY_LEN, visitor) };
}

/// # Safety
///
/// As for descriptors.
unsafe fn trace_array<V: Visitor>(cell: Cell, first: usize, end: usize, visitor: &mut V) {
    // SAFETY: descriptors are called with cells of their type.
    let array = unsafe { cell.cast::<Array>().as_ref() };
    for edge in &array[first..end] {
        if let Some(target) = NonNull::new(edge.load(SeqCst)) {
            // SAFETY: edges lead to nodes of the heap.
            unsafe { visitor.edge(target) };
        }
    }
}

unsafe fn mark_array(cell: Cell, marker: &mut Marker<'_>) {
    // SAFETY: the array is what is to be traced.
    if unsafe { marker.scans_at_once(cell, ARRAY_LEN, size_of::<Cell>()) } {
        // SAFETY: as the caller promises.
        unsafe { trace_array(cell, 0, ARRAY_LEN, marker) };
    }
}

unsafe fn mark_array_part(cell: Cell, first: usize, end: usize, marker: &mut Marker<'_>) {
    // SAFETY: as the caller promises.
    unsafe { trace_array(cell, first, end, marker) };
}

static ARRAY: Descriptor = Descriptor {
    trace: mark_array,
    trace_part: mark_array_part,
    visit: visit_array,
    drop: None,
    name: || "Array",
    needs_trace: true,
    layout: Layout::new::<Array>(),
    identity: TypeId::of::<Array>,
    raw: None,
};

/// A heap without background threads.
#[derive(Clone, Copy)]
struct World<'h> {
    core: &'h Core,
}

/// A scope of a mutator.
#[derive(Clone, Copy)]
struct Scope<'h> {
    mutator: &'h Mutator,
}

impl Scope<'_> {
    fn local(&self) -> &crate::Local {
        // SAFETY: a scope is made between enter and exit.
        unsafe { self.mutator.local() }
    }

    fn node(&self, edge: Option<Cell>) -> Cell {
        let kind = Kind::of(&NODE);
        // SAFETY: kind, size and descriptor belong together; the cell is filled below.
        let cell = unsafe { self.local().bump(kind, NODE_BYTES) };
        // SAFETY: as above.
        let slow = || unsafe { self.local().alloc_slow(self.mutator, kind, &NODE, NODE_BYTES) };
        let cell = cell.unwrap_or_else(|| slow().expect("there is memory"));
        let edges = [edge.map_or(null_mut(), NonNull::as_ptr), null_mut(), null_mut()].map(AtomicPtr::new);
        let (pair, guard) = (EphemeronSlot::default(), EphemeronSlot::default());
        let locked = UnsafeCell::new(null_mut());
        let value = Node { edges, lock: MarkLock::new(), locked, pair, guard };
        // SAFETY: the cell is new and large enough.
        unsafe { cell.cast::<Node>().write(value) };
        cell
    }

    /// A large array whose elements all lead to `target`, but for the last, which has a node of its own.
    fn array(&self, target: Cell) -> Cell {
        let last = self.node(None);
        let array: Array =
            std::array::from_fn(|index| if index + 1 < ARRAY_LEN { target } else { last }.as_ptr().into());
        // SAFETY: a run for an array is large enough for it; the words need no drop.
        let init = |cell: Cell| unsafe { cell.cast().copy_from_nonoverlapping(NonNull::from(&array), 1) };
        // SAFETY: `init` makes an array.
        unsafe { self.local().alloc_large(self.mutator, &ARRAY, size_of::<Array>(), init) }
            .expect("there is memory")
    }

    fn load(&self, from: Cell, edge: usize) -> Option<Cell> {
        // SAFETY: scripts hold nodes that are alive, or whose death is the test.
        NonNull::new(unsafe { node(from) }.edges[edge].load(SeqCst))
    }

    fn store(&self, into: Cell, edge: usize, target: Option<Cell>) {
        let target = target.map_or(null_mut(), NonNull::as_ptr);
        // SAFETY: as in `load`.
        let word = unsafe { &node(into).edges[edge] };
        // SAFETY: edges lead to nodes of the heap.
        unsafe { self.local().store(word, target) };
    }

    /// Changes what is behind the lock; returns what was there.
    fn exchange(&self, of: Cell, target: Option<Cell>) -> Option<Cell> {
        // SAFETY: as in `load`.
        let node = unsafe { node(of) };
        self.local().log(&node.lock, |shader| {
            // SAFETY: these tests have one thread.
            if let Some(old) = NonNull::new(unsafe { *node.locked.get() }) {
                // SAFETY: edges lead to nodes of the heap.
                unsafe { shader.edge(old) };
            }
        });
        // SAFETY: these tests have one thread.
        let locked = unsafe { &mut *node.locked.get() };
        NonNull::new(std::mem::replace(locked, target.map_or(null_mut(), NonNull::as_ptr)))
    }

    fn root(&self, cell: Cell) -> RootSlot {
        // SAFETY: the object is reachable now.
        unsafe { self.local().add_root(cell) }
    }

    fn keep(&self, cell: Cell) -> LocalSlot {
        // SAFETY: the object is reachable now.
        unsafe { self.local().keep(cell) }
    }

    fn weak(&self, target: Cell) -> WeakBox {
        // SAFETY: the target is reachable now.
        unsafe { self.local().alloc_weak(self.mutator, target) }.expect("there is memory")
    }
}

impl World<'_> {
    fn attach(&self) -> Arc<Mutator> {
        // SAFETY: `catches_itself` detaches what it attaches.
        unsafe { self.core.attach() }
    }

    fn detach(&self, mutator: &Arc<Mutator>) {
        // SAFETY: it came from this heap and is in no scope.
        unsafe { self.core.detach(mutator) };
    }

    fn enter<R>(&self, mutator: &Mutator, work: impl FnOnce(Scope<'_>) -> R) -> R {
        let scope = self.open(mutator);
        let result = work(scope);
        self.close(scope);
        result
    }

    fn open<'m>(&self, mutator: &'m Mutator) -> Scope<'m> {
        // SAFETY: scripts close what they open, on this thread.
        unsafe { mutator.enter() };
        Scope { mutator }
    }

    fn close(&self, scope: Scope<'_>) {
        // SAFETY: opened by `open`.
        unsafe { scope.mutator.exit() };
    }

    fn get(&self, root: RootSlot) -> Cell {
        // SAFETY: the heap exists.
        unsafe { root.get() }.expect("the root is in use")
    }

    fn drop_root(&self, root: RootSlot) {
        // SAFETY: scripts drop a root once.
        unsafe { root.give_up() };
    }

    /// Begins a cycle and goes on with it until it has to wait; marks nothing.
    fn begin(&self) {
        self.core.driver.request();
        self.core.driver.run(self.core, Progress::Any);
    }

    fn step(&self) {
        self.core.driver.run(self.core, Progress::Any);
    }

    /// Marks `bytes`.
    fn mark(&self, bytes: u64) {
        let _ = self.core.mark_some(bytes, &self.core.assists);
    }

    /// Brings the cycle to its end.
    fn finish(&self) {
        while !self.core.driver.is(Phase::Idle) {
            self.step();
            let _ = self.core.work_as_assist(1 << 20, 64);
        }
    }

    fn collect(&self) {
        self.begin();
        self.finish();
    }

    fn live_nodes(&self) -> u64 {
        let stats = self.core.cell_stats();
        stats.iter().filter(|stats| stats.type_name == "Node").map(|stats| stats.cells.objects()).sum()
    }
}

/// A heap that is verified, and collects when a script says so.
fn config() -> Config {
    Config { percent: GcPercent::Off, max_heap: 8 << 20, workers: 0, verify: true, ..Config::default() }
}

/// Runs a script with some mutators, without and with the bug.
fn catches<const MUTATORS: usize>(bug: Bug, script: impl Fn(World<'_>, [&Mutator; MUTATORS])) {
    catches_itself(bug, |world, mutators| {
        script(world, mutators);
        false
    });
}

/// The same; `script` returns `true` if it saw something wrong by itself.
fn catches_itself<const MUTATORS: usize>(bug: Bug, script: impl Fn(World<'_>, [&Mutator; MUTATORS]) -> bool) {
    for planted in [None, Some(bug)] {
        let config = Config { zeal: Zeal { fill_freed: true, ..Zeal::default() }, ..config() };
        let core = Core::new(config).expect("there is memory");
        if let Some(bug) = planted {
            core.plant(bug);
        }
        let world = World { core: &core };
        let mutators: [Arc<Mutator>; MUTATORS] = std::array::from_fn(|_| world.attach());
        let seen = script(world, mutators.each_ref().map(|mutator| &**mutator));
        mutators.iter().for_each(|mutator| world.detach(mutator));
        let report = core.verify_report();
        assert!(report.cycles > 0 && report.skipped == 0, "nothing was verified: {report:?}");
        let found = seen || !report.violations.is_empty();
        assert_eq!(found, planted.is_some(), "planted: {planted:?}; found: {seen}, {:#?}", report.violations);
        if !seen {
            println!("{planted:?}: {:?}", report.violations.first());
        }
    }
}

/// Three old objects in a row, the first under a root.
fn chain(world: World<'_>, mutator: &Mutator) -> RootSlot {
    world.enter(mutator, |cx| {
        let last = cx.node(None);
        cx.root(cx.node(Some(cx.node(Some(last)))))
    })
}

/// While the cycle marks, an object is taken out of an old one that was not scanned yet, and put behind a new one.
fn hide_behind_new(world: World<'_>, [mutator]: [&Mutator; 1]) {
    let root = chain(world, mutator);
    world.begin();
    world.enter(mutator, |cx| {
        let old = world.get(root);
        let target = cx.load(old, 0);
        cx.store(old, 0, None);
        cx.root(cx.node(target));
    });
    world.finish();
}

#[test]
fn the_verifier_sees_that_the_barrier_is_off() {
    catches(Bug::BarrierOff, hide_behind_new);
}

/// Two mutators on one word: what the one has taken out and not shaded yet, the other puts back behind the marker, passes the
/// round that ends marking, and takes out again. The mark is then in a buffer that nobody waits for.
#[test]
fn the_verifier_sees_that_pointers_are_shaded_late() {
    catches(Bug::ShadedLate, |world, [slow, quick]| {
        let root = chain(world, slow);
        world.begin();
        let (cut, cx) = (world.open(slow), world.open(quick));
        let word = world.get(root);
        let target = cx.load(word, 0);
        let is_late = world.core.plants(Bug::ShadedLate);
        if is_late {
            // SAFETY: the root holds a node.
            unsafe { node(word) }.edges[0].store(null_mut(), SeqCst);
        } else {
            cut.store(word, 0, None);
        }
        world.mark(1 << 20);
        cx.store(word, 0, target);
        // The round begins; this mutator passes it and does in its next scope what it did before.
        world.step();
        world.close(cx);
        let cx = world.open(quick);
        cx.store(word, 0, None);
        cx.root(cx.node(target));
        if is_late && let Some(target) = target {
            // SAFETY: it was in an edge.
            unsafe { cut.local().shade(target) };
        }
        world.close(cut);
        world.step();
        world.close(cx);
        world.finish();
    });
}

#[test]
fn the_verifier_sees_that_barrier_buffers_are_dropped() {
    catches(Bug::BufferDropped, hide_behind_new);
}

/// What was cut off is gray in a mutator's buffer when nothing is left to mark: the round begins, and ends with the scope, which
/// hands the buffer over.
fn hide_at_the_end(world: World<'_>, [mutator]: [&Mutator; 1]) {
    let root = chain(world, mutator);
    world.begin();
    let cx = world.open(mutator);
    let old = world.get(root);
    let target = cx.load(old, 0);
    cx.store(old, 0, None);
    cx.root(cx.node(target));
    world.mark(1 << 20);
    world.step();
    world.close(cx);
    world.finish();
}

#[test]
fn the_verifier_sees_that_marking_ends_without_a_round() {
    catches(Bug::NoRound, hide_at_the_end);
}

#[test]
fn the_verifier_sees_that_marking_ends_in_spite_of_pushes() {
    catches(Bug::EarlyTermination, hide_at_the_end);
}

/// One mutator is armed, another is not and cuts an object off that the first one has just loaded. What the first one does
/// with it is up to `keep`, which gets the object and an old one to put it into.
fn cut_by_another(world: World<'_>, [cutter, mover]: [&Mutator; 2], keep: fn(Scope<'_>, Cell, Cell)) {
    let root = chain(world, cutter);
    let old = world.enter(mover, |cx| cx.root(cx.node(None)));
    let cut = world.open(cutter);
    // The mover is served at once, the cutter is asked.
    world.begin();
    let cx = world.open(mover);
    let source = world.get(root);
    let target = cx.load(source, 0).expect("nobody cut it yet");
    cut.store(source, 0, None);
    keep(cx, target, world.get(old));
    world.close(cut);
    world.step();
    world.close(cx);
    world.finish();
}

#[test]
fn the_verifier_sees_that_the_window_is_lost() {
    catches(Bug::WindowLost, |world, mutators| {
        cut_by_another(world, mutators, |cx, target, _| _ = cx.root(cx.node(Some(target))));
    });
}

#[test]
fn the_verifier_sees_that_objects_are_born_white() {
    catches(Bug::BornWhite, |world, [mutator]| {
        let _root = chain(world, mutator);
        world.begin();
        // All roots are scanned; then there is one more.
        world.mark(1 << 20);
        world.enter(mutator, |cx| cx.root(cx.node(None)));
        world.finish();
    });
}

#[test]
fn the_verifier_sees_that_nobody_flushes() {
    catches(Bug::NoFlush, |world, [cutter, mover]| {
        let root = chain(world, cutter);
        let cut = world.open(cutter);
        world.begin();
        // The mover is armed and has a target that the cutter, who is not, cuts off without shading it.
        let cx = world.open(mover);
        let source = world.get(root);
        let target = cx.load(source, 0);
        cut.store(source, 0, None);
        world.close(cut);
        world.step();
        // Everybody is armed. Without a flush the cutter is closed now: what it makes is black and will not be scanned.
        let black = world.enter(cutter, |cut| cut.root(cut.node(None)));
        cx.store(world.get(black), 0, target);
        world.close(cx);
        world.finish();
    });
}

#[test]
fn the_verifier_sees_that_a_shared_batch_is_lost() {
    catches(Bug::ChunkLost, |world, [mutator]| {
        world.enter(mutator, |cx| {
            let mut level = vec![cx.node(None)];
            cx.root(level[0]);
            for _ in 0..7 {
                let mut next = Vec::new();
                for parent in level {
                    for edge in 0..3 {
                        let child = cx.node(None);
                        cx.store(parent, edge, Some(child));
                        next.push(child);
                    }
                }
                level = next;
            }
        });
        world.collect();
    });
}

#[test]
fn the_verifier_sees_that_pieces_of_arrays_are_lost() {
    catches(Bug::PieceLost, |world, [mutator]| {
        world.enter(mutator, |cx| cx.root(cx.array(cx.node(None))));
        world.collect();
    });
}

#[test]
fn a_counter_sees_that_the_bitmaps_do_not_take_turns() {
    catches_itself(Bug::NoTurn, |world, [mutator]| {
        world.enter(mutator, |cx| (0..100).for_each(|_| _ = cx.node(None)));
        world.collect();
        world.collect();
        world.live_nodes() > 0
    });
}

#[test]
fn the_verifier_sees_that_the_old_bitmap_is_not_cleared() {
    catches(Bug::NotCleared, |world, [mutator]| {
        let root = chain(world, mutator);
        for _ in 0..3 {
            world.collect();
            // A new target behind an old object that is marked already; in a cell that never was.
            world.enter(mutator, |cx| {
                (0..10).for_each(|_| _ = cx.node(None));
                cx.store(world.get(root), 0, Some(cx.node(None)));
            });
        }
        world.collect();
    });
}

#[test]
fn the_verifier_sees_that_cells_are_stamped_too_early() {
    catches(Bug::EarlyStamp, |world, mutators| {
        cut_by_another(world, mutators, |cx, target, old| {
            // The stamp of the armed stage says that all contents are shaded; then something new comes in.
            cx.exchange(old, None);
            cx.exchange(old, Some(target));
        });
    });
}

#[test]
fn the_verifier_sees_that_stamped_contents_are_not_shaded() {
    catches(Bug::StampWithoutShading, |world, [mutator]| {
        let root = world.enter(mutator, |cx| {
            let cell = cx.node(None);
            cx.exchange(cell, Some(cx.node(None)));
            cx.root(cell)
        });
        world.begin();
        world.enter(mutator, |cx| {
            let target = cx.exchange(world.get(root), None);
            cx.root(cx.node(target));
        });
        world.finish();
    });
}

#[test]
fn the_verifier_sees_that_roots_are_missed() {
    catches(Bug::RootMissed, |world, [mutator]| {
        let root = chain(world, mutator);
        world.collect();
        world.drop_root(root);
    });
}

#[test]
fn the_verifier_sees_that_a_dropped_root_is_not_shaded() {
    catches(Bug::RootDropUnshaded, |world, [mutator]| {
        let root = world.enter(mutator, |cx| cx.root(cx.node(None)));
        world.begin();
        let cx = world.open(mutator);
        let target = world.get(root);
        // By a thread that is no mutator, before the slot is scanned.
        world.drop_root(root);
        cx.root(cx.node(Some(target)));
        world.close(cx);
        world.finish();
    });
}

/// An old weak box under a root, and its target under another one.
fn weak_chain(world: World<'_>, mutator: &Mutator) -> (RootSlot, RootSlot) {
    world.enter(mutator, |cx| {
        let target = cx.node(None);
        (cx.root(cx.weak(target).cell()), cx.root(target))
    })
}

#[test]
fn the_verifier_sees_that_weak_references_are_not_cleared() {
    catches(Bug::WeakNotCleared, |world, [mutator]| {
        let (_, target) = weak_chain(world, mutator);
        world.drop_root(target);
        world.collect();
    });
}

#[test]
fn the_verifier_sees_that_an_upgrade_does_not_shade() {
    catches(Bug::WeakUnshaded, |world, [mutator]| {
        let (weak, target) = weak_chain(world, mutator);
        world.drop_root(target);
        world.begin();
        world.enter(mutator, |cx| {
            // SAFETY: the root holds a weak box.
            let weak = unsafe { WeakBox::from_cell(world.get(weak)) };
            // SAFETY: the box is of this heap.
            let target = unsafe { cx.local().upgrade(weak) };
            cx.root(cx.node(target));
        });
        world.finish();
    });
}

#[test]
fn the_verifier_sees_that_live_cells_are_swept() {
    catches(Bug::LiveSwept, |world, [mutator]| {
        let _root = chain(world, mutator);
        world.collect();
        world.enter(mutator, |cx| (0..100).for_each(|_| _ = cx.node(None)));
    });
}
