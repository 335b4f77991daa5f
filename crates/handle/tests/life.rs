//! Lives of mutators, scopes and heaps: who comes and goes at which moment of a cycle, who stays for long, and what a heap
//! does without threads and with tracers that panic.
//!
//! Where a phase matters, heaps have no background threads, and mutators on other threads hold the handshakes up.

#[path = "support/fuse.rs"]
mod fuse;
#[path = "support/other.rs"]
mod other;

use fuse::Fuse;
use mudlark::{
    FullCause, Gc, GcCell, GcMutex, GcRefCell, Heap, Mutator, Root, Scope, Static, StuckScope, Trace,
};
use other::{Other, Relay};
use std::{
    collections::BTreeSet,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::channel,
    },
    thread,
    time::{Duration, Instant},
};

/// Longer than anything here takes. Who waits so long has found a bug.
const FOREVER: Duration = Duration::from_secs(60);

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).build().expect("a heap")
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[derive(Trace)]
struct Node<'gc> {
    number: u64,
    counted: Static<Counted>,
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(cx: &Scope<'gc>, number: u64, dropped: &Arc<AtomicUsize>) -> Gc<'gc, Node<'gc>> {
    let counted = Static(Counted(Arc::clone(dropped)));
    cx.alloc(Node { number, counted, next: GcCell::new(None) })
}

/// Runs `child` in a process of its own, which the limits and the memory of other tests do not touch.
fn in_a_child(test: &str, child: fn()) {
    const CHILD: &str = "MUDLARK_LIFE_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let binary = std::env::current_exe().expect("a test has a binary");
    let output = Command::new(binary)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("the test starts again");
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "the child failed: {}\n{}{}", output.status, texts[0], texts[1]);
    assert!(texts[0].contains("1 passed"), "the child did not run its test:\n{}", texts[0]);
}

/// A number of `/proc/self/status`.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a known name");
    line.trim_start_matches(':')
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a number")
}

// ---- mutators

/// Goal: mutators that come and go leave nothing behind. Method: a million of them on three threads, some of which allocate and
/// root; resident memory after a part of them and after all.
#[test]
#[cfg(not(mudlark_asan))]
fn a_million_mutators_leave_nothing_behind() {
    in_a_child("a_million_mutators_leave_nothing_behind", || {
        const THREADS: usize = 3;
        const WARM_UP: usize = 100_000;
        const ROUNDS: usize = 333_334;
        const GROWTH_KIB_MAX: usize = 8 << 10;
        let heap = heap(1);
        let dropped = Arc::new(AtomicUsize::new(0));
        let churn = |rounds: usize| {
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| (0..rounds).for_each(|round| come_and_go(&heap, round, &dropped)));
                }
            });
            status("VmRSS")
        };
        let before = churn(WARM_UP);
        let after = churn(ROUNDS - WARM_UP);
        assert!(after < before + GROWTH_KIB_MAX, "{before} KiB resident before, {after} KiB after");
        heap.collect();
        let stats = heap.stats();
        assert_eq!((stats.roots, stats.live_bytes), (0, 0), "{stats:?}");
        // Small objects and drop glue: each was made by a mutator of its own.
        let made = THREADS * (WARM_UP.div_ceil(64) + (ROUNDS - WARM_UP).div_ceil(64));
        assert_eq!(dropped.load(SeqCst), made);
        heap.recount().expect("the counters are exact");
    });
}

fn come_and_go(heap: &Heap, round: usize, dropped: &Arc<AtomicUsize>) {
    let mut mutator = heap.attach();
    if round.is_multiple_of(64) {
        let root = mutator.enter(|cx| cx.root(node(cx, round as u64, dropped)));
        assert_eq!(mutator.enter(|cx| root.get(cx).number), round as u64);
    }
}

/// Goal: what it takes to detach does not depend on what there was before. Method: mutators that make one root, in a heap that never had
/// many and in one that had; the quickest of each.
#[test]
fn detaching_takes_no_longer_where_many_roots_were() {
    let quickest = |roots: usize| {
        let heap = heap(0);
        heap.attach().enter(|cx| {
            let number = cx.alloc(1_u64);
            drop((0..roots).map(|_| cx.root(number)).collect::<Vec<_>>());
        });
        let detach = |_| {
            let mut mutator = heap.attach();
            drop(mutator.enter(|cx| cx.root(cx.alloc(1_u64))));
            let begun = Instant::now();
            drop(mutator);
            begun.elapsed()
        };
        (0..30).map(detach).min().expect("there were some")
    };
    let (few, many) = (quickest(10), quickest(300_000));
    assert!(many < 50 * few + Duration::from_micros(50), "{few:?} where few were, {many:?} where many were");
}

/// What mutators leave behind in a cycle: objects in a list that another one finds them in.
struct Legacy {
    list: Root<GcRefCell<Vec<Gc<'static, Node<'static>>>>>,
    made: u64,
    dropped: Arc<AtomicUsize>,
}

impl Legacy {
    fn new(mutator: &mut Mutator) -> Legacy {
        let list = mutator.enter(|cx| cx.root(cx.alloc(GcRefCell::new(Vec::<Gc<'_, Node<'_>>>::new()))));
        Legacy { list, made: 0, dropped: Arc::new(AtomicUsize::new(0)) }
    }

    /// A chain of two, the second of which moves behind the barrier; and garbage of another type.
    fn add(&mut self, mutator: &mut Mutator) {
        mutator.enter(|cx| {
            let [first, second] = [1, 2].map(|index| node(cx, self.made + index, &self.dropped));
            first.next.set(cx, Some(second));
            let list = self.list.get(cx);
            if let Some(last) = list.borrow().last() {
                first.next.set(cx, last.next.get());
                last.next.set(cx, Some(second));
            }
            list.borrow_mut(cx).push(first);
            cx.alloc_str("garbage");
            self.made += 2;
        });
    }

    fn check(&self, mutator: &mut Mutator) {
        mutator.enter(|cx| {
            let list = self.list.get(cx);
            let mut seen = BTreeSet::new();
            for first in list.borrow().iter() {
                seen.extend([Some(*first), first.next.get()].into_iter().flatten().map(|node| node.number));
            }
            assert_eq!((seen.len() as u64, seen.last().copied()), (self.made, Some(self.made)));
            assert_eq!(self.dropped.load(SeqCst), 0);
        });
    }
}

/// How often each handshake was requested: tells the phase of a heap whose mutators hold cycles up.
fn rounds(heap: &Heap) -> Vec<u64> {
    heap.stats().handshakes.iter().map(|handshake| handshake.rounds).collect()
}

/// Goal: mutators can be attached and dropped in every phase of a cycle, with objects in their windows, buffers and regions,
/// and nothing is lost. Method: mutators that were there before the cycle, one dropped per phase; others that come and go in it; and
/// two that hold each handshake up in turn.
#[test]
fn mutators_come_and_go_in_every_phase() {
    let heap = heap(0);
    let mut phases = BTreeSet::new();
    thread::scope(|scope| {
        let mut relay = Relay::new(scope, &heap);
        let mut main = heap.attach();
        let mut legacy = Legacy::new(&mut main);
        let mut elders: Vec<Mutator> = (0..40).map(|_| heap.attach()).collect();
        elders.iter_mut().for_each(|elder| legacy.add(elder));
        relay.begin();
        other::begin_cycle(&heap, &mut main);
        let mut young: Vec<Mutator> = Vec::new();
        while heap.stats().cycles == 0 {
            phases.insert(rounds(&heap));
            // Dropped as it is, dropped with what it made in this phase, and kept for a phase.
            drop(elders.pop());
            let mut elder = elders.pop().expect("a cycle has fewer phases");
            legacy.add(&mut elder);
            drop(elder);
            young.push(heap.attach());
            young.iter_mut().for_each(|mutator| legacy.add(mutator));
            if young.len() > 2 {
                young.remove(0);
            }
            drop(heap.attach());
            relay.advance();
            other::churn(&mut main, 20);
        }
        relay.end();
        legacy.check(&mut main);
        drop(young);
        heap.collect();
        legacy.check(&mut main);
        let Legacy { list, made, dropped } = legacy;
        drop(list);
        heap.collect();
        assert_eq!(dropped.load(SeqCst) as u64, made);
    });
    let waited = |index: usize| phases.iter().any(|rounds| rounds[index] == 1 && rounds[index + 1] == 0);
    assert!([0, 1, 2, 3].iter().all(|&index| waited(index)), "each handshake waited: {phases:?}");
    assert!(phases.iter().any(|rounds| rounds[5] == 1), "the last one too: {phases:?}");
    heap.collect();
    heap.recount().expect("the counters are exact");
}

// ---- heaps

/// What ends in some order.
enum Piece {
    Heap(Heap),
    Mutator(Mutator),
    Root(Root<Node<'static>>),
}

/// All orders of some numbers.
fn orders(numbers: &[usize]) -> Vec<Vec<usize>> {
    if numbers.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |&first: &usize| {
        let rest: Vec<usize> = numbers.iter().copied().filter(|&number| number != first).collect();
        orders(&rest).into_iter().map(move |order| [vec![first], order].concat())
    };
    numbers.iter().flat_map(with_first).collect()
}

/// Goal: heaps, mutators and roots may end in any order, on any thread, with and without a cycle under way; the last one
/// ends the heap, and everything is dropped once. Method: all orders of four.
#[test]
fn heaps_mutators_and_roots_end_in_any_order() {
    for order in orders(&[0, 1, 2, 3]) {
        for (workers, in_cycle, elsewhere) in (0..3)
            .flat_map(|workers| [(false, false), (true, false), (true, true)].map(|(c, e)| (workers, c, e)))
        {
            // A small percentage: a cycle begins soon.
            let heap = Heap::builder().workers(workers).gc_percent(5).build().expect("a heap");
            let dropped = Arc::new(AtomicUsize::new(0));
            let (mut one, mut two) = (heap.attach(), heap.attach());
            let root = one.enter(|cx| {
                let nodes: Vec<_> = (0..10).map(|number| node(cx, number, &dropped)).collect();
                nodes.windows(2).for_each(|pair| pair[0].next.set(cx, Some(pair[1])));
                cx.root(nodes[0])
            });
            two.enter(|cx| (0..10).for_each(|number| _ = node(cx, number, &dropped)));
            if in_cycle {
                other::begin_cycle_anywhere(&heap, &mut two);
            }
            let pieces = [Piece::Heap(heap), Piece::Mutator(one), Piece::Root(root), Piece::Mutator(two)];
            let mut pieces = pieces.map(Some);
            for &index in &order {
                assert!(dropped.load(SeqCst) < 20, "{order:?}: the heap is still in use");
                let piece = pieces[index].take();
                if elsewhere {
                    thread::spawn(move || drop_piece(piece)).join().expect("nothing panics");
                } else {
                    drop_piece(piece);
                }
            }
            assert_eq!(dropped.load(SeqCst), 20, "{order:?}, {workers} workers, in a cycle: {in_cycle}");
        }
    }
}

/// Uses what is still there before it is dropped.
fn drop_piece(piece: Option<Piece>) {
    match piece.expect("each piece ends once") {
        Piece::Heap(heap) => assert!(heap.stats().total_bytes > 0),
        Piece::Mutator(mut mutator) => assert_eq!(mutator.enter(|cx| *cx.alloc(7_u64)), 7),
        Piece::Root(root) => drop(root),
    }
}

/// Goal: the last handle of a heap may be dropped by the heap's own background thread. Method: a dead object that owns it, in a
/// cycle that nobody waits for.
#[test]
fn the_last_handle_may_be_dropped_by_the_collector() {
    struct Owner(Option<Heap>, std::sync::mpsc::Sender<()>);
    impl Drop for Owner {
        fn drop(&mut self) {
            drop(self.0.take());
            let _ = self.1.send(());
        }
    }
    for workers in [1, 2, 3] {
        let (told, tells) = channel();
        let heap = heap(workers);
        let mut mutator = heap.attach();
        mutator.enter(|cx| _ = cx.alloc(Static(Owner(Some(heap.clone()), told))));
        // Another thread asks for a cycle and is gone before it ends, if it is quick.
        other::begin_cycle_anywhere(&heap, &mut mutator);
        drop((mutator, heap));
        tells.recv_timeout(FOREVER).expect("the background thread frees the owner");
    }
}

// ---- long scopes

/// Goal: a scope that stays open delays cycles and nobody else: other mutators enter, allocate, change what they share, and leave;
/// memory grows to the limit and no further; when the scope ends, all is well. Method: a scope that ends when it is told, on a
/// thread of its own.
#[test]
fn a_long_scope_delays_nothing_but_cycles() {
    const MAX_HEAP: usize = 8 << 20;
    for workers in 0..3 {
        let heap = Heap::builder().workers(workers).max_heap(MAX_HEAP).build().expect("a heap");
        thread::scope(|scope| {
            let stuck = Other::new(scope, &heap);
            stuck.toggle();
            let shared: Root<Shared<'static>> = heap.attach().enter(|cx| {
                cx.root(cx.alloc(Shared { last: GcCell::new(None), list: GcMutex::new(Vec::new()) }))
            });
            thread::scope(|users| (0..2).for_each(|_| _ = users.spawn(|| use_shared(&heap, &shared))));
            heap.attach().enter(|cx| {
                let shared = shared.get(cx);
                assert_eq!(shared.list.lock(cx).iter().map(|number| **number).sum::<u64>(), 2 * 4950);
            });
            let full = fill(&heap);
            assert_eq!(full.cause, FullCause::Limit, "{full}");
            let stats = heap.stats();
            assert_eq!(stats.cycles, 0, "the scope is open");
            assert!((MAX_HEAP as u64 / 2..=MAX_HEAP as u64).contains(&stats.total_bytes), "{stats:?}");
            stuck.toggle();
            heap.collect();
            heap.collect();
            let live = heap.stats().live_bytes;
            assert!(live < 64 << 10, "{live} bytes are live");
            // As good as new.
            let free = heap.attach().enter(|cx| cx.try_alloc_slice_with(MAX_HEAP / 2, |_| 0_u8).is_ok());
            assert!(free, "the garbage is gone");
        });
        heap.collect();
        assert_eq!((heap.stats().live_bytes, heap.stats().roots), (0, 0));
        heap.recount().expect("the counters are exact");
    }
}

/// What mutators share while a cycle waits.
#[derive(Trace)]
struct Shared<'gc> {
    last: GcCell<Option<Gc<'gc, u64>>>,
    list: GcMutex<Vec<Gc<'gc, u64>>>,
}

fn use_shared(heap: &Heap, shared: &Root<Shared<'static>>) {
    let mut mutator = heap.attach();
    for round in 0..100_u64 {
        mutator.enter(|cx| {
            let (shared, number) = (shared.get(cx), cx.alloc(round));
            shared.last.set(cx, Some(number));
            shared.list.lock(cx).push(number);
            let own = cx.alloc(GcRefCell::new(vec![number]));
            own.borrow_mut(cx).push(shared.last.get().expect("it was set"));
            assert_eq!(*own.borrow()[0], round);
            cx.alloc_slice_fill(1000, round);
        });
    }
    // Mutators come and go meanwhile.
    heap.attach().enter(|cx| _ = cx.alloc(1_u8));
}

/// Allocates garbage until there is no room.
fn fill(heap: &Heap) -> mudlark::HeapFull {
    heap.attach().enter(|cx| {
        loop {
            if let Err(error) = cx.try_alloc([0_u64; 500]) {
                assert!(error.to_string().contains("leave the scope"), "{error}");
                return error.full;
            }
        }
    })
}

/// Goal: the watchdog tells of each handshake that waits for a scope, once: where it was entered, which cycle and handshake, and
/// for how long; a callback that panics changes nothing. Method: two mutators that hold each handshake up in turn, until it was
/// told; with threads, and without (then somebody waits in `collect`).
#[test]
fn the_watchdog_tells_where_a_cycle_waits() {
    let after = Duration::from_millis(2);
    let all = ["arm", "flush", "close", "hand over", "hold", "disarm"];
    for (workers, panics, verify) in [
        (0, false, false),
        (1, false, false),
        (2, true, false),
        (0, true, false),
        (0, false, true),
        (1, true, true),
    ] {
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let report = move |stuck: &StuckScope| {
            let _ = tell.lock().expect("it panics later").send((*stuck, Instant::now()));
            assert!(!panics, "as planned");
        };
        let builder = Heap::builder().workers(workers).verify(verify);
        let heap = builder.watchdog(after, report).build().expect("a heap");
        thread::scope(|scope| {
            let mut relay = Relay::new(scope, &heap);
            relay.begin();
            let began = Instant::now();
            scope.spawn(|| heap.collect());
            for handshake in all.into_iter().filter(|&name| verify || name != "hold") {
                let (stuck, at) = told.recv_timeout(FOREVER).expect("the watchdog tells");
                assert_eq!((stuck.handshake, stuck.cycle), (handshake, 1), "{stuck}");
                assert!(stuck.waited >= after && stuck.waited <= at - began, "{stuck}");
                let place = (stuck.entered_at.file(), stuck.entered_at.line());
                assert!(place.0.ends_with("other.rs") && place.1 == relay.line(), "{stuck}");
                assert!(stuck.to_string().contains(&format!("handshake {handshake}")), "{stuck}");
                // Not again, however long it takes.
                let clock = self::heap(1);
                while at.elapsed() < 5 * after {
                    clock.collect();
                }
                assert_eq!(told.try_recv().ok(), None, "once per handshake");
                relay.advance();
            }
            relay.end();
        });
        heap.collect();
        assert_eq!((heap.stats().cycles, heap.stats().aborted_cycles), (2, 0));
        // Who may not enter waits for a while, and then the cycle goes on unverified.
        let report = heap.verify_report();
        assert_eq!((report.cycles, report.skipped), if verify { (1, 1) } else { (0, 0) });
        assert_eq!(told.try_recv().ok(), None, "nobody is in a scope");
    }
}

/// Goal: all scopes that a handshake waits for are told of, and no others. Method: three of four mutators in scopes.
#[test]
fn the_watchdog_tells_of_every_scope() {
    for workers in [0, 1] {
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let report = move |stuck: &StuckScope| _ = tell.lock().expect("nobody panics").send(*stuck);
        let after = Duration::from_millis(1);
        let heap = Heap::builder().workers(workers).watchdog(after, report).build().expect("a heap");
        thread::scope(|scope| {
            let others: Vec<Other> = (0..4).map(|_| Other::new(scope, &heap)).collect();
            others[1..].iter().for_each(Other::toggle);
            scope.spawn(|| heap.collect());
            let stuck: Vec<_> = (0..3).map(|_| told.recv_timeout(FOREVER).expect("a scope")).collect();
            assert!(stuck.iter().all(|stuck| stuck.handshake == "arm"), "{stuck:?}");
            others[1..].iter().for_each(Other::toggle);
        });
        assert_eq!(heap.stats().cycles, 1);
    }
}

// ---- threads that the system refuses

fn limit_addresses(bytes: usize) {
    let limit = libc::rlimit { rlim_cur: bytes as u64, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a valid limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

/// Goal: a heap whose threads the system refuses works with fewer, or none. Method: `RLIMIT_AS` with room for the heap, and for
/// no stack, or one.
#[test]
#[cfg(not(mudlark_asan))]
fn a_heap_works_without_the_threads_it_wanted() {
    in_a_child("a_heap_works_without_the_threads_it_wanted", || {
        const MAX_HEAP: usize = 16 << 20;
        const STACK: usize = 8 << 20;
        let build = |workers| Heap::builder().workers(workers).max_heap(MAX_HEAP).build().expect("a heap");
        let measure = || (status("VmSize") << 10, status("Threads"));
        let (before, threads) = measure();
        let bare = build(0);
        let taken = measure().0 - before;
        drop(bare);
        for wanted_threads in [0, 1] {
            let (before, _) = measure();
            limit_addresses(before + taken + wanted_threads * STACK + STACK / 2);
            let heap = build(3);
            assert_eq!(measure().1, threads + wanted_threads, "so many stacks fit");
            let dropped = Arc::new(AtomicUsize::new(0));
            let mut mutator = heap.attach();
            let kept = mutator.enter(|cx| cx.root(node(cx, 7, &dropped)));
            let mut made = 1;
            while heap.stats().cycles < 3 {
                mutator.enter(|cx| (0..1000).for_each(|number| _ = node(cx, number, &dropped)));
                made += 1000;
            }
            mutator.collect();
            assert_eq!(dropped.load(SeqCst), made - 1);
            assert_eq!(mutator.enter(|cx| kept.get(cx).number), 7);
            drop((kept, mutator));
            heap.collect();
            heap.recount().expect("the counters are exact");
            drop(heap);
            limit_addresses(libc::RLIM_INFINITY as usize);
        }
    });
}

// ---- tracers that panic

/// A node with edges before and behind its fuse.
#[derive(Trace)]
struct Fused<'gc> {
    number: u64,
    one: GcCell<Option<Gc<'gc, Fused<'gc>>>>,
    fuse: Fuse<'gc>,
    two: GcRefCell<Vec<Gc<'gc, Fused<'gc>>>>,
    name: Gc<'gc, str>,
    counted: Static<Counted>,
}

const FUSED: u64 = 12;

struct Fuses {
    left: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    graph: Root<[Gc<'static, Fused<'static>>]>,
}

impl Fuses {
    /// A small graph, with a large object and an array in it, and as many dead objects.
    fn new(mutator: &mut Mutator) -> Fuses {
        let [left, dropped] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let graph = mutator.enter(|cx| {
            let make = |number: u64| {
                let fuse = Fuse::new(&left);
                let (one, two) = (GcCell::new(None), GcRefCell::new(Vec::new()));
                let name = cx.alloc_str(&format!("fused {number}"));
                let counted = Static(Counted(Arc::clone(&dropped)));
                cx.alloc(Fused { number, one, fuse, two, name, counted })
            };
            let nodes: Vec<_> = (0..FUSED).map(make).collect();
            for (index, node) in nodes.iter().enumerate() {
                node.one.set(cx, nodes.get(index * 2 + 1).copied());
                node.two.borrow_mut(cx).extend([nodes[index / 2], nodes[(index + 5) % nodes.len()]]);
            }
            (0..FUSED).for_each(|number| _ = make(1000 + number));
            // Some of them are reached in no other way.
            cx.root(cx.alloc_slice_copy(&nodes[..4]))
        });
        Fuses { left, dropped, graph }
    }

    fn check(&self, mutator: &mut Mutator) {
        mutator.enter(|cx| {
            let mut stack: Vec<_> = self.graph.get(cx).iter().copied().collect();
            let mut seen = BTreeSet::new();
            while let Some(node) = stack.pop() {
                assert_eq!(&*node.name, format!("fused {}", node.number));
                if seen.insert(node.number) {
                    stack.extend(node.one.get());
                    stack.extend(node.two.borrow().iter());
                }
            }
            assert_eq!(seen, (0..FUSED).collect());
        });
    }
}

/// Goal: whichever tracer panics, on whichever thread: the cycle is given up and counted, nothing is freed, and the heap goes on.
/// Method: a fuse that blows at the k-th call, for all k until one is beyond the cycle.
#[test]
fn a_panic_in_any_tracer_aborts_the_cycle_and_no_more() {
    for workers in 0..3 {
        let heap = heap(workers);
        let mut mutator = heap.attach();
        let fuses = Fuses::new(&mut mutator);
        let mut at = 0;
        loop {
            at += 1;
            fuses.left.store(at, SeqCst);
            heap.collect();
            let has_blown = fuses.left.swap(0, SeqCst) == 0;
            let stats = heap.stats();
            let aborted = at as u64 - u64::from(!has_blown);
            assert_eq!((stats.aborted_cycles, stats.cycles), (aborted, u64::from(!has_blown)));
            fuses.check(&mut mutator);
            if !has_blown {
                break;
            }
            assert_eq!(fuses.dropped.load(SeqCst), 0, "nothing is freed by an aborted cycle");
            // What is born in between lives or dies like anything else.
            mutator.enter(|cx| (0..100_u64).for_each(|number| assert_eq!(*cx.alloc(number), number)));
        }
        assert_eq!(at as u64, FUSED + 1, "each tracer was called once");
        assert_eq!(fuses.dropped.load(SeqCst) as u64, FUSED);
        drop(fuses.graph);
        heap.collect();
        assert_eq!(fuses.dropped.load(SeqCst) as u64, 2 * FUSED);
        assert_eq!(heap.stats().live_bytes, 0);
        drop(mutator);
        heap.recount().expect("the counters are exact");
    }
}

/// Goal: the same where mutators mark in their own allocations and scopes. Method: cycles that begin by themselves in a heap without
/// background threads.
#[test]
fn a_panic_in_an_assist_stays_in_the_collector() {
    let heap = heap(0);
    let mut mutator = heap.attach();
    let fuses = Fuses::new(&mut mutator);
    for at in 1..=FUSED {
        fuses.left.store(at as usize, SeqCst);
        while heap.stats().aborted_cycles < at {
            other::churn(&mut mutator, 5);
        }
        fuses.check(&mut mutator);
        // An aborted cycle counts all as live; so that the next one does not wait for twice as much.
        fuses.left.store(0, SeqCst);
        heap.collect();
        fuses.check(&mut mutator);
    }
    assert_eq!(fuses.dropped.load(SeqCst) as u64, FUSED);
}
