//! Weak pointers: they die with their targets, never before, and never give a target that is dead.

#[path = "support/fuse.rs"]
mod fuse;
#[path = "support/other.rs"]
mod other;
#[path = "support/random.rs"]
mod random;

use fuse::Fuse;
use mudlark::{
    FullCause, Gc, GcCell, GcMutex, GcRefCell, GcRwLock, GcWeak, Heap, Mutator, Root, Scope, Static, Trace,
};
use other::Relay;
use random::Random;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).build().expect("a heap")
}

/// Ends a test: nothing is left behind.
fn assert_empty(heap: &Heap) {
    heap.collect();
    assert_eq!((heap.stats().live_bytes, heap.stats().roots), (0, 0));
    heap.recount().expect("the counters are exact");
}

/// Tells, once, that it was dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        assert!(!self.0.swap(true, SeqCst), "dropped twice");
    }
}

/// A target that knows whether it was dropped.
#[derive(Trace)]
struct Token<'gc> {
    number: u64,
    copy: Gc<'gc, u64>,
    flag: Static<Flag>,
}

type Tok<'gc> = Gc<'gc, Token<'gc>>;

fn token<'gc>(cx: &Scope<'gc>, number: u64) -> (Tok<'gc>, Arc<AtomicBool>) {
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Static(Flag(Arc::clone(&dropped)));
    (cx.alloc(Token { number, copy: cx.alloc(number), flag }), dropped)
}

/// The number of a token that is alive.
fn number(token: Tok<'_>) -> u64 {
    assert!(!token.flag.0.0.load(SeqCst), "an upgrade gave a token that was dropped");
    assert_eq!(*token.copy, token.number, "a torn or dead token");
    token.number
}

// ---- what it leads to

#[derive(Trace)]
struct Weaks<'gc> {
    unit: GcWeak<'gc, ()>,
    number: GcWeak<'gc, u64>,
    text: GcWeak<'gc, str>,
    empty: GcWeak<'gc, str>,
    numbers: GcWeak<'gc, [u64]>,
    tokens: GcWeak<'gc, [Tok<'gc>]>,
    boxed: GcWeak<'gc, Box<str>>,
    large: GcWeak<'gc, [u64; 5000]>,
    large_slice: GcWeak<'gc, [Gc<'gc, u64>]>,
    token: GcWeak<'gc, Token<'gc>>,
}

#[derive(Trace)]
struct Strongs<'gc> {
    unit: Gc<'gc, ()>,
    number: Gc<'gc, u64>,
    text: Gc<'gc, str>,
    empty: Gc<'gc, str>,
    numbers: Gc<'gc, [u64]>,
    tokens: Gc<'gc, [Tok<'gc>]>,
    boxed: Gc<'gc, Box<str>>,
    large: Gc<'gc, [u64; 5000]>,
    large_slice: Gc<'gc, [Gc<'gc, u64>]>,
    token: Tok<'gc>,
}

fn strongs<'gc>(cx: &Scope<'gc>) -> Strongs<'gc> {
    Strongs {
        unit: cx.alloc(()),
        number: cx.alloc(7),
        text: cx.alloc_str("text"),
        empty: cx.alloc_str(""),
        numbers: cx.alloc_slice_copy(&[1, 2, 3]),
        tokens: cx.alloc_slice_with(3, |index| token(cx, index as u64).0),
        boxed: cx.alloc("boxed".into()),
        large: cx.alloc([9; 5000]),
        large_slice: cx.alloc_slice_with(5000, |index| cx.alloc(index as u64)),
        token: token(cx, 70).0,
    }
}

fn weaks<'gc>(cx: &Scope<'gc>, strongs: &Strongs<'gc>) -> Weaks<'gc> {
    Weaks {
        unit: GcWeak::new(cx, strongs.unit),
        number: GcWeak::new(cx, strongs.number),
        text: GcWeak::new(cx, strongs.text),
        empty: GcWeak::new(cx, strongs.empty),
        numbers: GcWeak::new(cx, strongs.numbers),
        tokens: GcWeak::new(cx, strongs.tokens),
        boxed: GcWeak::new(cx, strongs.boxed),
        large: GcWeak::new(cx, strongs.large),
        large_slice: GcWeak::new(cx, strongs.large_slice),
        token: GcWeak::new(cx, strongs.token),
    }
}

impl<'gc> Weaks<'gc> {
    fn assert_alive(&self, cx: &Scope<'gc>) {
        assert!(self.unit.upgrade(cx).is_some());
        assert_eq!(self.number.upgrade(cx).as_deref(), Some(&7));
        assert_eq!(self.text.upgrade(cx).as_deref(), Some("text"));
        assert_eq!(self.empty.upgrade(cx).as_deref(), Some(""));
        assert_eq!(self.numbers.upgrade(cx).as_deref(), Some(&[1, 2, 3][..]));
        let tokens = self.tokens.upgrade(cx).expect("it is alive");
        assert!(tokens.iter().map(|&token| number(token)).eq(0..3));
        assert_eq!(self.boxed.upgrade(cx).as_deref().map(|text| &**text), Some("boxed"));
        assert_eq!(self.large.upgrade(cx).as_deref(), Some(&[9; 5000]));
        let slice = self.large_slice.upgrade(cx).expect("it is alive");
        assert!(slice.iter().map(|number| **number).eq(0..5000));
        assert_eq!(self.token.upgrade(cx).map(number), Some(70));
    }

    fn assert_dead(&self, cx: &Scope<'gc>) {
        assert!(self.unit.upgrade(cx).is_none() && self.number.upgrade(cx).is_none());
        assert!(self.text.upgrade(cx).is_none() && self.empty.upgrade(cx).is_none());
        assert!(self.numbers.upgrade(cx).is_none() && self.tokens.upgrade(cx).is_none());
        assert!(self.boxed.upgrade(cx).is_none() && self.large.upgrade(cx).is_none());
        assert!(self.large_slice.upgrade(cx).is_none() && self.token.upgrade(cx).is_none());
    }
}

/// Goal: a weak pointer gives its target, whatever its kind, as long as something else leads to it, and nothing after the next cycle.
/// Method: one of each kind.
#[test]
fn weak_pointers_die_with_their_targets() {
    for workers in 0..3 {
        let heap = heap(workers);
        let mut mutator = heap.attach();
        let (kept, weak): (Root<Strongs<'static>>, Root<Weaks<'static>>) = mutator.enter(|cx| {
            let strongs = cx.alloc(strongs(cx));
            (cx.root(strongs), cx.root(cx.alloc(weaks(cx, &strongs))))
        });
        for _ in 0..3 {
            mutator.enter(|cx| weak.get(cx).assert_alive(cx));
            mutator.collect();
        }
        mutator.enter(|cx| weak.get(cx).assert_alive(cx));
        drop(kept);
        for _ in 0..3 {
            mutator.collect();
            // What is free is used again.
            mutator.enter(|cx| _ = strongs(cx));
            mutator.enter(|cx| weak.get(cx).assert_dead(cx));
        }
        drop((weak, mutator));
        assert_empty(&heap);
    }
}

/// All places that a weak pointer can be in.
#[derive(Trace)]
struct Places<'gc> {
    cell: GcCell<Option<Gc<'gc, GcWeak<'gc, Token<'gc>>>>>,
    ref_cell: GcRefCell<Vec<GcWeak<'gc, Token<'gc>>>>,
    mutex: GcMutex<Option<GcWeak<'gc, Token<'gc>>>>,
    rw_lock: GcRwLock<(u64, Option<GcWeak<'gc, Token<'gc>>>)>,
    slice: Gc<'gc, [GcWeak<'gc, Token<'gc>>]>,
    option: Option<Box<GcWeak<'gc, Token<'gc>>>>,
}

impl<'gc> Places<'gc> {
    fn upgrade(&self, cx: &Scope<'gc>) -> Vec<Option<Tok<'gc>>> {
        let cell = self.cell.get().expect("it was set");
        let listed = self.ref_cell.borrow()[0];
        let locked = self.mutex.lock(cx).expect("it was set");
        let read = self.rw_lock.read().1.expect("it was set");
        let boxed = self.option.as_deref().expect("it was set");
        [*cell, listed, locked, read, self.slice[0], *boxed].map(|weak| weak.upgrade(cx)).to_vec()
    }
}

/// Goal: weak pointers work in every place that can hold one, and copies are one pointer. Method: one in each, put there in later scopes.
#[test]
fn weak_pointers_live_in_all_cells() {
    for workers in 0..3 {
        let heap = heap(workers);
        let mut mutator = heap.attach();
        let (kept, places): (Root<Token<'static>>, Root<Places<'static>>) = mutator.enter(|cx| {
            let token = token(cx, 5).0;
            let weak = GcWeak::new(cx, token);
            let places = Places {
                cell: GcCell::new(None),
                ref_cell: GcRefCell::new(Vec::new()),
                mutex: GcMutex::new(None),
                rw_lock: GcRwLock::new((0, None)),
                slice: cx.alloc_slice_copy(&[weak; 2]),
                option: Some(Box::new(weak)),
            };
            assert!(GcWeak::ptr_eq(places.slice[0], places.slice[1]));
            assert!(!GcWeak::ptr_eq(weak, GcWeak::new(cx, token)));
            (cx.root(token), cx.root(cx.alloc(places)))
        });
        mutator.collect();
        mutator.enter(|cx| {
            let (places, token) = (places.get(cx), kept.get(cx));
            places.cell.set(cx, Some(cx.alloc(GcWeak::new(cx, token))));
            places.ref_cell.borrow_mut(cx).push(GcWeak::new(cx, token));
            *places.mutex.lock(cx) = Some(GcWeak::new(cx, token));
            places.rw_lock.write(cx).1 = Some(GcWeak::new(cx, token));
        });
        for _ in 0..2 {
            mutator.collect();
            mutator.enter(|cx| {
                let all = places.get(cx).upgrade(cx);
                assert!(all.iter().all(|token| token.map(number) == Some(5)), "all of {}", all.len());
            });
        }
        drop(kept);
        mutator.collect();
        mutator.enter(|cx| assert!(places.get(cx).upgrade(cx).iter().all(Option::is_none)));
        drop((places, mutator));
        assert_empty(&heap);
    }
}

/// A ring of weak pointers, and a chain of them.
#[derive(Trace)]
struct Link<'gc> {
    token: Tok<'gc>,
    around: GcRefCell<Option<GcWeak<'gc, Link<'gc>>>>,
}

/// Goal: weak pointers to weak pointers, to their own objects and around rings keep nothing alive, and fall one by one. Method: a
/// chain of three whose middle dies first; a ring of which one is kept.
#[test]
fn weak_pointers_lead_to_each_other() {
    for workers in 0..3 {
        let heap = heap(workers);
        let mut mutator = heap.attach();
        let (kept, inner, outer) = mutator.enter(|cx| {
            let token = token(cx, 1).0;
            let inner = cx.alloc(GcWeak::new(cx, token));
            let outer = cx.alloc(GcWeak::new(cx, inner));
            (cx.root(token), cx.root(inner), cx.root(outer))
        });
        mutator.collect();
        mutator.enter(|cx| {
            let inner = outer.get(cx).upgrade(cx).expect("the middle is alive");
            assert_eq!(inner.upgrade(cx).map(number), Some(1));
        });
        drop(kept);
        mutator.collect();
        mutator.enter(|cx| {
            assert!(outer.get(cx).upgrade(cx).is_some_and(|inner| inner.upgrade(cx).is_none()));
        });
        drop(inner);
        mutator.collect();
        mutator.enter(|cx| assert!(outer.get(cx).upgrade(cx).is_none()));
        drop(outer);

        let (flags, kept) = mutator.enter(|cx| {
            let (links, flags): (Vec<_>, Vec<_>) = (0..50)
                .map(|number| {
                    let (token, flag) = token(cx, number);
                    (cx.alloc(Link { token, around: GcRefCell::new(None) }), flag)
                })
                .unzip();
            for (index, link) in links.iter().enumerate() {
                let next = links[(index + 1) % links.len()];
                *link.around.borrow_mut(cx) = Some(GcWeak::new(cx, if index == 7 { links[7] } else { next }));
            }
            (flags, [6, 7].map(|index| cx.root(links[index])))
        });
        mutator.collect();
        let dropped = |index: usize| flags[index].load(SeqCst);
        assert!((0..50).all(|index| dropped(index) != [6, 7].contains(&index)));
        mutator.enter(|cx| {
            let around = |root: &Root<Link<'static>>| root.get(cx).around.borrow().expect("set").upgrade(cx);
            assert_eq!(around(&kept[0]).map(|link| number(link.token)), Some(7));
            assert_eq!(around(&kept[1]).map(|link| number(link.token)), Some(7), "its own");
        });
        let [six, seven] = kept;
        drop(seven);
        mutator.collect();
        mutator.enter(|cx| assert!(six.get(cx).around.borrow().expect("set").upgrade(cx).is_none()));
        drop(six);
        mutator.collect();
        assert!((0..50).all(dropped));
        drop(mutator);
        assert_empty(&heap);
    }
}

/// How many weak boxes there are, and were.
fn weak_boxes(heap: &Heap) -> (u64, u64) {
    let stats = heap.cell_stats();
    stats
        .iter()
        .find(|stats| stats.type_name == "(weak)")
        .map_or((0, 0), |weak| (weak.cells.objects(), weak.cells.allocated))
}

/// Goal: of thousands of weak pointers exactly those with dead targets die; targets are dropped once; and the boxes are freed. Method: a
/// random part of the targets is kept.
#[test]
fn thousands_of_weak_pointers() {
    const COUNT: usize = 6000;
    for (workers, seed) in [(0, 1), (1, 2), (2, 3)] {
        println!("seed {seed}");
        let (heap, mut random) = (heap(workers), Random::of(seed));
        let mut mutator = heap.attach();
        let (mut kept, mut flags) = (Vec::new(), Vec::new());
        let weak: Root<[GcWeak<'static, Token<'static>>]> = mutator.enter(|cx| {
            let weak = cx.alloc_slice_with(COUNT, |index| {
                let (token, flag) = token(cx, index as u64);
                flags.push(flag);
                kept.push((random.below(3) == 0).then(|| cx.root(token)));
                GcWeak::new(cx, token)
            });
            cx.root(weak)
        });
        for round in 0..4 {
            mutator.collect();
            mutator.enter(|cx| {
                for (index, weak) in weak.get(cx).iter().enumerate() {
                    let alive = weak.upgrade(cx).map(number);
                    assert_eq!(alive, kept[index].as_ref().map(|_| index as u64), "round {round}");
                    assert_eq!(flags[index].load(SeqCst), alive.is_none());
                }
            });
            kept.iter_mut().filter(|_| random.below(2) == 0).for_each(|kept| *kept = None);
        }
        assert_eq!(weak_boxes(&heap), (COUNT as u64, COUNT as u64), "boxes live as long as what holds them");
        drop((weak, kept));
        mutator.collect();
        assert!(flags.iter().all(|flag| flag.load(SeqCst)));
        assert_eq!(weak_boxes(&heap), (0, COUNT as u64));
        // Their cells are used again.
        let blocks = heap.stats().total_bytes;
        for _ in 0..20 {
            mutator.enter(|cx| {
                let token = token(cx, 1).0;
                (0..COUNT).for_each(|_| assert!(GcWeak::new(cx, token).upgrade(cx).is_some()));
            });
            mutator.collect();
        }
        assert_eq!(weak_boxes(&heap), (0, 21 * COUNT as u64));
        assert!(heap.stats().total_bytes <= blocks + (1 << 20), "{blocks} bytes before: {:?}", heap.stats());
        drop(mutator);
        assert_empty(&heap);
    }
}

// ---- upgrades while a cycle runs

/// Who upgrades, and where the token goes.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Rescue {
    /// Nowhere: it is looked at in the scope only.
    Look,
    Root,
    /// Into an object that is new, of the mutator that lags a stage behind.
    New,
}

/// What a rescue works on.
struct Wreck {
    weak: Root<GcWeak<'static, Token<'static>>>,
    place: Root<GcCell<Option<Tok<'static>>>>,
    root: Option<Root<Token<'static>>>,
    dropped: Arc<AtomicBool>,
}

impl Wreck {
    /// A token that only a weak pointer leads to.
    fn new(mutator: &mut Mutator) -> Wreck {
        mutator.enter(|cx| {
            let (token, dropped) = token(cx, 9);
            let weak = cx.root(cx.alloc(GcWeak::new(cx, token)));
            Wreck { weak, place: cx.root(cx.alloc(GcCell::new(None::<Tok<'_>>))), root: None, dropped }
        })
    }

    /// Whether the token was alive.
    fn rescue(&mut self, cx: &Scope<'_>, rescue: Rescue) -> bool {
        let Some(token) = self.weak.get(cx).upgrade(cx) else { return false };
        assert_eq!(number(token), 9);
        match rescue {
            Rescue::Look => {}
            Rescue::Root => self.root = Some(cx.root(token)),
            Rescue::New => self.place.get(cx).set(cx, Some(token)),
        }
        true
    }
}

/// Runs a cycle in which the token is rescued at a step, by the mutator ahead or the one behind. Whether it was alive then.
fn rescue_at(step: usize, is_behind: bool, rescue: Rescue) -> bool {
    let heap = Heap::builder().workers(0).gc_percent(20).build().expect("a heap");
    let mut alive = None;
    thread::scope(|scope| {
        let mut relay = Relay::new(scope, &heap);
        let [mut one, mut two] = [(); 2].map(|()| heap.attach());
        let mut wreck = Wreck::new(&mut one);
        relay.begin();
        one.enter(|c1| {
            // The first is in a scope since before the cycle; at step zero the second is armed, and the first is not.
            other::begin_cycle(&heap, &mut two);
            if step == 0 {
                alive = Some(if is_behind {
                    wreck.rescue(c1, rescue)
                } else {
                    two.enter(|c2| wreck.rescue(c2, rescue))
                });
            }
        });
        for now in 1.. {
            two.enter(|c2| {
                // The handshake that waits passes, and the next is requested: the first mutator takes it at once, the second later.
                relay.advance();
                one.enter(|c1| {
                    if now == step {
                        alive =
                            Some(if is_behind { wreck.rescue(c2, rescue) } else { wreck.rescue(c1, rescue) });
                    }
                });
            });
            if heap.stats().cycles > 0 && now >= step {
                break;
            }
            other::churn(&mut one, 8);
        }
        relay.end();
        let survives = |one: &mut Mutator, wreck: &Wreck| {
            one.enter(|cx| wreck.weak.get(cx).upgrade(cx).map(number) == Some(9))
        };
        let is_kept = alive == Some(true) && rescue != Rescue::Look;
        // The cycle is over. Who was seen alive in it is at least not freed by it; who was not never comes back.
        assert_eq!(wreck.dropped.load(SeqCst), alive == Some(false) || !survives(&mut one, &wreck));
        assert!(alive == Some(true) || !survives(&mut one, &wreck));
        for _ in 0..2 {
            heap.collect();
            assert_eq!(survives(&mut one, &wreck), is_kept, "{step}, {is_behind}, {rescue:?}");
            assert_eq!(wreck.dropped.load(SeqCst), !is_kept);
        }
    });
    assert_empty(&heap);
    alive.expect("the step came")
}

/// Goal: an upgrade in any phase of a cycle, by a mutator of any stage, gives a token that stays, or nothing, and then never
/// anything. Method: two mutators on one thread, a handshake apart, and two on others that hold the cycle up step by step.
#[test]
fn upgrades_at_each_phase_by_mutators_in_different_stages() {
    for is_behind in [false, true] {
        for rescue in [Rescue::Look, Rescue::Root, Rescue::New] {
            let alive: Vec<bool> = (0..14).map(|step| rescue_at(step, is_behind, rescue)).collect();
            assert!(alive[..3].iter().all(|&alive| alive), "alive before marking ends: {alive:?}");
            assert!(!alive[13] && alive.is_sorted_by(|one, two| one >= two), "then dead for good: {alive:?}");
        }
    }
}

/// What several mutators share: weak pointers to tokens of all of them.
type Table<'gc> = GcMutex<Vec<(u64, GcWeak<'gc, Token<'gc>>)>>;

/// What one of them keeps: tokens by number.
type Kept = Vec<(u64, Root<Token<'static>>, Arc<AtomicBool>)>;

fn play(cx: &Scope<'_>, table: &Root<Table<'static>>, kept: &mut Kept, random: &mut Random, next: &mut u64) {
    let table = table.get(cx);
    for _ in 0..random.below(6) {
        *next += 1;
        let (token, dropped) = token(cx, *next);
        let mut rows = table.lock(cx);
        let weak = (*next, GcWeak::new(cx, token));
        if rows.len() < 120 {
            rows.push(weak)
        } else {
            rows[random.below(120)] = weak
        }
        if random.below(2) == 0 {
            kept.push((*next, cx.root(token), dropped));
        }
    }
    let rows = table.lock(cx).clone();
    for _ in 0..20 {
        let Some(&(name, weak)) = rows.get(random.below(rows.len().max(1))) else { return };
        let found = weak.upgrade(cx);
        assert!(found.is_none_or(|token| number(token) == name), "a weak pointer leads elsewhere");
        let is_mine = kept.iter().any(|(number, ..)| *number == name);
        assert!(found.is_some() || !is_mine, "token {name} is kept");
        if let Some(token) = found
            && random.below(20) == 0
        {
            kept.push((name, cx.root(token), Arc::clone(&token.flag.0.0)));
        }
    }
}

/// Goal: no upgrade gives what is dead, and what is kept is never refused, while cycles run all the time. Method: seeded threads with
/// tokens of their own and of each other, each of which knows what it keeps.
#[test]
fn upgrades_by_several_threads_agree_with_what_they_keep() {
    const THREADS: u64 = 3;
    for (workers, verify) in [(0, false), (1, false), (2, false), (1, true)] {
        let heap = Heap::builder().workers(workers).gc_percent(2).verify(verify).build().expect("a heap");
        let table: Root<Table<'static>> = heap.attach().enter(|cx| {
            let rows: Vec<(u64, GcWeak<'_, Token<'_>>)> = Vec::new();
            cx.root(cx.alloc(GcMutex::new(rows)))
        });
        thread::scope(|scope| {
            for seed in 1..=THREADS {
                let (heap, table) = (&heap, &table);
                scope.spawn(move || {
                    let (mut mutator, mut random) = (heap.attach(), Random::of(seed));
                    let (mut kept, mut next) = (Kept::new(), seed << 32);
                    for round in 0..400 {
                        mutator.enter(|cx| play(cx, table, &mut kept, &mut random, &mut next));
                        assert!(
                            kept.iter().all(|(.., dropped)| !dropped.load(SeqCst)),
                            "seed {seed}, round {round}"
                        );
                        kept.retain(|_| random.below(5) != 0);
                    }
                });
            }
            scope.spawn(|| (0..40).for_each(|_| heap.collect()));
        });
        heap.collect();
        heap.attach().enter(|cx| {
            let table = table.get(cx);
            let rows = table.lock(cx);
            assert!(!rows.is_empty() && rows.iter().all(|(_, weak)| weak.upgrade(cx).is_none()));
        });
        assert_eq!(heap.verify_report().violations, Vec::<String>::new());
        drop(table);
        assert_empty(&heap);
    }
}

// ---- errors

/// Goal: a full heap gives the target back, nothing has happened, and there is room again later. Method: weak pointers until there is no
/// cell for one.
#[test]
fn a_full_heap_gives_the_target_back() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).max_heap(1 << 20).build().expect("a heap");
        let mut mutator = heap.attach();
        for _ in 0..2 {
            mutator.enter(|cx| {
                let token = token(cx, 3).0;
                let error = loop {
                    if let Err(error) = GcWeak::try_new(cx, token) {
                        break error;
                    }
                };
                assert_eq!((error.full.cause, error.full.bytes), (FullCause::Limit, 16));
                assert!(Gc::ptr_eq(error.value, token) && number(error.value) == 3);
                assert!(error.to_string().contains("max_heap"), "{error}");
            });
            mutator.collect();
        }
        mutator.enter(|cx| assert!(GcWeak::try_new(cx, cx.alloc(1_u64)).is_ok()));
        drop(mutator);
        assert_empty(&heap);
    }
}

#[derive(Trace)]
struct Mined<'gc> {
    before: GcWeak<'gc, Token<'gc>>,
    fuse: Fuse<'gc>,
    behind: GcWeak<'gc, Token<'gc>>,
}

/// Goal: a cycle that is given up clears no weak pointer. Method: tracers that panic at each call in turn, between weak pointers to what is
/// kept and to what is dead.
#[test]
fn aborted_cycles_clear_no_weak_pointer() {
    const MINES: usize = 6;
    for workers in 0..3 {
        let heap = heap(workers);
        let left = Arc::new(AtomicUsize::new(0));
        let mut mutator = heap.attach();
        let (kept, mines): (Root<Token<'static>>, Root<[Gc<'static, Mined<'static>>]>) =
            mutator.enter(|cx| {
                let kept = token(cx, 100).0;
                let mines = cx.alloc_slice_with(MINES, |index| {
                    let before = GcWeak::new(cx, token(cx, index as u64).0);
                    cx.alloc(Mined { before, fuse: Fuse::new(&left), behind: GcWeak::new(cx, kept) })
                });
                (cx.root(kept), cx.root(mines))
            });
        let upgraded = |mutator: &mut Mutator| {
            mutator.enter(|cx| {
                let mines = mines.get(cx);
                let both = mines.iter().map(|mine| [mine.before, mine.behind]);
                both.map(|both| both.map(|weak| weak.upgrade(cx).map(number))).collect::<Vec<_>>()
            })
        };
        for at in 1..=MINES {
            left.store(at, SeqCst);
            heap.collect();
            assert_eq!(heap.stats().aborted_cycles, at as u64);
            let all = (0..MINES as u64).map(|number| [Some(number), Some(100)]);
            assert!(upgraded(&mut mutator).into_iter().eq(all), "the fuse blew at {at}");
        }
        left.store(0, SeqCst);
        heap.collect();
        assert_eq!(upgraded(&mut mutator), vec![[None, Some(100)]; MINES]);
        drop(kept);
        heap.collect();
        assert_eq!(upgraded(&mut mutator), vec![[None; 2]; MINES]);
        drop((mines, mutator));
        assert_empty(&heap);
    }
}

/// Goal: a weak root keeps nothing but its heap alive. Method: one with its object and after it, in scopes of several mutators, cloned, on another
/// thread, and as the last thing of its heap.
#[test]
fn a_weak_root_keeps_nothing_alive() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).verify(true).build().expect("a heap");
        let mut mutator = heap.attach();
        let (root, weak): (mudlark::Root<u64>, mudlark::WeakRoot<u64>) = mutator.enter(|cx| {
            let number = cx.alloc(7_u64);
            (cx.root(number), mudlark::WeakRoot::new(cx, number))
        });
        let twin = std::thread::scope(|threads| threads.spawn(|| weak.clone()).join().expect("it is cloned"));
        heap.collect();
        for weak in [&weak, &twin] {
            assert_eq!(heap.attach().enter(|cx| weak.upgrade(cx).as_deref().copied()), Some(7));
        }
        drop(root);
        heap.collect();
        assert!(mutator.enter(|cx| weak.upgrade(cx).is_none() && twin.upgrade(cx).is_none()));
        assert!(heap.verify_report().violations.is_empty(), "{:#?}", heap.verify_report());
        drop((mutator, heap, twin));
        drop(weak);
    }
}
