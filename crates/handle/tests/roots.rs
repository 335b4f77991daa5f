//! Roots, mutators and scopes: who may outlive whom, and what is a clear panic.

use mudlark::{Gc, GcCell, Heap, Root};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).build().expect("a heap")
}

/// The message of the panic that `work` ends in.
fn panic_of(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    panic.downcast_ref::<String>().cloned().or(text).unwrap_or_default()
}

/// Goal: a root keeps its object until it is set or dropped. Method: both, with cycles in between.
#[test]
fn a_root_keeps_what_it_names() {
    for workers in 0..3 {
        let heap = heap(workers);
        let mut mutator = heap.attach();
        let root: Root<str> = mutator.enter(|cx| cx.root(cx.alloc_str("first")));
        mutator.collect();
        let first = heap.stats().live_bytes;
        mutator.enter(|cx| {
            assert_eq!(&*root.get(cx), "first");
            root.set(cx, cx.alloc_str(&"second".repeat(1000)));
        });
        mutator.collect();
        mutator.enter(|cx| assert_eq!(root.get(cx).len(), 6000));
        let stats = heap.stats();
        assert!(stats.live_bytes > first && stats.roots == 1, "{stats:?}");
        drop(root);
        mutator.collect();
        let stats = heap.stats();
        assert_eq!((stats.live_bytes, stats.roots), (0, 0));
    }
}

/// Goal: many roots come and go in any order. Method: make, drop every other one, make again, look at all.
#[test]
fn many_roots_come_and_go() {
    let heap = heap(1);
    let mut mutator = heap.attach();
    let mut roots: Vec<(u64, Root<u64>)> = Vec::new();
    for round in 0..10_u64 {
        mutator.enter(|cx| {
            for number in 0..1000 {
                let value = round * 1000 + number;
                roots.push((value, cx.root(cx.alloc(value))));
            }
        });
        let mut index = 0;
        roots.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        if round % 3 == 0 {
            mutator.collect();
        }
        assert_eq!(heap.stats().roots, roots.len() as u64);
        mutator.enter(|cx| roots.iter().for_each(|(value, root)| assert_eq!(*root.get(cx), *value)));
    }
}

/// Goal: roots are used, set and dropped on other threads. Method: a root there and back, shared by two threads.
#[test]
fn roots_travel_between_threads() {
    let heap = heap(1);
    let mut mutator = heap.attach();
    let root: Root<u64> = mutator.enter(|cx| cx.root(cx.alloc(1_u64)));
    thread::scope(|threads| {
        for add in [10, 100] {
            let (root, heap) = (&root, &heap);
            threads.spawn(move || {
                let mut mutator = heap.attach();
                for _ in 0..100 {
                    mutator.enter(|cx| {
                        let value = *root.get(cx);
                        root.set(cx, cx.alloc(value + add));
                    });
                }
            });
        }
        for _ in 0..5 {
            heap.collect();
        }
    });
    assert!(mutator.enter(|cx| *root.get(cx)) > 1000);
    let thread = thread::spawn(move || drop(root));
    thread.join().expect("a root can be dropped anywhere");
    mutator.collect();
    assert_eq!(heap.stats().live_bytes, 0);
}

/// Goal: everything may go in any order. Method: each order of heap, mutator and root.
#[test]
fn heap_mutator_and_root_go_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for workers in [0, 1] {
            let heap = heap(workers);
            let mut mutator = heap.attach();
            let root: Root<str> = mutator.enter(|cx| cx.root(cx.alloc_str("kept")));
            let (mut heap, mut mutator, mut root) = (Some(heap), Some(mutator), Some(root));
            for which in order {
                match which {
                    0 => drop(heap.take()),
                    1 => drop(mutator.take()),
                    _ => drop(root.take()),
                }
                if let (Some(mutator), Some(root)) = (&mut mutator, &root) {
                    mutator.collect();
                    mutator.enter(|cx| assert_eq!(&*root.get(cx), "kept"));
                }
            }
        }
    }
}

/// Goal: heaps do not mix at run time either. Method: a root, used and set in a scope of another heap.
#[test]
fn a_root_of_another_heap_panics() {
    let (one, two) = (heap(0), heap(0));
    let (mut mutator, mut other) = (one.attach(), two.attach());
    let root: Root<u64> = mutator.enter(|cx| cx.root(cx.alloc(1_u64)));
    let message = panic_of(|| other.enter(|cx| _ = root.get(cx)));
    assert!(message.contains("another heap"), "{message}");
    let message = panic_of(|| other.enter(|cx| root.set(cx, cx.alloc(2))));
    assert!(message.contains("another heap"), "{message}");
    assert_eq!(mutator.enter(|cx| *root.get(cx)), 1);
}

/// Goal: to collect in a scope is a panic with a remedy, and nothing hangs. Method: from a scope of the same mutator, of
/// another one of this thread, and of another heap (which is allowed).
#[test]
fn collecting_in_a_scope_panics() {
    for workers in [0, 1] {
        let (heap, elsewhere) = (heap(workers), heap(workers));
        let (mut mutator, mut other) = (heap.attach(), heap.attach());
        let message = panic_of(|| mutator.enter(|_| heap.collect()));
        assert!(message.contains("leave the scope first"), "{message}");
        let message = panic_of(|| mutator.enter(|_| other.collect()));
        assert!(message.contains("leave the scope first"), "{message}");
        mutator.enter(|_| elsewhere.collect());
        mutator.collect();
        assert_eq!(heap.stats().cycles, 1);
    }
}

/// Goal: scopes of two mutators of one heap nest on one thread without a deadlock, in every phase. Method: an inner mutator
/// that allocates until it drives cycles, in an outer scope that holds an object; again with an open borrow.
#[test]
fn scopes_of_two_mutators_nest() {
    for workers in 0..3 {
        let heap = Heap::builder().workers(workers).gc_percent(10).build().expect("a heap");
        let (mut outer, mut inner) = (heap.attach(), heap.attach());
        for _ in 0..20 {
            outer.enter(|cx| {
                let held = cx.alloc(GcCell::new(Some(cx.alloc(7_u64))));
                for _ in 0..10 {
                    inner.enter(|cx| (0..2000_u64).for_each(|number| _ = cx.alloc([number; 4])));
                }
                let value = held.get();
                held.set(cx, None);
                assert_eq!(value.map(|value| *value), Some(7));
            });
        }
        drop((outer, inner));
        heap.collect();
        heap.recount().expect("the counters are exact");
    }
}

/// Goal: a scope that unwinds is over. Method: panic in scopes, then collect.
#[test]
fn a_scope_that_unwinds_is_over() {
    let heap = heap(1);
    let mut mutator = heap.attach();
    for _ in 0..10 {
        let message = panic_of(|| {
            mutator.enter(|cx| {
                let _: Gc<'_, u64> = cx.alloc(1);
                panic!("as planned")
            })
        });
        assert_eq!(message, "as planned");
        mutator.collect();
    }
    assert_eq!(heap.stats().live_bytes, 0);
}

/// Goal: attaching and detaching leave nothing behind, also while a cycle runs. Method: threads that attach, allocate,
/// root and detach all the time, while another one collects.
#[test]
fn mutators_come_and_go() {
    for workers in [0, 2] {
        let heap = heap(workers);
        thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    for round in 0..1000_u64 {
                        let mut mutator = heap.attach();
                        let root: Root<[u64]> =
                            mutator.enter(|cx| cx.root(cx.alloc_slice_fill(round as usize % 50, round)));
                        let mut other = heap.attach();
                        drop(mutator);
                        other.enter(|cx| assert!(root.get(cx).iter().all(|&value| value == round)));
                    }
                });
            }
            threads.spawn(|| (0..30).for_each(|_| heap.collect()));
        });
        heap.collect();
        let stats = heap.stats();
        assert_eq!((stats.live_bytes, stats.roots, stats.in_use_bytes), (0, 0, 0), "{stats:?}");
        heap.recount().expect("the counters are exact");
    }
}

/// Goal: a clone is a root of its own. Method: clones in a scope, outside of scopes, on a thread without a mutator; each is set or dropped, and the
/// others stay.
#[test]
fn clones_are_roots_of_their_own() {
    for workers in [0, 1] {
        let heap = heap(workers);
        let mut mutator = heap.attach();
        let root: Root<str> = mutator.enter(|cx| cx.root(cx.alloc_str("first")));
        let inside = mutator.enter(|_| root.clone());
        let outside = root.clone();
        let elsewhere = thread::scope(|threads| threads.spawn(|| root.clone()).join().expect("it is cloned"));
        assert_eq!(heap.stats().roots, 4);
        assert!(Root::ptr_eq(&inside, &outside) && Root::ptr_eq(&root, &elsewhere));
        mutator.enter(|cx| inside.set(cx, cx.alloc_str("second")));
        drop(root);
        mutator.collect();
        assert!(!Root::ptr_eq(&inside, &outside));
        let texts =
            mutator.enter(|cx| [&inside, &outside, &elsewhere].map(|root| String::from(&*root.get(cx))));
        assert_eq!(texts, ["second", "first", "first"]);
        drop((inside, outside));
        mutator.collect();
        assert_eq!(mutator.enter(|cx| String::from(&*elsewhere.get(cx))), "first");
        drop(elsewhere);
        mutator.collect();
        assert_eq!((heap.stats().roots, heap.stats().live_bytes), (0, 0));
    }
}

/// Goal: it can be asked which heap a root is of. Method: a root and its clone on another thread, with two heaps.
#[test]
fn a_root_knows_its_heap() {
    let (one, two) = (heap(0), heap(0));
    let root: Root<u64> = one.attach().enter(|cx| cx.root(cx.alloc(1_u64)));
    let twin = thread::scope(|threads| threads.spawn(|| root.clone()).join().expect("it is cloned"));
    for root in [&root, &twin] {
        assert!(root.belongs_to(&one) && !root.belongs_to(&two));
        assert_eq!(one.attach().enter(|cx| root.try_get(cx).map(|number| *number)), Some(1));
        assert!(two.attach().enter(|cx| root.try_get(cx).is_none()));
    }
}

/// Goal: roots may be dropped by threads that know of no cycle, may, and do; nothing that is kept dies, and no count is off. Method: mutators that
/// move objects from one root into another, roots that others drop and clone, cycles all the time; verified.
#[test]
fn roots_are_dropped_by_anybody_at_any_time() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).verify(true).build().expect("a heap");
        let (send, receive) = std::sync::mpsc::sync_channel::<(u64, Root<u64>, Root<u64>)>(64);
        thread::scope(|threads| {
            for first in [0, 1_000_000] {
                let (heap, send) = (&heap, send.clone());
                threads.spawn(move || {
                    let mut mutator = heap.attach();
                    let mut kept: Option<(u64, Root<u64>)> = None;
                    for number in first..first + 3000_u64 {
                        let root = mutator.enter(|cx| cx.root(cx.alloc(number)));
                        // From here on only the twin, or what another thread makes of the root, keeps it alive.
                        let twin =
                            if number % 3 == 0 { root.clone() } else { mutator.enter(|_| root.clone()) };
                        if let Some((number, kept)) = &kept {
                            assert_eq!(mutator.enter(|cx| *kept.get(cx)), *number);
                        }
                        kept = Some((number, root.clone()));
                        send.send((number, root, twin)).expect("somebody receives");
                    }
                });
            }
            drop(send);
            threads.spawn(|| {
                let mut mutator = heap.attach();
                for (number, root, twin) in receive {
                    let again = root.clone();
                    drop(root);
                    assert_eq!(mutator.enter(|cx| *twin.get(cx)), number);
                    drop(twin);
                    assert_eq!(mutator.enter(|cx| *again.get(cx)), number);
                    if number % 2 == 0 { mutator.enter(|_| drop(again)) } else { drop(again) }
                }
            });
            threads.spawn(|| (0..40).for_each(|_| heap.collect()));
        });
        heap.collect();
        assert_eq!((heap.stats().roots, heap.stats().live_bytes), (0, 0));
        let report = heap.verify_report();
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }
}

/// Goal: roots outlive the mutators that made them, share the slots of later ones, and the last of them ends the heap. Method: many mutators that
/// leave a few roots each; drop them in another order, on another thread; an object tells of the heap's end.
#[test]
fn roots_outlive_their_mutators() {
    struct Told(std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
    for workers in [0, 1] {
        let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let heap = heap(workers);
        let last = heap.attach().enter(|cx| cx.root(cx.alloc(mudlark::Static(Told(ended.clone())))));
        let mut roots: Vec<(usize, Root<usize>)> = Vec::new();
        for number in 0..500 {
            let mut mutator = heap.attach();
            mutator.enter(|cx| roots.extend([0, 1].map(|index| (number, cx.root(cx.alloc(number + index))))));
            if number % 3 == 0 {
                drop(mutator);
                roots.swap_remove(number / 3);
            }
        }
        assert_eq!(heap.stats().roots as usize, roots.len() + 1);
        heap.collect();
        let mut mutator = heap.attach();
        mutator.enter(|cx| {
            roots.iter().for_each(|(number, root)| assert!((0..2).contains(&(*root.get(cx) - number))))
        });
        let (front, back) = (roots.split_off(roots.len() / 2), roots);
        let thread = thread::spawn(move || drop(front));
        drop((mutator, heap, back));
        thread.join().expect("they are dropped");
        assert!(!ended.load(std::sync::atomic::Ordering::SeqCst), "a root keeps its heap alive");
        drop(last);
        assert!(workers > 0 || ended.load(std::sync::atomic::Ordering::SeqCst), "the heap has not ended");
    }
}

/// Goal: a set has what was put in and not removed, by keys that never find anything else. Method: random insertions and removals against a map,
/// with cycles, verified; then another heap.
#[test]
fn a_root_set_is_a_map() {
    use mudlark::{RootKey, RootSet};
    use std::collections::HashMap;
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).verify(true).build().expect("a heap");
        let mut mutator = heap.attach();
        let mut set: RootSet<u64> = RootSet::new();
        let mut model: HashMap<RootKey<u64>, u64> = HashMap::new();
        let mut gone: Vec<RootKey<u64>> = Vec::new();
        let mut state = 7_u64;
        for step in 0..5000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let some = model.keys().nth((state >> 33) as usize % (model.len() + 1)).copied();
            match ((state >> 20) % 4, some) {
                (0, Some(key)) => {
                    assert!(set.remove(key) && !set.remove(key));
                    model.remove(&key);
                    gone.push(key);
                }
                (1, Some(key)) => {
                    assert!(mutator.enter(|cx| set.set(cx, key, cx.alloc(step))));
                    model.insert(key, step);
                }
                _ => {
                    let key = mutator.enter(|cx| set.insert(cx, cx.alloc(step)));
                    assert_eq!(model.insert(key, step), None);
                }
            }
            if step % 500 == 0 {
                heap.collect();
            }
            assert_eq!(set.len(), model.len());
        }
        mutator.enter(|cx| {
            let found: HashMap<_, _> = set.iter(cx).map(|(key, number)| (key, *number)).collect();
            assert_eq!(found, model);
            assert!(model.iter().all(|(key, number)| set.get(cx, *key).as_deref() == Some(number)));
            assert!(gone.iter().all(|key| set.get(cx, *key).is_none() && !set.contains(*key)));
        });
        assert_eq!(heap.stats().roots as usize, set.len());
        set.clear();
        heap.collect();
        assert!(set.is_empty() && heap.stats().live_bytes == 0);
        assert!(heap.verify_report().violations.is_empty(), "{:#?}", heap.verify_report());
    }
}
