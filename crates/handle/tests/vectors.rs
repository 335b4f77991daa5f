//! Promises of vectors: they do what `Vec` does, lose nothing to a collector that marks beside them, and their storage counts.

#[path = "support/items.rs"]
mod items;
#[path = "support/random.rs"]
mod random;

use items::{Alive, It, assert_sound, item, number, panics, zealous};
use mudlark::{
    DynTrace, Gc, GcCell, GcMutex, GcRefCell, GcVec, Heap, Mutator, Root, Scope, Static, Trace, dyn_object,
};
use random::Random;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

/// Elements of more than one word, with and without pointers, which a torn read would mix up.
#[derive(Clone, Copy, Trace)]
enum Wide<'gc> {
    Number(u64, u64),
    Item(u64, It<'gc>),
}

impl<'gc> Wide<'gc> {
    fn of(item: It<'gc>) -> Wide<'gc> {
        if item.number.is_multiple_of(3) {
            Wide::Number(item.number, !item.number)
        } else {
            Wide::Item(item.number, item)
        }
    }

    fn number(self) -> u64 {
        match self {
            Wide::Number(number, check) => {
                assert_eq!(number, !check, "a torn element");
                number
            }
            Wide::Item(expected, item) => {
                assert_eq!(expected, number(item));
                expected
            }
        }
    }
}

#[derive(Trace)]
struct Lists<'gc> {
    words: GcVec<It<'gc>>,
    /// A field behind another one, and of elements that are not words.
    wide: GcVec<Wide<'gc>>,
    plain: GcVec<u64>,
    /// What is the only way to an element that was taken out.
    aside: GcCell<Option<It<'gc>>>,
}

/// A program of random operations on three vectors with the same numbers, and on `std`'s.
struct Program {
    random: Random,
    next: u64,
    alive: Arc<AtomicUsize>,
    model: Vec<u64>,
    /// Lengths stay around it.
    len: usize,
}

impl Program {
    fn step<'gc>(&mut self, cx: &Scope<'gc>, lists: &Lists<'gc>) {
        let Lists { words, wide, plain, aside } = lists;
        let len = self.model.len();
        let grows = self.random.below(2 * self.len) > len;
        let at = self.random.below(len.max(1));
        self.next += 1;
        let made = item(cx, self.next, &self.alive);
        match self.random.below(if len == 0 { 3 } else { 14 }) {
            0..3 => self.push(cx, lists, made),
            3..5 if grows => self.push(cx, lists, made),
            3..5 => {
                let last = words.pop(cx).expect("there is one");
                aside.set(cx, Some(last));
                assert_eq!(self.model.pop(), Some(number(last)));
                assert_eq!(wide.pop(cx).map(Wide::number), Some(last.number));
                assert_eq!(plain.pop(cx), Some(last.number));
            }
            5 => {
                let old = words.replace(cx, at, made);
                assert_eq!(std::mem::replace(&mut self.model[at], self.next), number(old));
                assert_eq!(wide.replace(cx, at, Wide::of(made)).number(), old.number);
                plain.set(cx, at, self.next);
            }
            6 => {
                let old = words.swap_remove(cx, at);
                aside.set(cx, Some(old));
                assert_eq!(self.model.swap_remove(at), number(old));
                assert_eq!(wide.swap_remove(cx, at).number(), old.number);
                assert_eq!(plain.swap_remove(cx, at), old.number);
            }
            7 => {
                let other = self.random.below(len);
                self.model.swap(at, other);
                words.swap(cx, at, other);
                wide.swap(cx, at, other);
                plain.swap(cx, at, other);
            }
            op => self.rearrange(cx, lists, (op, at), made),
        }
        assert_eq!([words.len(), wide.len(), plain.len()], [self.model.len(); 3]);
    }

    /// The operations that move many elements.
    fn rearrange<'gc>(
        &mut self,
        cx: &Scope<'gc>,
        lists: &Lists<'gc>,
        (op, at): (usize, usize),
        made: It<'gc>,
    ) {
        let (Lists { words, wide, plain, .. }, len) = (lists, self.model.len());
        match op {
            8 => {
                self.model.insert(at, self.next);
                words.insert(cx, at, made);
                wide.insert(cx, at, Wide::of(made));
                plain.insert(cx, at, self.next);
            }
            9 => {
                let old = words.remove(cx, at);
                assert_eq!(self.model.remove(at), number(old));
                assert_eq!(wide.remove(cx, at).number(), old.number);
                assert_eq!(plain.remove(cx, at), old.number);
            }
            10 => {
                let len = len - self.random.below(4).min(len);
                self.model.truncate(len);
                words.truncate(cx, len);
                wide.truncate(cx, len);
                plain.truncate(cx, len);
            }
            11 => {
                // The first half comes to the end again: copies of pointers that are taken from places below.
                let half: Vec<_> = words.iter().take(at.min(8)).collect();
                self.model.extend(half.iter().map(|item| item.number));
                words.extend_from_slice(cx, &half);
                wide.extend(cx, half.iter().map(|&item| Wide::of(item)));
                plain.extend(cx, half.iter().map(|item| item.number));
            }
            12 => {
                let keep = |number: u64| number % 16 != at as u64 % 16;
                self.model.retain(|&number| keep(number));
                words.retain(cx, |item| keep(number(*item)));
                wide.retain(cx, |wide| keep(wide.number()));
                plain.retain(cx, |&number| keep(number));
            }
            _ => {
                self.model.rotate_left(at);
                words.borrow_mut(cx).rotate_left(at);
                wide.borrow_mut(cx).rotate_left(at);
                plain.borrow_mut(cx).rotate_left(at);
                words.shrink_to_fit(cx);
            }
        }
    }

    fn push<'gc>(&mut self, cx: &Scope<'gc>, lists: &Lists<'gc>, made: It<'gc>) {
        self.model.push(self.next);
        lists.words.push(cx, made);
        lists.wide.push(cx, Wide::of(made));
        lists.plain.push(cx, self.next);
    }

    fn check(&self, lists: &Lists<'_>) {
        assert!(lists.words.iter().map(number).eq(self.model.iter().copied()), "words differ");
        assert!(lists.wide.iter().map(Wide::number).eq(self.model.iter().copied()), "wide elements differ");
        assert_eq!(lists.plain.borrow()[..], self.model[..], "numbers differ");
    }

    fn run(seed: u64, len: usize, allocations: u32, workers: usize) {
        println!("seed {seed}, {len} elements, a cycle every {allocations} allocations, {workers} workers");
        let heap = zealous(seed, allocations, workers);
        let alive = Arc::new(AtomicUsize::new(0));
        let mut program =
            Program { random: Random::of(seed), next: 0, alive: Arc::clone(&alive), model: Vec::new(), len };
        let mut mutator = heap.attach();
        let lists: Root<Lists<'static>> = mutator.enter(|cx| {
            let (words, wide) = (GcVec::new(), GcVec::new());
            cx.root(cx.alloc(Lists { words, wide, plain: GcVec::new(), aside: GcCell::new(None) }))
        });
        for round in 0..120 {
            mutator.enter(|cx| {
                let lists = lists.get(cx);
                (0..program.random.below(40)).for_each(|_| program.step(cx, &lists));
                if round % 8 == 0 {
                    program.check(&lists);
                }
            });
        }
        mutator.enter(|cx| program.check(&lists.get(cx)));
        heap.collect();
        heap.collect();
        let (held, stats) = (alive.load(SeqCst), heap.stats());
        assert!(held <= program.model.len() + 1, "{held} items are alive, of {}", program.model.len());
        let bytes = mutator.enter(|cx| {
            let lists = lists.get(cx);
            lists.words.capacity() * 8 + lists.wide.capacity() * 24 + lists.plain.capacity() * 8
        });
        assert_eq!(stats.external_bytes, bytes as u64, "the account is exact");
        drop(lists);
        assert_sound(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// Goal: vectors agree with `Vec` and lose nothing, whatever a marker does at the time. Method: random operations on vectors of words,
/// of wide elements and of numbers, in heaps that collect all the time and check each cycle; short ones, which are shaded as a whole, and long ones, which are
/// marked in pieces.
#[test]
fn random_programs_on_vectors_agree_with_the_model() {
    let mut seed = 0;
    for len in [6, 60, 1500] {
        for allocations in [1, 7, 100] {
            for workers in [0, 1] {
                seed += 1;
                Program::run(seed, len, allocations, workers);
            }
        }
    }
}

/// Goal: a marker loses no element that moves from a place it has not seen to one it has. Method: operations on a long vector that move its last
/// elements to the front, between the pieces that safepoints mark, and beside a thread that marks.
#[test]
fn elements_that_move_while_they_are_marked_survive() {
    for workers in [0, 1] {
        move_while_marked(workers);
    }
}

fn move_while_marked(workers: usize) {
    const LEN: usize = 20_000;
    let heap = Heap::builder().workers(workers).verify(true).gc_percent(1).build().expect("a heap");
    let alive = Arc::new(AtomicUsize::new(0));
    let mut mutator = heap.attach();
    let root: Root<GcVec<It<'static>>> = mutator.enter(|cx| {
        let list = cx.alloc(GcVec::new());
        (0..LEN as u64).for_each(|number| list.push(cx, item(cx, number, &alive)));
        cx.root(list)
    });
    let mut random = Random::of(9);
    for round in 0..300 {
        mutator.enter(|cx| {
            let list = root.get(cx);
            cx.alloc_slice_fill(4096, round);
            for _ in 0..100 {
                let (low, high) = (random.below(LEN / 2), LEN / 2 + random.below(LEN / 2));
                match round % 5 {
                    0 => list.swap(cx, low, high),
                    1 => {
                        // The last one comes to the front, and what was there to the end.
                        let taken = list.swap_remove(cx, low);
                        list.push(cx, taken);
                    }
                    2 => {
                        // The only pointer to it is this one, meanwhile.
                        let taken = list.pop(cx).expect("it is long");
                        let put = list.replace(cx, low, taken);
                        list.push(cx, put);
                    }
                    3 => {
                        let last: Vec<_> = list.borrow()[LEN - 3..].to_vec();
                        list.truncate(cx, LEN - 3);
                        let put = [0, 1, 2].map(|n| list.replace(cx, low + n, last[n]));
                        list.extend_from_slice(cx, &put);
                    }
                    _ => list.set(cx, high, item(cx, round, &alive)),
                }
            }
            list.iter().step_by(97).for_each(|item| assert_eq!(*item.text, item.number.to_string()));
        });
    }
    mutator.enter(|cx| root.get(cx).iter().for_each(|item| _ = number(item)));
    assert!(heap.stats().cycles > 3, "it was to be marked: {} cycles", heap.stats().cycles);
    assert_eq!(heap.verify_report().violations, Vec::<String>::new());
    drop(root);
    assert_sound(&heap);
    assert_eq!(alive.load(SeqCst), 0);
}

trait Shelf<'gc>: DynTrace<'gc> {
    fn items(&self) -> &GcVec<It<'gc>>;
}
dyn_object!(for<'gc> dyn Shelf<'gc>);

#[derive(Trace)]
struct Plain<'gc>(GcVec<It<'gc>>);

impl<'gc> Shelf<'gc> for Plain<'gc> {
    fn items(&self) -> &GcVec<It<'gc>> {
        &self.0
    }
}

/// Goal: a vector is marked to its end wherever its object has it. Method: a long one behind a trait in a box, one behind a short one in the same object, and one
/// in a slice; each element is looked at after some cycles.
#[test]
fn long_vectors_are_marked_wherever_they_are() {
    #[derive(Trace)]
    struct Rack<'gc> {
        boxed: Box<dyn Shelf<'gc> + 'gc>,
        short: GcVec<It<'gc>>,
        long: GcVec<It<'gc>>,
        row: Gc<'gc, [GcVec<It<'gc>>]>,
    }
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).verify(true).gc_percent(1).build().expect("a heap");
        let alive = Arc::new(AtomicUsize::new(0));
        let mut mutator = heap.attach();
        let rack: Root<Rack<'static>> = mutator.enter(|cx| {
            let made = |len: u64| GcVec::from_iter_in(cx, (0..len).map(|n| item(cx, n, &alive)));
            let row = cx.alloc_slice_with(40, |n| made(if n % 16 == 3 { 3000 } else { 2 }));
            let boxed = Box::new(Plain(made(5000)));
            cx.root(cx.alloc(Rack { boxed, short: made(3), long: made(4000), row }))
        });
        for round in 0..250 {
            // At least these, however slow the thread is.
            if round % 50 == 49 {
                mutator.collect();
            }
            mutator.enter(|cx| {
                let rack = rack.get(cx);
                cx.alloc_slice_fill(4096, round);
                for list in [rack.boxed.items(), &rack.long, &rack.row[3], &rack.row[35]] {
                    let last = list.pop(cx).expect("it is long");
                    let put = list.replace(cx, round % 100, last);
                    list.push(cx, put);
                }
            });
            if round % 60 == 0 {
                mutator.collect();
            }
        }
        mutator.enter(|cx| {
            let rack = rack.get(cx);
            let lists = [rack.boxed.items(), &rack.short, &rack.long].into_iter().chain(rack.row.iter());
            let count = lists.flat_map(|list| list.iter()).map(number).count();
            assert_eq!(count, 5000 + 3 + 4000 + 3 * 3000 + 37 * 2);
            assert_eq!(alive.load(SeqCst), count);
        });
        assert!(heap.stats().cycles > 3, "{} cycles", heap.stats().cycles);
        assert_eq!(heap.verify_report().violations, Vec::<String>::new());
        drop(rack);
        assert_sound(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// Goal: threads share a vector in a mutex. Method: two mutators push and pop, under zeal.
#[test]
fn two_threads_share_a_vector_in_a_mutex() {
    for (seed, workers) in [(1, 0), (2, 1)] {
        let heap = zealous(seed, 20, workers);
        let alive = Arc::new(AtomicUsize::new(0));
        let root: Root<GcMutex<GcVec<It<'static>>>> =
            heap.attach().enter(|cx| cx.root(cx.alloc(GcMutex::new(GcVec::<It<'_>>::new()))));
        thread::scope(|threads| {
            for part in 0..2 {
                let (heap, root, alive) = (&heap, &root, &alive);
                threads.spawn(move || {
                    let mut mutator = heap.attach();
                    let mut random = Random::of(seed * 2 + part);
                    for round in 0..150 {
                        mutator.enter(|cx| {
                            let list = root.get(cx);
                            let list = list.lock(cx);
                            (0..random.below(4)).for_each(|_| list.push(cx, item(cx, round, alive)));
                            (0..random.below(4)).for_each(|_| _ = list.pop(cx).map(number));
                            list.iter().for_each(|item| _ = number(item));
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

/// Goal: a vector is gone with its elements, and its bytes with it. Method: elements with drop glue, popped, truncated, overwritten, cleared and left.
#[test]
fn elements_are_dropped_once() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let alive = Arc::new(AtomicUsize::new(0));
    let made = |_| {
        alive.fetch_add(1, SeqCst);
        Static(Alive(Arc::clone(&alive)))
    };
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let list = cx.alloc(GcVec::from_iter_in(cx, (0..100).map(made)));
        assert_eq!(alive.load(SeqCst), 100);
        drop(list.pop(cx));
        list.truncate(cx, 90);
        assert_eq!(alive.load(SeqCst), 90);
        list.set(cx, 3, made(0));
        drop(list.swap_remove(cx, 0));
        assert_eq!(alive.load(SeqCst), 89);
        let taken = GcVec::from_vec(cx, list.borrow_mut(cx).split_off(50)).into_inner();
        assert_eq!((taken.len(), list.len(), alive.load(SeqCst)), (39, 50, 89));
    });
    assert_eq!(alive.load(SeqCst), 50);
    mutator.collect();
    assert_eq!((alive.load(SeqCst), heap.stats().external_bytes), (0, 0));
}

// ---- borrows, panics, limits

/// Goal: what is borrowed does not change. Method: each way to change it, below a shared and below a mutable borrow.
#[test]
fn borrowed_vectors_do_not_change() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    heap.attach().enter(|cx| {
        let list = GcVec::from_iter_in(cx, [1_u64, 2, 3]);
        {
            let shared = list.borrow();
            let changes: [&dyn Fn(); 8] = [
                &|| list.push(cx, 4),
                &|| _ = list.pop(cx),
                &|| list.set(cx, 0, 4),
                &|| _ = list.swap_remove(cx, 0),
                &|| list.clear(cx),
                &|| list.reserve(cx, 0),
                &|| list.shrink_to_fit(cx),
                &|| list.extend_from_slice(cx, &[]),
            ];
            for change in changes {
                assert!(panics(change).contains("borrowed"));
            }
            assert!(list.try_borrow_mut(cx).is_err());
            assert_eq!((shared[..].to_vec(), list.get(0)), (vec![1, 2, 3], Some(1)));
        }
        let all = list.borrow_mut(cx);
        assert!(panics(|| _ = list.len()).contains("mutably borrowed"));
        assert!(panics(|| list.push(cx, 4)).contains("borrowed"));
        assert_eq!(format!("{list:?}"), "GcVec(<borrowed>)");
        drop(all);
        assert_eq!(format!("{list:?}"), "[1, 2, 3]");
        assert!(panics(|| list.set(cx, 3, 0)).contains("element 3 of 3"));
    });
}

/// Goal: a closure that panics, or comes back to the vector, leaves it usable. Method: `retain`, `extend` and `borrow_mut`, unwound in the middle.
#[test]
fn a_panic_in_a_closure_leaves_the_vector_usable() {
    let heap = zealous(3, 5, 0);
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let alive = Arc::new(AtomicUsize::new(0));
        let list = cx.alloc(GcVec::new());
        (0..10).for_each(|n| list.push(cx, item(cx, n, &alive)));
        panics(|| list.retain(cx, |item| if item.number < 5 { false } else { panic!("as planned") }));
        assert_eq!(list.iter().map(number).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        panics(|| {
            list.extend(cx, (0..9).map(|n| if n < 3 { list.get(n).unwrap() } else { panic!("as planned") }))
        });
        assert_eq!(list.iter().map(number).collect::<Vec<_>>(), [5, 6, 7, 8, 9, 5, 6, 7]);
        panics(|| {
            let _all = list.borrow_mut(cx);
            list.push(cx, item(cx, 3, &alive));
        });
        assert!(panics(|| list.retain(cx, |_| !list.is_empty())).contains("borrowed"));
        // An iterator that changes what it walks meets what is there.
        list.iter().zip(0..3).for_each(|_| _ = list.pop(cx));
        assert_eq!(list.len(), 5);
        // A guard that is leaked keeps the vector borrowed, and the heap sound.
        std::mem::forget(list.borrow_mut(cx));
        assert!(list.try_borrow().is_err());
    });
    mutator.collect();
    drop(mutator);
    assert_sound(&heap);
}

/// Goal: the storage of collections finds room below the maximum heap, or an error that gives the value back; and is found again when they are dead.
/// Method: a list grows into the limit, in a heap with and without a thread, again and again.
#[test]
fn a_full_heap_refuses_to_grow_collections() {
    for workers in [0, 1] {
        let heap = Heap::builder().max_heap(4 << 20).workers(workers).build().expect("a heap");
        let mut mutator = heap.attach();
        for _ in 0..5 {
            mutator.enter(|cx| {
                let list = cx.alloc(GcVec::new());
                let error = (0_u64..).find_map(|n| list.try_push(cx, n).err()).expect("memory is finite");
                assert_eq!(error.value, list.len() as u64);
                assert!(list.len() * 8 > 256 << 10, "only {} elements found room", list.len());
                assert!(heap.stats().external_bytes <= heap.max_heap() as u64);
                assert!(error.to_string().starts_with("cannot allocate"), "{error}");
                assert!(list.try_reserve(cx, usize::MAX).is_err());
                assert!(list.borrow_mut(cx).try_reserve(1 << 20).is_err());
                assert_eq!((list.get(17), list.pop(cx)), (Some(17), Some(error.value - 1)));
            });
            heap.collect();
            assert_eq!(heap.stats().external_bytes, 0);
        }
    }
}

/// Goal: a heap that makes big vectors collects by itself. Method: a hundred times 1 MB of which one is kept, pushed element by element; what is held at most.
#[test]
fn big_vectors_pace_cycles() {
    const LEN: u64 = 1 << 17;
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).build().expect("a heap");
        let mut mutator = heap.attach();
        let kept: Root<GcCell<Option<Gc<'static, GcVec<u64>>>>> =
            mutator.enter(|cx| cx.root(cx.alloc(GcCell::new(None::<Gc<'_, GcVec<u64>>>))));
        let mut peak = 0;
        for _ in 0..100 {
            mutator.enter(|cx| {
                let list = cx.alloc(GcVec::new());
                (0..LEN).for_each(|n| list.push(cx, n));
                kept.get(cx).set(cx, Some(list));
            });
            // Threads have their share of one core or less here.
            if workers > 0 && heap.stats().external_bytes > 24 << 20 {
                heap.collect();
            }
            peak = peak.max(heap.stats().external_bytes);
        }
        let stats = heap.stats();
        assert!(stats.cycles >= 4, "{} cycles for 100 MB with {workers} workers", stats.cycles);
        assert!(peak < 32 << 20, "{peak} bytes were held at once");
        assert_eq!(mutator.enter(|cx| kept.get(cx).get().unwrap().get(7)), Some(7));
    }
}

/// Goal: a collection that leads to itself can be formatted. Method: a list in itself, twice.
#[test]
fn a_vector_in_itself_can_be_formatted() {
    #[derive(Debug, Clone, Copy, Trace)]
    enum Value<'gc> {
        Number(u64),
        List(Gc<'gc, GcVec<Value<'gc>>>),
    }
    let heap = Heap::builder().workers(0).build().expect("a heap");
    heap.attach().enter(|cx| {
        let list = cx.alloc(GcVec::new());
        list.extend(cx, [Value::Number(7), Value::List(list), Value::List(list)]);
        assert_eq!(format!("{list:?}"), "[Number(7), List([…]), List([…])]");
    });
}

/// Goal: what owns its collection in another cell can replace it. Method: vectors in a `GcRefCell`, taken out and put elsewhere while cycles run.
#[test]
fn vectors_move_between_cells() {
    for workers in [0, 1] {
        let heap = zealous(11, 3, workers);
        let alive = Arc::new(AtomicUsize::new(0));
        let mut mutator = heap.attach();
        type Cells<'gc> = [GcRefCell<GcVec<It<'gc>>>];
        let cells: Root<Cells<'static>> =
            mutator.enter(|cx| cx.root(cx.alloc_slice_with(2, |_| GcRefCell::new(GcVec::<It<'_>>::new()))));
        for round in 0..60 {
            mutator.enter(|cx| {
                let cells = cells.get(cx);
                let [one, two] = &*cells else { unreachable!() };
                (0..7).for_each(|n| one.borrow().push(cx, item(cx, round * 7 + n, &alive)));
                let taken = std::mem::take(&mut *one.borrow_mut(cx));
                cx.alloc_str("between");
                *two.borrow_mut(cx) = taken;
                assert!(two.borrow().iter().map(number).eq(round * 7..round * 7 + 7));
            });
        }
        drop(cells);
        drop(mutator);
        assert_sound(&heap);
        assert_eq!(alive.load(SeqCst), 0);
    }
}

/// Uses the type outside of a scope.
#[expect(dead_code, reason = "it is to compile")]
fn vectors_have_names_outside_of_scopes(mutator: &mut Mutator, root: &Root<GcVec<Option<Gc<'static, str>>>>) {
    mutator.enter(|cx| root.get(cx).push(cx, Some(cx.alloc_str("named"))));
}
