//! Forks: what the child of a process that has a heap may do with it, and that nothing there waits for ever.
//!
//! A child does what is tested, tells its parent by a pipe, and ends by `_exit`. An alarm ends one that hangs. Forks are made one
//! after the other, for in the child all locks stay as they were: those of `std` too.
#![cfg(all(unix, not(mudlark_asan)))]

#[path = "support/other.rs"]
mod other;

use mudlark::{
    AllocError, FullCause, Gc, GcCell, GcMutex, GcRefCell, GcWeak, Heap, Mutator, Rebrand, Root, Scope,
    Trace, trace::Visitor,
};
use other::Other;
use std::{
    any::Any,
    fs::File,
    io::{Read, Write},
    marker::PhantomData,
    os::fd::FromRawFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

/// A child that takes longer hangs.
const CHILD_SECONDS: u32 = 10;

/// One test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static FORKING: Mutex<()> = Mutex::new(());
    FORKING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    payload.downcast_ref::<String>().cloned().or(text).unwrap_or_default()
}

/// A fork that was made: in the child its id is zero.
struct Fork {
    id: libc::pid_t,
    read: File,
    write: File,
}

impl Fork {
    fn now() -> Fork {
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        // SAFETY: nobody else has the descriptors.
        let [read, write] = ends.map(|end| unsafe { File::from_raw_fd(end) });
        // SAFETY: the child uses no lock that another thread of this test may hold, but those of the heap, which is tested; the
        // allocator of the C library can be used after a fork.
        let id = unsafe { libc::fork() };
        assert!(id >= 0, "the system forks");
        if id == 0 {
            // SAFETY: an alarm without handler ends the process.
            unsafe { libc::alarm(CHILD_SECONDS) };
        }
        Fork { id, read, write }
    }

    /// Runs `child` in the child, which ends, and waits for it in the parent. A panic in the child is one here.
    fn end(self, what: &str, child: impl FnOnce()) {
        let Fork { id, mut read, mut write } = self;
        if id == 0 {
            let result = catch_unwind(AssertUnwindSafe(child));
            let text = result.as_ref().err().map(|payload| message(&**payload)).unwrap_or_default();
            let _ = write.write_all(text.as_bytes());
            // SAFETY: the child ends here, without drop glue.
            unsafe { libc::_exit(i32::from(result.is_err())) };
        }
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).expect("the pipe can be read");
        let mut status = 0;
        // SAFETY: `status` is a valid place for the answer.
        assert_eq!(unsafe { libc::waitpid(id, &raw mut status, 0) }, id);
        let hangs = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGALRM;
        assert!(!hangs, "{what}: the child hangs");
        assert_eq!(status, 0, "{what}: the child failed: {text}");
    }
}

/// Forks, runs `child` in the child, and waits for it.
fn fork(what: &str, child: impl FnOnce()) {
    Fork::now().end(what, child);
}

/// `work` panics, and says that it is because of the fork.
fn refused(what: &str, work: impl FnOnce()) {
    let payload = catch_unwind(AssertUnwindSafe(work)).expect_err(what);
    let text = message(&*payload);
    assert!(text.contains("fork") && text.contains("make a heap"), "{what}: {text}");
}

/// Does something when it is dropped, also by a panic: threads of the test are told to end.
struct Finally<F: Fn()>(F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).gc_percent(20).build().expect("a heap")
}

type List = GcRefCell<Vec<Gc<'static, Node<'static>>>>;

#[derive(Trace)]
struct Node<'gc> {
    number: u64,
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    own: Gc<'gc, str>,
    weak: GcWeak<'gc, str>,
}

/// What a parent has when it forks.
struct Family {
    heap: Heap,
    mutator: Mutator,
    list: Root<List>,
    total: Root<GcMutex<u64>>,
}

fn node<'gc>(cx: &Scope<'gc>, number: u64) -> Result<Gc<'gc, Node<'gc>>, AllocError<()>> {
    let without = |full| AllocError { value: (), full };
    let own = cx.try_alloc_str(&number.to_string()).map_err(|error| without(error.full))?;
    let weak = GcWeak::try_new(cx, own).map_err(|error| without(error.full))?;
    cx.try_alloc(Node { number, next: GcCell::new(None), own, weak }).map_err(|error| without(error.full))
}

impl Family {
    fn new(workers: usize) -> Family {
        let heap = heap(workers);
        let mut mutator = heap.attach();
        let (list, total) = mutator.enter(|cx| {
            let nodes = (0..100).map(|number| node(cx, number).expect("there is room")).collect::<Vec<_>>();
            (cx.root(cx.alloc(GcRefCell::new(nodes))), cx.root(cx.alloc(GcMutex::new(0_u64))))
        });
        Family { heap, mutator, list, total }
    }

    /// What a parent does with its heap after a fork, as if there had been none.
    fn go_on(&mut self) {
        let Family { heap, mutator, list, total } = self;
        for round in 0..30 {
            mutator.enter(|cx| {
                look(cx, list);
                upgrade(cx, list);
                *total.get(cx).lock(cx) += 1;
                list.get(cx).borrow_mut(cx)[round] = node(cx, round as u64).expect("there is room");
                cx.alloc_slice_fill(2000, 0_u64);
            });
        }
        mutator.collect();
        assert_eq!(mutator.enter(|cx| std::mem::take(&mut *total.get(cx).lock(cx))), 30);
        let (before, after) = (heap.stats().cycles, heap.attach().enter(|cx| *cx.alloc(1)));
        assert!(before > 0 && after == 1);
    }

    /// What a child may do outside of scopes, and what it may not; then everything ends, in one of several orders.
    fn in_child(self, order: usize) {
        let Family { heap, mut mutator, list, total } = self;
        refused("collect", || heap.collect());
        refused("collect", || mutator.collect());
        refused("attach", || drop(heap.attach()));
        refused("stats", || _ = heap.stats());
        refused("cell stats", || _ = heap.cell_stats());
        for _ in 0..3 {
            mutator.enter(|cx| {
                look(cx, &list);
                *total.get(cx).lock(cx) += 1;
                use_up(cx);
            });
        }
        match order % 4 {
            0 => drop((list, total, mutator, heap)),
            1 => drop((heap, mutator, total, list)),
            2 => drop((mutator, list, heap, total)),
            _ => drop((heap, list, mutator, total)),
        }
    }
}

/// Reads everything.
fn look(cx: &Scope<'_>, list: &Root<List>) {
    let list = list.get(cx);
    for (number, node) in list.borrow().iter().enumerate() {
        assert_eq!((node.number, &*node.own), (number as u64, &*number.to_string()));
    }
}

/// Upgrades all weak pointers.
fn upgrade(cx: &Scope<'_>, list: &Root<List>) {
    for node in list.get(cx).borrow().iter() {
        assert_eq!(node.weak.upgrade(cx).as_deref(), Some(&*node.own));
    }
}

/// Allocates until regions are used up: then there is an error that tells why, and each time again.
fn use_up(cx: &Scope<'_>) {
    let mut last = None;
    for number in 0..100_000 {
        match node(cx, number) {
            Ok(node) => {
                node.next.set(cx, last);
                last = Some(node);
            }
            Err(error) => {
                assert_eq!(error.full.cause, FullCause::Forked);
                assert!(error.to_string().contains("fork"), "{error}");
                break;
            }
        }
        assert!(number < 50_000, "regions end");
    }
    // Large objects have no regions.
    let large = cx.try_alloc([7_u8; 10_000]).expect_err("nothing can be taken");
    assert_eq!((large.full.cause, large.value[1]), (FullCause::Forked, 7));
    let slice = cx.try_alloc_slice_with(1 << 20, |_| 1_u8).expect_err("nothing can be taken");
    assert_eq!(slice.full.cause, FullCause::Forked);
    refused("alloc", || _ = cx.alloc([7_u8; 10_000]));
    refused("alloc_slice", || _ = cx.alloc_slice_fill(1 << 20, 1_u8));
}

/// A heap that is made in the child works: with threads, cycles and a fork of its own.
fn new_heap_works(depth: usize) {
    let mut family = Family::new(1);
    family.go_on();
    if depth > 0 {
        fork("a grandchild", || {
            refused("collect", || family.heap.collect());
            new_heap_works(depth - 1);
        });
        family.go_on();
    }
    let Family { heap, mutator, list, total } = family;
    drop((list, total, mutator));
    heap.collect();
    assert_eq!((heap.stats().live_bytes, heap.stats().roots), (0, 0));
}

/// Goal: outside of scopes a child is refused what would wait, may read, and may end what it has, in any order; the parent goes on. A
/// heap of the child works. Method: forks of a heap at rest.
#[test]
fn a_child_forked_outside_of_scopes() {
    let _alone = alone();
    for workers in 0..3 {
        for order in 0..4 {
            let mut family = Family::new(workers);
            family.mutator.collect();
            let mut family = Some(family);
            fork("outside", || {
                let Family { mutator, list, .. } = family.as_mut().expect("the parent's");
                mutator.enter(|cx| upgrade(cx, list));
                family.take().expect("the parent's").in_child(order);
                new_heap_works(1);
            });
            let mut family = family.expect("the child has its own");
            family.go_on();
            let Family { heap, mutator, list, total } = family;
            drop((mutator, list, total));
            heap.collect();
            assert_eq!(heap.stats().live_bytes, 0);
            heap.recount().expect("the counters are exact");
        }
    }
}

/// Goal: in an open scope too; and the child can leave it. Method: forks in scopes, idle or with a cycle that waits for their end.
#[test]
fn a_child_forked_inside_a_scope() {
    let _alone = alone();
    for (workers, in_cycle) in [(0, false), (1, false), (0, true), (1, true), (2, true)] {
        let Family { heap, mut mutator, list, total } = Family::new(workers);
        let mut second = heap.attach();
        let forked = mutator.enter(|cx| {
            if in_cycle {
                other::begin_cycle_anywhere(&heap, &mut second);
            }
            fork("inside", || {
                look(cx, &list);
                *total.get(cx).lock(cx) += 1;
                use_up(cx);
                refused("collect", || heap.collect());
                refused("attach", || drop(heap.attach()));
                // The other one, which no cycle waits for, may still enter.
                second.enter(|cx| look(cx, &list));
                second.enter(use_up);
            });
            let forked = Fork::now();
            look(cx, &list);
            forked
        });
        // The child comes out of the scope too.
        forked.end("leaving", || {
            mutator.enter(|cx| look(cx, &list));
            mutator.enter(use_up);
            refused("collect", || heap.collect());
        });
        drop(second);
        Family { heap, mutator, list, total }.go_on();
    }
}

/// Goal: a child never waits for the threads of its parent, whatever they were doing. Method: many forks, outside of scopes and inside,
/// while background threads collect, and another thread allocates.
#[test]
fn children_forked_while_others_are_at_work() {
    let _alone = alone();
    for workers in [1, 2] {
        let mut family = Family::new(workers);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let heap = family.heap.clone();
            let (collects, allocates, done) = (heap.clone(), heap, &done);
            scope.spawn(move || {
                while !done.load(SeqCst) {
                    collects.collect();
                }
            });
            scope.spawn(move || {
                let mut mutator = allocates.attach();
                while !done.load(SeqCst) {
                    mutator.enter(|cx| (0..500).for_each(|number| _ = node(cx, number)));
                    drop(mutator.enter(|cx| cx.root(cx.alloc(1_u64))));
                }
            });
            let finally = Finally(|| done.store(true, SeqCst));
            for round in 0..30 {
                let Family { heap, mutator, list, total } = family;
                let mut kept = Some(Family { heap, mutator, list, total });
                if round % 2 == 0 {
                    fork("at work, outside", || {
                        in_child_at_work(kept.take().expect("the parent's"), round / 2)
                    });
                } else {
                    let Family { mutator, list, .. } = kept.as_mut().expect("the parent's");
                    mutator.enter(|cx| {
                        cx.alloc_slice_fill(100, 0_u64);
                        fork("at work, inside", || {
                            look(cx, list);
                            use_up(cx);
                        });
                    });
                }
                family = kept.expect("the child has its own");
                family.mutator.enter(|cx| look(cx, &family.list));
            }
            drop(finally);
            family.go_on();
        });
    }
}

/// As [`Family::in_child`]; but the mutator may have been served by a thread that is not here, and then says so.
fn in_child_at_work(mut family: Family, order: usize) {
    let Family { mutator, list, .. } = &mut family;
    match catch_unwind(AssertUnwindSafe(|| mutator.enter(|cx| look(cx, list)))) {
        Ok(()) => family.in_child(order),
        Err(payload) => {
            let text = message(&*payload);
            assert!(text.contains("cannot enter a scope in a fork"), "{text}");
        }
    }
}

/// Waits in its tracer until it may go on.
struct Gate<'gc> {
    waits: Arc<AtomicBool>,
    has_come: Arc<AtomicBool>,
    brand: PhantomData<Gc<'gc, u8>>,
}

// SAFETY: T1: it owns no `Gc`; T2: it looks at nothing else; T3: the flags are atomic; T4: it is `Send`; T7: it has a brand.
unsafe impl<'gc> Trace<'gc> for Gate<'gc> {
    const NEEDS_TRACE: bool = true;

    fn trace<V: Visitor>(&self, _visitor: &mut V) {
        self.has_come.store(true, SeqCst);
        while self.waits.load(SeqCst) {
            thread::yield_now();
        }
    }
}

// SAFETY: B1: the brand is phantom.
unsafe impl Rebrand for Gate<'_> {
    type With<'gc> = Gate<'gc>;
}

/// Goal: a mutable borrow does not wait for a marker that stayed in the parent. Method: a marker that is held in the tracer of the
/// cell's contents while the process forks.
#[test]
fn a_borrow_in_the_child_does_not_wait_for_a_marker() {
    let _alone = alone();
    let heap = heap(1);
    let (waits, has_come) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let mut mutator = heap.attach();
    let cell = mutator.enter(|cx| {
        let [waits, has_come] = [&waits, &has_come].map(Arc::clone);
        cx.root(cx.alloc(GcRefCell::new(Gate { waits, has_come, brand: PhantomData })))
    });
    thread::scope(|scope| {
        scope.spawn(|| heap.collect());
        while !has_come.load(SeqCst) {
            thread::yield_now();
        }
        let _finally = Finally(|| waits.store(false, SeqCst));
        mutator.enter(|cx| {
            fork("a borrow", || {
                // In the child nobody opens the gate again; the borrow's own tracing need not wait.
                waits.store(false, SeqCst);
                // That it is refused with a clear message is as good as that it works.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(cell.get(cx).borrow_mut(cx)))) {
                    assert!(message(&*payload).contains("fork"));
                }
            });
        });
    });
}

/// Takes the lock of the mark queue again and again, as drops of roots do.
fn drop_roots_until(heap: &Heap, done: &AtomicBool) {
    let mut mutator = heap.attach();
    while !done.load(SeqCst) {
        let roots = mutator.enter(|cx| (0..100).map(|_| cx.root(cx.alloc(1_u64))).collect::<Vec<_>>());
        drop(roots);
    }
}

/// Goal: a store in the child does not wait for a lock that another thread held. Method: forks in a scope of a running cycle, held up by
/// another mutator, while a third thread drops roots without pause; the child makes more stores than the barrier's buffer holds.
#[test]
fn stores_in_the_child_do_not_wait_for_a_lock() {
    let _alone = alone();
    let heap = heap(0);
    let mut mutator = heap.attach();
    let slots: Root<[GcCell<Option<Gc<'static, u64>>>]> = mutator.enter(|cx| {
        let slots = cx.alloc_slice_with(5000, |number| GcCell::new(Some(cx.alloc(number as u64))));
        cx.root(slots)
    });
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = Other::new(scope, &heap);
        other.toggle();
        other::begin_cycle(&heap, &mut mutator);
        scope.spawn(|| drop_roots_until(&heap, &done));
        let _finally = Finally(|| done.store(true, SeqCst));
        for _ in 0..25 {
            mutator.enter(|cx| {
                fork("stores", || slots.get(cx).iter().for_each(|slot| slot.set(cx, None)));
            });
        }
    });
}

/// Goal: making and dropping roots in the child does not wait. Method: forks in a scope while other threads make and drop as many
/// that the table grows and cycles read it.
#[test]
fn roots_in_the_child_do_not_wait_for_a_lock() {
    let _alone = alone();
    let heap = heap(1);
    let mut mutator = heap.attach();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut mutator = heap.attach();
            let mut roots = Vec::new();
            while !done.load(SeqCst) {
                mutator.enter(|cx| roots.extend((0..1000).map(|_| cx.root(cx.alloc(1_u64)))));
                if roots.len() > 200_000 {
                    roots.clear();
                    heap.collect();
                }
            }
        });
        let _finally = Finally(|| done.store(true, SeqCst));
        for _ in 0..12 {
            mutator.enter(|cx| {
                let number = cx.alloc(7_u64);
                fork("roots", || {
                    let roots: Vec<_> = (0..2000).map(|_| cx.root(number)).collect();
                    assert!(roots.iter().all(|root| *root.get(cx) == 7));
                    roots.iter().for_each(|root| root.set(cx, number));
                });
            });
        }
    });
}

/// Goal: an upgrade in the child does not wait for a lock that another thread held. Method: forks in a scope of a running cycle, while
/// a third thread drops roots without pause.
#[test]
fn upgrades_in_the_child_do_not_wait_for_a_lock() {
    let _alone = alone();
    let Family { heap, mut mutator, list, .. } = Family::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = Other::new(scope, &heap);
        other.toggle();
        other::begin_cycle(&heap, &mut mutator);
        scope.spawn(|| drop_roots_until(&heap, &done));
        let _finally = Finally(|| done.store(true, SeqCst));
        for _ in 0..25 {
            mutator.enter(|cx| fork("upgrades", || upgrade(cx, &list)));
        }
    });
}

/// Goal: questions about settings do not wait in the child. Method: another thread changes them without pause.
#[test]
fn settings_in_the_child_do_not_wait_for_a_lock() {
    let _alone = alone();
    let heap = heap(1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                heap.set_gc_percent(50);
            }
        });
        let _finally = Finally(|| done.store(true, SeqCst));
        for _ in 0..40 {
            fork("gc_percent", || {
                // A clear refusal is as good as an answer.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| heap.gc_percent())) {
                    assert!(message(&*payload).contains("fork"));
                }
            });
        }
    });
}
