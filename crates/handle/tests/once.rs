//! Cells that are filled once, and values that are made when they are asked for: by whom, how often, and that nothing in them is lost,
//! whenever the filling falls.

#![forbid(unsafe_code)]

#[path = "support/other.rs"]
mod other;

use mudlark::{
    Gc, GcCell, GcLazy, GcOnceCell, GcPercent, GcRefCell, Heap, Initialize, Root, Scope, Static, Trace, Zeal,
};
use other::{Relay, begin_cycle};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).verify(true).build().expect("a heap")
}

/// A heap that always collects.
fn zealous(workers: usize, seed: u64) -> Heap {
    let zeal = Zeal {
        seed,
        allocations_per_cycle: Some(seed as u32 % 5 + 1),
        yields: true,
        extra_rounds: true,
        fill_freed: true,
    };
    Heap::builder().workers(workers).verify(true).zeal(zeal).build().expect("a heap")
}

fn assert_sound(heap: &Heap) {
    let report = heap.verify_report();
    assert!(report.violations.is_empty() && report.cycles > 0, "{report:?}");
}

/// Goal: the first value stays, in every way of filling. Method: each of them on empty and on full cells.
#[test]
fn a_cell_is_filled_once() {
    heap(0).attach().enter(|cx| {
        let cell = GcOnceCell::new();
        assert_eq!((cell.get(), cell.get_or_try_init(cx, || Err("not yet"))), (None, Err("not yet")));
        assert_eq!(*cell.get_or_init(cx, || 1), 1);
        assert_eq!(*cell.get_or_init(cx, || unreachable!()), 1);
        assert_eq!(cell.get_or_try_init(cx, || Err("too late")), Ok(&1));
        assert_eq!((cell.set(cx, 2), cell.get()), (Err(2), Some(&1)));
        let mut full = GcOnceCell::from(3);
        *full.get_mut().expect("it is full") += 1;
        assert_eq!(full.take(), Some(4));
        assert!(full.get().is_none() && full.get_mut().is_none());
        assert_eq!((full.set(cx, 5), full.into_inner()), (Ok(()), Some(5)));
        assert_eq!(
            format!("{:?} {cell:?}", GcOnceCell::<u8>::default()),
            "GcOnceCell(<empty>) GcOnceCell(1)"
        );
    });
}

/// Goal: an initializer that fails leaves an empty cell, and one that comes back is told so. Method: both, and the next one who comes.
#[test]
fn initializers_may_unwind_and_may_not_come_back() {
    heap(0).attach().enter(|cx| {
        let cell = GcOnceCell::<u64>::new();
        let unwound = catch_unwind(AssertUnwindSafe(|| cell.get_or_init(cx, || panic!("as planned"))));
        assert!(unwound.is_err() && cell.get().is_none());
        for fill in [
            |cx: &Scope<'_>, cell: &GcOnceCell<u64>| *cell.get_or_init(cx, || 1),
            |cx: &Scope<'_>, cell: &GcOnceCell<u64>| cell.set(cx, 1).map_or(2, |()| 1),
        ] {
            let came_back =
                catch_unwind(AssertUnwindSafe(|| cell.get_or_init(cx, || fill(cx, &cell)))).unwrap_err();
            let message = came_back.downcast_ref::<&str>().expect("a message");
            assert!(message.contains("by its own initializer"), "{message}");
            assert!(cell.get().is_none());
        }
        assert_eq!(*cell.get_or_init(cx, || 7), 7);
    });
}

/// A seed that counts, and holds something.
#[derive(Trace)]
struct Seed<'gc> {
    made: Static<Arc<AtomicUsize>>,
    held: Gc<'gc, [u64; 64]>,
    outcome: u64,
}

impl<'gc> Initialize<'gc, Gc<'gc, u64>> for Seed<'gc> {
    fn initialize(self, cx: &Scope<'gc>) -> Gc<'gc, u64> {
        self.made.fetch_add(1, SeqCst);
        assert_ne!(self.outcome, 0, "as planned");
        cx.alloc(self.outcome)
    }
}

type Lazy<'gc> = GcLazy<Seed<'gc>, Gc<'gc, u64>>;

fn lazy<'gc>(cx: &Scope<'gc>, made: &Arc<AtomicUsize>, outcome: u64) -> Lazy<'gc> {
    GcLazy::new(Seed { made: Static(Arc::clone(made)), held: cx.alloc([outcome; 64]), outcome })
}

/// Goal: a value is made once, from a seed that lives until then and no longer. Method: live bytes before and after.
#[test]
fn a_lazy_value_lets_go_of_its_seed() {
    let heap = heap(0);
    let mut mutator = heap.attach();
    let made = Arc::default();
    let root: Root<Lazy<'static>> = mutator.enter(|cx| cx.root(cx.alloc(lazy(cx, &made, 7))));
    mutator.collect();
    let before = heap.stats().live_bytes;
    assert!(before > 512, "the seed is alive");
    mutator.enter(|cx| {
        let lazy = root.get(cx);
        assert!(lazy.get().is_none() && format!("{lazy:?}") == "GcLazy(<not made>)");
        assert_eq!((**lazy.force(cx), **lazy.force(cx)), (7, 7));
        assert_eq!(format!("{lazy:?}"), "GcLazy(7)");
    });
    mutator.collect();
    assert_eq!(made.load(SeqCst), 1);
    assert!(heap.stats().live_bytes <= before - 512 + 16, "the seed is gone: {:?}", heap.stats());
    mutator.enter(|cx| assert_eq!(**root.get(cx).force(cx), 7));
    assert_sound(&heap);
}

/// Goal: making a value fails once, and is refused from then on. Method: a seed that panics.
#[test]
fn a_lazy_value_that_panicked_stays_unmade() {
    heap(0).attach().enter(|cx| {
        let (made, mut messages) = (Arc::default(), Vec::new());
        let lazy = lazy(cx, &made, 0);
        for _ in 0..3 {
            let unwound = catch_unwind(AssertUnwindSafe(|| **lazy.force(cx))).unwrap_err();
            messages.push(unwound.downcast_ref::<String>().expect("a message").clone());
        }
        assert!(messages[0].contains("as planned"), "{messages:?}");
        assert!(messages[1..].iter().all(|text| text.contains("after making it panicked")), "{messages:?}");
        assert_eq!(made.load(SeqCst), 1);
    });
}

/// Goal: of several threads one initializes, and all see one complete object. Method: threads that start together, on many cells, while
/// cycles run all the time.
#[test]
fn threads_share_one_initialization() {
    const THREADS: usize = 3;
    const CELLS: usize = 60;
    #[derive(Trace)]
    struct Slot<'gc> {
        once: GcOnceCell<Gc<'gc, str>>,
        lazy: Lazy<'gc>,
    }
    for workers in 0..2 {
        let heap = zealous(workers, workers as u64 + 3);
        let made = Arc::default();
        let slots: Root<[Slot<'static>]> = heap.attach().enter(|cx| {
            cx.root(cx.alloc_slice_with(CELLS, |index| Slot {
                once: GcOnceCell::new(),
                lazy: lazy(cx, &made, index as u64 + 1),
            }))
        });
        let (begin, ran) = (Barrier::new(THREADS), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut mutator = heap.attach();
                    begin.wait();
                    for index in 0..CELLS {
                        mutator.enter(|cx| {
                            let slot = &slots.get(cx)[index];
                            let text = slot.once.get_or_init(cx, || {
                                ran.fetch_add(1, SeqCst);
                                cx.alloc_str(&format!("text {index}"))
                            });
                            assert_eq!(**text, *format!("text {index}"));
                            assert_eq!(**slot.lazy.force(cx), index as u64 + 1);
                        });
                    }
                });
            }
        });
        assert_eq!((ran.load(SeqCst), made.load(SeqCst)), (CELLS, CELLS));
        heap.collect();
        heap.attach().enter(|cx| {
            for (index, slot) in slots.get(cx).iter().enumerate() {
                assert_eq!(slot.once.get().map(|text| &**text), Some(&*format!("text {index}")));
                assert_eq!(slot.lazy.get().map(|number| **number), Some(index as u64 + 1));
            }
        });
        assert_sound(&heap);
    }
}

#[derive(Trace)]
struct Holder<'gc> {
    from: GcCell<Option<Gc<'gc, [u64; 4]>>>,
    list: GcRefCell<Vec<Gc<'gc, [u64; 4]>>>,
    once: GcOnceCell<Gc<'gc, [u64; 4]>>,
    lazy: GcLazy<Mover<'gc>, Gc<'gc, [u64; 4]>>,
}

/// Moves an object from the seed into the value.
#[derive(Trace)]
struct Mover<'gc>(Gc<'gc, [u64; 4]>);

impl<'gc> Initialize<'gc, Gc<'gc, [u64; 4]>> for Mover<'gc> {
    fn initialize(self, _cx: &Scope<'gc>) -> Gc<'gc, [u64; 4]> {
        self.0
    }
}

fn holder<'gc>(cx: &Scope<'gc>, number: u64) -> Gc<'gc, Holder<'gc>> {
    cx.alloc(Holder {
        from: GcCell::new(Some(cx.alloc([number; 4]))),
        list: GcRefCell::new(vec![cx.alloc([number; 4])]),
        once: GcOnceCell::new(),
        lazy: GcLazy::new(Mover(cx.alloc([number; 4]))),
    })
}

/// Goal: what moves into an empty cell survives, between whichever handshakes it moves. Method: two other mutators hold a cycle up at each
/// stage in turn; at each, the only pointer moves from a cell or a seed into a once cell, of an old object and of a new one.
#[test]
fn what_moves_in_between_handshakes_survives() {
    const STAGES: usize = 8;
    for from_list in [false, true] {
        let heap = Heap::builder()
            .workers(0)
            .verify(true)
            .gc_percent(GcPercent::Percent(100))
            .build()
            .expect("a heap");
        let mut mutator = heap.attach();
        let holders: Root<[Gc<'static, Holder<'static>>]> =
            mutator.enter(|cx| cx.root(cx.alloc_slice_with(STAGES, |index| holder(cx, index as u64))));
        let mut young: Vec<Root<Holder<'static>>> = Vec::new();
        thread::scope(|scope| {
            let mut relay = Relay::new(scope, &heap);
            relay.begin();
            begin_cycle(&heap, &mut mutator);
            for stage in 0..STAGES {
                mutator.enter(|cx| {
                    let old = holders.get(cx)[stage];
                    let moved = if from_list { old.list.borrow_mut(cx).pop() } else { old.from.take(cx) };
                    let moved = moved.expect("it was not taken yet");
                    assert!(old.once.set(cx, moved).is_ok());
                    assert_eq!(**old.lazy.force(cx), [stage as u64; 4]);
                    let new = holder(cx, 100 + stage as u64);
                    assert!(new.once.set(cx, new.from.take(cx).expect("it is new")).is_ok());
                    new.lazy.force(cx);
                    young.push(cx.root(new));
                });
                relay.advance();
            }
            relay.end();
        });
        for _ in 0..2 {
            heap.collect();
            mutator.enter(|cx| {
                for (stage, old) in holders.get(cx).iter().enumerate() {
                    let number = stage as u64;
                    assert_eq!(old.once.get().map(|object| **object), Some([number; 4]), "stage {stage}");
                    assert_eq!(old.lazy.get().map(|object| **object), Some([number; 4]), "stage {stage}");
                    let new = young[stage].get(cx);
                    assert_eq!(
                        new.once.get().map(|object| **object),
                        Some([100 + number; 4]),
                        "stage {stage}"
                    );
                    assert_eq!(
                        new.lazy.get().map(|object| **object),
                        Some([100 + number; 4]),
                        "stage {stage}"
                    );
                }
            });
        }
        assert_sound(&heap);
    }
}
