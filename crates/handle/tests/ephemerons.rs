//! Ephemerons, weak maps and interners: values live as long as their keys, and no pair keeps a key alive.

#[path = "support/alive.rs"]
mod alive;
#[path = "support/random.rs"]
mod random;

use alive::{Alive, assert_empty};
use mudlark::{
    Ephemeron, FullCause, Gc, GcCell, GcInterner, GcMutex, GcRefCell, GcWeak, GcWeakMap, Heap, Mutator, Root,
    Scope, Static, Trace, Zeal,
};
use random::Random;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).verify(true).build().expect("a heap")
}

/// A key or a value.
#[derive(Trace)]
struct Node<'gc> {
    number: u64,
    /// Has the number as well: reading it shows that the node is no dead one.
    copy: Gc<'gc, u64>,
    edge: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    alive: Static<Alive>,
}

type N<'gc> = Gc<'gc, Node<'gc>>;
type Pair = Ephemeron<'static, Node<'static>, Node<'static>>;
type Map = GcWeakMap<'static, Node<'static>, Node<'static>>;

struct Maker(Arc<AtomicUsize>);

impl Maker {
    fn new() -> Maker {
        Maker(Arc::default())
    }

    fn alive(&self) -> usize {
        self.0.load(SeqCst)
    }

    fn node<'gc>(&self, cx: &Scope<'gc>, number: u64, edge: Option<N<'gc>>) -> N<'gc> {
        self.0.fetch_add(1, SeqCst);
        let alive = Static(Alive(Arc::clone(&self.0)));
        cx.alloc(Node { number, copy: cx.alloc(number), edge: GcCell::new(edge), alive })
    }
}

/// The number of a node that is alive.
fn number(node: N<'_>) -> u64 {
    assert!(node.alive.0.0.load(SeqCst) > 0);
    assert_eq!(*node.copy, node.number, "a torn or dead node");
    node.number
}

// ---- ephemerons

/// Goal: a value lives as long as its key, also if it leads back to it, and no longer. Method: a pair whose value leads to the key, and
/// one whose value is the key.
#[test]
fn values_live_as_long_as_their_keys() {
    for workers in 0..3 {
        let (heap, maker) = (heap(workers), Maker::new());
        let mut mutator = heap.attach();
        let (key, pairs): (Root<Node<'static>>, [Root<Pair>; 2]) = mutator.enter(|cx| {
            let key = maker.node(cx, 1, None);
            let value = maker.node(cx, 2, Some(key));
            let pairs = [Ephemeron::new(cx, key, value), Ephemeron::new(cx, key, key)];
            (cx.root(key), pairs.map(|pair| cx.root(cx.alloc(pair))))
        });
        for _ in 0..3 {
            mutator.collect();
            mutator.enter(|cx| {
                let numbers =
                    pairs.each_ref().map(|pair| pair.get(cx).get(cx).map(|(k, v)| (number(k), number(v))));
                assert_eq!(numbers, [Some((1, 2)), Some((1, 1))]);
            });
        }
        drop(key);
        mutator.collect();
        assert_eq!(maker.alive(), 0);
        mutator.enter(|cx| {
            for pair in &pairs {
                let pair = pair.get(cx);
                assert!(pair.get(cx).is_none() && pair.key(cx).is_none() && pair.value(cx).is_none());
                assert!(pair.set(cx, maker.node(cx, 9, None)).is_none());
                assert!(pair.value(cx).is_none());
            }
        });
        drop((pairs, mutator));
        assert_empty(&heap);
    }
}

/// Goal: a changed value lives, the old one does not. Method: change it in every stage of a cycle that another mutator holds up.
#[test]
fn a_value_that_was_changed_lives() {
    for workers in 0..2 {
        let (heap, maker) = (heap(workers), Maker::new());
        let mut mutator = heap.attach();
        let (key, pair): (Root<Node<'static>>, Root<Pair>) = mutator.enter(|cx| {
            let key = maker.node(cx, 1, None);
            (cx.root(key), cx.root(cx.alloc(Ephemeron::new(cx, key, maker.node(cx, 0, None)))))
        });
        for round in 1..200 {
            if round % 7 == 0 {
                mutator.collect();
                assert_eq!(maker.alive(), 2);
            }
            mutator.enter(|cx| {
                let old = pair.get(cx).set(cx, maker.node(cx, round, None)).expect("the key is alive");
                assert_eq!(number(old), round - 1);
            });
        }
        drop((key, pair, mutator));
        assert_empty(&heap);
        assert_eq!(maker.alive(), 0);
    }
}

/// Goal: chains in which each value is the next key live and die with the first key, whichever way they lie in memory, and in time
/// linear in their length. Method: chains of thousands, forward and backward, and a ring; markers count their looks.
#[test]
fn chains_are_linear() {
    const LEN: u64 = 20_000;
    for (workers, backward) in [(0, false), (0, true), (1, false), (1, true), (2, true)] {
        let heap =
            Heap::builder().workers(workers).gc_percent(mudlark::GcPercent::Off).build().expect("a heap");
        let maker = Maker::new();
        let mut mutator = heap.attach();
        let (first, map): (Root<Node<'static>>, Root<Map>) = mutator.enter(|cx| {
            let map = cx.alloc(GcWeakMap::new());
            let nodes: Vec<_> = (0..=LEN).map(|n| maker.node(cx, n, None)).collect();
            for n in 0..LEN as usize {
                let n = if backward { LEN as usize - 1 - n } else { n };
                map.insert(cx, nodes[n], nodes[n + 1]);
            }
            // A ring that nothing leads to.
            let ring: Vec<_> = (0..1000).map(|n| maker.node(cx, n, None)).collect();
            for n in 0..ring.len() {
                map.insert(cx, ring[n], ring[(n + 1) % ring.len()]);
            }
            (cx.root(nodes[0]), cx.root(map))
        });
        mutator.collect();
        assert_eq!(maker.alive() as u64, LEN + 1);
        let before = heap.stats().ephemeron_looks;
        mutator.collect();
        let looks = heap.stats().ephemeron_looks - before;
        assert!((LEN..7 * LEN).contains(&looks), "{looks} looks at {LEN} entries");
        mutator.enter(|cx| {
            let map = map.get(cx);
            assert_eq!(map.len() as u64, LEN);
            let mut node = first.get(cx);
            for n in 0..LEN {
                assert_eq!(number(node), n);
                node = map.get(cx, node).expect("the chain goes on");
            }
            assert!(map.get(cx, node).is_none());
        });
        drop(first);
        mutator.collect();
        assert_eq!(maker.alive(), 0);
        mutator.enter(|cx| assert!(map.get(cx).is_empty()));
    }
}

/// Goal: the cost of a map is linear too if many keys are dead, if many maps share a key, and if many values lead to further keys.
/// Method: as above.
#[test]
fn looks_are_linear() {
    const COUNT: usize = 30_000;
    for workers in 0..2 {
        let heap =
            Heap::builder().workers(workers).gc_percent(mudlark::GcPercent::Off).build().expect("a heap");
        let maker = Maker::new();
        let mut mutator = heap.attach();
        let roots = mutator.enter(|cx| {
            let map: Gc<'_, GcWeakMap<'_, Node<'_>, Node<'_>>> = cx.alloc(GcWeakMap::new());
            let keys: Vec<_> = (0..COUNT).map(|n| maker.node(cx, n as u64, None)).collect();
            for n in 0..COUNT {
                // Half of the keys are found through values, a part of the rest is dead.
                map.insert(cx, keys[n], keys[(n * 2 + 1) % COUNT]);
            }
            let shared = maker.node(cx, 0, None);
            let last = keys[COUNT - 1];
            map.insert(cx, last, shared);
            let pairs = cx.alloc_slice_with(COUNT, |n| Ephemeron::new(cx, shared, keys[n]));
            (cx.root(map), cx.root(pairs), cx.root(keys[0]))
        });
        let before = heap.stats().ephemeron_looks;
        mutator.collect();
        let looks = (heap.stats().ephemeron_looks - before) as usize;
        assert!(looks < 6 * 2 * COUNT, "{looks} looks at {} entries", 2 * COUNT);
        drop(roots);
        mutator.collect();
        assert_eq!(maker.alive(), 0);
    }
}

/// Goal: a full heap loses nothing. Method: fill it with pairs and entries.
#[test]
fn a_full_heap_gives_everything_back() {
    let heap = Heap::builder().workers(0).max_heap(1 << 20).build().expect("a heap");
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let key = cx.alloc(7_u64);
        let mut pairs = Vec::new();
        let error = loop {
            match Ephemeron::try_new(cx, key, key) {
                Ok(pair) => pairs.push(pair),
                Err(error) => break error,
            }
        };
        assert!(Gc::ptr_eq(error.value.0, key) && error.full.cause == FullCause::Limit);
        assert!(pairs.iter().all(|pair| pair.value(cx).is_some_and(|value| *value == 7)));
    });
    mutator.collect();
    mutator.enter(|cx| {
        let map = GcWeakMap::new();
        let error = loop {
            let Ok(key) = cx.try_alloc(1_u64) else { return };
            match map.try_insert(cx, key, key) {
                Ok(old) => assert!(old.is_none()),
                Err(error) => break error,
            }
        };
        assert_eq!(*error.value, 1);
        assert_eq!(map.entries(cx).len(), map.len());
    });
    mutator.collect();
    mutator.enter(|cx| {
        let symbols = GcInterner::new();
        let texts: Vec<_> = (0..).map_while(|n: u64| symbols.try_intern(cx, &n.to_string()).ok()).collect();
        for (n, text) in texts.iter().enumerate() {
            assert!(symbols.get(cx, &n.to_string()).is_some_and(|found| Gc::ptr_eq(found, *text)));
        }
        assert!(texts.len() > 1000);
    });
}

// ---- weak maps against a model

/// A map, and what it should hold: numbers of keys that are rooted.
struct World {
    map: Root<Map>,
    keys: BTreeMap<u64, Root<Node<'static>>>,
    values: BTreeMap<u64, u64>,
    /// All entries that were made, and the key that the value leads back to.
    backs: BTreeMap<u64, Option<u64>>,
    next: u64,
}

impl World {
    fn new(mutator: &mut Mutator) -> World {
        let map = mutator.enter(|cx| cx.root(cx.alloc(GcWeakMap::<Node<'_>, Node<'_>>::new())));
        World { map, keys: BTreeMap::new(), values: BTreeMap::new(), backs: BTreeMap::new(), next: 0 }
    }

    fn some_key(&self, random: &mut Random) -> Option<u64> {
        let index = random.below(self.keys.len().max(1));
        self.keys.keys().nth(index).copied()
    }

    fn insert<'gc>(&mut self, cx: &Scope<'gc>, maker: &Maker, random: &mut Random) {
        let (map, value) = (self.map.get(cx), self.next);
        self.next += 1;
        let key = match self.some_key(random) {
            Some(key) if random.below(3) == 0 => key,
            _ => {
                self.keys.insert(value, cx.root(maker.node(cx, value, None)));
                value
            }
        };
        let node = self.keys[&key].get(cx);
        // The value leads back to a key, perhaps its own.
        let back = self.some_key(random);
        self.backs.insert(key, back);
        let back = back.map(|key| self.keys[&key].get(cx));
        let old = map.insert(cx, node, maker.node(cx, value, back));
        assert_eq!(old.map(number), self.values.insert(key, value));
        // And keys that nobody keeps.
        let lost = maker.node(cx, u64::MAX, None);
        map.insert(cx, lost, maker.node(cx, u64::MAX, Some(lost)));
    }

    fn remove(&mut self, cx: &Scope<'_>, key: u64) {
        let removed = self.map.get(cx).remove(cx, self.keys[&key].get(cx));
        assert_eq!(removed.map(number), self.values.remove(&key));
        self.backs.remove(&key);
    }

    /// How many entries have keys that are rooted, or that values of such entries lead to.
    fn live(&self) -> usize {
        let mut live = BTreeSet::new();
        let mut found: Vec<u64> = self.keys.keys().copied().collect();
        while let Some(key) = found.pop() {
            if let Some(back) = self.backs.get(&key)
                && live.insert(key)
            {
                found.extend(back);
            }
        }
        live.len()
    }

    fn check(&self, cx: &Scope<'_>) {
        let map = self.map.get(cx);
        for (number_of_key, root) in &self.keys {
            let key = root.get(cx);
            assert_eq!(map.get(cx, key).map(number), self.values.get(number_of_key).copied());
            assert_eq!(map.contains_key(key), self.values.contains_key(number_of_key));
        }
        let entries: BTreeMap<u64, u64> = map
            .entries(cx)
            .into_iter()
            .map(|(key, value)| (number(key), number(value)))
            .filter(|(key, _)| self.keys.contains_key(key))
            .collect();
        assert_eq!(entries, self.values);
    }

    fn step(&mut self, mutator: &mut Mutator, maker: &Maker, random: &mut Random) {
        match random.below(100) {
            0..60 => mutator.enter(|cx| {
                for _ in 0..random.below(20) {
                    self.insert(cx, maker, random);
                }
            }),
            60..75 => mutator.enter(|cx| {
                for _ in 0..random.below(20) {
                    if let Some(key) = self.some_key(random) {
                        self.remove(cx, key);
                    }
                }
            }),
            75..90 => {
                for _ in 0..random.below(60) {
                    if let Some(key) = self.some_key(random) {
                        self.keys.remove(&key);
                        self.values.remove(&key);
                    }
                }
            }
            90..96 => mutator.enter(|cx| self.check(cx)),
            96 => mutator.enter(|cx| {
                self.map.get(cx).clear(cx);
                self.values.clear();
                self.backs.clear();
            }),
            _ => {
                mutator.collect();
                mutator.enter(|cx| {
                    assert_eq!(self.map.get(cx).len(), self.live());
                    self.check(cx);
                });
            }
        }
    }
}

/// Goal: a weak map holds what a map of its live keys would, in every stage of cycles. Method: random operations against a model, with
/// zeal and the verifier, with and without background threads, on one and two mutators of a thread.
#[test]
fn weak_maps_are_maps() {
    for (workers, seed) in [(0, 1), (0, 2), (1, 3), (1, 4)] {
        println!("seed {seed}");
        let zeal = Zeal { allocations_per_cycle: Some(40), fill_freed: true, ..Zeal::default() };
        let heap = Heap::builder().workers(workers).zeal(zeal).verify(true).build().expect("a heap");
        let (maker, mut random) = (Maker::new(), Random::of(seed));
        let mut mutators = [heap.attach(), heap.attach()];
        let mut world = World::new(&mut mutators[0]);
        for step in 0..250 {
            world.step(&mut mutators[step % 2], &maker, &mut random);
        }
        mutators[0].collect();
        mutators[0].enter(|cx| {
            world.check(cx);
            assert_eq!(world.map.get(cx).len(), world.live());
        });
        drop((world, mutators));
        assert_empty(&heap);
        assert_eq!(maker.alive(), 0);
    }
}

/// Goal: entries of dead keys go away without anybody touching the map, and the map gets smaller with its next change. Method: a hundred
/// thousand entries of which ten are kept.
#[test]
fn weak_maps_shrink() {
    const COUNT: u64 = 100_000;
    for workers in 0..2 {
        let (heap, maker) = (heap(workers), Maker::new());
        let mut mutator = heap.attach();
        let (map, kept): (Root<Map>, Vec<Root<Node<'static>>>) = mutator.enter(|cx| {
            let map = cx.alloc(GcWeakMap::new());
            let kept = (0..COUNT).filter_map(|n| {
                let key = maker.node(cx, n, None);
                map.insert(cx, key, maker.node(cx, n, Some(key)));
                (n % (COUNT / 10) == 0).then(|| cx.root(key))
            });
            let kept = kept.collect();
            assert!(map.capacity() as u64 >= COUNT);
            (cx.root(map), kept)
        });
        mutator.collect();
        assert_eq!(maker.alive(), 20);
        mutator.enter(|cx| {
            let map = map.get(cx);
            assert_eq!(map.len(), 10);
            for root in &kept {
                let key = root.get(cx);
                assert_eq!(map.get(cx, key).map(number), Some(number(key)));
            }
            map.remove(cx, kept[3].get(cx)).expect("it was there");
            assert_eq!(map.len(), 9);
            assert!(map.capacity() < 100, "room for {}", map.capacity());
        });
        mutator.collect();
        let live = heap.stats().live_bytes;
        assert!(live < 4000, "{live} bytes live for nine entries");
        mutator.enter(|cx| assert_eq!(map.get(cx).entries(cx).len(), 9));
        drop((map, kept, mutator));
        assert_empty(&heap);
    }
}

#[derive(Trace)]
struct Places<'gc> {
    plain: GcWeakMap<'gc, Node<'gc>, Node<'gc>>,
    in_cell: GcRefCell<GcWeakMap<'gc, Node<'gc>, Node<'gc>>>,
    in_mutex: GcMutex<GcWeakMap<'gc, Node<'gc>, Node<'gc>>>,
    pair: GcCell<Option<Ephemeron<'gc, Node<'gc>, Node<'gc>>>>,
    weak: GcWeak<'gc, Node<'gc>>,
}

/// Goal: maps and pairs work wherever they lie, also where they are moved. Method: swap maps between cells, during cycles.
#[test]
fn maps_live_in_all_cells() {
    for workers in 0..2 {
        let zeal = Zeal { allocations_per_cycle: Some(7), fill_freed: true, ..Zeal::default() };
        let heap = Heap::builder().workers(workers).zeal(zeal).verify(true).build().expect("a heap");
        let maker = Maker::new();
        let mut mutator = heap.attach();
        let (places, key): (Root<Places<'static>>, Root<Node<'static>>) = mutator.enter(|cx| {
            let key = maker.node(cx, 1, None);
            let places = Places {
                plain: GcWeakMap::new(),
                in_cell: GcRefCell::new(GcWeakMap::new()),
                in_mutex: GcMutex::new(GcWeakMap::new()),
                pair: GcCell::new(None),
                weak: GcWeak::new(cx, key),
            };
            (cx.root(cx.alloc(places)), cx.root(key))
        });
        for round in 0..300 {
            mutator.enter(|cx| {
                let (places, key) = (places.get(cx), key.get(cx));
                assert!(places.weak.upgrade(cx).is_some());
                let value = || maker.node(cx, round, Some(key));
                places.plain.insert(cx, key, value());
                places.in_cell.borrow().insert(cx, key, value());
                places.in_mutex.lock(cx).insert(cx, key, value());
                places.pair.set(cx, Some(Ephemeron::new(cx, key, value())));
            });
            mutator.enter(|cx| {
                let (places, key) = (places.get(cx), key.get(cx));
                std::mem::swap(&mut *places.in_cell.borrow_mut(cx), &mut *places.in_mutex.lock(cx));
                let values = [
                    places.plain.get(cx, key),
                    places.in_cell.borrow().get(cx, key),
                    places.in_mutex.lock(cx).get(cx, key),
                    places.pair.get().and_then(|pair| pair.value(cx)),
                ];
                assert!(values.iter().all(|value| value.map(number) == Some(round)));
            });
        }
        drop((places, key, mutator));
        assert_empty(&heap);
    }
}

/// Goal: threads that share a map behind a lock see each other's entries, and nothing dead. Method: two threads insert, look up and drop
/// keys that they exchange, with cycles all the time.
#[test]
fn threads_share_a_map() {
    type Keys = Vec<Root<[Gc<'static, u64>]>>;
    type Shared = GcMutex<GcWeakMap<'static, [Gc<'static, u64>], [Gc<'static, u64>]>>;
    for workers in 0..2 {
        let zeal = Zeal { allocations_per_cycle: Some(50), ..Zeal::default() };
        let heap = Heap::builder().workers(workers).zeal(zeal).verify(true).build().expect("a heap");
        let map: Root<Shared> = heap.attach().enter(|cx| {
            let map: GcWeakMap<'_, [Gc<'_, u64>], [Gc<'_, u64>]> = GcWeakMap::new();
            cx.root(cx.alloc(GcMutex::new(map)))
        });
        let map = Arc::new(map);
        let exchange: Arc<Mutex<Keys>> = Arc::default();
        let threads: Vec<_> = [5, 6]
            .into_iter()
            .map(|seed| {
                println!("seed {seed}");
                let (mut mutator, map, exchange) = (heap.attach(), Arc::clone(&map), Arc::clone(&exchange));
                thread::spawn(move || {
                    let mut random = Random::of(seed);
                    for round in 0..400_u64 {
                        let taken = {
                            let mut exchange = exchange.lock().expect("no panic");
                            (exchange.len() > random.below(40)).then(|| exchange.pop()).flatten()
                        };
                        let root = mutator.enter(|cx| {
                            let shared = map.get(cx);
                            if let Some(root) = &taken {
                                let key = root.get(cx);
                                let value = shared.lock(cx).get(cx, key).expect("the key is alive");
                                assert!(value.iter().zip(&*key).all(|(value, key)| **value == **key + 1));
                            }
                            let key = cx.alloc_slice_with(2, |_| cx.alloc(round));
                            let value = cx.alloc_slice_with(2, |_| cx.alloc(round + 1));
                            assert!(shared.lock(cx).insert(cx, key, value).is_none());
                            cx.root(key)
                        });
                        if random.below(3) > 0 {
                            exchange.lock().expect("no panic").push(root);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        heap.collect();
        let left = exchange.lock().expect("no panic").len();
        heap.attach().enter(|cx| assert_eq!(map.get(cx).lock(cx).len(), left));
        drop((map, exchange));
        assert_empty(&heap);
    }
}

// ---- interning

/// Goal: while a symbol lives its text leads to it and to no other object; then the entry is gone. Method: random texts against a model
/// that keeps some, with cycles all the time.
#[test]
fn interned_strings_are_unique() {
    for (workers, seed) in [(0, 11), (1, 12)] {
        println!("seed {seed}");
        let zeal = Zeal { allocations_per_cycle: Some(30), fill_freed: true, ..Zeal::default() };
        let heap = Heap::builder().workers(workers).zeal(zeal).verify(true).build().expect("a heap");
        let mut random = Random::of(seed);
        let mut mutator = heap.attach();
        let symbols: Root<GcInterner<'static>> = mutator.enter(|cx| cx.root(cx.alloc(GcInterner::new())));
        let mut kept: BTreeMap<String, Root<str>> = BTreeMap::new();
        for round in 0..400 {
            mutator.enter(|cx| {
                let symbols = symbols.get(cx);
                for _ in 0..20 {
                    let text = format!("{}{}", "x".repeat(random.below(20)), random.below(500));
                    let found = symbols.get(cx, &text);
                    let symbol = symbols.intern(cx, &text);
                    assert_eq!(&*symbol, text);
                    assert!(found.is_none_or(|found| Gc::ptr_eq(found, symbol)));
                    if let Some(root) = kept.get(&text) {
                        assert!(Gc::ptr_eq(root.get(cx), symbol), "two objects for {text}");
                    } else if random.below(20) == 0 {
                        kept.insert(text, cx.root(symbol));
                    }
                }
                let texts: Vec<String> =
                    symbols.strings(cx).iter().map(|symbol| symbol.to_string()).collect();
                let unique: BTreeSet<&String> = texts.iter().collect();
                assert_eq!(unique.len(), texts.len());
                assert!(kept.keys().all(|text| unique.contains(text)));
            });
            if round % 50 == 49 {
                kept.retain(|_, _| random.below(2) == 0);
                mutator.collect();
                mutator.collect();
                mutator.enter(|cx| assert_eq!(symbols.get(cx).len(), kept.len()));
            }
        }
        drop((symbols, kept, mutator));
        assert_empty(&heap);
    }
}
