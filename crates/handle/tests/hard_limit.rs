//! Hard limits: a script gets an error that it can catch, and goes on.

use mudlark::{FullCause, Gc, GcPercent, Heap, MemoryLimit, Mutator, Root, Trace, Zeal};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// Counts what the current thread takes from the system's allocator.
struct Counting;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const LIMIT: u64 = 1 << 20;

#[derive(Trace)]
struct Cons<'gc> {
    number: u64,
    name: String,
    next: Option<Gc<'gc, Cons<'gc>>>,
}

fn cons<'gc>(number: u64, next: Option<Gc<'gc, Cons<'gc>>>) -> Cons<'gc> {
    Cons { number, name: number.to_string(), next }
}

/// A script that keeps what it makes until it is refused, lets go of it, and goes on in the next scope.
fn script(workers: usize, percent: GcPercent, zeal: Zeal) {
    let heap =
        Heap::builder().workers(workers).gc_percent(percent).zeal(zeal).verify(true).build().expect("a heap");
    assert_eq!((heap.set_hard_limit(LIMIT), heap.hard_limit()), (MemoryLimit::Off, LIMIT.into()));
    let mut mutator = heap.attach();
    let mut number = 0;
    for _ in 0..4 {
        let first = number;
        let list: Root<Cons<'static>> = mutator.enter(|cx| {
            let mut head = None;
            let error = loop {
                match cx.try_alloc(cons(number, head)) {
                    Ok(made) => head = Some(made),
                    Err(error) => break error,
                }
                number += 1;
                assert!(number % 256 != 0 || heap.stats().live_now_bytes <= LIMIT, "beyond the limit");
            };
            assert!(heap.stats().live_now_bytes <= LIMIT, "beyond the limit");
            assert_eq!(error.full.cause, FullCause::HardLimit { bytes: LIMIT });
            assert_eq!((error.value.number, &*error.value.name), (number, &*number.to_string()));
            assert!(error.to_string().contains("set_hard_limit"), "{error}");
            cx.root(head.expect("the heap was empty"))
        });
        assert!(number - first > 10_000, "refused with room left: {:?}", heap.stats());
        // All of it is alive, and there: to leave the scope does not help.
        mutator.enter(|cx| {
            assert!(cx.try_alloc_slice_with(5000, |_| 0_u64).is_err());
            let (mut at, mut expected) = (Some(list.get(cx)), number);
            while let Some(cons) = at {
                expected -= 1;
                assert_eq!((cons.number, &*cons.name), (expected, &*expected.to_string()));
                at = cons.next;
            }
            assert_eq!(expected, first);
        });
        drop(list);
        // Refused once more; then a cycle has found out that the list is gone.
        let refused = |mutator: &mut Mutator| mutator.enter(|cx| cx.try_alloc(cons(0, None)).is_err());
        assert!(!refused(&mut mutator) || !refused(&mut mutator), "{:?}", heap.stats());
    }
    drop(mutator);
    heap.collect();
    assert_eq!(heap.verify_report().violations, Vec::<String>::new());
    heap.recount().expect("the counters are exact");
}

/// Goal: a script that catches the error goes on when it has let go of memory, again and again; the limit holds all the time; the value comes
/// back whole. Method: lists that fill the heap, one after the other; pacing on and off.
#[test]
fn a_script_that_catches_the_error_goes_on() {
    script(0, 100.into(), Zeal::default());
    script(0, GcPercent::Off, Zeal::default());
}

/// Goal: the same with a background thread, and under zeal. Method: as above.
#[test]
fn a_script_that_catches_the_error_goes_on_with_a_background_thread() {
    script(1, 100.into(), Zeal::default());
    script(
        1,
        100.into(),
        Zeal { seed: 3, allocations_per_cycle: Some(500), fill_freed: true, ..Zeal::default() },
    );
}

/// Goal: garbage never meets the limit if scopes are short. Method: many times the limit.
#[test]
fn garbage_alone_is_never_refused() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).gc_percent(GcPercent::Off).build().expect("a heap");
        // A scope's garbage must fit between trigger and limit.
        heap.set_hard_limit(2 * LIMIT);
        let mut mutator = heap.attach();
        for round in 0..400 {
            mutator.enter(|cx| {
                for number in 0..200_u64 {
                    assert!(cx.try_alloc([number; 30]).is_ok(), "round {round}: {:?}", heap.stats());
                }
            });
        }
        assert!(heap.stats().allocated_bytes > 8 * LIMIT);
    }
}

/// Goal: to be refused takes no memory, of whatever kind the value is. Method: an allocator that counts.
#[test]
fn to_be_refused_takes_no_memory() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        heap.set_hard_limit(LIMIT);
        while cx.try_alloc([0_u64; 4]).is_ok() {}
        let (value, large) = ([1_u8; 777], [2_u8; 20 << 10]);
        let before = TAKEN.get();
        let refused = [
            cx.try_alloc([0_u64; 4]).is_err(),
            cx.try_alloc(value).is_err(),
            cx.try_alloc(cons_of_nothing()).is_err(),
            cx.try_alloc(large).is_err(),
            cx.try_alloc_slice_with(100_000, |_| 0_u64).is_err(),
            cx.try_alloc_str("text").is_err(),
            cx.try_account_external(1 << 20).is_err(),
        ];
        assert_eq!(TAKEN.get() - before, 0);
        assert_eq!(refused, [true; 7]);
    });
}

fn cons_of_nothing<'gc>() -> Cons<'gc> {
    Cons { number: 0, name: String::new(), next: None }
}

/// Goal: external bytes count, and are room again when their objects die. Method: images of a third of the limit.
#[test]
fn external_bytes_count() {
    #[derive(Trace)]
    struct Image {
        _held: mudlark::ExternalBytes,
    }

    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).build().expect("a heap");
        heap.set_hard_limit(LIMIT);
        let mut mutator = heap.attach();
        for _ in 0..10 {
            mutator.enter(|cx| {
                let mut images = 0;
                while let Ok(held) = cx.try_account_external(LIMIT / 3) {
                    cx.alloc(Image { _held: held });
                    images += 1;
                }
                assert_eq!(images, 2, "{:?}", heap.stats());
                assert!(heap.stats().external_bytes <= LIMIT);
            });
        }
    }
}

/// Goal: the limit can be changed at any time, from any thread, below what is live too. Method: lower it, raise it, switch it off, in a scope.
#[test]
fn the_limit_changes_at_once() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let kept = cx.alloc_slice_fill(1 << 17, 1_u64);
        assert_eq!(heap.set_hard_limit(1000), MemoryLimit::Off);
        assert!(cx.try_alloc_slice_with(1 << 17, |_| 1_u64).is_err());
        std::thread::scope(|threads| {
            threads.spawn(|| assert_eq!(heap.set_hard_limit(1 << 30), MemoryLimit::from(1000)));
        });
        assert!(cx.try_alloc_slice_with(1 << 17, |_| 1_u64).is_ok());
        assert_eq!(heap.set_hard_limit(0), MemoryLimit::from(1 << 30));
        assert!(cx.try_alloc_slice_with(1 << 17, |_| 1_u64).is_err());
        heap.set_hard_limit(MemoryLimit::Off);
        assert!(cx.try_alloc_slice_with(1 << 17, |_| 1_u64).is_ok());
        assert_eq!(kept[7], 1);
    });
}
