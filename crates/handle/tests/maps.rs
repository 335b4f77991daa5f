//! Promises of maps, sets and strings that are built: they do what those of `std` do, lose nothing to a collector that marks beside them,
//! survive what `Hash` and `Eq` do, and their storage counts.

#[path = "support/items.rs"]
mod items;
#[path = "support/random.rs"]
mod random;

use items::{Alive, It, assert_sound, item, number, panics, zealous};
use mudlark::{
    Gc, GcCell, GcHashMap, GcHashSet, GcMapEntry, GcMutex, GcString, Heap, Mutator, Root, Scope, Static,
    Trace,
};
use random::Random;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt::Write,
    hash::{BuildHasher, DefaultHasher, Hash, Hasher},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

#[derive(Trace)]
struct Tables<'gc> {
    /// Pointers as keys and as values; numbers as keys; numbers alone.
    names: GcHashMap<Gc<'gc, str>, It<'gc>>,
    numbers: GcHashMap<u64, (u64, It<'gc>)>,
    plain: GcHashMap<u64, u64>,
    set: GcHashSet<Gc<'gc, str>>,
    /// What is the only way to a value that was taken out.
    aside: GcCell<Option<It<'gc>>>,
}

/// A program of random operations on three maps and a set with the same keys, and on `std`'s.
struct Program {
    random: Random,
    next: u64,
    alive: Arc<AtomicUsize>,
    /// From keys to the numbers of the items.
    model: HashMap<u64, u64>,
    keys: usize,
}

impl Program {
    fn step<'gc>(&mut self, cx: &Scope<'gc>, tables: &Tables<'gc>) {
        let Tables { names, numbers, plain, set, aside } = tables;
        let key = self.random.below(self.keys) as u64;
        let name = format!("key {key}");
        self.next += 1;
        let next = self.next;
        match self.random.below(12) {
            0..5 => {
                let made = item(cx, next, &self.alive);
                let old = self.model.insert(key, next);
                let text = cx.alloc_str(&name);
                assert_eq!(names.insert(cx, text, made).map(number), old);
                assert_eq!(numbers.insert(cx, key, (next, made)).map(|(n, item)| (n, number(item)).1), old);
                assert_eq!(plain.insert(cx, key, next), old);
                assert_eq!(set.insert(cx, text), old.is_none());
            }
            5..9 => {
                let old = self.model.remove(&key);
                let taken = names.remove(cx, &*name);
                assert_eq!(taken.map(number), old);
                aside.set(cx, taken);
                assert_eq!(numbers.remove(cx, &key).map(|(n, _)| n), old);
                assert_eq!(plain.remove(cx, &key), old);
                assert_eq!(set.remove(cx, &*name), old.is_some());
            }
            9 => {
                let made = item(cx, next, &self.alive);
                let expected = *self.model.entry(key).or_insert(next);
                assert_eq!(number(names.get_or_insert_with(cx, cx.alloc_str(&name), || made)), expected);
                let mut all = numbers.borrow_mut(cx);
                assert_eq!(all.entry(key).or_insert((next, made)).0, expected);
                assert_eq!(*plain.borrow_mut(cx).entry(key).or_insert(next), expected);
                set.insert(cx, cx.alloc_str(&name));
            }
            10 => {
                let keep = |key: u64| !(key + next).is_multiple_of(5);
                self.model.retain(|&key, _| keep(key));
                let of_name = |name: &str| name["key ".len()..].parse::<u64>().expect("a key");
                names.retain(cx, |name, _| keep(of_name(name)));
                numbers.retain(cx, |&key, _| keep(key));
                plain.retain(cx, |&key, _| keep(key));
                set.retain(cx, |name| keep(of_name(name)));
            }
            _ => {
                names.shrink_to_fit(cx);
                numbers.reserve(cx, self.random.below(2 * self.keys));
                plain.shrink_to_fit(cx);
                set.reserve(cx, self.random.below(self.keys));
            }
        }
        let lens = [names.len(), numbers.len(), plain.len(), set.len()];
        assert_eq!(lens, [self.model.len(); 4]);
    }

    fn check(&self, tables: &Tables<'_>) {
        for (&key, &expected) in &self.model {
            let name = format!("key {key}");
            assert_eq!(tables.names.get(&*name).map(number), Some(expected));
            let (n, item) = tables.numbers.get(&key).expect("it was put in");
            assert_eq!((n, number(item)), (expected, expected));
            assert_eq!(tables.plain.get(&key), Some(expected));
            assert_eq!(tables.set.get(&*name).as_deref(), Some(&*name));
        }
        let names = tables.names.borrow();
        assert!(names.iter().all(|(name, item)| tables.set.contains(&**name) && number(*item) > 0));
        assert_eq!(names.iter().count(), self.model.len());
    }

    fn run(seed: u64, keys: usize, allocations: u32, workers: usize) {
        println!("seed {seed}, {keys} keys, a cycle every {allocations} allocations, {workers} workers");
        let heap = zealous(seed, allocations, workers);
        let alive = Arc::new(AtomicUsize::new(0));
        let random = Random::of(seed);
        let mut program = Program { random, next: 0, alive: Arc::clone(&alive), model: HashMap::new(), keys };
        let mut mutator = heap.attach();
        let tables: Root<Tables<'static>> = mutator.enter(|cx| {
            let (names, numbers, plain) = (GcHashMap::new(), GcHashMap::new(), GcHashMap::new());
            let (set, aside) = (GcHashSet::new(), GcCell::new(None));
            cx.root(cx.alloc(Tables { names, numbers, plain, set, aside }))
        });
        for round in 0..100 {
            mutator.enter(|cx| {
                let tables = tables.get(cx);
                (0..program.random.below(40)).for_each(|_| program.step(cx, &tables));
                if round % 8 == 0 {
                    program.check(&tables);
                }
            });
        }
        mutator.enter(|cx| program.check(&tables.get(cx)));
        heap.collect();
        heap.collect();
        let held = alive.load(SeqCst);
        assert!(held <= 2 * program.model.len() + 1, "{held} items are alive, of {}", program.model.len());
        let borrowed = mutator.enter(|cx| {
            let tables = tables.get(cx);
            16 * tables.names.len()
                + 24 * tables.numbers.len()
                + 16 * tables.plain.len()
                + 8 * tables.set.len()
        });
        assert!(heap.stats().external_bytes >= borrowed as u64, "the account has at least the entries");
        drop(tables);
        assert_sound(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// Goal: maps and sets agree with those of `std` and lose nothing, whatever a marker does at the time. Method: random operations on maps with pointers in keys, in
/// values and in neither, in heaps that collect all the time and check each cycle; small ones, which are shaded as a whole, and large ones, which are marked in pieces.
#[test]
fn random_programs_on_maps_agree_with_the_model() {
    let mut seed = 0;
    for keys in [4, 50, 600] {
        for allocations in [1, 9, 120] {
            for workers in [0, 1] {
                seed += 1;
                Program::run(seed, keys, allocations, workers);
            }
        }
    }
}

/// Goal: a marker loses no value that moves from a place it has not seen to one it has. Method: a large map whose values go from key to key, each held by nothing else
/// meanwhile, between the pieces that safepoints mark, and beside a thread that marks.
#[test]
fn values_that_move_while_they_are_marked_survive() {
    for workers in [0, 1] {
        move_while_marked(workers);
    }
}

fn move_while_marked(workers: usize) {
    const LEN: usize = 20_000;
    let heap = Heap::builder().workers(workers).verify(true).gc_percent(1).build().expect("a heap");
    let alive = Arc::new(AtomicUsize::new(0));
    let mut mutator = heap.attach();
    let root: Root<GcHashMap<u64, It<'static>>> = mutator.enter(|cx| {
        let map = cx.alloc(GcHashMap::new());
        (0..LEN as u64).for_each(|n| _ = map.insert(cx, n, item(cx, n, &alive)));
        cx.root(map)
    });
    let mut keys: Vec<u64> = (0..LEN as u64).collect();
    let mut random = Random::of(9);
    for round in 0..300 {
        mutator.enter(|cx| {
            let map = root.get(cx);
            cx.alloc_slice_fill(4096, round);
            for step in 0..100 {
                let [one, two] = [0; 2].map(|_| random.below(LEN));
                if round % 2 == 0 {
                    // To a place that no entry has.
                    let taken = map.remove(cx, &keys[one]).expect("all keys have values");
                    keys[one] = (1 + round) << 32 | step;
                    assert!(map.insert(cx, keys[one], taken).is_none());
                } else {
                    // To the place of another one, which comes to its place.
                    let new = item(cx, round, &alive);
                    let taken = map.insert(cx, keys[one], new).expect("all keys have values");
                    let put = map.insert(cx, keys[two], taken).expect("all keys have values");
                    map.insert(cx, keys[one], put);
                }
            }
            assert_eq!(map.len(), LEN);
        });
    }
    mutator.enter(|cx| root.get(cx).borrow().values().for_each(|item| _ = number(*item)));
    assert!(heap.stats().cycles > 3, "it was to be marked: {} cycles", heap.stats().cycles);
    assert_eq!(heap.verify_report().violations, Vec::<String>::new());
    drop(root);
    assert_sound(&heap);
    assert_eq!(alive.load(SeqCst), 0);
}

/// Goal: threads share a map in a mutex. Method: two mutators put in and take out, under zeal.
#[test]
fn two_threads_share_a_map_in_a_mutex() {
    for (seed, workers) in [(1, 0), (2, 1)] {
        let heap = zealous(seed, 20, workers);
        let alive = Arc::new(AtomicUsize::new(0));
        let root: Root<GcMutex<GcHashMap<u64, It<'static>>>> =
            heap.attach().enter(|cx| cx.root(cx.alloc(GcMutex::new(GcHashMap::<u64, It<'_>>::new()))));
        thread::scope(|threads| {
            for part in 0..2 {
                let (heap, root, alive) = (&heap, &root, &alive);
                threads.spawn(move || {
                    let mut mutator = heap.attach();
                    let mut random = Random::of(seed * 2 + part);
                    for round in 0..150 {
                        mutator.enter(|cx| {
                            let map = root.get(cx);
                            let map = map.lock(cx);
                            let key = random.below(50) as u64;
                            map.insert(cx, key, item(cx, round, alive)).map(number);
                            map.remove(cx, &(random.below(50) as u64)).map(number);
                            map.borrow().values().for_each(|item| _ = number(*item));
                        });
                    }
                });
            }
        });
        drop(root);
        assert_sound(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

// ---- what the program's `Hash` and `Eq` do

thread_local! {
    /// After how many more calls of `Hash` or `Eq` one of them panics, if at all.
    static CALLS_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    /// What calls of `Hash` and `Eq` do besides, if anything.
    static VISITOR: RefCell<Option<Visitor>> = const { RefCell::new(None) };
}

/// A second mutator on this thread, with which a key comes back to the map that it lies in.
struct Visitor {
    mutator: Mutator,
    map: Root<GcHashMap<Key, It<'static>>>,
}

/// A key whose calls panic, or come back.
#[derive(Clone, Copy, PartialOrd, Ord, Debug, Trace)]
struct Key(u64);

fn called() {
    if let Some(left) = CALLS_LEFT.get() {
        assert!(left > 0, "as planned");
        CALLS_LEFT.set(Some(left - 1));
    }
    let visitor = VISITOR.take();
    if let Some(mut visitor) = visitor {
        visitor.mutator.enter(|cx| {
            let map = visitor.map.get(cx);
            assert!(map.try_borrow_mut(cx).is_err(), "the map is borrowed while its keys are asked");
            let changes: [&dyn Fn(); 3] =
                [&|| map.clear(cx), &|| _ = map.remove(cx, &Key(1)), &|| map.reserve(cx, 1000)];
            for change in changes {
                assert!(panics(change).contains("borrowed"));
            }
            // Cycles go on, and this thread marks in its allocations: nothing waits for what it holds itself.
            (0..50).for_each(|n| _ = cx.alloc_slice_fill(64, n));
        });
        VISITOR.set(Some(visitor));
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        called();
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        called();
        // Few hashes, so that keys are compared.
        state.write_u64(self.0 % 7);
    }
}

/// Goal: a panic in `Hash` or `Eq` leaves the map as it was, the heap sound, and nothing borrowed. Method: operations on a map in which each call in turn panics, while cycles
/// run, compared with a model.
#[test]
fn a_panic_in_a_key_leaves_the_map_as_it_was() {
    for workers in [0, 1] {
        let heap = zealous(5, 10, workers);
        let alive = Arc::new(AtomicUsize::new(0));
        let mut mutator = heap.attach();
        let root: Root<GcHashMap<Key, It<'static>>> =
            mutator.enter(|cx| cx.root(cx.alloc(GcHashMap::<Key, It<'_>>::new())));
        let mut model = HashMap::new();
        let (mut random, mut unwound) = (Random::of(17), 0);
        for round in 0..400_u64 {
            mutator.enter(|cx| {
                let map = root.get(cx);
                let (key, inserts) = (random.below(30) as u64, random.below(3) > 0);
                let made = item(cx, round, &alive);
                CALLS_LEFT.set((round % 3 > 0).then(|| random.below(12) as u32));
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    if inserts { map.insert(cx, Key(key), made) } else { map.remove(cx, &Key(key)) }
                }));
                CALLS_LEFT.set(None);
                match done {
                    Ok(old) if inserts => assert_eq!(old.map(number), model.insert(key, round)),
                    Ok(old) => assert_eq!(old.map(number), model.remove(&key)),
                    Err(_) => unwound += 1,
                }
                let map = map.borrow();
                assert_eq!(map.len(), model.len());
                for (key, value) in map.iter() {
                    assert_eq!(model.get(&key.0), Some(&number(*value)));
                }
            });
        }
        assert!(unwound > 20, "only {unwound} operations unwound");
        drop(root);
        drop(mutator);
        assert_sound(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// Goal: `Hash` and `Eq` that come back to their map find it borrowed, and nothing waits for itself. Method: keys that open a scope of another mutator, try to change the map they
/// lie in, and allocate enough to mark.
#[test]
fn keys_that_come_back_find_the_map_borrowed() {
    for workers in [0, 1] {
        let heap = zealous(6, 5, workers);
        let alive = Arc::new(AtomicUsize::new(0));
        let mut mutator = heap.attach();
        let map: Root<GcHashMap<Key, It<'static>>> =
            mutator.enter(|cx| cx.root(cx.alloc(GcHashMap::<Key, It<'_>>::new())));
        let again = mutator.enter(|cx| cx.root(map.get(cx)));
        VISITOR.set(Some(Visitor { mutator: heap.attach(), map: again }));
        for round in 0..60 {
            mutator.enter(|cx| {
                let map = map.get(cx);
                map.insert(cx, Key(round % 40), item(cx, round, &alive)).map(number);
                assert!(map.contains_key(&Key(round % 40)));
                map.remove(cx, &Key(round % 11)).map(number);
                number(*map.borrow_mut(cx).entry(Key(round % 40)).or_insert(item(cx, round, &alive)));
            });
        }
        VISITOR.set(None);
        drop(map);
        drop(mutator);
        assert_sound(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// A hasher of the program's, which comes back to the map before it hashes.
struct Restless;

type Numbers = GcHashMap<u64, u64, Restless>;

thread_local! {
    /// The map that it comes back to, with which mutator, and how often it has moved the table.
    static RESTLESS: RefCell<Option<(Mutator, Rc<Numbers>, u32)>> = const { RefCell::new(None) };
}

impl BuildHasher for Restless {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        // What comes back hashes too, and then there is nobody to come back.
        let visitor = RESTLESS.take();
        if let Some((mut mutator, map, moved)) = visitor {
            let moves = mutator.enter(|cx| {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let before = map.capacity();
                    if before < 1000 {
                        map.reserve(cx, 2000)
                    } else {
                        map.shrink_to_fit(cx)
                    }
                    map.insert(cx, 5000, 1);
                    map.remove(cx, &5000);
                    u32::from(before != map.capacity())
                }))
            });
            RESTLESS.set(Some((mutator, map, moved + moves.unwrap_or(0))));
        }
        DefaultHasher::new()
    }
}

/// Goal: where keys are compared without a borrow, hashing them still may do anything. Method: a map of numbers whose hasher moves the table each time it is asked, against
/// `std`'s.
#[test]
fn a_hasher_may_move_the_table_of_numbers() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let map = Rc::new(Numbers::with_hasher(Restless));
    RESTLESS.set(Some((heap.attach(), Rc::clone(&map), 0)));
    let (mut model, mut random) = (HashMap::new(), Random::of(23));
    for round in 0..2000_u64 {
        let key = random.below(100) as u64;
        mutator.enter(|cx| match random.below(4) {
            0 => assert_eq!(map.remove(cx, &key), model.remove(&key)),
            1 => assert_eq!(map.insert(cx, key, round), model.insert(key, round)),
            2 => assert_eq!(map.get(&key), model.get(&key).copied()),
            _ => assert_eq!(map.contains_key(&key), model.contains_key(&key)),
        });
    }
    let (_, _, moved) = RESTLESS.take().expect("it comes back each time");
    assert!(moved > 1000, "the table moved {moved} times only");
    assert_eq!(map.len(), model.len());
}

// ---- borrows, entries, limits

/// Goal: what is borrowed does not change, and a closure that panics leaves the map usable. Method: each way to change it below a borrow; `retain` unwound.
#[test]
fn borrowed_maps_do_not_change() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    heap.attach().enter(|cx| {
        let map = GcHashMap::<u64, u64>::from_iter_in(cx, (0..5).map(|n| (n, n * n)));
        {
            let shared = map.borrow();
            let changes: [&dyn Fn(); 5] = [
                &|| _ = map.insert(cx, 1, 1),
                &|| _ = map.remove(cx, &1),
                &|| map.clear(cx),
                &|| map.reserve(cx, 0),
                &|| map.shrink_to_fit(cx),
            ];
            for change in changes {
                assert!(panics(change).contains("borrowed"));
            }
            assert_eq!((shared.get(&3), map.get(&3), shared.keys().sum::<u64>()), (Some(&9), Some(9), 10));
        }
        panics(|| map.retain(cx, |_, _| panic!("as planned")));
        assert_eq!(map.len(), 5);
        let mut all = map.borrow_mut(cx);
        assert!(panics(|| _ = map.get(&1)).contains("mutably borrowed"));
        assert_eq!(format!("{map:?}"), "GcHashMap(<borrowed>)");
        all.values_mut().for_each(|value| *value += 1);
        *all.get_mut(&2).expect("it is there") += 10;
        all.entry(3).and_modify(|value| *value = 0).or_insert(7);
        match all.entry(4) {
            GcMapEntry::Occupied(entry) => assert_eq!(entry.remove_entry(), (4, 17)),
            GcMapEntry::Vacant(_) => panic!("it is there"),
        }
        assert_eq!((all.insert(9, 9), all.remove(&9), all.remove(&9)), (None, Some(9), None));
        let mut entries: Vec<_> = all.drain().collect();
        entries.sort_unstable();
        assert_eq!(entries, [(0, 1), (1, 2), (2, 15), (3, 0)]);
        drop(all);
        assert_eq!((map.len(), format!("{map:?}")), (0, "{}".to_owned()));
    });
}

/// Goal: drop glue of keys and values runs once, and bytes go with them. Method: entries that are overwritten, removed, drained and left.
#[test]
fn entries_are_dropped_once() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let alive = Arc::new(AtomicUsize::new(0));
    let made = || {
        alive.fetch_add(1, SeqCst);
        Static(Alive(Arc::clone(&alive)))
    };
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let map = cx.alloc(GcHashMap::<u64, _>::new());
        (0..100).for_each(|n| _ = map.insert(cx, n % 60, made()));
        assert_eq!(alive.load(SeqCst), 60);
        (0..10).for_each(|n| _ = map.remove(cx, &n));
        map.retain(cx, |&key, _| key < 40);
        assert_eq!(alive.load(SeqCst), 30);
    });
    assert!(heap.stats().external_bytes > 0);
    mutator.collect();
    assert_eq!((alive.load(SeqCst), heap.stats().external_bytes), (0, 0));
}

/// Goal: a map finds room below the maximum heap, or an error that gives key and value back. Method: maps grow into the limit, again and again.
#[test]
fn a_full_heap_refuses_to_grow_maps() {
    let heap = Heap::builder().max_heap(4 << 20).workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    for _ in 0..5 {
        mutator.enter(|cx| {
            let map = cx.alloc(GcHashMap::<u64, u64>::new());
            let error = (0..).find_map(|n| map.try_insert(cx, n, !n).err()).expect("memory is finite");
            let count = map.len() as u64;
            assert_eq!(error.value, (count, !count));
            assert!(count > 10_000, "only {count} entries found room");
            assert!(heap.stats().external_bytes <= heap.max_heap() as u64);
            // What is there can be overwritten all the same.
            assert_eq!(map.try_insert(cx, 7, 0), Ok(Some(!7)));
            assert!(map.try_reserve(cx, usize::MAX).is_err());
            assert_eq!((map.get(&7), map.remove(cx, &8)), (Some(0), Some(!8)));
            let set = GcHashSet::<u64>::new();
            assert!(set.try_reserve(cx, 1 << 30).is_err());
        });
        heap.collect();
        assert_eq!(heap.stats().external_bytes, 0);
    }
}

/// Goal: the account follows the table. Method: what `hashbrown` says its table takes, as a map grows, is thinned out and shrinks.
#[test]
fn the_account_follows_the_table() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    heap.attach().enter(|cx| {
        let (map, mut twin) = (GcHashMap::<u64, u64>::new(), hashbrown::HashMap::<u64, u64>::new());
        for n in 0..20_000_u64 {
            map.insert(cx, n, n);
            twin.insert(n, n);
            if n > 3000 {
                map.remove(cx, &(n - 3000));
                twin.remove(&(n - 3000));
            }
            if n.is_power_of_two() {
                assert_eq!(heap.stats().external_bytes, twin.allocation_size() as u64, "after {n} entries");
            }
        }
        map.clear(cx);
        map.shrink_to_fit(cx);
        assert_eq!(heap.stats().external_bytes, 0);
    });
}

/// Goal: a map that leads to itself can be formatted. Method: a map in itself.
#[test]
fn a_map_in_itself_can_be_formatted() {
    #[derive(Debug, Trace)]
    struct Knot<'gc>(GcHashMap<u64, Gc<'gc, Knot<'gc>>>, GcHashSet<u64>);
    let heap = Heap::builder().workers(0).build().expect("a heap");
    heap.attach().enter(|cx| {
        let knot = cx.alloc(Knot(GcHashMap::new(), GcHashSet::from_iter_in(cx, [3])));
        knot.0.insert(cx, 7, knot);
        assert_eq!(format!("{knot:?}"), "Knot({7: Knot([…], {3})}, {3})");
    });
}

// ---- strings

/// Goal: strings that are built are those that `String` builds, and are kept like others. Method: random pieces, cut now and then, in a heap that collects all the time.
#[test]
fn built_strings_agree_with_the_model() {
    let heap = zealous(8, 3, 1);
    let mut mutator = heap.attach();
    let mut random = Random::of(8);
    let mut kept: Vec<(Root<str>, String)> = Vec::new();
    for round in 0..200 {
        mutator.enter(|cx| {
            let mut model = String::new();
            let mut text = GcString::with_capacity(cx, random.below(40));
            for _ in 0..random.below(60) {
                match random.below(6) {
                    0 => {
                        text.push('ä');
                        model.push('ä');
                    }
                    1 => assert_eq!(text.pop(), model.pop()),
                    2 => {
                        write!(text, "{round:>5}").expect("there is memory");
                        write!(model, "{round:>5}").expect("there is memory");
                    }
                    3 => {
                        let cut = model.floor_char_boundary(random.below(model.len() + 1));
                        text.truncate(cut);
                        model.truncate(cut);
                    }
                    _ => {
                        let piece = "αβγ, and so on; ".repeat(random.below(9));
                        text.push_str(&piece);
                        model.push_str(&piece);
                    }
                }
                assert_eq!((text.as_str(), text.len()), (&*model, model.len()));
                assert!(text.capacity() >= text.len());
            }
            let text = text.finish();
            assert_eq!(&*text, &*model);
            kept.push((cx.root(text), model));
            if kept.len() > 20 {
                kept.swap_remove(random.below(20));
            }
        });
        mutator.enter(|cx| kept.iter().for_each(|(root, model)| assert_eq!(&*root.get(cx), &**model)));
    }
    drop(kept);
    drop(mutator);
    assert_sound(&heap);
}

/// Goal: finishing copies nothing when the buffer is well used, and wastes nothing when it is not. Method: where the bytes are before and after; what is live.
#[test]
fn finishing_takes_the_buffer() {
    let heap = Heap::builder().max_heap(4 << 20).workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        for bytes in [10, 24, 1000, 7000, 100_000] {
            let mut text = GcString::with_capacity(cx, bytes);
            text.push_str(&"x".repeat(bytes));
            let start = text.as_str().as_ptr();
            let text = text.finish();
            assert_eq!((text.as_ptr(), text.len()), (start, bytes));
            let mut text = GcString::with_capacity(cx, bytes * 8);
            text.push_str("short");
            assert_eq!(&*text.finish(), "short");
        }
        assert_eq!(&*GcString::new(cx).finish(), "");
        let mut text = GcString::new(cx);
        let full = (0..).find_map(|_| text.try_push_str(&"y".repeat(1000)).err()).expect("memory is finite");
        assert!(full.to_string().starts_with("cannot allocate"), "{full}");
        assert!(write!(text, "{}", "z".repeat(8 << 20)).is_err());
        assert!(text.as_str().bytes().all(|byte| byte == b'y') && text.len().is_multiple_of(1000));
        assert!(
            panics(|| {
                let mut text = GcString::new(cx);
                text.push('ä');
                text.truncate(1);
            })
            .contains("within a character")
        );
    });
}
