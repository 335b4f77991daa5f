//! Panics in every piece of user code that the heap calls, at each call of it: the heap goes on, and nothing is freed wrongly.
//!
//! Each test builds the same heap, makes one kind of callback panic at its k-th call, for each k until an operation gets by without,
//! and then has [`Bench::finish`] look: what is rooted is there, what is not is dropped once, the verifier saw nothing, and the
//! exact counters agree with a recount. Tracers without the verifier are in `life.rs`.

#[path = "support/bench.rs"]
mod bench;
#[path = "support/fuse.rs"]
mod fuse;
#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/other.rs"]
mod other;

use bench::{Bench, Left, builder, list, panics};
use fuse::{Bomb, Fuse, at_each_call, burn};
use ledger::{Counted, Ledger};
use mudlark::{
    Gc, GcMutex, GcRefCell, GcRwLock, Root, Scope, Static, Trace,
    pacing::{
        AssistAnswer, AssistInputs, AssistPolicy, GoalAnswer, GoalInputs, GoalPolicy, IdleAnswer, IdleInputs,
        IdlePolicy, InProportion, LeakyBucket, Limiter, Measured, Parts, Pass, PercentOfLive, Reducer,
        RunwayPolicy, ScavengeAnswer, ScavengeInputs, ScavengePolicy, Scavenger, TriggerAnswer,
        TriggerInputs, Window,
    },
};
use other::Other;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

/// Goal: a tracer that panics for the verifier is as good as one that panics for the marker: the cycle is given up, and that is all.
/// Method: tracers that panic at each call of a verified cycle.
#[test]
fn tracers_may_panic_for_the_verifier() {
    const FUSES: usize = 5;
    for workers in [0, 1] {
        let blown = at_each_call(
            |left, number| {
                let mut bench = Bench::new(builder(workers));
                let fuses = bench
                    .mutator
                    .enter(|cx| cx.root(cx.alloc_slice_with(FUSES, |_| GcRefCell::new(Fuse::new(left)))));
                left.store(number, SeqCst);
                bench.heap.collect();
                (bench, fuses)
            },
            |(mut bench, fuses), has_blown| {
                let stats = bench.heap.stats();
                assert_eq!((stats.aborted_cycles, stats.cycles), if has_blown { (1, 0) } else { (0, 1) });
                assert_eq!(bench.heap.verify_report().cycles, stats.cycles);
                bench.check();
                drop(fuses);
                bench.finish();
            },
        );
        assert_eq!(blown, 2 * FUSES, "each is traced by the marker, and by the verifier");
    }
}

/// Contents under each kind of lock, whose tracing a mutator does before it changes them.
#[derive(Trace)]
struct Guarded<'gc> {
    cell: GcRefCell<Contents<'gc>>,
    mutex: GcMutex<Contents<'gc>>,
    rw_lock: GcRwLock<Contents<'gc>>,
}

#[derive(Trace)]
struct Contents<'gc> {
    one: Option<Gc<'gc, Static<Counted>>>,
    fuse: Fuse<'gc>,
    two: Option<Gc<'gc, Static<Counted>>>,
}

impl<'gc> Contents<'gc> {
    fn new(cx: &Scope<'gc>, left: &Left, ledger: &Ledger) -> Contents<'gc> {
        let [one, two] = [(); 2].map(|()| Some(cx.alloc(ledger.value())));
        Contents { one, fuse: Fuse::new(left), two }
    }

    fn numbers(&self) -> [usize; 2] {
        [self.one, self.two].map(|value| *value.expect("it is not taken").number)
    }
}

/// Takes what is in the three locks, and gives it back.
fn take_and_give_back<'gc>(cx: &Scope<'gc>, guarded: Gc<'gc, Guarded<'gc>>) {
    let mut cell = guarded.cell.borrow_mut(cx);
    let mut mutex = guarded.mutex.lock(cx);
    let mut rw_lock = guarded.rw_lock.write(cx);
    for contents in [&mut *cell, &mut mutex, &mut rw_lock] {
        let contents: &mut Contents<'_> = contents;
        let (one, two) = (contents.one.take(), contents.two.take());
        (contents.one, contents.two) = (two, one);
    }
}

/// Goal: a tracer that panics in a barrier, in the middle of shading what a mutator will change, panics for the mutator, which gets no
/// guard; the next one gets it, and nothing is lost. Method: at each call, in a cycle that waits for its first, second or third
/// handshake.
#[test]
fn tracers_may_panic_in_barriers() {
    for advances in 0..3 {
        let blown = at_each_call(
            |left, number| {
                let mut bench = Bench::new(builder(0));
                let ledger = bench.ledger.clone();
                let guarded: Root<Guarded<'static>> = bench.mutator.enter(|cx| {
                    let new = || Contents::new(cx, left, &ledger);
                    let (cell, mutex) = (GcRefCell::new(new()), GcMutex::new(new()));
                    cx.root(cx.alloc(Guarded { cell, mutex, rw_lock: GcRwLock::new(new()) }))
                });
                let heap = bench.heap.clone();
                let outcome = other::in_cycle(&heap, &mut bench.mutator, advances, |mutator| {
                    left.store(number, SeqCst);
                    let panicked = panics(|| mutator.enter(|cx| take_and_give_back(cx, guarded.get(cx))));
                    let outcome = left.swap(0, SeqCst);
                    assert_eq!(panicked, outcome == 0, "a panic in a barrier is the mutator's");
                    mutator.enter(|cx| take_and_give_back(cx, guarded.get(cx)));
                    outcome
                });
                left.store(outcome, SeqCst);
                (bench, guarded)
            },
            |(mut bench, guarded), _| {
                bench.heap.collect();
                let numbers = bench.mutator.enter(|cx| {
                    let guarded = guarded.get(cx);
                    let cell = guarded.cell.borrow().numbers();
                    let mutex = guarded.mutex.lock(cx).numbers();
                    [cell, mutex, guarded.rw_lock.read().numbers()].concat()
                });
                let live: HashSet<usize> = bench.live().into_iter().chain(numbers).collect();
                bench.ledger.assert_none_wrongly(|number| live.contains(&number));
                drop(guarded);
                bench.finish();
            },
        );
        assert_eq!(blown, 3, "each lock's contents are shaded");
    }
}

/// Goal: drop glue that panics spares the rest: swept in cycles, in allocations, and at the heap's end. Method: at each drop.
#[test]
fn drop_glue_may_panic() {
    const BOMBS: usize = 6;
    for (workers, at_end) in [(0, false), (1, false), (0, true), (1, true)] {
        let blown = at_each_call(
            |left, number| {
                let mut bench = Bench::new(builder(workers));
                let ledger = bench.ledger.clone();
                bench.mutator.enter(|cx| {
                    for index in 0..BOMBS {
                        let bomb = (ledger.value(), Bomb::new(left), ledger.value());
                        if index % 3 == 0 { _ = cx.alloc((bomb, [0_u64; 1200])) } else { _ = cx.alloc(bomb) }
                    }
                });
                left.store(number, SeqCst);
                if !at_end {
                    bench.heap.collect();
                    return Some(bench);
                }
                bench.kept.clear();
                let Bench { mutator, heap, .. } = bench;
                drop((mutator, heap));
                ledger.assert_exact(|_| false);
                None
            },
            |bench, _| bench.into_iter().for_each(Bench::finish),
        );
        assert_eq!(blown, BOMBS);
    }
}

/// Goal: a constructor of elements that panics leaves no half-made slice, wherever slices lie and whatever is made meanwhile.
/// Method: at each call, small and large slices, nested ones, with scopes of another mutator and garbage in between.
#[test]
fn constructors_of_elements_may_panic() {
    for workers in [0, 1] {
        for len in [1, 7, 700] {
            let blown = at_each_call(
                |left, number| {
                    let mut bench = Bench::new(builder(workers));
                    let (ledger, mut second) = (bench.ledger.clone(), bench.heap.attach());
                    // The first and the last elements of a long slice are worth a run each.
                    let skipped = number.saturating_sub(3);
                    let at = if len > 7 && skipped > 0 { skipped * (len / 4) } else { number };
                    left.store(at, SeqCst);
                    let _ = panics(|| {
                        bench.mutator.enter(|cx| {
                            cx.alloc_slice_with(len, |index| {
                                burn(left);
                                second.enter(|cx| _ = cx.alloc_slice_fill(index, 0_u8));
                                let inner = cx.alloc_slice_with(index % 3, |_| ledger.value());
                                (ledger.value(), inner)
                            });
                        });
                    });
                    bench
                },
                |bench, _| bench.finish(),
            );
            assert!(blown >= len.min(7), "{blown} of {len}");
        }
    }
}

/// Goal: a listener for memory pressure may panic. Method: at each call, in heaps that near their limit and get away from it.
#[test]
fn listeners_for_pressure_may_panic() {
    for workers in [0, 1] {
        let blown = at_each_call(
            |left, number| {
                let (listener, calls) = (Arc::clone(left), Arc::new(AtomicUsize::new(0)));
                let counter = Arc::clone(&calls);
                left.store(number, SeqCst);
                let limited = builder(workers).memory_limit(6 << 20).on_pressure(move |_| {
                    counter.fetch_add(1, SeqCst);
                    burn(&listener);
                });
                let mut bench = Bench::new(limited);
                for _ in 0..2 {
                    let ballast = bench.mutator.enter(|cx| cx.root(cx.alloc_slice_fill(5 << 20, 0_u8)));
                    bench.heap.collect();
                    drop(ballast);
                    // A level falls when three cycles agree, and none ends before the ballast is swept.
                    (0..4).for_each(|_| bench.heap.collect());
                }
                assert!(calls.load(SeqCst) >= number.min(3), "pressure rises, falls, and rises");
                bench
            },
            |bench, _| bench.finish(),
        );
        assert!(blown >= 3);
    }
}

/// Goal: a watchdog may panic, and the cycle that waits goes on when the scope ends. Method: a scope that stays until the watchdog has
/// barked, in heaps with and without a background thread; a bark for each handshake.
#[test]
fn watchdogs_may_panic() {
    for workers in [0, 1] {
        let blown = at_each_call(
            |left, number| {
                let (barks, barked) = channel();
                let watchdog = Arc::clone(left);
                let builder = builder(workers).watchdog(Duration::ZERO, move |_| {
                    let _ = barks.send(());
                    burn(&watchdog);
                });
                let bench = Bench::new(builder);
                let heap = bench.heap.clone();
                left.store(number, SeqCst);
                thread::scope(|scope| {
                    let mut relay = other::Relay::new(scope, &heap);
                    relay.begin();
                    let collector = scope.spawn(|| heap.collect());
                    // Arm, flush and close.
                    for _ in 0..3 {
                        barked.recv().expect("the watchdog barks");
                        relay.advance();
                    }
                    relay.end();
                    collector.join().expect("the cycle ends");
                });
                bench
            },
            |bench, _| bench.finish(),
        );
        assert!(blown >= 3);
    }
}

/// Asks a policy that burns first.
#[derive(Debug)]
struct Fragile<P>(P, Left);

impl<P: GoalPolicy> GoalPolicy for Fragile<P> {
    fn name(&self) -> &'static str {
        burn(&self.1);
        self.0.name()
    }

    fn observe(&mut self, cycle: &Measured) {
        burn(&self.1);
        self.0.observe(cycle);
    }

    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
        burn(&self.1);
        self.0.goal(inputs)
    }
}

impl<P: RunwayPolicy> RunwayPolicy for Fragile<P> {
    fn name(&self) -> &'static str {
        burn(&self.1);
        self.0.name()
    }

    fn observe(&mut self, pass: &Pass) {
        burn(&self.1);
        self.0.observe(pass);
    }

    fn trigger(&self, inputs: &TriggerInputs) -> TriggerAnswer {
        burn(&self.1);
        self.0.trigger(inputs)
    }
}

impl<P: AssistPolicy> AssistPolicy for Fragile<P> {
    fn name(&self) -> &'static str {
        burn(&self.1);
        self.0.name()
    }

    fn revise(&self, inputs: &AssistInputs) -> AssistAnswer {
        burn(&self.1);
        self.0.revise(inputs)
    }
}

impl<P: Limiter> Limiter for Fragile<P> {
    fn update(&mut self, window: &Window) -> bool {
        burn(&self.1);
        self.0.update(window)
    }

    fn is_limiting(&self) -> bool {
        burn(&self.1);
        self.0.is_limiting()
    }

    fn fill(&self) -> f64 {
        burn(&self.1);
        self.0.fill()
    }
}

impl<P: IdlePolicy> IdlePolicy for Fragile<P> {
    fn step(&mut self, inputs: &IdleInputs) -> IdleAnswer {
        burn(&self.1);
        self.0.step(inputs)
    }
}

impl<P: ScavengePolicy> ScavengePolicy for Fragile<P> {
    fn step(&mut self, inputs: &ScavengeInputs) -> ScavengeAnswer {
        burn(&self.1);
        self.0.step(inputs)
    }
}

/// Default parts, one of which is fragile.
fn fragile(part: usize, left: &Left) -> Parts {
    let (parts, left) = (Parts::on(2), Arc::clone(left));
    match part {
        0 => parts.with_goal(Fragile(PercentOfLive, left)),
        1 => parts.with_runway(Fragile(mudlark::pacing::ConsMark::default(), left)),
        2 => parts.with_assist(Fragile(InProportion, left)),
        3 => parts.with_limiter(Fragile(LeakyBucket::new(2, LeakyBucket::PER_CORE), left)),
        4 => parts.with_idle(Fragile(Reducer::default(), left)),
        _ => parts.with_scavenging(Fragile(Scavenger::default(), left)),
    }
}

/// Goal: a policy that panics is a policy whose answer is rejected: neither the allocation nor the cycle that asked it notices. Method: each
/// of the six parts, at each call in a program that allocates what is dropped, with cycles of its own; with a background thread, whose
/// calls depend on time, at the first ones.
#[test]
fn policies_may_panic() {
    const FIRST: usize = 12;
    for workers in [0, 1] {
        for part in 0..6 {
            for number in 1.. {
                let left = Left::default();
                let parts = fragile(part, &left);
                let heap = builder(workers).verify(false).gc_percent(1).pacing(parts);
                let mut bench = Bench::new(heap);
                let ledger = bench.ledger.clone();
                left.store(number, SeqCst);
                for _ in 0..4 {
                    bench.mutator.enter(|cx| (0..1500).for_each(|_| _ = cx.alloc(ledger.value())));
                }
                let _ = bench.heap.gauges();
                bench.heap.collect();
                let has_blown = left.swap(0, SeqCst) == 0;
                // A name, and the gauge's own question, have no answer that could be rejected.
                assert!(bench.heap.gauges().rejected <= u64::from(has_blown));
                bench.finish();
                if !has_blown || workers > 0 && number == FIRST {
                    assert!(number > 3 || part > 2, "part {part} was asked {number} times");
                    break;
                }
            }
        }
    }
}

/// Goal: a policy that always panics leaves a heap that works, and says so. Method: one that panics at every call from the start.
#[test]
fn a_policy_that_always_panics_is_rejected_and_no_more() {
    #[derive(Debug)]
    struct Never;
    impl AssistPolicy for Never {
        fn name(&self) -> &'static str {
            "never"
        }

        fn revise(&self, _: &AssistInputs) -> AssistAnswer {
            panic!("a policy panics, as planned")
        }
    }
    let mut bench = Bench::new(builder(0).pacing(Parts::on(2).with_assist(Never)));
    let ledger = bench.ledger.clone();
    for _ in 0..20 {
        bench.mutator.enter(|cx| (0..100).for_each(|_| _ = cx.alloc(ledger.value())));
        bench.heap.collect();
    }
    assert!(bench.heap.gauges().rejected >= 20, "{:?}", bench.heap.gauges());
    let explained = bench.heap.explain(bench.heap.stats().cycles);
    assert!(explained.contains("the policy panicked"), "{explained}");
    bench.finish();
}

/// Goal: a scope that unwinds ends like any other, and what panics at its end is contained although the thread is unwinding. Method: cycles
/// that end at such scopes' ends, with drop glue that panics; a few, because each of those panics prints a backtrace.
#[test]
fn drop_glue_may_panic_at_the_end_of_a_scope_that_unwinds() {
    let mut bench = Bench::new(builder(0).verify(false));
    let (ledger, left) = (bench.ledger.clone(), Left::default());
    bench.mutator.enter(|cx| (0..3).for_each(|_| _ = cx.alloc((ledger.value(), Bomb::new(&left)))));
    let cycles = bench.heap.stats().cycles;
    left.store(1, SeqCst);
    while bench.heap.stats().cycles == cycles {
        let panicked = panics(|| {
            bench.mutator.enter(|cx| {
                cx.alloc_slice_fill(8 << 10, 0_u64);
                panic!("a scope panics, as planned");
            });
        });
        assert!(panicked);
    }
    assert_eq!(left.load(SeqCst), 0, "the bomb went off at the end of a scope");
    bench.finish();
}

/// Goal: bytes outside of the heap may be any number: no sum of them stops the pacer, or an allocation in the middle. Method: numbers at
/// the end of the range, held together, with cycles and allocations while they are.
#[test]
fn absurd_external_bytes_stop_nothing() {
    for workers in [0, 1] {
        let mut bench = Bench::new(builder(workers));
        let ledger = bench.ledger.clone();
        let mut held = Vec::new();
        for bytes in [u64::MAX, u64::MAX, 1, u64::MAX / 2, 0] {
            bench.mutator.enter(|cx| {
                held.push(cx.account_external(bytes));
                (0..3000).for_each(|_| _ = cx.alloc(ledger.value()));
            });
            bench.heap.collect();
            if let Some(held) = held.last_mut() {
                held.resize(bytes.wrapping_add(7));
            }
            bench.check();
        }
        drop(held);
        assert_eq!(bench.heap.stats().external_bytes, 0);
        bench.finish();
    }
}

/// Goal: a scope that panics at any point of a program leaves a heap in which nothing is missing. Method: a panic behind each step of a
/// program of allocations and stores, with another mutator in a scope, so that a cycle waits meanwhile.
#[test]
fn scopes_may_panic_at_each_step() {
    for workers in [0, 1] {
        let blown = at_each_call(
            |left, number| {
                let mut bench = Bench::new(builder(workers).gc_percent(1));
                let (ledger, heap) = (bench.ledger.clone(), bench.heap.clone());
                thread::scope(|scope| {
                    let other = Other::new(scope, &heap);
                    other.toggle();
                    left.store(number, SeqCst);
                    let _ = panics(|| {
                        bench.mutator.enter(|cx| {
                            for _ in 0..8 {
                                let (head, _) = list(cx, &ledger);
                                burn(left);
                                let cell = cx.alloc(GcRefCell::new(vec![head]));
                                let mut borrow = cell.borrow_mut(cx);
                                borrow.push(head);
                                burn(left);
                                head.next.set(cx, None);
                                let root = cx.root(cell);
                                burn(left);
                                cx.alloc_slice_fill(4096, 0_u64);
                                drop((borrow, root));
                            }
                        });
                    });
                    other.toggle();
                });
                bench
            },
            |bench, _| bench.finish(),
        );
        assert_eq!(blown, 24);
    }
}
