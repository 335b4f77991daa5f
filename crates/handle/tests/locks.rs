//! Locks that several mutators share: who has the contents, and that no cycle loses what passes through them.

#[path = "support/random.rs"]
mod random;

use mudlark::{
    Gc, GcCell, GcMutex, GcPercent, GcRefCell, GcRwLock, Heap, Mutator, Root, Scope, Static, Trace,
};
use random::{Random, Seed};
use std::{
    collections::BTreeSet,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

fn heap(workers: usize, percent: u32) -> Heap {
    Heap::builder().workers(workers).gc_percent(GcPercent::Percent(percent)).build().expect("a heap")
}

/// The numbers of the tokens that were dropped.
type Dropped = Arc<Mutex<BTreeSet<u64>>>;

struct Note(u64, Dropped);

impl Drop for Note {
    fn drop(&mut self) {
        self.1.lock().expect("nobody panics here").insert(self.0);
    }
}

/// An object that knows whether it was freed.
#[derive(Trace)]
struct Token<'gc> {
    number: u64,
    copy: Gc<'gc, u64>,
    note: Static<Note>,
}

type Tok<'gc> = Gc<'gc, Token<'gc>>;

fn token<'gc>(cx: &Scope<'gc>, number: u64, dropped: &Dropped) -> Tok<'gc> {
    cx.alloc(Token { number, copy: cx.alloc(number), note: Static(Note(number, Arc::clone(dropped))) })
}

/// The number of a token that is alive.
fn number(token: Tok<'_>) -> u64 {
    let Note(number, dropped) = &token.note.0;
    assert!(!dropped.lock().expect("nobody panics here").contains(number), "token {number} was freed");
    assert_eq!((token.number, *token.copy), (*number, *number), "a torn or dead token");
    *number
}

/// Ends a test: nothing is left behind.
fn assert_empty(heap: &Heap) {
    heap.collect();
    assert_eq!((heap.stats().live_bytes, heap.stats().roots), (0, 0));
    heap.recount().expect("the counters are exact");
}

// ---- exclusion

#[derive(Trace)]
struct Counters<'gc> {
    mutex: GcMutex<(u64, Gc<'gc, u64>)>,
    rw_lock: GcRwLock<(u64, Gc<'gc, u64>)>,
}

/// Goal: one mutator at a time has the contents, readers see them whole, and no cycle frees them. Method: threads that count up, each
/// time with a new object, by every way to lock, while the heap collects all the time.
#[test]
fn mutators_exclude_each_other() {
    const THREADS: u64 = 3;
    const ROUNDS: u64 = 3000;
    for workers in 0..3 {
        let heap = heap(workers, 5);
        let counters: Root<Counters<'static>> = heap.attach().enter(|cx| {
            let zero = || (0, cx.alloc(0_u64));
            cx.root(cx.alloc(Counters { mutex: GcMutex::new(zero()), rw_lock: GcRwLock::new(zero()) }))
        });
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut mutator = heap.attach();
                    for round in 0..ROUNDS {
                        while !mutator.enter(|cx| count_up(cx, &counters, round % 3 == 0)) {
                            thread::yield_now();
                        }
                    }
                });
            }
            scope.spawn(|| (0..20).for_each(|_| heap.collect()));
        });
        heap.attach().enter(|cx| {
            let counters = counters.get(cx);
            let (count, copy) = counters.mutex.lock(cx).to_owned();
            assert_eq!((count, *copy), (THREADS * ROUNDS, THREADS * ROUNDS));
            let (count, copy) = *counters.rw_lock.read();
            assert_eq!((count, *copy), (THREADS * ROUNDS, THREADS * ROUNDS));
        });
        drop(counters);
        assert_empty(&heap);
    }
}

/// Counts both up, or neither if it may not wait and would have to.
fn count_up<'gc>(cx: &Scope<'gc>, counters: &Root<Counters<'static>>, may_wait: bool) -> bool {
    let step = |pair: &mut (u64, Gc<'gc, u64>)| {
        assert_eq!(pair.0, *pair.1);
        pair.0 += 1;
        cx.alloc([0_u64; 60]);
        pair.1 = cx.alloc(pair.0);
    };
    let counters = counters.get(cx);
    {
        let (count, copy) = *counters.rw_lock.read();
        assert_eq!(count, *copy);
    }
    if may_wait {
        step(&mut counters.mutex.lock(cx));
        step(&mut counters.rw_lock.write(cx));
    } else {
        let Some(mut first) = counters.mutex.try_lock(cx) else { return false };
        let Some(mut second) = counters.rw_lock.try_write(cx) else { return false };
        step(&mut first);
        step(&mut second);
    }
    true
}

/// Goal: whoever finds a guard out gets none, and who waits gets one. Method: two threads that tell each other where they are.
#[test]
fn a_guard_keeps_other_mutators_out() {
    let heap = heap(1, 100);
    let root: Root<(GcMutex<u64>, GcRwLock<u64>)> =
        heap.attach().enter(|cx| cx.root(cx.alloc((GcMutex::new(1_u64), GcRwLock::new(1_u64)))));
    let (held, is_held) = channel();
    let (tried, was_tried) = channel();
    thread::scope(|scope| {
        let (heap, root) = (&heap, &root);
        scope.spawn(move || {
            heap.attach().enter(|cx| {
                let (mutex, rw_lock) = root.get(cx).into_ref();
                let (mut one, mut two) = (mutex.lock(cx), rw_lock.write(cx));
                held.send(()).expect("the other waits");
                was_tried.recv().expect("the other tried");
                (*one, *two) = (2, 2);
                drop((one, two));
                let shared = rw_lock.read();
                held.send(()).expect("the other waits");
                was_tried.recv().expect("the other tried");
                assert_eq!(*shared, 2);
            });
        });
        heap.attach().enter(|cx| {
            let (mutex, rw_lock) = root.get(cx).into_ref();
            is_held.recv().expect("the other has guards");
            assert!(mutex.try_lock(cx).is_none());
            assert!(rw_lock.try_read().is_none() && rw_lock.try_write(cx).is_none());
            assert_eq!(format!("{mutex:?} {rw_lock:?}"), "GcMutex(<locked>) GcRwLock(<locked>)");
            tried.send(()).expect("the other waits");
            // Waits, or comes just too late to have to.
            assert_eq!(*mutex.lock(cx), 2);
            is_held.recv().expect("the other reads");
            assert!(rw_lock.try_write(cx).is_none());
            assert_eq!(rw_lock.try_read().map(|value| *value), Some(2));
            tried.send(()).expect("the other waits");
            *rw_lock.write(cx) += 1;
            assert_eq!(format!("{mutex:?} {rw_lock:?}"), "GcMutex(2) GcRwLock(3)");
        });
    });
}

/// Goal: a guard's drop is not needed for safety, and a panic poisons nothing. Method: guards of every kind that are forgotten
/// and guards that unwind; cycles; what the locks do then, and that the contents die with their object and not before.
#[test]
fn leaked_guards_and_panics_are_safe() {
    for workers in 0..2 {
        let (heap, dropped) = (heap(workers, 100), Dropped::default());
        let mut mutator = heap.attach();
        type Locks<'gc> = (GcMutex<Vec<Tok<'gc>>>, GcRwLock<Vec<Tok<'gc>>>, GcRwLock<Vec<Tok<'gc>>>);
        let locks: Root<Locks<'static>> = mutator.enter(|cx| {
            let contents = |first| vec![token(cx, first, &dropped)];
            let locks =
                cx.alloc((GcMutex::new(contents(1)), GcRwLock::new(contents(2)), GcRwLock::new(contents(3))));
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _guards = (locks.0.lock(cx), locks.1.write(cx), locks.2.read());
                panic!("a panic of this test");
            }));
            assert!(panicked.is_err());
            locks.0.lock(cx).push(token(cx, 4, &dropped));
            let mut last = locks.1.write(cx);
            last.push(token(cx, 5, &dropped));
            mem::forget((locks.0.lock(cx), last, locks.2.read()));
            cx.root(locks)
        });
        for _ in 0..3 {
            mutator.collect();
            mutator.enter(|cx| {
                let locks = locks.get(cx);
                assert!(locks.0.try_lock(cx).is_none());
                assert!(locks.1.try_write(cx).is_none() && locks.1.try_read().is_none());
                assert!(locks.2.try_write(cx).is_none());
                assert_eq!(number(locks.2.read()[0]), 3);
            });
            assert!(dropped.lock().expect("nobody panics here").is_empty());
        }
        drop(locks);
        mutator.collect();
        mutator.collect();
        assert_eq!(*dropped.lock().expect("nobody panics here"), BTreeSet::from([1, 2, 3, 4, 5]));
        assert_empty(&heap);
    }
}

// ---- cycles

/// Places for a token, of every kind.
#[derive(Trace)]
struct Places<'gc> {
    mutex: GcMutex<Option<Tok<'gc>>>,
    list: GcMutex<Vec<Tok<'gc>>>,
    rw_lock: GcRwLock<Option<Tok<'gc>>>,
    cell_in_mutex: GcMutex<GcRefCell<Option<Tok<'gc>>>>,
    mutex_in_rw_lock: GcRwLock<GcMutex<Option<Tok<'gc>>>>,
    behind_new: GcCell<Option<Gc<'gc, GcMutex<Option<Tok<'gc>>>>>>,
}

const KINDS: usize = 6;

impl<'gc> Places<'gc> {
    fn new() -> Places<'gc> {
        Places {
            mutex: GcMutex::new(None),
            list: GcMutex::new(Vec::new()),
            rw_lock: GcRwLock::new(None),
            cell_in_mutex: GcMutex::new(GcRefCell::new(None)),
            mutex_in_rw_lock: GcRwLock::new(GcMutex::new(None)),
            behind_new: GcCell::new(None),
        }
    }

    /// Puts in what is given, and returns what was there; `style` chooses among ways to do it.
    fn replace(&self, cx: &Scope<'gc>, kind: usize, new: Option<Tok<'gc>>, style: bool) -> Option<Tok<'gc>> {
        match kind {
            0 => mem::replace(&mut *self.mutex.lock(cx), new),
            1 => {
                let mut list = self.list.lock(cx);
                let old = list.pop();
                list.extend(new);
                old
            }
            2 => mem::replace(&mut *self.rw_lock.write(cx), new),
            3 if style => mem::replace(&mut *self.cell_in_mutex.lock(cx).borrow_mut(cx), new),
            3 => {
                let old = mem::replace(&mut *self.cell_in_mutex.lock(cx), GcRefCell::new(new));
                old.borrow_mut(cx).take()
            }
            4 if style => mem::replace(&mut *self.mutex_in_rw_lock.read().lock(cx), new),
            4 => mem::replace(&mut *self.mutex_in_rw_lock.write(cx), GcMutex::new(new)).into_inner(),
            _ => match self.behind_new.get() {
                Some(place) if style => mem::replace(&mut *place.lock(cx), new),
                place => {
                    // A new object is black while a cycle marks.
                    self.behind_new.set(cx, Some(cx.alloc(GcMutex::new(new))));
                    place.and_then(|place| *place.lock(cx))
                }
            },
        }
    }

    fn get(&self, cx: &Scope<'gc>, kind: usize) -> Option<Tok<'gc>> {
        match kind {
            0 => *self.mutex.lock(cx),
            1 => self.list.lock(cx).last().copied(),
            2 => *self.rw_lock.read(),
            3 => *self.cell_in_mutex.lock(cx).borrow(),
            4 => *self.mutex_in_rw_lock.read().lock(cx),
            _ => self.behind_new.get().and_then(|place| *place.lock(cx)),
        }
    }
}

/// What a thread of a schedule does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter,
    Leave,
    /// Copies what is in a place into the hand.
    Get(usize),
    /// Changes a place for the hand.
    Swap(usize, bool),
    /// Copies the hand into a place.
    Put(usize, bool),
    /// Takes a new token into the hand.
    Make(u64),
    /// Makes garbage, so that cycles begin and go on.
    Waste,
}

/// Does what it is told, and answers with what is in its hand.
fn act(
    mut mutator: Mutator,
    table: &Root<[Gc<'static, Places<'static>>]>,
    dropped: &Dropped,
    steps: &Receiver<Step>,
    done: &Sender<Option<u64>>,
) {
    while let Ok(step) = steps.recv() {
        assert!(matches!(step, Step::Enter));
        mutator.enter(|cx| {
            let table = table.get(cx);
            let mut hand: Option<Tok<'_>> = None;
            loop {
                done.send(hand.map(number)).expect("the schedule waits");
                let Ok(step) = steps.recv() else { return };
                match step {
                    Step::Get(place) => hand = table[place / KINDS].get(cx, place % KINDS),
                    Step::Swap(place, style) => {
                        hand = table[place / KINDS].replace(cx, place % KINDS, hand, style);
                    }
                    Step::Put(place, style) => {
                        table[place / KINDS].replace(cx, place % KINDS, hand, style);
                    }
                    Step::Make(number) => hand = Some(token(cx, number, dropped)),
                    Step::Waste => _ = cx.alloc_slice_fill(700, 0_u64),
                    Step::Leave => break,
                    Step::Enter => unreachable!("it is in its scope"),
                }
            }
        });
        // At the end of the schedule nobody listens.
        _ = done.send(None);
    }
}

const ACTORS: usize = 3;
const PLACES: usize = 3 * KINDS;

/// One step of a random schedule, and what the hand of the actor holds after it, by the model.
fn choose(
    random: &mut Random,
    hand: &mut Option<Option<u64>>,
    places: &mut [Option<u64>; PLACES],
    next: &mut u64,
) -> Step {
    let (place, style) = (random.below(PLACES), random.below(2) == 0);
    let Some(held) = hand else {
        *hand = Some(None);
        return Step::Enter;
    };
    match random.below(16) {
        0..3 => {
            *hand = None;
            Step::Leave
        }
        3..6 => {
            *held = places[place];
            Step::Get(place)
        }
        6..9 => {
            mem::swap(held, &mut places[place]);
            Step::Swap(place, style)
        }
        9..11 => {
            places[place] = *held;
            Step::Put(place, style)
        }
        11 => {
            *next += 1;
            *held = Some(*next);
            Step::Make(*next)
        }
        _ => Step::Waste,
    }
}

fn run_schedule(seed: u64, steps: usize) -> u64 {
    let _seed = Seed(seed);
    let (heap, dropped) = (heap(0, 1), Dropped::default());
    let (mut random, mut next) = (Random::of(seed), 0);
    let table: Root<[Gc<'static, Places<'static>>]> =
        heap.attach().enter(|cx| cx.root(cx.alloc_slice_with(PLACES / KINDS, |_| cx.alloc(Places::new()))));
    let mut hands = [None; ACTORS];
    let mut places = [None; PLACES];
    thread::scope(|scope| {
        let actors = [(); ACTORS].map(|()| {
            let ((tell, steps), (done, is_done)) = (channel(), channel());
            let (table, dropped, mutator) = (&table, &dropped, heap.attach());
            scope.spawn(move || act(mutator, table, dropped, &steps, &done));
            (tell, is_done)
        });
        for number in 0..steps {
            let actor = random.below(ACTORS);
            let step = choose(&mut random, &mut hands[actor], &mut places, &mut next);
            actors[actor].0.send(step).expect("the actor waits");
            let seen = actors[actor].1.recv().unwrap_or_else(|_| panic!("step {number}: {step:?} panicked"));
            assert_eq!(seen, hands[actor].flatten(), "step {number}: actor {actor} after {step:?}");
        }
    });
    heap.attach().enter(|cx| {
        let table = table.get(cx);
        let found = std::array::from_fn(|place| table[place / KINDS].get(cx, place % KINDS).map(number));
        assert_eq!(places, found);
    });
    let cycles = heap.stats().cycles;
    drop(table);
    assert_empty(&heap);
    cycles
}

/// Goal: whatever the stages of the mutators that take turns with a lock, no cycle frees what is in it, or in a hand. Method: three
/// threads in lockstep after a random schedule, which copy and move tokens between places of all kinds, and keep some
/// in their hands over many steps; no background threads, so each seed is one run; a model knows what is where.
#[test]
fn random_schedules_lose_no_token() {
    let cycles: u64 = (1..=60).map(|seed| run_schedule(seed, 1500)).sum();
    assert!(cycles > 60, "only {cycles} cycles");
}

type Lists<'gc> = (GcMutex<Vec<Tok<'gc>>>, GcRwLock<Vec<Tok<'gc>>>);

/// Goal: threads that really run at once lose no token and double none. Method: each takes tokens from random lists and puts
/// them into others, while a further thread collects without pause; at the end all are there once.
#[test]
fn racing_threads_lose_no_token() {
    const TOKENS: u64 = 200;
    for workers in 0..3 {
        let (heap, dropped) = (heap(workers, 5), Dropped::default());
        let lists: Root<[Lists<'static>]> = heap.attach().enter(|cx| {
            let lists =
                cx.alloc_slice_with(8, |_| (GcMutex::new(Vec::new()), GcRwLock::new(Vec::<Tok<'_>>::new())));
            lists[0].0.lock(cx).extend((0..TOKENS).map(|number| token(cx, number, &dropped)));
            cx.root(lists)
        });
        thread::scope(|scope| {
            for seed in 1..=3 {
                let (heap, lists) = (&heap, &lists);
                scope.spawn(move || {
                    let _seed = Seed(seed);
                    let (mut mutator, mut random) = (heap.attach(), Random::of(seed));
                    for _ in 0..2000 {
                        mutator.enter(|cx| shuffle(cx, &lists.get(cx), &mut random));
                    }
                });
            }
            scope.spawn(|| (0..30).for_each(|_| heap.collect()));
        });
        heap.attach().enter(|cx| {
            let mut found = BTreeSet::new();
            for (mutex, rw_lock) in lists.get(cx).iter() {
                let both = mutex.lock(cx).iter().chain(rw_lock.read().iter()).copied().collect::<Vec<_>>();
                assert!(both.into_iter().all(|token| found.insert(number(token))), "a token was doubled");
            }
            assert_eq!(found, (0..TOKENS).collect());
        });
        assert!(dropped.lock().expect("nobody panics here").is_empty());
        assert!(heap.stats().cycles > 10);
        drop(lists);
        assert_empty(&heap);
    }
}

/// Moves some tokens, with one lock at a time.
fn shuffle<'gc>(cx: &Scope<'gc>, lists: &[Lists<'gc>], random: &mut Random) {
    let mut hand = Vec::new();
    for _ in 0..6 {
        let (mutex, rw_lock) = &lists[random.below(lists.len())];
        cx.alloc([0_u64; 30]);
        match random.below(6) {
            0 => hand.extend(mutex.lock(cx).pop()),
            1 => hand.extend(rw_lock.try_write(cx).and_then(|mut list| list.pop())),
            2 => mem::swap(&mut hand, &mut mutex.lock(cx)),
            3 => mem::swap(&mut hand, &mut rw_lock.write(cx)),
            4 => _ = rw_lock.read().iter().map(|&token| number(token)).sum::<u64>(),
            _ => hand.extend(mutex.try_lock(cx).into_iter().flat_map(|mut list| mem::take(&mut *list))),
        }
    }
    for token in hand {
        number(token);
        let (mutex, rw_lock) = &lists[random.below(lists.len())];
        if random.below(2) == 0 { mutex.lock(cx).push(token) } else { rw_lock.write(cx).push(token) }
    }
}

// ---- layout

/// Goal: a lock costs a dead object nothing, and is what its contents are for threads. Method: drop glue and bounds.
#[test]
fn locks_bring_no_drop_glue_and_share_what_can_be_sent() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Root<GcMutex<Option<Tok<'static>>>>>();
    assert_shared::<Root<GcMutex<GcRefCell<u64>>>>();
    assert_shared::<Root<GcRwLock<GcMutex<Tok<'static>>>>>();
    if cfg!(target_os = "linux") {
        assert!(!mem::needs_drop::<GcMutex<u64>>() && !mem::needs_drop::<GcRwLock<u64>>());
        assert_eq!(size_of::<GcMutex<u64>>(), 24);
    }
}
