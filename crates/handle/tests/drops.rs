//! Drop glue: once for each dead object, on whatever thread, whatever it does.

use mudlark::{Gc, GcCell, GcRefCell, Heap, Mutator, Root, Trace, trace::Static};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// How often each value was dropped.
#[derive(Clone)]
struct Census(Arc<Vec<AtomicUsize>>);

/// One value of a census.
struct Counted {
    census: Census,
    number: usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.census.0[self.number].fetch_add(1, SeqCst);
    }
}

impl Census {
    fn of(values: usize) -> Census {
        Census(Arc::new((0..values).map(|_| AtomicUsize::new(0)).collect()))
    }

    fn value(&self, number: usize) -> Static<Counted> {
        Static(Counted { census: self.clone(), number })
    }

    /// Asserts that exactly the values for which `dead` holds were dropped, once.
    fn assert_dead(&self, dead: impl Fn(usize) -> bool) {
        for (number, drops) in self.0.iter().enumerate() {
            assert_eq!(drops.load(SeqCst), usize::from(dead(number)), "drops of value {number}");
        }
    }
}

#[derive(Trace)]
struct Holder<'gc> {
    value: Static<Counted>,
    next: Option<Gc<'gc, Holder<'gc>>>,
}

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).build().expect("a heap")
}

/// Goal: exactly the dead are dropped, each once, also when the heap ends. Method: lists of which every other one is
/// rooted; cycles with 0, 1 and 2 workers; then the rest goes with the heap.
#[test]
fn the_dead_are_dropped_once() {
    const VALUES: usize = 6000;
    for workers in 0..3 {
        let (heap, census) = (heap(workers), Census::of(VALUES));
        let mut mutator = heap.attach();
        let mut roots: Vec<Root<Holder<'static>>> = Vec::new();
        for first in (0..VALUES).step_by(3) {
            mutator.enter(|cx| {
                let mut next = None;
                for number in first..first + 3 {
                    next = Some(cx.alloc(Holder { value: census.value(number), next }));
                }
                if let (Some(list), 0) = (next, first % 2) {
                    roots.push(cx.root(list));
                }
            });
        }
        for _ in 0..3 {
            mutator.collect();
            census.assert_dead(|number| number / 3 % 2 == 1);
        }
        let sum = mutator.enter(|cx| roots.iter().map(|root| root.get(cx).value.number).sum::<usize>());
        assert!(sum > 0);
        drop(roots);
        drop(mutator);
        heap.collect();
        heap.recount().expect("the counters are exact");
        drop(heap);
        census.assert_dead(|_| true);
    }
}

/// Goal: slices, large objects and containers are dropped whole and once. Method: lengths around the boundaries.
#[test]
fn slices_and_large_objects_are_dropped_once() {
    for workers in [0, 1] {
        for len in [0, 1, 2, 7, 100, 510, 511, 512, 513, 1024, 5000] {
            let (heap, census) = (heap(workers), Census::of(2 * len + 3));
            let mut mutator = heap.attach();
            let kept = mutator.enter(|cx| {
                cx.alloc_slice_with(len, |index| census.value(index));
                cx.alloc([(); 3].map(|()| vec![census.value(2 * len)]).into_iter().next());
                cx.alloc(GcRefCell::new(vec![Box::new(census.value(2 * len + 1))]));
                cx.alloc((census.value(2 * len + 2), [0_u64; 2000]));
                cx.root(cx.alloc_slice_with(len, |index| census.value(len + index)))
            });
            // The array above made three, of which two were dropped in the scope.
            let dropped_twice = census.0[2 * len].swap(0, SeqCst);
            assert_eq!(dropped_twice, 2);
            mutator.collect();
            census.assert_dead(|number| !(len..2 * len).contains(&number));
            assert_eq!(mutator.enter(|cx| kept.get(cx).len()), len);
            drop((kept, mutator, heap));
            census.assert_dead(|_| true);
        }
    }
}

/// Goal: when an element's constructor panics, the elements before it are dropped at once, and only they. Method: a panic
/// at each place, in small and large slices.
#[test]
fn a_panic_while_a_slice_is_filled_drops_what_was_made() {
    for len in [1, 5, 600, 3000] {
        for at in [0, 1, len / 2, len - 1] {
            let (heap, census) = (heap(0), Census::of(len));
            let mut mutator = heap.attach();
            let result = catch_unwind(AssertUnwindSafe(|| {
                mutator.enter(|cx| {
                    cx.alloc_slice_with(len, |index| {
                        assert!(index != at.min(len - 1), "a constructor panics, as planned");
                        census.value(index)
                    });
                });
            }));
            assert!(result.is_err());
            census.assert_dead(|number| number < at.min(len - 1));
            mutator.collect();
            census.assert_dead(|number| number < at.min(len - 1));
            mutator.enter(|cx| _ = cx.alloc(1));
            drop(mutator);
            heap.recount().expect("the counters are exact");
        }
    }
}

/// Goal: slices that are made while a slice of the same kind is being made do not disturb each other. Method: nested ones,
/// so many that blocks fill up in between, with and without a panic at the end.
#[test]
fn slices_within_slices_are_dropped_once() {
    const OUTER: usize = 60;
    const INNER: usize = 40;
    for panics in [false, true] {
        let (heap, census) = (heap(0), Census::of(OUTER * (INNER + 1)));
        let mut mutator = heap.attach();
        let result = catch_unwind(AssertUnwindSafe(|| {
            mutator.enter(|cx| {
                cx.root(cx.alloc_slice_with(OUTER, |outer| {
                    let first = OUTER + outer * INNER;
                    for len in [OUTER, INNER] {
                        // The first one is empty where it could be taken for the outer one, half-made.
                        cx.alloc_slice_with(len % OUTER, |index| census.value(first + index));
                    }
                    assert!(!panics || outer < OUTER - 1, "a constructor panics, as planned");
                    census.value(outer)
                }))
            })
        }));
        assert_eq!(result.is_err(), panics);
        mutator.collect();
        census.assert_dead(|number| number >= OUTER || (panics && number < OUTER - 1));
        drop((result, mutator));
        heap.recount().expect("the counters are exact");
    }
}

/// Drop glue of a test.
struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl OnDrop {
    fn new(work: impl FnOnce() + Send + 'static) -> Static<OnDrop> {
        Static(OnDrop(Some(Box::new(work))))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

/// Goal: a panic in drop glue harms nobody else. Method: every third of many values panics, small and large, in cycles
/// and at the heap's end.
#[test]
fn panics_in_drop_glue_are_contained() {
    for workers in [0, 1] {
        let (heap, dropped) = (heap(workers), Arc::new(AtomicUsize::new(0)));
        let mut mutator = heap.attach();
        let make = |mutator: &mut Mutator| {
            mutator.enter(|cx| {
                for number in 0..300 {
                    let dropped = Arc::clone(&dropped);
                    let value = OnDrop::new(move || {
                        dropped.fetch_add(1, SeqCst);
                        assert!(number % 3 != 0, "drop glue panics, as planned");
                    });
                    if number % 30 == 0 { _ = cx.alloc((value, [0_u8; 9000])) } else { _ = cx.alloc(value) }
                }
            });
        };
        make(&mut mutator);
        mutator.collect();
        assert_eq!(dropped.load(SeqCst), 300);
        make(&mut mutator);
        drop(mutator);
        heap.recount().expect("the counters are exact");
        drop(heap);
        assert_eq!(dropped.load(SeqCst), 600);
    }
}

/// Goal: what drop glue may not do is a panic, contained, and harms nobody. Method: drop glue that collects, attaches,
/// and enters a scope.
#[test]
fn drop_glue_cannot_use_the_heap() {
    for workers in [0, 1] {
        let heap = heap(workers);
        let messages = Arc::new(Mutex::new(Vec::new()));
        let attempt = |work: Box<dyn FnOnce() + Send>| {
            let messages = Arc::clone(&messages);
            OnDrop::new(move || {
                let message = match catch_unwind(AssertUnwindSafe(work)) {
                    Ok(()) => "no panic".to_owned(),
                    Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
                };
                messages.lock().expect("nobody panics with it").push(message);
            })
        };
        let mut mutator = heap.attach();
        let [one, two] = [(); 2].map(|()| heap.clone());
        let mut other = heap.attach();
        mutator.enter(|cx| {
            cx.alloc(attempt(Box::new(move || one.collect())));
            cx.alloc(attempt(Box::new(move || drop(two.attach()))));
            cx.alloc(attempt(Box::new(move || other.enter(|cx| _ = cx.alloc(1)))));
        });
        mutator.collect();
        let messages = messages.lock().expect("nobody panics with it");
        assert_eq!(messages.len(), 3);
        for message in messages.iter() {
            assert!(message.contains("in drop glue"), "{message}");
        }
        mutator.enter(|cx| _ = cx.alloc(1));
        drop(mutator);
        heap.collect();
        heap.recount().expect("the counters are exact");
    }
}

/// Goal: roots may be dropped by drop glue. Method: objects that own roots of lists of the same heap, in a cycle each.
#[test]
fn drop_glue_may_drop_roots() {
    for workers in [0, 1] {
        let (heap, census) = (heap(workers), Census::of(100));
        let mut mutator = heap.attach();
        mutator.enter(|cx| {
            for number in 0..100 {
                let root = cx.root(cx.alloc(census.value(number)));
                let cell = Mutex::new(Some(root));
                cx.alloc(OnDrop::new(move || drop(cell)));
            }
        });
        mutator.collect();
        mutator.collect();
        census.assert_dead(|_| true);
        assert_eq!(heap.stats().roots, 0);
    }
}

/// Goal: what a cell lets go is dropped once. Method: pointers replaced in a `GcCell`, values in a `GcRefCell`.
#[test]
fn what_cells_let_go_is_dropped_once() {
    let (heap, census) = (heap(1), Census::of(40));
    let mut mutator = heap.attach();
    let root = mutator.enter(|cx| {
        let cell = GcCell::new(None::<Gc<'_, Static<Counted>>>);
        cx.root(cx.alloc((cell, GcRefCell::new(None::<Static<Counted>>))))
    });
    for round in 0..20 {
        mutator.enter(|cx| {
            let pair = root.get(cx);
            pair.0.set(cx, Some(cx.alloc(census.value(2 * round))));
            *pair.1.borrow_mut(cx) = Some(census.value(2 * round + 1));
        });
        mutator.collect();
        census.assert_dead(|number| number < 2 * round);
    }
    drop((root, mutator, heap));
    census.assert_dead(|_| true);
}
