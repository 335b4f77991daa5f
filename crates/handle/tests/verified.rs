//! Heaps that check themselves: random programs under zeal and the verifier, and numbers that must fit together.

#[path = "support/other.rs"]
mod other;
#[path = "support/random.rs"]
mod random;

use mudlark::{
    Gc, GcCell, GcMutex, GcPercent, GcRefCell, GcRwLock, GcWeak, Heap, Mutator, Root, Scope, Static, Trace,
    Zeal,
};
use other::Other;
use random::Random;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

/// Names the program when a thread panics.
#[derive(Clone, Copy, Debug)]
struct Setup {
    seed: u64,
    allocations: u32,
    workers: usize,
    mutators: u64,
    /// The mutators lie in each other on one thread, instead of on one thread each.
    nested: bool,
}

struct Named(Setup, u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("mutator {} of {:?} fails", self.1, self.0);
        }
    }
}

impl Setup {
    fn heap(self) -> Heap {
        let zeal = Zeal {
            seed: self.seed,
            allocations_per_cycle: Some(self.allocations),
            yields: true,
            extra_rounds: true,
            fill_freed: true,
        };
        Heap::builder().workers(self.workers).verify(true).zeal(zeal).build().expect("a heap")
    }
}

/// Marks its object as dropped, once.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        assert!(!self.0.swap(true, SeqCst), "dropped twice");
    }
}

/// An object of a random graph, with all kinds of edges.
#[derive(Trace)]
struct Vertex<'gc> {
    name: u64,
    copy: Gc<'gc, str>,
    flag: Static<Flag>,
    edge: GcCell<Option<Gc<'gc, Vertex<'gc>>>>,
    row: Gc<'gc, [GcCell<Option<Gc<'gc, Vertex<'gc>>>>]>,
    list: GcRwLock<Vec<Gc<'gc, Vertex<'gc>>>>,
    weak: GcMutex<Option<(u64, GcWeak<'gc, Vertex<'gc>>)>>,
    locked: GcMutex<Option<Gc<'gc, Vertex<'gc>>>>,
}

type Ver<'gc> = Gc<'gc, Vertex<'gc>>;

fn assert_alive(vertex: Ver<'_>) {
    assert!(!vertex.flag.0.0.load(SeqCst), "a vertex in use was dropped");
    assert_eq!(&*vertex.copy, format!("vertex {}", vertex.name), "a torn or dead vertex");
}

fn vertex<'gc>(cx: &Scope<'gc>, name: u64, to: Option<Ver<'gc>>) -> (Ver<'gc>, Arc<AtomicBool>) {
    let dropped = Arc::new(AtomicBool::new(false));
    let vertex = cx.alloc(Vertex {
        name,
        copy: cx.alloc_str(&format!("vertex {name}")),
        flag: Static(Flag(Arc::clone(&dropped))),
        edge: GcCell::new(to),
        row: cx.alloc_slice_with(name as usize % 5, |_| GcCell::new(to)),
        list: GcRwLock::new(to.into_iter().collect()),
        weak: GcMutex::new(None),
        locked: GcMutex::new(to),
    });
    (vertex, dropped)
}

/// Some steps along the edges; everything on the way is alive.
fn walk<'gc>(cx: &Scope<'gc>, from: Ver<'gc>, random: &mut Random) -> Ver<'gc> {
    let mut at = from;
    for _ in 0..random.below(6) {
        assert_alive(at);
        let next = match random.below(5) {
            0 => at.edge.get(),
            1 => at.row.get(random.below(5)).and_then(GcCell::get),
            2 => at.list.read().last().copied(),
            3 => *at.locked.lock(cx),
            _ => {
                let weak = *at.weak.lock(cx);
                let found = weak.and_then(|(name, weak)| weak.upgrade(cx).map(|vertex| (name, vertex)));
                found.map(|(name, vertex)| {
                    assert_eq!(vertex.name, name, "a weak pointer leads elsewhere");
                    vertex
                })
            }
        };
        at = next.unwrap_or(at);
    }
    assert_alive(at);
    at
}

/// Changes an edge of `from`, of a random kind.
fn change<'gc>(cx: &Scope<'gc>, from: Ver<'gc>, to: Option<Ver<'gc>>, random: &mut Random) {
    match random.below(7) {
        0 => from.edge.set(cx, to),
        1 => from.row.iter().for_each(|slot| slot.set(cx, to)),
        2 => from.list.write(cx).extend(to),
        3 => drop(std::mem::take(&mut *from.list.write(cx))),
        4 => *from.locked.lock(cx) = to,
        5 => *from.weak.lock(cx) = to.map(|to| (to.name, GcWeak::new(cx, to))),
        // The only edge moves from one kind of cell to another.
        _ => {
            let last = from.list.write(cx).pop();
            from.edge.set(cx, last);
        }
    }
}

const ROOTS: usize = 12;

/// A root, and what it must lead to.
struct Held {
    root: Root<Vertex<'static>>,
    name: u64,
    dropped: Arc<AtomicBool>,
}

/// One mutator's part of a program.
struct Part {
    mutator: Mutator,
    random: Random,
    next: u64,
    held: Vec<Held>,
    /// What no other thread sees.
    own: Root<GcRefCell<Vec<Ver<'static>>>>,
}

impl Part {
    fn new(heap: &Heap, seed: u64) -> Part {
        let mut mutator = heap.attach();
        let own = mutator.enter(|cx| cx.root(cx.alloc(GcRefCell::new(Vec::<Ver<'_>>::new()))));
        Part { mutator, random: Random::of(seed), next: seed << 32, held: Vec::new(), own }
    }

    /// A scope with some steps, in which `inner` happens.
    fn round(&mut self, plaza: &Root<Vertex<'static>>, inner: impl FnOnce()) {
        let Part { mutator, random, next, held, own } = self;
        mutator.enter(|cx| {
            let mut inner = Some(inner);
            for step in 0..random.below(8) + 1 {
                let pick = |random: &mut Random| {
                    let own = held.get(random.below(ROOTS)).map(|held| held.root.get(cx));
                    walk(cx, own.unwrap_or(plaza.get(cx)), random)
                };
                let (from, to) = (pick(random), pick(random));
                *next += 1;
                let (made, dropped) = vertex(cx, *next, Some(to));
                change(cx, from, Some(made), random);
                change(cx, to, Some(from).filter(|_| random.below(3) > 0), random);
                if random.below(3) == 0 {
                    let held_now = Held { root: cx.root(made), name: *next, dropped };
                    if held.len() < ROOTS {
                        held.push(held_now)
                    } else {
                        held[random.below(ROOTS)] = held_now
                    }
                }
                // The only edge to a vertex moves out of the borrowed list.
                let own = own.get(cx);
                if let Some(last) = own.borrow_mut(cx).pop() {
                    change(cx, walk(cx, last, random), Some(last), random);
                }
                own.borrow_mut(cx).extend([made, to]);
                own.borrow_mut(cx).truncate(random.below(20));
                if step == 1 {
                    inner.take().into_iter().for_each(|inner| inner());
                }
                assert_alive(from);
                assert_alive(to);
            }
            // The graph does not grow for ever.
            if random.below(4) == 0 {
                let plaza = plaza.get(cx);
                plaza.edge.set(cx, None);
                plaza.list.write(cx).clear();
                *plaza.locked.lock(cx) = None;
                plaza.row.iter().for_each(|slot| slot.set(cx, None));
            }
            for held in held.iter() {
                assert_eq!(held.root.get(cx).name, held.name);
                assert_alive(held.root.get(cx));
                assert!(!held.dropped.load(SeqCst));
            }
        });
        if random.below(4) == 0 && !held.is_empty() {
            held.swap_remove(random.below(held.len()));
        }
    }
}

fn nest(parts: &mut [Part], plaza: &Root<Vertex<'static>>) {
    if let Some((first, rest)) = parts.split_first_mut() {
        first.round(plaza, || nest(rest, plaza));
    }
}

/// A program goes on until so many of its cycles were checked; or for so many rounds.
const CHECKED: u64 = 12;
const ROUNDS_MAX: usize = 1000;

/// Runs a program, and returns how many of its cycles were checked, and how many were not.
fn run(setup: Setup) -> (u64, u64) {
    let heap = setup.heap();
    let plaza: Root<Vertex<'static>> = heap.attach().enter(|cx| cx.root(vertex(cx, 4, None).0));
    let goes_on = |round: &usize| *round < 20 || heap.verify_report().cycles < CHECKED;
    let rounds = || (0..ROUNDS_MAX).take_while(goes_on);
    if setup.nested {
        let mut parts: Vec<Part> =
            (0..setup.mutators).map(|index| Part::new(&heap, setup.seed * 16 + index)).collect();
        let _named = Named(setup, 0);
        rounds().for_each(|_| nest(&mut parts, &plaza));
    } else {
        thread::scope(|scope| {
            for index in 0..setup.mutators {
                let (heap, plaza, rounds) = (&heap, &plaza, &rounds);
                scope.spawn(move || {
                    let _named = Named(setup, index);
                    let mut part = Part::new(heap, setup.seed * 16 + index);
                    rounds().for_each(|_| part.round(plaza, || {}));
                });
            }
        });
    }
    heap.collect();
    let report = heap.verify_report();
    assert_eq!(report.violations, Vec::<String>::new(), "{setup:?}");
    drop(plaza);
    heap.collect();
    heap.collect();
    let stats = heap.stats();
    assert_eq!((stats.live_bytes, stats.roots, stats.aborted_cycles), (0, 0, 0), "{setup:?}");
    let checked = heap.verify_report();
    assert_eq!(checked.violations, Vec::<String>::new(), "{setup:?}");
    assert_eq!(
        checked.cycles + checked.skipped,
        stats.cycles,
        "every cycle was checked or skipped: {setup:?}"
    );
    heap.recount().expect("the counters are exact");
    (report.cycles, report.skipped)
}

/// Goal: with cycles all the time, and each checked, random programs lose nothing. Method: the matrix of zeal, background threads
/// and mutators, on threads of their own.
#[test]
fn random_programs_are_verified_under_zeal() {
    let mut seed = 0;
    for allocations in [1, 3, 50] {
        for workers in 0..3 {
            for mutators in 1..4 {
                seed += 1;
                let setup = Setup { seed, allocations, workers, mutators, nested: false };
                let (checked, skipped) = run(setup);
                println!("{setup:?}: {checked} cycles checked, {skipped} skipped");
                assert!(checked > 0, "{setup:?}");
                assert!(mutators > 1 || skipped <= checked, "{setup:?}: {skipped} of {checked} skipped");
            }
        }
    }
}

/// Goal: mutators in each other on one thread never wait for each other, though the verifier keeps mutators from entering. Method: the
/// same programs, nested; a second thread looks whether they end.
#[test]
fn nested_mutators_do_not_deadlock_with_the_verifier() {
    let (done, ended) = channel();
    let programs = thread::spawn(move || {
        let mut seed = 100;
        for allocations in [1, 3, 50] {
            for workers in 0..3 {
                for mutators in 2..4 {
                    seed += 1;
                    let setup = Setup { seed, allocations, workers, mutators, nested: true };
                    let (checked, skipped) = run(setup);
                    println!("{setup:?}: {checked} cycles checked, {skipped} skipped");
                }
            }
        }
        let _ = done.send(());
    });
    let in_time = ended.recv_timeout(Duration::from_secs(120));
    assert!(in_time != Err(std::sync::mpsc::RecvTimeoutError::Timeout), "mutators wait for each other");
    programs.join().expect("the programs agree with the model");
}

/// Goal: mutators that come and go while the verifier holds others do no harm. Method: threads that attach, work a little, and detach,
/// and one that collects.
#[test]
fn mutators_come_and_go_while_the_verifier_is_at_work() {
    for workers in 0..3 {
        let setup = Setup { seed: 7, allocations: 3, workers, mutators: 3, nested: false };
        let heap = setup.heap();
        let plaza: Root<Vertex<'static>> = heap.attach().enter(|cx| cx.root(vertex(cx, 4, None).0));
        thread::scope(|scope| {
            for index in 0..setup.mutators {
                let (heap, plaza) = (&heap, &plaza);
                scope.spawn(move || {
                    let _named = Named(setup, index);
                    for round in 0..60 {
                        Part::new(heap, 1000 * (index + 1) + round).round(plaza, || {});
                    }
                });
            }
            scope.spawn(|| (0..30).for_each(|_| heap.collect()));
        });
        let report = heap.verify_report();
        assert_eq!(report.violations, Vec::<String>::new());
        assert!(report.cycles > 0);
        drop(plaza);
        heap.collect();
        assert_eq!(heap.stats().live_bytes, 0);
        heap.recount().expect("the counters are exact");
    }
}

// ---- numbers

const HANDSHAKES: [&str; 6] = ["arm", "flush", "close", "hand over", "hold", "disarm"];

/// Goal: each round of a handshake reaches every mutator once, in its scope or outside. Method: cycles that begin by themselves, and
/// some that wait for a scope on another thread; with mutators that do nothing beside.
#[test]
fn each_round_of_a_handshake_reaches_every_mutator() {
    const WAITS: u64 = 5;
    for (workers, idle, verify) in
        [(0, 0, false), (1, 0, true), (0, 0, true), (2, 0, false), (0, 3, false), (1, 3, true)]
    {
        let heap = Heap::builder().workers(workers).gc_percent(20).verify(verify).build().expect("a heap");
        let mut mutator = heap.attach();
        let _idle: Vec<Mutator> = (0..idle).map(|_| heap.attach()).collect();
        other::churn(&mut mutator, 500);
        heap.set_gc_percent(GcPercent::Off);
        heap.collect();
        // Whatever was under way is over.
        check_handshakes(&heap, 1 + idle, verify);
        let before = heap.stats();
        assert!(before.cycles > 1, "{before:?}");
        thread::scope(|scope| {
            let other = Other::new(scope, &heap);
            for wait in 1..=WAITS {
                other.toggle();
                let collects = scope.spawn(|| heap.collect());
                while heap.stats().handshakes[0].rounds < before.cycles + wait {
                    thread::yield_now();
                }
                other.toggle();
                collects.join().expect("nothing panics");
            }
            let (stats, of_idle) = (heap.stats(), |count: u64, rounds: u64| count - (1 + idle) * rounds);
            for (now, before) in stats.handshakes.iter().zip(before.handshakes) {
                let rounds = now.rounds - before.rounds;
                let served = of_idle(now.served - before.served, rounds);
                let waited = now.to_safepoint.count - before.to_safepoint.count;
                assert_eq!(served + waited, rounds, "{now:?}, {before:?}");
                assert!(now.name != "arm" || waited == WAITS, "{now:?}, {before:?}");
            }
            assert!(stats.safepoints.pauses.count >= before.safepoints.pauses.count + WAITS);
        });
        heap.collect();
    }
}

fn check_handshakes(heap: &Heap, attached: u64, verify: bool) {
    let stats = heap.stats();
    assert_eq!(stats.handshakes.map(|handshake| handshake.name), HANDSHAKES);
    for handshake in stats.handshakes {
        let reached = handshake.served + handshake.to_safepoint.count;
        assert_eq!(reached, attached * handshake.rounds, "{handshake:?}");
        assert_eq!(handshake.work.count, handshake.to_safepoint.count, "{handshake:?}");
        match handshake.name {
            // Marking may need several rounds.
            "hand over" => assert!(handshake.rounds >= stats.cycles, "{handshake:?}"),
            "hold" => assert_eq!(handshake.rounds, if verify { stats.cycles } else { 0 }, "{handshake:?}"),
            _ => assert_eq!(handshake.rounds, stats.cycles, "{handshake:?}"),
        }
    }
    let of_scopes: u64 = stats.handshakes.iter().map(|handshake| handshake.to_safepoint.count).sum();
    assert!(of_scopes <= stats.safepoints.pauses.count, "{stats:?}");
}

/// Goal: markers count each object of a known graph once, and its bytes. Method: nodes with leaves, marked in one cycle.
#[test]
fn markers_count_each_object_once() {
    const NODES: u64 = 1000;
    #[derive(Trace)]
    struct Pair<'gc> {
        next: Option<Gc<'gc, Pair<'gc>>>,
        leaf: Gc<'gc, [u64; 3]>,
    }
    for workers in 0..3 {
        let heap = Heap::builder().workers(workers).build().expect("a heap");
        let mut mutator = heap.attach();
        let root: Root<Pair<'static>> = mutator.enter(|cx| {
            let mut last = cx.alloc(Pair { next: None, leaf: cx.alloc([0; 3]) });
            for number in 1..NODES {
                last = cx.alloc(Pair { next: Some(last), leaf: cx.alloc([number; 3]) });
                // Garbage between them.
                cx.alloc(Pair { next: Some(last), leaf: cx.alloc([number; 3]) });
            }
            cx.root(last)
        });
        let marked = || {
            let stats = heap.worker_stats();
            assert_eq!(stats.threads.len(), workers);
            assert!(workers == 0 || stats.mutators.objects == 0, "nobody assists in `collect`: {stats:?}");
            let all = stats.threads.iter().chain([&stats.mutators]);
            all.fold((0, 0), |sum, mark| (sum.0 + mark.objects, sum.1 + mark.bytes))
        };
        for cycle in 1..4 {
            heap.collect();
            let expected = (2 * NODES * cycle, NODES * (16 + 24) * cycle);
            let found = marked();
            assert_eq!(found.0, expected.0, "{workers} workers, cycle {cycle}");
            // Cells of leaves are of a size class, and up to an eighth larger.
            assert!((expected.1..=expected.1 * 5 / 4).contains(&found.1), "{found:?}, not {expected:?}");
            let live = heap.stats().live_bytes;
            assert!(live == found.1 / cycle, "{live} bytes are live: {found:?}");
        }
        drop(root);
        let before = marked();
        heap.collect();
        assert_eq!(marked(), before, "nothing is left to mark");
    }
}

/// Goal: `passed` counts the scopes that end while a cycle is under way, and no others. Method: empty scopes, before, during and after a
/// cycle that another scope holds up.
#[test]
fn safepoints_that_are_passed_in_a_cycle_are_counted() {
    const SCOPES: u64 = 1000;
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).build().expect("a heap");
        let mut mutator = heap.attach();
        let passed = || heap.stats().safepoints.passed;
        (0..SCOPES).for_each(|_| mutator.enter(|_| ()));
        assert_eq!(passed(), 0, "no cycle was under way");
        thread::scope(|scope| {
            let other = Other::new(scope, &heap);
            other.toggle();
            scope.spawn(|| heap.collect());
            while heap.stats().handshakes[0].served == 0 {
                thread::yield_now();
            }
            let before = passed();
            (0..SCOPES).for_each(|_| mutator.enter(|_| ()));
            assert_eq!(passed() - before, SCOPES);
            // Those of mutators that are gone count too.
            (0..10).for_each(|_| heap.attach().enter(|_| ()));
            assert_eq!(passed() - before, SCOPES + 10);
            other.toggle();
        });
        heap.collect();
        let after = passed();
        (0..SCOPES).for_each(|_| mutator.enter(|_| ()));
        assert_eq!(passed(), after, "the cycle is over");
        assert!(heap.stats().safepoints.pauses.count >= 1, "the other scope took handshakes");
    }
}
