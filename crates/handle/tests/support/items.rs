//! Objects and heaps for tests of collections.

#[path = "alive.rs"]
mod alive;

pub(crate) use alive::Alive;
use mudlark::{Gc, Heap, Scope, Static, Trace, Zeal};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// A heap that collects all the time, and checks each cycle.
pub(crate) fn zealous(seed: u64, allocations: u32, workers: usize) -> Heap {
    let zeal = Zeal {
        seed,
        allocations_per_cycle: Some(allocations),
        yields: true,
        extra_rounds: true,
        fill_freed: true,
    };
    Heap::builder().workers(workers).verify(true).zeal(zeal).build().expect("a heap")
}

pub(crate) fn assert_sound(heap: &Heap) {
    heap.collect();
    heap.collect();
    let report = heap.verify_report();
    assert_eq!(report.violations, Vec::<String>::new());
    assert!(report.cycles > 0, "nothing was checked");
    heap.recount().expect("the counters are exact");
    let stats = heap.stats();
    assert_eq!(
        (stats.live_bytes, stats.external_bytes, stats.aborted_cycles),
        (0, 0, 0),
        "something is left"
    );
}

/// An element: its number twice, in the object and in a string that a freed cell would not hold.
#[derive(Trace)]
pub(crate) struct Item<'gc> {
    pub(crate) number: u64,
    pub(crate) text: Gc<'gc, str>,
    _alive: Static<Alive>,
}

pub(crate) type It<'gc> = Gc<'gc, Item<'gc>>;

pub(crate) fn item<'gc>(cx: &Scope<'gc>, number: u64, alive: &Arc<AtomicUsize>) -> It<'gc> {
    alive.fetch_add(1, SeqCst);
    let text = cx.alloc_str(&number.to_string());
    cx.alloc(Item { number, text, _alive: Static(Alive(Arc::clone(alive))) })
}

pub(crate) fn number(item: It<'_>) -> u64 {
    assert_eq!(*item.text, item.number.to_string(), "a torn or dead item");
    item.number
}

/// The message of a panic.
pub(crate) fn panics(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it is to panic");
    panic
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| (*panic.downcast_ref::<&str>().expect("a message")).to_owned())
}
