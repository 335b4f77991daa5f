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
    Gc, GcCell, GcLazy, GcOnceCell, Initialize, Mutator, Pool, Root, Scope, Static, Tailed, Trace,
};
use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::SeqCst},
    thread,
};

/// What is filled by user code, later.
#[derive(Trace)]
struct Later<'gc> {
    once: GcOnceCell<Gc<'gc, Node<'gc>>>,
    lazy: GcLazy<Make, Gc<'gc, Static<Counted>>>,
    list: GcCell<Option<Gc<'gc, Tailed<Static<Counted>, Gc<'gc, Static<Counted>>>>>>,
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
                thread::scope(|scope| {
                    let mut relay = other::Relay::new(scope, &heap);
                    relay.begin();
                    other::begin_cycle(&heap, &mut bench.mutator);
                    (0..advances).for_each(|_| relay.advance());
                    left.store(number, SeqCst);
                    let fill = |mutator: &mut Mutator| {
                        panics(|| mutator.enter(|cx| fill_later(cx, later.get(cx), left, &ledger)))
                    };
                    let panicked = fill(&mut bench.mutator);
                    let outcome = left.swap(0, SeqCst);
                    assert_eq!(panicked, outcome == 0);
                    let has_lost_its_seed = panicked && number == 2;
                    assert_eq!(fill(&mut bench.mutator), has_lost_its_seed);
                    relay.end();
                    left.store(outcome, SeqCst);
                });
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
