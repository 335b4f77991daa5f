//! Threads that share a scope: pointers that go there and back while cycles run, panics, nesting.

#[path = "support/random.rs"]
mod random;

use mudlark::{Gc, GcCell, GcMutex, GcWeak, Heap, Interrupted, Root, Scope, Trace, Zeal};
use random::{Random, Seed};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

/// An object that threads share, and that knows who it is.
#[derive(Trace)]
struct Vertex<'gc> {
    name: u64,
    copy: Gc<'gc, str>,
    edges: [GcCell<Option<Gc<'gc, Vertex<'gc>>>>; 2],
    list: GcMutex<Vec<Gc<'gc, Vertex<'gc>>>>,
    weak: GcMutex<Option<(u64, GcWeak<'gc, Vertex<'gc>>)>>,
}

type Ver<'gc> = Gc<'gc, Vertex<'gc>>;

fn vertex<'gc>(cx: &Scope<'gc>, random: &mut Random) -> Ver<'gc> {
    let name = random.below(1 << 30) as u64;
    let copy = cx.alloc_str(&name.to_string());
    cx.alloc(Vertex {
        name,
        copy,
        edges: Default::default(),
        list: GcMutex::new(Vec::new()),
        weak: GcMutex::new(None),
    })
}

/// What is freed is filled, so a dead object does not know its name.
fn check(of: Ver<'_>) {
    assert_eq!(&*of.copy, of.name.to_string(), "a freed object is in use");
}

/// What a thread does with the pointers that come to it. They are in its hands only: registers, channels, and its stack.
fn play<'gc>(
    cx: &Scope<'gc>,
    random: &mut Random,
    start: Ver<'gc>,
    out: &Sender<Ver<'gc>>,
    inbox: &Receiver<Ver<'gc>>,
) -> Vec<Ver<'gc>> {
    let mut held = vec![start];
    for _ in 0..random.below(60) + 20 {
        let from = held[random.below(held.len())];
        check(from);
        let edge = &from.edges[random.below(2)];
        match random.below(9) {
            0 => held.push(vertex(cx, random)),
            1 | 2 => held.extend(edge.get()),
            // Out of the heap, into the hand, and to somebody else's.
            3 => {
                if let Some(taken) = edge.get() {
                    edge.set(cx, None);
                    let _ = out.send(taken);
                }
            }
            4 => held.extend(inbox.try_iter().take(3)),
            5 => edge.set(cx, Some(held[random.below(held.len())])),
            6 => from.list.lock(cx).push(held[random.below(held.len())]),
            7 => held.extend(from.list.lock(cx).pop()),
            _ => {
                let mut weak = from.weak.lock(cx);
                match &*weak {
                    Some((name, weak)) => {
                        if let Some(target) = weak.upgrade(cx) {
                            assert_eq!(target.name, *name);
                            held.push(target);
                        }
                    }
                    None => {
                        let target = held[random.below(held.len())];
                        *weak = Some((target.name, GcWeak::new(cx, target)));
                    }
                }
            }
        }
        if held.len() > 30 {
            held.swap_remove(random.below(held.len()));
        }
    }
    held.extend(inbox.try_iter());
    held.into_iter().inspect(|&vertex| check(vertex)).collect()
}

/// Cycles that a family lives through at least.
const CYCLES: u64 = 40;

/// A parent and its threads, with pointers going around among them, scope after scope.
fn family(heap: &Heap, roots: &[Root<Vertex<'static>>], seed: u64, scopes: usize) {
    let _seed = Seed(seed);
    let mut random = Random::of(seed);
    let mut mutator = heap.attach();
    let mut scope = 0;
    while scope < scopes || heap.stats().cycles < CYCLES {
        scope += 1;
        let root = &roots[random.below(roots.len())];
        let seeds = [(); 3].map(|()| random.below(1 << 20) as u64);
        mutator.enter(|cx| {
            let (to_first, first) = channel();
            let (to_second, second) = channel();
            let (to_parent, parent) = channel();
            let start = root.get(cx);
            let [first, second, own] = cx.scoped(|threads| {
                let to_both = to_second.clone();
                let one = threads.spawn(move |cx| {
                    let _seed = Seed(seeds[0]);
                    play(cx, &mut Random::of(seeds[0]), start, &to_both, &first)
                });
                let two = threads.spawn(move |cx| {
                    let _seed = Seed(seeds[1]);
                    play(cx, &mut Random::of(seeds[1]), start, &to_parent, &second)
                });
                let own = play(cx, &mut Random::of(seeds[2]), start, &to_first, &parent);
                [one.join().expect("no panic"), two.join().expect("no panic"), own]
            });
            // What they hold is the parent's now: old objects, and those that they made.
            for &found in first.iter().chain(&second).chain(&own) {
                check(found);
                if random.below(2) == 0 {
                    start.list.lock(cx).push(found);
                }
            }
            start.edges[0].set(cx, Some(first[0]));
            if random.below(3) == 0 {
                root.set(cx, vertex(cx, &mut random));
            }
        });
    }
}

fn families(workers: usize, verify: bool, scopes: usize) {
    let zeal =
        Zeal { seed: 7, allocations_per_cycle: Some(40), yields: true, extra_rounds: true, fill_freed: true };
    let heap = Heap::builder().workers(workers).zeal(zeal).verify(verify).build().expect("a heap");
    let roots: Vec<Root<Vertex<'static>>> =
        heap.attach().enter(|cx| (0..4).map(|n| cx.root(vertex(cx, &mut Random::of(n)))).collect());
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        let families: Vec<_> = [11, 12]
            .map(|seed| {
                threads.spawn({
                    let (heap, roots) = (&heap, &roots[..]);
                    move || family(heap, roots, seed, scopes)
                })
            })
            .into();
        threads.spawn(|| {
            while !done.load(Relaxed) {
                heap.collect();
                thread::yield_now();
            }
        });
        let outcomes: Vec<_> = families.into_iter().map(|family| family.join()).collect();
        done.store(true, Relaxed);
        assert!(outcomes.iter().all(Result::is_ok));
    });
    drop(roots);
    heap.collect();
    let report = heap.verify_report();
    assert_eq!(report.violations, Vec::<String>::new());
    assert!(!verify || report.cycles > CYCLES / 2, "{report:?}");
    heap.recount().expect("the counters are exact");
}

/// Goal: pointers that go from thread to thread past the heap lead to live objects, and cycles miss none. Method: two families of
/// three threads each on shared graphs, with words, locked lists, weak references and channels; cycles all the time; freed cells are
/// filled, and a second marker checks the first.
#[test]
fn families_share_pointers_past_the_heap() {
    families(0, true, 100);
}

/// Goal: the same with a background thread. Method: as above.
#[test]
fn families_share_pointers_past_the_heap_with_a_background_thread() {
    families(1, true, 100);
}

/// Goal: the same at full speed. Method: as above, unverified.
#[test]
fn families_share_pointers_at_full_speed() {
    families(1, false, 300);
}

/// Goal: what a child made is the parent's when the child is gone. Method: a list in pieces, made by threads that have ended, and a
/// cycle that begins while the scope lasts.
#[test]
fn what_threads_made_outlives_them() {
    #[derive(Trace)]
    struct Cons<'gc>(u64, Option<Gc<'gc, Cons<'gc>>>);

    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).verify(true).build().expect("a heap");
        let mut mutator = heap.attach();
        let list: Root<Cons<'static>> = mutator.enter(|cx| {
            let mut head = None;
            for piece in 0..4 {
                head = cx.scoped(|threads| {
                    let made = threads.spawn(move |cx| {
                        (0..5000).fold(head, |tail, n| Some(cx.alloc(Cons(piece * 5000 + n, tail))))
                    });
                    made.join().expect("no panic")
                });
            }
            cx.root(head.expect("some were made"))
        });
        heap.collect();
        let len = mutator.enter(|cx| {
            let (mut at, mut len) = (Some(list.get(cx)), 0);
            while let Some(cons) = at {
                len += 1;
                assert_eq!(cons.0, 20_000 - len);
                at = cons.1;
            }
            len
        });
        assert_eq!(len, 20_000);
        assert_eq!(heap.verify_report().violations, Vec::<String>::new());
    }
}

/// Goal: a thread that panics ends its scope, its siblings are waited for, and the panic comes out; the heap is as good as before.
/// Method: panics in a child whose handle is not joined, in a joined one, and in the parent's closure; cycles after each.
#[test]
fn panics_come_out_when_all_threads_have_ended() {
    let heap = Heap::builder().verify(true).build().expect("a heap");
    let mut mutator = heap.attach();
    let ended = AtomicUsize::new(0);
    let sibling = |cx: &Scope<'_>| {
        cx.alloc(1_u64);
        ended.fetch_add(1, Relaxed);
    };
    let unjoined = catch_unwind(AssertUnwindSafe(|| {
        mutator.enter(|cx| {
            cx.scoped(|threads| {
                threads.spawn(|_| panic!("as planned"));
                threads.spawn(sibling);
            });
        });
    }));
    assert!(unjoined.is_err());
    let joined = mutator.enter(|cx| {
        cx.scoped(|threads| {
            threads.spawn(sibling);
            threads.spawn(|cx| -> u64 { panic!("{}", cx.alloc(7)) }).join().expect_err("it panics")
        })
    });
    assert_eq!(joined.downcast_ref::<String>().map(String::as_str), Some("7"));
    let own = catch_unwind(AssertUnwindSafe(|| {
        mutator.enter(|cx| {
            cx.scoped(|threads| {
                threads.spawn(sibling);
                panic!("as planned");
            })
        })
    }));
    assert!(own.is_err());
    assert_eq!(ended.load(Relaxed), 3);
    // Would wait for ever if a scope were still open.
    heap.collect();
    assert_eq!(mutator.enter(|cx| *cx.alloc(3)), 3);
    drop(mutator);
    heap.collect();
    heap.recount().expect("the counters are exact");
}

/// Goal: threads may spawn threads of their own. Method: a tree that forks at each level; its leaves are counted.
#[test]
fn threads_of_threads_share_the_scope() {
    #[derive(Trace)]
    struct Tree<'gc>([Option<Gc<'gc, Tree<'gc>>>; 2]);

    fn build<'gc>(cx: &Scope<'gc>, depth: u32) -> Gc<'gc, Tree<'gc>> {
        if depth == 0 {
            return cx.alloc(Tree([None; 2]));
        }
        let children = cx.scoped(|threads| {
            let left = threads.spawn(move |cx| build(cx, depth - 1));
            [Some(left.join().expect("no panic")), Some(build(cx, depth - 1))]
        });
        cx.alloc(Tree(children))
    }

    fn leaves(tree: Gc<'_, Tree<'_>>) -> usize {
        let children: Vec<_> = tree.0.iter().flatten().collect();
        if children.is_empty() { 1 } else { children.into_iter().map(|&child| leaves(child)).sum() }
    }

    let heap = Heap::builder().workers(0).build().expect("a heap");
    let count = heap.attach().enter(|cx| leaves(build(cx, 5)));
    assert_eq!(count, 32);
}

/// Goal: who waits for its threads inside a scope keeps nobody waiting for ever, when memory runs out in one of them. Method: a small
/// heap that a child fills with what it keeps; it gets its value back, and ends.
#[test]
fn a_thread_that_fills_the_heap_gets_an_error() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).max_heap(2 << 20).build().expect("a heap");
        let mut mutator = heap.attach();
        let refused = mutator.enter(|cx| {
            cx.scoped(|threads| {
                let filler = threads.spawn(|cx| (0..).find_map(|n: u64| cx.try_alloc([n; 100]).err()));
                filler.join().expect("no panic")
            })
        });
        assert_eq!(refused.map(|error| error.value.len()), Some(100));
        let _ = mutator.enter(|cx| cx.try_alloc([0_u64; 100]).is_ok());
        heap.collect();
        mutator.enter(|cx| assert!(cx.try_alloc([0_u64; 100]).is_ok()));
    }
}

/// Goal: an interrupt reaches all threads of a scope. Method: they poll until it comes.
#[test]
fn an_interrupt_reaches_the_threads_of_the_scope() {
    let heap = Heap::builder().build().expect("a heap");
    let mut mutator = heap.attach();
    let handle = mutator.interrupt_handle();
    mutator.enter(|cx| {
        cx.scoped(|threads| {
            let wait = |cx: &Scope<'_>| -> Result<(), Interrupted> {
                loop {
                    cx.poll()?;
                    thread::yield_now();
                }
            };
            let waiting = [threads.spawn(wait), threads.spawn(wait)];
            handle.interrupt();
            for thread in waiting {
                assert_eq!(thread.join().expect("no panic"), Err(Interrupted));
            }
            assert_eq!(cx.poll(), Err(Interrupted));
        });
    });
    assert!(handle.clear());
    mutator.enter(|cx| assert_eq!(cx.poll(), Ok(())));
}
