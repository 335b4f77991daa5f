//! Promises that were broken once: the smallest program that showed each, so that it stays mended.
//!
//! Where the order of steps matters, heaps have no background threads: then cycles advance only where the test's own threads
//! allocate or leave scopes, and every run is the same.

#[path = "support/other.rs"]
mod other;
#[path = "support/random.rs"]
mod random;

use mudlark::{Gc, GcCell, GcRefCell, Heap, Mutator, Root, Scope, Trace, trace::Static};
use other::Other;
use random::Random;
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::channel,
    },
    thread,
};

const MAGIC: u64 = 0x5AFE_C0DE_5AFE_C0DE;

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).build().expect("a heap")
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Allocates garbage in scopes of `mutator` until a cycle begins by itself, at the end of the last of them. For heaps
/// without background threads.
fn begin_cycle(heap: &Heap, mutator: &mut Mutator) {
    let mut has_begun = false;
    while !has_begun {
        mutator.enter(|cx| {
            cx.alloc_slice_fill(8 << 10, 0_u64);
            let stats = heap.stats();
            has_begun = stats.live_now_bytes >= stats.trigger_bytes;
        });
    }
    assert_eq!(heap.stats().cycles, 0, "the cycle waits for somebody");
}

/// Allocates garbage in scopes of `mutator` until the first cycle is complete. For heaps without background threads.
fn end_cycle(heap: &Heap, mutator: &mut Mutator) {
    for _ in 0..1000 {
        if heap.stats().cycles > 0 {
            return;
        }
        mutator.enter(|cx| _ = cx.alloc_slice_fill(2 << 10, 0_u64));
    }
    panic!("the cycle does not end: {:?}", heap.stats());
}

/// A node of the shared graph.
#[derive(Trace)]
struct Node<'gc> {
    magic: u64,
    owned: Static<Owned>,
    one: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    two: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

/// Spoils its number when it is dropped.
struct Owned(Box<u64>, Arc<AtomicUsize>);

impl Drop for Owned {
    fn drop(&mut self) {
        assert_eq!(*self.0, MAGIC, "an object was dropped twice");
        *self.0 = 0xDEAD;
        self.1.fetch_sub(1, SeqCst);
    }
}

/// A list of nodes, each of which knows the one before it.
fn list(cx: &Scope<'_>, random: &mut Random, alive: &Arc<AtomicUsize>) -> Root<Node<'static>> {
    let mut last = None;
    for _ in 0..random.below(300) + 1 {
        alive.fetch_add(1, SeqCst);
        last = Some(cx.alloc(Node {
            magic: MAGIC,
            owned: Static(Owned(Box::new(MAGIC), Arc::clone(alive))),
            one: GcCell::new(if random.below(8) == 0 { None } else { last }),
            two: GcCell::new(None),
        }));
    }
    cx.root(last.expect("at least one node"))
}

/// Walks from root to root and exchanges edges between what it finds.
fn exchange(cx: &Scope<'_>, roots: &[Root<Node<'static>>], random: &mut Random) {
    for _ in 0..20 {
        let [from, to] = [(); 2].map(|()| roots[random.below(roots.len())].get(cx));
        let mut at = from;
        for _ in 0..200 {
            assert!(at.magic == MAGIC && *at.owned.0.0 == MAGIC, "an object in use is gone");
            let next = if random.below(2) == 0 { at.one.get() } else { at.two.get().or(at.one.get()) };
            let Some(next) = next else { break };
            at = next;
        }
        if random.below(3) == 0 {
            at.two.set(cx, from.one.get());
            from.one.set(cx, to.two.get());
        } else {
            from.one.set(cx, None);
            to.two.set(cx, Some(at));
        }
        if random.below(10) == 0 {
            roots[random.below(roots.len())].set(cx, at);
        }
    }
}

/// Goal: a root may be dropped by a thread that is no mutator, at any moment of a cycle, and no object that is reached in
/// another way is lost. Method: seeded threads that make lists, tie them together through a table of roots, and send
/// what the table has too many of each to a thread that does nothing but drop it; cycles run all the time.
#[test]
fn roots_dropped_by_other_threads_lose_no_object() {
    const THREADS: u64 = 3;
    const ROUNDS: usize = 800;
    for workers in [1, 2] {
        let heap = Heap::builder().workers(workers).gc_percent(20).build().expect("a heap");
        let (alive, table) = (Arc::new(AtomicUsize::new(0)), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for seed in 1..=THREADS {
                let (heap, alive, table) = (&heap, &alive, &table);
                let (bin, unwanted) = channel::<Root<Node<'static>>>();
                scope.spawn(|| unwanted.into_iter().for_each(drop));
                scope.spawn(move || {
                    let mut random = Random::of(seed);
                    let mut mutator = heap.attach();
                    for round in 0..ROUNDS {
                        if random.below(30) == 0 {
                            mutator = heap.attach();
                        }
                        let root = mutator.enter(|cx| list(cx, &mut random, alive));
                        let mut roots = table.lock().unwrap_or_else(|_| panic!("seed {seed}, round {round}"));
                        roots.push(root);
                        while roots.len() > 40 {
                            let index = random.below(roots.len());
                            bin.send(roots.swap_remove(index)).expect("the other thread waits for roots");
                        }
                        mutator.enter(|cx| exchange(cx, &roots, &mut random));
                        mutator.enter(|cx| {
                            for root in roots.iter() {
                                bin.send(cx.root(root.get(cx))).expect("the other thread waits for roots");
                            }
                        });
                    }
                });
            }
            scope.spawn(|| (0..300).for_each(|_| heap.collect()));
        });
        drop(table);
        heap.collect();
        assert_eq!((heap.stats().roots, alive.load(SeqCst)), (0, 0));
        heap.recount().expect("the counters are exact");
    }
}

#[derive(Trace)]
struct Victim<'gc> {
    counted: Static<Counted>,
    magic: u64,
    next: GcCell<Option<Gc<'gc, Victim<'gc>>>>,
}

fn victim<'gc>(cx: &Scope<'gc>, dropped: &Arc<AtomicUsize>, magic: u64) -> Gc<'gc, Victim<'gc>> {
    let counted = Static(Counted(Arc::clone(dropped)));
    cx.alloc(Victim { counted, magic, next: GcCell::new(None) })
}

type Place<'gc> = GcCell<Option<Gc<'gc, Victim<'gc>>>>;

/// Places for the victim.
struct Places {
    first: Root<Place<'static>>,
    list: Root<GcRefCell<Vec<Gc<'static, Victim<'static>>>>>,
    nested: Root<GcRefCell<Place<'static>>>,
    last: Root<GcCell<Option<Gc<'static, Place<'static>>>>>,
}

impl Places {
    /// The victim is in the first.
    fn new(cx: &Scope<'_>, dropped: &Arc<AtomicUsize>) -> Places {
        let victim = victim(cx, dropped, MAGIC);
        Places {
            first: cx.root(cx.alloc(GcCell::new(Some(victim)))),
            list: cx.root(cx.alloc(GcRefCell::new(Vec::<Gc<'_, Victim<'_>>>::new()))),
            nested: cx.root(cx.alloc(GcRefCell::new(GcCell::new(None::<Gc<'_, Victim<'_>>>)))),
            last: cx.root(cx.alloc(GcCell::new(None::<Gc<'_, Place<'_>>>))),
        }
    }
}

/// Goal: a `GcRefCell` that mutators in different stages of a cycle borrow hides no object. Method: two mutators nested on
/// one thread, two more that hold the handshakes up from other threads, and an object that moves from cell to cell
/// just behind the stages of each mutator.
#[test]
fn mutators_in_different_stages_lose_no_object_in_a_ref_cell() {
    let (heap, dropped) = (heap(0), Arc::new(AtomicUsize::new(0)));
    let (mut one, mut two) = (heap.attach(), heap.attach());
    thread::scope(|scope| {
        let [third, fourth] = [(); 2].map(|()| Other::new(scope, &heap));
        let places = one.enter(|cx| Places::new(cx, &dropped));
        third.toggle();
        one.enter(|c1| {
            // The second and the fourth are armed, the first and the third are not.
            begin_cycle(&heap, &mut two);
            two.enter(|c2| {
                let victim = places.first.get(c2).get().expect("the victim is in the first place");
                places.list.get(c2).borrow_mut(c2).push(victim);
            });
            places.first.get(c1).set(c1, None);
        });
        fourth.toggle();
        two.enter(|c2| {
            // The third leaves: all are armed, and the first passes the next handshake at once.
            third.toggle();
            one.enter(|c1| drop(places.nested.get(c1).borrow_mut(c1)));
            let victim = places.list.get(c2).borrow()[0];
            places.nested.get(c2).borrow().set(c2, Some(victim));
            places.list.get(c2).borrow_mut(c2).clear();
        });
        two.enter(|c2| {
            // The fourth leaves: the first closes the window at once, the second later.
            fourth.toggle();
            one.enter(|c1| {
                let victim = places.nested.get(c1).borrow().get();
                places.last.get(c1).set(c1, Some(c1.alloc(GcCell::new(victim))));
            });
            *places.nested.get(c2).borrow_mut(c2) = GcCell::new(None);
        });
        end_cycle(&heap, &mut one);
        one.enter(|c1| {
            // What is free is used again.
            let other = Arc::new(AtomicUsize::new(0));
            for _ in 0..3000 {
                victim(c1, &other, 0);
            }
            let place = places.last.get(c1).get().expect("the last place was made");
            let victim = place.get().expect("the victim is in it");
            assert_eq!((dropped.load(SeqCst), victim.magic), (0, MAGIC), "the victim is gone");
            assert!(victim.next.get().is_none() && Arc::ptr_eq(&victim.counted.0.0, &dropped));
        });
    });
}

/// Goal: with a GC percent of 0 the program makes progress, and the heap ends. Method: short scopes with 0 and 1
/// background threads, of which nothing survives, so that a cycle waits for nobody; then with something that does.
#[test]
fn a_heap_with_zero_percent_makes_progress_and_ends() {
    for (workers, survives) in [(0, false), (1, false), (0, true), (1, true)] {
        let heap = Heap::builder().workers(workers).gc_percent(0).build().expect("a heap");
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut mutator = heap.attach();
        let kept =
            survives.then(|| mutator.enter(|cx| cx.root(cx.alloc(Static(Counted(Arc::clone(&dropped)))))));
        for round in 0..200_u64 {
            let sum =
                mutator.enter(|cx| (0..20).map(|number| cx.alloc([number + round; 60])[7]).sum::<u64>());
            assert_eq!(sum, 190 + 20 * round);
        }
        assert_eq!(dropped.load(SeqCst), 0);
        drop((kept, mutator, heap));
        assert_eq!(dropped.load(SeqCst), usize::from(survives), "the heap ended");
    }
}

/// Goal: a heap near its limit in which nothing is allocated runs no cycles but those that are asked for. Method: fill it
/// with one slice; cycles of a second heap measure the time; count.
#[test]
fn an_idle_heap_near_its_limit_runs_no_cycles() {
    const MAX_HEAP: usize = 8 << 20;
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).max_heap(MAX_HEAP).build().expect("a heap");
        let clock = self::heap(1);
        let mut mutator = heap.attach();
        let slice = vec![7_u64; MAX_HEAP / 8 / 1000 * 948];
        let root = mutator.enter(|cx| cx.root(cx.alloc_slice_copy(&slice)));
        heap.collect();
        heap.collect();
        let before = heap.stats();
        for _ in 0..200 {
            clock.collect();
            mutator.enter(|cx| assert_eq!(root.get(cx)[1], 7));
        }
        let cycles = heap.stats().cycles - before.cycles;
        assert!(cycles <= 1, "{cycles} cycles in an idle heap: {before:?}");
        heap.collect();
        heap.collect();
        let cycles = heap.stats().cycles - before.cycles;
        assert!((2..=4).contains(&cycles), "{cycles} cycles where two were asked for");
    }
}

/// What a panic carries: it panics again.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "a payload panics, as planned");
    }
}

/// Its drop glue panics with a bomb.
struct Bomber(Arc<AtomicUsize>);

impl Drop for Bomber {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        panic_any(Bomb)
    }
}

/// Goal: the payload of a panic in drop glue may panic too, whoever sweeps: cycles end, and the heap is usable and ends.
/// Method: such objects, small and large, swept in `collect` with and without background threads, in a mutator's
/// allocations and scopes, and at the end of the heap.
#[test]
fn payloads_that_panic_when_dropped_are_contained() {
    const BOMBERS: usize = 6;
    for workers in [0, 1] {
        let (heap, dropped) = (heap(workers), Arc::new(AtomicUsize::new(0)));
        let mut mutator = heap.attach();
        let make = |mutator: &mut Mutator| {
            mutator.enter(|cx| {
                for number in 0..BOMBERS {
                    let bomber = Static(Bomber(Arc::clone(&dropped)));
                    if number % 3 == 0 { _ = cx.alloc((bomber, [0_u8; 9000])) } else { _ = cx.alloc(bomber) }
                }
            });
        };
        make(&mut mutator);
        heap.collect();
        assert_eq!(dropped.load(SeqCst), BOMBERS);
        make(&mut mutator);
        // No `collect`: without background threads the mutator is the one that sweeps.
        for _ in 0..10_000 {
            if dropped.load(SeqCst) == 2 * BOMBERS {
                break;
            }
            mutator.enter(|cx| assert_eq!(cx.alloc_slice_fill(8 << 10, 7_u64)[1], 7));
        }
        assert_eq!(dropped.load(SeqCst), 2 * BOMBERS);
        heap.collect();
        heap.recount().expect("the counters are exact");
        make(&mut mutator);
        drop((mutator, heap));
        assert_eq!(dropped.load(SeqCst), 3 * BOMBERS);
    }
}

/// Goal: elements without a size take no time to mark, however many there are. Method: a rooted slice of as many as can be
/// counted, of a type that is traced.
#[test]
fn a_slice_of_countless_empty_elements_is_marked_at_once() {
    for workers in [0, 1] {
        let heap = heap(workers);
        let mut mutator = heap.attach();
        let root: Root<[[Gc<'static, u64>; 0]]> = mutator.enter(|cx| {
            let elements: &[[Gc<'_, u64>; 0]] = &[[]; usize::MAX];
            cx.root(cx.alloc_slice_copy(elements))
        });
        heap.collect();
        assert_eq!(mutator.enter(|cx| root.get(cx).len()), usize::MAX);
        drop(root);
        heap.collect();
        assert_eq!(heap.stats().live_bytes, 0);
    }
}

/// Goal: a large object that is born between the first handshakes of a cycle counts once. Method: one mutator in a scope
/// holds the cycle up, another, already armed, allocates what is most of the heap.
#[test]
fn a_large_object_born_at_the_beginning_of_a_cycle_counts_once() {
    const BYTES: usize = 32 << 20;
    let heap = heap(0);
    let (mut one, mut two) = (heap.attach(), heap.attach());
    let values = vec![7_u64; BYTES / 8];
    let root = one.enter(|_| {
        begin_cycle(&heap, &mut two);
        two.enter(|cx| cx.root(cx.alloc_slice_copy(&values)))
    });
    end_cycle(&heap, &mut one);
    let live = heap.stats().live_bytes as usize;
    assert!((BYTES..BYTES / 2 * 3).contains(&live), "{live} bytes live, of {BYTES} in use");
    assert_eq!(one.enter(|cx| root.get(cx).len()), BYTES / 8);
}

thread_local! {
    /// Drop glue that is running on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Owns a mutator, and enters it when it is dropped.
struct Reentrant {
    mutator: Mutator,
    depth_max: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() + 1);
        self.depth_max.fetch_max(DEPTH.get(), SeqCst);
        let mutator = &mut self.mutator;
        // Whether it may is not the question here.
        let _ =
            catch_unwind(AssertUnwindSafe(|| mutator.enter(|cx| _ = cx.alloc_slice_fill(8 << 10, 0_u64))));
        DEPTH.set(DEPTH.get() - 1);
        self.dropped.fetch_add(1, SeqCst);
    }
}

/// Goal: drop glue that enters a mutator of its own heap does not run other drop glue inside. Method: many objects that do
/// so, in a heap whose mutators sweep; how deep they nest.
#[test]
fn drop_glue_that_enters_a_mutator_does_not_recurse() {
    const OBJECTS: usize = 150;
    let heap = heap(0);
    let [dropped, depth_max] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let mut mutator = heap.attach();
    for _ in 0..OBJECTS {
        let [depth_max, dropped] = [&depth_max, &dropped].map(Arc::clone);
        let object = Reentrant { mutator: heap.attach(), depth_max, dropped };
        // Each in blocks of its own: a sweep inside of a sweep finds the next one.
        mutator.enter(|cx| _ = cx.alloc((Static(object), [0_u8; 20_000])));
    }
    for _ in 0..10_000 {
        if dropped.load(SeqCst) == OBJECTS {
            break;
        }
        mutator.enter(|cx| assert_eq!(cx.alloc_slice_fill(8 << 10, 7_u64)[1], 7));
    }
    assert_eq!((dropped.load(SeqCst), depth_max.load(SeqCst)), (OBJECTS, 1));
    heap.collect();
    drop(mutator);
    heap.recount().expect("the counters are exact");
}
