//! Full heaps: an error that gives the value back, and recovery.

use mudlark::{Gc, GcPercent, Heap, HeapError, Root, Trace};

const MAX_HEAP: usize = 4 << 20;

#[derive(Trace)]
struct Cons<'gc> {
    name: String,
    next: Option<Gc<'gc, Cons<'gc>>>,
}

fn heap(workers: usize, percent: GcPercent) -> Heap {
    Heap::builder().max_heap(MAX_HEAP).workers(workers).gc_percent(percent).build().expect("a heap")
}

/// Goal: at the maximum `try_alloc` gives the value back, small, large and slice; the heap goes on, and recovers when roots
/// are dropped. Method: fill it three times.
#[test]
fn a_full_heap_gives_values_back_and_recovers() {
    for (workers, percent) in [(0, 100.into()), (1, 100.into()), (2, GcPercent::Off), (0, GcPercent::Off)] {
        let heap = heap(workers, percent);
        let mut mutator = heap.attach();
        for round in 0..3 {
            // The last round's garbage would take room until the scope is over.
            mutator.collect();
            let list: Root<Cons<'static>> = mutator.enter(|cx| {
                let mut head = cx.alloc(Cons { name: "first".to_owned(), next: None });
                loop {
                    let name = format!("{round}");
                    match cx.try_alloc(Cons { name, next: Some(head) }) {
                        Ok(cons) => head = cons,
                        Err(error) => {
                            assert_eq!(error.value.name, format!("{round}"));
                            assert!(error.to_string().contains("max_heap"), "{error}");
                            break cx.root(head);
                        }
                    }
                }
            });
            let full = heap.stats();
            assert!(full.in_use_bytes as usize > MAX_HEAP / 2, "{full:?}");
            mutator.enter(|cx| {
                assert!(cx.try_alloc([1_u8; 20 << 10]).is_err_and(|error| error.value[7] == 1));
                assert!(cx.try_alloc_slice_with(1 << 20, |_| panic!("not called") as u64).is_err());
                let mut next = Some(list.get(cx));
                let mut count = 0;
                while let Some(cons) = next {
                    assert!(cons.name == format!("{round}") || cons.name == "first");
                    (next, count) = (cons.next, count + 1);
                }
                assert!(count > 1000);
            });
            drop(list);
            mutator.collect();
            mutator.enter(|cx| {
                assert_eq!(cx.try_alloc([1_u8; 20 << 10]).expect("everything is free")[7], 1);
                let large = cx.try_alloc_slice_with(3 << 20, |_| 1_u8);
                assert_eq!(large.expect("almost everything is free").len(), 3 << 20);
            });
        }
        drop(mutator);
        heap.collect();
        heap.recount().expect("the counters are exact");
    }
}

fn allocate_much_in_short_scopes(workers: usize) {
    let heap = heap(workers, 100.into());
    let mut mutator = heap.attach();
    for round in 0..1000_u64 {
        mutator.enter(|cx| {
            for number in 0..200 {
                assert_eq!(cx.alloc([round, number, 0, 0, 0, 0, 0, 0, 0, 0])[1], number);
            }
            cx.alloc_slice_fill(4000, round);
        });
    }
    let stats = heap.stats();
    assert!(stats.allocated_bytes as usize > 8 * MAX_HEAP && stats.cycles > 3, "{stats:?}");
}

/// Goal: garbage alone never fills a heap whose scopes are short. Method: allocate many times the maximum.
#[test]
fn short_scopes_never_fill_the_heap() {
    allocate_much_in_short_scopes(0);
}

/// Goal: the same when the background thread, which has to end each cycle, gets little of the processor. Method: as above;
/// run it on one core (`taskset -c 0`).
#[test]
fn short_scopes_never_outrun_the_background_thread() {
    allocate_much_in_short_scopes(1);
}

/// Goal: sizes that no address space holds are errors. Method: slices of absurd lengths.
#[test]
fn absurd_sizes_are_errors() {
    let heap = heap(0, 100.into());
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        for len in [usize::MAX, usize::MAX / 8, isize::MAX as usize, usize::MAX / 8 + 1, 1 << 40] {
            assert!(cx.try_alloc_slice_with(len, |_| 0_u64).is_err());
        }
        assert_eq!(cx.alloc(1), cx.alloc(1));
    });
}

/// Goal: a maximum too small to live in is an error with a number. Method: ask for it.
#[test]
fn a_tiny_maximum_is_an_error() {
    let error = Heap::builder().max_heap(1000).build().expect_err("nothing fits into 1000 bytes");
    assert!(matches!(error, HeapError::MaxHeapTooSmall { bytes: 1000, .. }), "{error}");
}

/// Goal: with GC percent off no cycle begins by itself, and switched on again one does. Method: allocate, switch, allocate.
#[test]
fn gc_percent_switches_off_and_on() {
    let heap = Heap::builder().workers(0).gc_percent(GcPercent::Off).build().expect("a heap");
    let mut mutator = heap.attach();
    let churn = |mutator: &mut mudlark::Mutator| {
        for _ in 0..100 {
            mutator.enter(|cx| (0..1000_u64).for_each(|number| _ = cx.alloc([number; 20])));
        }
    };
    churn(&mut mutator);
    assert_eq!((heap.stats().cycles, heap.gc_percent()), (0, GcPercent::Off));
    heap.set_gc_percent(50);
    churn(&mut mutator);
    assert!(heap.stats().cycles > 0, "{:?}", heap.stats());
    mutator.collect();
    assert_eq!(heap.stats().forced_cycles, 1);
}
