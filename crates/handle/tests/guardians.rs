//! Guardians and cleanups: what happens when objects die.

#[path = "support/alive.rs"]
mod alive;
#[path = "support/random.rs"]
mod random;

use alive::{Alive, assert_empty};
use mudlark::{
    CleanupRunner, Ephemeron, Gc, GcCell, GcMutex, GcPercent, GcWeak, Guardian, Heap, Mutator, Root, Scope,
    Static, Trace, Zeal,
};
use random::Random;
use std::{
    collections::BTreeSet,
    panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

fn heap(workers: usize) -> Heap {
    let builder = Heap::builder().workers(workers).cleanups(CleanupRunner::Program);
    builder.verify(true).build().expect("a heap")
}

#[derive(Trace)]
struct Node<'gc> {
    number: u64,
    copy: Gc<'gc, u64>,
    edge: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    guardian: GcCell<Option<Gc<'gc, Guardian<'gc, Node<'gc>>>>>,
    alive: Static<Alive>,
}

type N<'gc> = Gc<'gc, Node<'gc>>;
type Guards = Guardian<'static, Node<'static>>;

fn node<'gc>(cx: &Scope<'gc>, alive: &Arc<AtomicUsize>, number: u64) -> N<'gc> {
    alive.fetch_add(1, SeqCst);
    let flag = Static(Alive(Arc::clone(alive)));
    let (edge, guardian) = (GcCell::new(None), GcCell::new(None));
    cx.alloc(Node { number, copy: cx.alloc(number), edge, guardian, alive: flag })
}

/// The number of a node that is alive.
fn number(node: N<'_>) -> u64 {
    assert!(node.alive.0.0.load(SeqCst) > 0);
    assert_eq!(*node.copy, node.number, "a torn or dead node");
    node.number
}

fn guardian<'gc>(cx: &Scope<'gc>) -> Gc<'gc, Guardian<'gc, Node<'gc>>> {
    cx.alloc(Guardian::new())
}

fn polled(mutator: &mut Mutator, guards: &Root<Guards>) -> Vec<u64> {
    mutator.enter(|cx| std::iter::from_fn(|| guards.get(cx).poll(cx)).map(number).collect())
}

// ---- guardians

/// Goal: an object comes back once for each registration, in order, not before it is unreachable, and dies then. Method: a row of
/// nodes of which each leads to the next; every second is registered, one twice; the first is held for a while.
#[test]
fn objects_come_back_in_order_and_once() {
    for workers in 0..3 {
        let (heap, alive) = (heap(workers), Arc::default());
        let mut mutator = heap.attach();
        let (guards, first): (Root<Guards>, Root<Node<'static>>) = mutator.enter(|cx| {
            let guards = guardian(cx);
            let nodes: Vec<_> = (0..10).map(|n| node(cx, &alive, n)).collect();
            for n in (0..10).rev() {
                nodes[n].edge.set(cx, nodes.get(n + 1).copied());
                if n % 2 == 0 {
                    guards.register(cx, nodes[n]);
                }
            }
            guards.register(cx, nodes[4]);
            (cx.root(guards), cx.root(nodes[0]))
        });
        mutator.collect();
        assert_eq!(polled(&mut mutator, &guards), []);
        drop(first);
        mutator.collect();
        assert_eq!(alive.load(SeqCst), 10);
        mutator.enter(|cx| assert_eq!(guards.get(cx).len(), 6));
        assert_eq!(polled(&mut mutator, &guards), [8, 6, 4, 2, 0, 4]);
        mutator.collect();
        assert_eq!((alive.load(SeqCst), polled(&mut mutator, &guards)), (0, vec![]));
        mutator.enter(|cx| assert!(guards.get(cx).is_empty()));
        drop((guards, mutator));
        assert_empty(&heap);
    }
}

/// Goal: what came back lives as long as it is kept, and can be registered again. Method: three deaths of one node.
#[test]
fn objects_can_be_registered_again() {
    for workers in 0..2 {
        let (heap, alive) = (heap(workers), Arc::default());
        let mut mutator = heap.attach();
        let guards: Root<Guards> = mutator.enter(|cx| {
            let guards = guardian(cx);
            guards.register(cx, node(cx, &alive, 7));
            cx.root(guards)
        });
        for _ in 0..3 {
            mutator.collect();
            mutator.collect();
            let kept = mutator.enter(|cx| {
                let back = guards.get(cx).poll(cx).expect("it died");
                guards.get(cx).register(cx, back);
                cx.root(back)
            });
            mutator.collect();
            assert_eq!(polled(&mut mutator, &guards), []);
            mutator.enter(|cx| assert_eq!(number(kept.get(cx)), 7));
        }
        drop((guards, mutator));
        assert_empty(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// Goal: a guardian that dies forgets its registrations; one that only a revived object leads to does not. Method: a guardian in a node
/// that another one guards, and then without that.
#[test]
fn guardians_die() {
    for (workers, is_guarded) in [(0, true), (0, false), (1, true), (1, false)] {
        let (heap, alive) = (heap(workers), Arc::default());
        let mut mutator = heap.attach();
        let outer: Root<Guards> = mutator.enter(|cx| {
            let (outer, inner) = (guardian(cx), guardian(cx));
            let holder = node(cx, &alive, 1);
            holder.guardian.set(cx, Some(inner));
            inner.register(cx, node(cx, &alive, 2));
            if is_guarded {
                outer.register(cx, holder);
            }
            cx.root(outer)
        });
        mutator.collect();
        assert_eq!(alive.load(SeqCst), if is_guarded { 2 } else { 0 });
        let found = mutator.enter(|cx| {
            let holder = outer.get(cx).poll(cx)?;
            Some((number(holder), number(holder.guardian.get()?.poll(cx)?)))
        });
        assert_eq!(found, is_guarded.then_some((1, 2)));
        drop((outer, mutator));
        assert_empty(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// Goal: to weak pointers, ephemerons and cleanups an object that came back was never dead. Method: all of them on one node.
#[test]
fn weak_things_do_not_notice_a_revival() {
    for workers in 0..2 {
        let (heap, alive) = (heap(workers), Arc::default());
        let mut mutator = heap.attach();
        type Pair = Ephemeron<'static, Node<'static>, Node<'static>>;
        let (guards, weak, pair): (Root<Guards>, Root<GcWeak<'static, Node<'static>>>, Root<Pair>) = mutator
            .enter(|cx| {
                let (guards, key) = (guardian(cx), node(cx, &alive, 1));
                guards.register(cx, key);
                cx.on_drop(key, || {});
                let pair = Ephemeron::new(cx, key, node(cx, &alive, 2));
                (cx.root(guards), cx.root(cx.alloc(GcWeak::new(cx, key))), cx.root(cx.alloc(pair)))
            });
        mutator.collect();
        assert_eq!(heap.run_cleanups(), 0);
        mutator.enter(|cx| {
            assert_eq!(weak.get(cx).upgrade(cx).map(number), Some(1));
            assert_eq!(pair.get(cx).value(cx).map(number), Some(2));
            assert_eq!(guards.get(cx).poll(cx).map(number), Some(1));
        });
        mutator.collect();
        assert_eq!((heap.run_cleanups(), alive.load(SeqCst)), (1, 0));
        mutator.enter(|cx| assert!(weak.get(cx).upgrade(cx).is_none() && pair.get(cx).get(cx).is_none()));
        drop((guards, weak, pair, mutator));
        assert_empty(&heap);
    }
}

/// Goal: every object that is registered comes back exactly once, whatever else happens. Method: random operations with zeal and the
/// verifier on two mutators; shadow sets of numbers that are rooted, registered, given back.
#[test]
fn guardians_lose_nothing() {
    for (workers, seed) in [(0, 21), (0, 22), (1, 23), (1, 24)] {
        println!("seed {seed}");
        let zeal = Zeal { allocations_per_cycle: Some(40), fill_freed: true, ..Zeal::default() };
        let heap = Heap::builder().workers(workers).zeal(zeal).verify(true).build().expect("a heap");
        let (alive, mut random) = (Arc::default(), Random::of(seed));
        let mut mutators = [heap.attach(), heap.attach()];
        let guards: Root<Guards> = mutators[0].enter(|cx| cx.root(guardian(cx)));
        let mut rooted: Vec<(u64, Root<Node<'static>>)> = Vec::new();
        let mut registered = BTreeSet::new();
        let mut next = 0;
        for step in 0..400 {
            let mutator = &mut mutators[step % 2];
            match random.below(10) {
                0..5 => mutator.enter(|cx| {
                    for _ in 0..random.below(20) {
                        let node = node(cx, &alive, next);
                        // It leads to another one that may come back too.
                        let other = rooted.get(random.below(rooted.len() + 3)).map(|(_, root)| root.get(cx));
                        node.edge.set(cx, other);
                        guards.get(cx).register(cx, node);
                        registered.insert(next);
                        rooted.push((next, cx.root(node)));
                        next += 1;
                    }
                }),
                5..8 => {
                    for _ in 0..random.below(30).min(rooted.len()) {
                        rooted.swap_remove(random.below(rooted.len()));
                    }
                }
                8 => mutator.enter(|cx| {
                    let guards = guards.get(cx);
                    for _ in 0..random.below(30) {
                        let Some(node) = guards.poll(cx) else { break };
                        let back = number(node);
                        assert!(rooted.iter().all(|(rooted, _)| *rooted != back), "{back} is held");
                        assert!(registered.remove(&back), "{back} came back twice");
                        if random.below(4) == 0 {
                            guards.register(cx, node);
                            registered.insert(back);
                        }
                    }
                    assert_eq!(guards.len(), registered.len());
                }),
                _ => mutator.collect(),
            }
        }
        rooted.clear();
        // What is only reachable from something that came back, comes back with it or in a later cycle.
        while !registered.is_empty() {
            mutators[0].collect();
            let back = polled(&mut mutators[0], &guards);
            assert!(!back.is_empty(), "{registered:?} do not come back");
            back.into_iter().for_each(|number| assert!(registered.remove(&number)));
        }
        drop((guards, mutators));
        assert_empty(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// Goal: a guardian uses its slots again. Method: a hundred thousand registrations, some hundred at a time.
#[test]
fn guardians_do_not_grow() {
    let (heap, alive) = (heap(0), Arc::default());
    let mut mutator = heap.attach();
    let guards: Root<Guards> = mutator.enter(|cx| cx.root(guardian(cx)));
    for _ in 0..300 {
        mutator.enter(|cx| (0..300).for_each(|n| guards.get(cx).register(cx, node(cx, &alive, n))));
        mutator.collect();
        assert_eq!(polled(&mut mutator, &guards).len(), 300);
    }
    mutator.collect();
    let live = heap.stats().live_bytes;
    assert!(live < 40_000, "{live} bytes for no registration");
    drop((guards, mutator));
    assert_empty(&heap);
}

/// Goal: threads share a guardian. Method: two register and poll, behind a lock, with cycles all the time.
#[test]
fn threads_share_a_guardian() {
    type Shared = GcMutex<Guardian<'static, [Gc<'static, u64>]>>;
    const COUNT: u64 = 600;
    for workers in 0..2 {
        let zeal = Zeal { allocations_per_cycle: Some(60), ..Zeal::default() };
        let heap = Heap::builder().workers(workers).zeal(zeal).verify(true).build().expect("a heap");
        let guards: Root<Shared> = heap.attach().enter(|cx| {
            let guards: Guardian<'_, [Gc<'_, u64>]> = Guardian::new();
            cx.root(cx.alloc(GcMutex::new(guards)))
        });
        let (guards, back) = (Arc::new(guards), Arc::new(Mutex::new(BTreeSet::new())));
        let poll = |cx: &Scope<'_>, guards: &Root<Shared>, back: &Mutex<BTreeSet<u64>>| {
            let shared = guards.get(cx);
            while let Some(slice) = { shared.lock(cx).poll(cx) } {
                assert_eq!(*slice[0], *slice[1]);
                assert!(back.lock().expect("no panic").insert(*slice[0]), "it came back twice");
            }
        };
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let (mut mutator, guards, back) = (heap.attach(), Arc::clone(&guards), Arc::clone(&back));
                thread::spawn(move || {
                    for n in 0..COUNT {
                        mutator.enter(|cx| {
                            let slice = cx.alloc_slice_with(2, |_| cx.alloc(2 * n + thread));
                            guards.get(cx).lock(cx).register(cx, slice);
                        });
                        if n % 10 == 0 {
                            mutator.enter(|cx| poll(cx, &guards, &back));
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        heap.collect();
        heap.attach().enter(|cx| poll(cx, &guards, &back));
        assert!(back.lock().expect("no panic").iter().copied().eq(0..2 * COUNT));
        drop(guards);
        assert_empty(&heap);
    }
}

// ---- cleanups

/// Goal: a cleanup runs once, after the death, and not if it was canceled. Method: a thousand objects; some are kept, some canceled.
#[test]
fn cleanups_run_once() {
    for workers in 0..2 {
        let (heap, alive) = (heap(workers), Arc::default());
        let mut mutator = heap.attach();
        let ran: Arc<Mutex<Vec<u64>>> = Arc::default();
        let (mut kept, mut handles) = (Vec::new(), Vec::new());
        mutator.enter(|cx| {
            for n in 0..1000 {
                let node = node(cx, &alive, n);
                let ran = Arc::clone(&ran);
                handles.push(cx.on_drop(node, move || ran.lock().expect("no panic").push(n)));
                if n % 3 == 0 {
                    kept.push(cx.root(node));
                }
            }
        });
        let mut handles = handles.into_iter();
        assert!(handles.by_ref().take(100).all(|handle| handle.cancel()));
        mutator.collect();
        assert!(ran.lock().expect("no panic").is_empty());
        let expected: Vec<u64> = (100..1000).filter(|n| n % 3 != 0).collect();
        assert_eq!(heap.stats().cleanups.ready as usize, expected.len());
        assert_eq!(heap.run_cleanups(), expected.len());
        let mut numbers = std::mem::take(&mut *ran.lock().expect("no panic"));
        numbers.sort_unstable();
        assert_eq!(numbers, expected);
        // Only those whose objects are kept can still be canceled.
        assert_eq!(handles.map(|handle| u64::from(handle.cancel())).sum::<u64>(), 300);
        kept.clear();
        mutator.collect();
        assert_eq!((heap.run_cleanups(), alive.load(SeqCst)), (0, 0));
        let stats = heap.stats().cleanups;
        assert_eq!(
            (stats.registered, stats.ready, stats.run, stats.panicked),
            (0, 0, expected.len() as u64, 0)
        );
        drop(mutator);
        assert_empty(&heap);
    }
}

/// Goal: a cleanup that panics harms no other one, whichever it is. Method: the k-th of eight panics, with a payload that panics again
/// when it is dropped.
#[test]
fn the_kth_cleanup_may_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as planned, again");
        }
    }
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    for (k, ends) in (0..8).flat_map(|k| [(k, false), (k, true)]) {
        let heap = heap(0);
        let mut mutator = heap.attach();
        let ran = Arc::new(AtomicUsize::new(0));
        mutator.enter(|cx| {
            for n in 0..8 {
                let ran = Arc::clone(&ran);
                cx.on_drop(cx.alloc(n), move || {
                    ran.fetch_add(1, SeqCst);
                    if n == k {
                        panic::panic_any(Bomb);
                    }
                });
            }
        });
        if ends {
            drop((mutator, heap));
        } else {
            mutator.collect();
            assert_eq!(heap.run_cleanups(), 8);
            assert_eq!((heap.stats().cleanups.run, heap.stats().cleanups.panicked), (8, 1));
            drop(mutator);
            assert_empty(&heap);
        }
        assert_eq!(ran.load(SeqCst), 8);
    }
    panic::set_hook(hook);
}

/// Goal: a thread runs cleanups by itself, and they may use the heap: attach, enter, register, collect. Method: a chain of objects each
/// of whose cleanups makes the next one.
#[test]
fn cleanups_use_the_heap() {
    fn next(heap: &Heap, left: u64, done: mpsc::Sender<u64>) {
        let mut mutator = heap.attach();
        let again = heap.clone();
        mutator.enter(|cx| {
            cx.on_drop(cx.alloc(left), move || {
                if left == 0 {
                    done.send(left).expect("the test waits");
                } else {
                    next(&again, left - 1, done);
                }
            })
        });
        drop(mutator);
        heap.collect();
    }
    for workers in 0..2 {
        let heap = Heap::builder().workers(workers).verify(true).build().expect("a heap");
        let (sender, done) = mpsc::channel();
        next(&heap, 20, sender);
        assert_eq!(done.recv(), Ok(0));
        assert_empty(&heap);
    }
}

/// Goal: what is left when the heap ends runs, in the order of registration, whoever drops the last handle; also a cleanup itself.
/// Method: objects alive and dead; a cleanup that owns a handle.
#[test]
fn the_end_of_a_heap_runs_what_is_left() {
    for (workers, runner) in
        [(0, CleanupRunner::Program), (1, CleanupRunner::Program), (1, CleanupRunner::Thread)]
    {
        let heap = Heap::builder().workers(workers).cleanups(runner).build().expect("a heap");
        let (sender, ran) = mpsc::channel();
        let mut mutator = heap.attach();
        let root = mutator.enter(|cx| {
            let kept = cx.alloc(0_u64);
            for n in 0..10_u64 {
                let sender = sender.clone();
                cx.on_drop(kept, move || sender.send(n).expect("the test waits"));
            }
            cx.root(kept)
        });
        drop((root, mutator, heap, sender));
        assert!(ran.iter().eq(0..10), "all ran, in order");
    }
    let heap = Heap::builder().workers(1).gc_percent(GcPercent::Off).build().expect("a heap");
    let (sender, ran) = mpsc::channel();
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let (last, sender) = (heap.clone(), sender.clone());
        cx.on_drop(cx.alloc(1_u64), move || {
            drop(last);
            sender.send(1).expect("the test waits");
        });
    });
    heap.collect();
    drop((mutator, heap, sender));
    assert_eq!(ran.iter().sum::<u64>(), 1);
}

/// Goal: cleanups do not run where they must not. Method: ask in a scope.
#[test]
#[should_panic(expected = "cannot run cleanups inside a scope")]
fn cleanups_do_not_run_in_scopes() {
    let heap = heap(0);
    heap.attach().enter(|_| heap.run_cleanups());
}
