//! Panics in user code that is called some time after it was handed over: initializers and factories. As in `panics.rs`, at each call.

#[path = "support/bench.rs"]
mod bench;
#[path = "support/fuse.rs"]
mod fuse;
#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/other.rs"]
mod other;

use bench::{Bench, Left, Node, builder, list, panics};
use fuse::{at_each_call, burn};
use ledger::{Counted, Ledger};
use mudlark::{
    CleanupRunner, Gc, GcCell, GcHashMap, GcLazy, GcOnceCell, GcVec, Initialize, Mutator, Pool, Root, Scope,
    Static, Tailed, Trace,
};
use std::{
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

type List<'gc> = Tailed<Static<Counted>, Gc<'gc, Static<Counted>>>;

/// What is filled by user code, later.
#[derive(Trace)]
struct Later<'gc> {
    once: GcOnceCell<Gc<'gc, Node<'gc>>>,
    lazy: GcLazy<Make, Gc<'gc, Static<Counted>>>,
    list: GcCell<Option<Gc<'gc, List<'gc>>>>,
}

/// Makes a value, if it does not burn.
#[derive(Trace)]
struct Make {
    left: Left,
    #[trace(skip)]
    ledger: Ledger,
}

impl<'gc> Initialize<'gc, Gc<'gc, Static<Counted>>> for Make {
    fn initialize(self, cx: &Scope<'gc>) -> Gc<'gc, Static<Counted>> {
        burn(&self.left);
        cx.alloc(self.ledger.value())
    }
}

/// Fills all there is, with user code at each step.
fn fill_later<'gc>(cx: &Scope<'gc>, later: Gc<'gc, Later<'gc>>, left: &Left, ledger: &Ledger) {
    later.once.get_or_init(cx, || {
        burn(left);
        list(cx, ledger).0
    });
    later.lazy.force(cx);
    let tailed = cx.alloc_tailed(ledger.value(), 4, |_| {
        burn(left);
        cx.alloc(ledger.value())
    });
    later.list.set(cx, Some(tailed));
}

/// Goal: initializers of once cells, lazy values and tails may panic: what they were to fill stays empty and can be filled again, but for a lazy
/// value, whose seed is gone. Method: at each call, in a cycle that waits for its first, second or third handshake.
#[test]
fn initializers_may_panic() {
    for advances in 0..3 {
        let blown = at_each_call(
            |left, number| {
                let mut bench = Bench::new(builder(0));
                let (ledger, heap) = (bench.ledger.clone(), bench.heap.clone());
                let later: Root<Later<'static>> = bench.mutator.enter(|cx| {
                    let lazy = GcLazy::new(Make { left: Arc::clone(left), ledger: ledger.clone() });
                    cx.root(cx.alloc(Later { once: GcOnceCell::new(), lazy, list: GcCell::new(None) }))
                });
                let outcome = other::in_cycle(&heap, &mut bench.mutator, advances, |mutator| {
                    left.store(number, SeqCst);
                    let fill = |mutator: &mut Mutator| {
                        panics(|| mutator.enter(|cx| fill_later(cx, later.get(cx), left, &ledger)))
                    };
                    let panicked = fill(mutator);
                    let outcome = left.swap(0, SeqCst);
                    assert_eq!(panicked, outcome == 0);
                    let has_lost_its_seed = panicked && number == 2;
                    assert_eq!(fill(mutator), has_lost_its_seed);
                    outcome
                });
                left.store(outcome, SeqCst);
                (bench, later)
            },
            |(mut bench, later), _| {
                bench.heap.collect();
                let live: HashSet<usize> = bench.mutator.enter(|cx| {
                    let later = later.get(cx);
                    let once = later.once.get().map(|node| *node.value.number);
                    let lazy = later.lazy.get().map(|value| *value.number);
                    let tail = later.list.get().into_iter().flat_map(|tailed| tailed.into_ref().tail.iter());
                    let header = later.list.get().map(|tailed| *tailed.header.number);
                    once.into_iter()
                        .chain(lazy)
                        .chain(header)
                        .chain(tail.map(|value| *value.number))
                        .collect()
                });
                let kept = bench.live();
                bench.ledger.assert_none_wrongly(|number| live.contains(&number) || kept.contains(&number));
                drop(later);
                bench.finish();
            },
        );
        assert_eq!(blown, 6, "a once cell, a lazy value, and four elements");
    }
}

/// Goal: a factory of a pool may panic, and so may the drop glue of its values, and the pool goes on. Method: at each call of either.
#[test]
fn factories_of_pools_may_panic() {
    struct Pooled(Left);
    impl Drop for Pooled {
        fn drop(&mut self) {
            burn(&self.0);
        }
    }
    let blown = at_each_call(
        |left, number| {
            let bench = Bench::new(builder(0));
            let (made, dropped) = (Arc::clone(left), Arc::clone(left));
            let pool = Pool::new(&bench.heap, move || {
                burn(&made);
                Pooled(Arc::clone(&dropped))
            });
            left.store(number, SeqCst);
            let _ = panics(|| {
                let cache = pool.cache();
                let values: Vec<Pooled> = (0..5).map(|_| cache.get()).collect();
                values.into_iter().for_each(|value| cache.put(value));
                for _ in 0..3 {
                    bench.heap.collect();
                    pool.trim();
                }
            });
            let outcome = left.swap(0, SeqCst);
            let cache = pool.cache();
            cache.put(cache.get());
            assert_eq!(pool.len(), 1, "what was in it is taken or gone");
            drop((cache, pool));
            left.store(outcome, SeqCst);
            bench
        },
        |bench, _| bench.finish(),
    );
    assert_eq!(blown, 10, "five values are made, and dropped");
}

/// A key that burns when it is hashed and when it is compared.
#[derive(Trace)]
struct Key {
    name: usize,
    left: Left,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        burn(&self.left);
        self.name.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        burn(&self.left);
        self.name == other.name
    }
}

impl Eq for Key {}

/// What maps lead to, with the name under which it is found.
#[derive(Trace)]
struct Named {
    name: usize,
    value: Static<Counted>,
}

#[derive(Trace)]
struct Collections<'gc> {
    map: GcHashMap<Key, Gc<'gc, Named>>,
    list: GcVec<Gc<'gc, Named>>,
}

/// Everything that calls keys and closures, in the midst of changes.
fn change<'gc>(cx: &Scope<'gc>, both: Gc<'gc, Collections<'gc>>, left: &Left, ledger: &Ledger) {
    let named = |name| cx.alloc(Named { name, value: ledger.value() });
    let key = |name| Key { name, left: Arc::clone(left) };
    // The table grows on the way, and all keys are hashed again.
    for name in 0..9 {
        both.map.insert(cx, key(name), named(name));
    }
    both.map.remove(cx, &key(3));
    both.map.get_or_insert_with(cx, key(20), || {
        burn(left);
        named(20)
    });
    both.map.retain(cx, |key, _| {
        burn(left);
        key.name != 5
    });
    both.list.extend(
        cx,
        (0..6).map(|name| {
            burn(left);
            named(name)
        }),
    );
    both.list.retain(cx, |named| {
        burn(left);
        named.name % 2 == 0
    });
}

/// Goal: hashing, comparing and closures may panic in the midst of a change to a collection: what is in it afterwards is whole and found by
/// the collector, and what is not is freed. Method: at each call, in a cycle that waits for its first, second or third handshake; a
/// second run of the same changes gets by.
#[test]
fn keys_and_closures_of_collections_may_panic() {
    for advances in 0..3 {
        let blown = at_each_call(
            |left, number| {
                let mut bench = Bench::new(builder(0));
                let (ledger, heap) = (bench.ledger.clone(), bench.heap.clone());
                let both: Root<Collections<'static>> = bench
                    .mutator
                    .enter(|cx| cx.root(cx.alloc(Collections { map: GcHashMap::new(), list: GcVec::new() })));
                let outcome = other::in_cycle(&heap, &mut bench.mutator, advances, |mutator| {
                    left.store(number, SeqCst);
                    let panicked = panics(|| mutator.enter(|cx| change(cx, both.get(cx), left, &ledger)));
                    let outcome = left.swap(0, SeqCst);
                    assert_eq!(panicked, outcome == 0);
                    mutator.enter(|cx| change(cx, both.get(cx), left, &ledger));
                    outcome
                });
                left.store(outcome, SeqCst);
                (bench, both)
            },
            |(mut bench, both), _| {
                bench.heap.collect();
                let live: HashSet<usize> = bench.mutator.enter(|cx| {
                    let both = both.get(cx);
                    let map = both.map.borrow();
                    assert!(map.iter().all(|(key, named)| key.name == named.name));
                    assert!(map.len() >= 8 && map.values().all(|named| named.name != 5));
                    assert!(both.list.iter().all(|named| named.name % 2 == 0));
                    let found = map.values().copied().chain(both.list.iter());
                    found.map(|named| *named.value.number).collect()
                });
                let kept = bench.live();
                bench.ledger.assert_none_wrongly(|number| live.contains(&number) || kept.contains(&number));
                drop(both);
                bench.finish();
            },
        );
        assert!(blown > 30, "{blown} calls");
    }
}

/// Goal: a cleanup that panics spares the others, which run once. Method: at each of several, run by the program and by their own thread.
#[test]
fn cleanups_may_panic() {
    for runner in [CleanupRunner::Program, CleanupRunner::Thread] {
        let blown = at_each_call(
            |left, number| {
                let mut bench = Bench::new(builder(0).cleanups(runner));
                let ran = Arc::new(AtomicUsize::new(0));
                left.store(number, SeqCst);
                bench.mutator.enter(|cx| {
                    for _ in 0..5 {
                        let (ran, left) = (Arc::clone(&ran), Arc::clone(left));
                        cx.on_drop(cx.alloc(bench.ledger.value()), move || {
                            ran.fetch_add(1, SeqCst);
                            burn(&left);
                        });
                    }
                });
                bench.heap.collect();
                while ran.load(SeqCst) < 5 {
                    bench.heap.run_cleanups();
                    thread::yield_now();
                }
                (bench, ran)
            },
            |(bench, ran), _| {
                bench.finish();
                assert_eq!(ran.load(SeqCst), 5);
            },
        );
        assert_eq!(blown, 5);
    }
}
