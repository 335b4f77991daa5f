//! Safe programs that nobody should write.

#[path = "support/ledger.rs"]
mod ledger;

use ledger::{Counted, Ledger};
use mudlark::{Gc, GcCell, Heap, Mutator, Root, Static, Trace};
use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

fn heap(workers: usize) -> Heap {
    Heap::builder().workers(workers).verify(true).build().expect("a heap")
}

/// Parts of a heap in thread-locals, whose destructors run when the thread is half gone.
enum Piece {
    Heap(#[allow(dead_code, reason = "it is only dropped")] Heap),
    Mutator(Mutator),
    Root(#[allow(dead_code, reason = "it is only dropped")] Root<[Static<Counted>]>),
}

impl Drop for Piece {
    fn drop(&mut self) {
        // Also scopes and cycles work there.
        if let Piece::Mutator(mutator) = self {
            mutator.enter(|cx| assert_eq!(*cx.alloc(7_u64), 7));
            mutator.collect();
        }
    }
}

thread_local! {
    static FIRST: RefCell<Option<Piece>> = const { RefCell::new(None) };
    static SECOND: RefCell<Option<Piece>> = const { RefCell::new(None) };
    static THIRD: RefCell<Option<Piece>> = const { RefCell::new(None) };
}

/// Goal: a heap may end in the destructors of thread-locals, its last handle, mutator and root in any order. Method: each order, and each in which
/// the thread-locals come to be, which decides in which they go; the heap ends with the thread.
#[test]
fn heaps_end_in_destructors_of_thread_locals() {
    for workers in 0..3 {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let ledger = Ledger::default();
            let in_thread = ledger.clone();
            let thread = thread::spawn(move || {
                let heap = heap(workers);
                let mut mutator = heap.attach();
                let root = mutator.enter(|cx| {
                    cx.alloc_slice_with(5, |_| in_thread.value());
                    cx.root(cx.alloc_slice_with(5, |_| in_thread.value()))
                });
                let pieces = [Piece::Heap(heap), Piece::Mutator(mutator), Piece::Root(root)];
                let places = [&FIRST, &SECOND, &THIRD];
                for (place, piece) in order.into_iter().zip(pieces) {
                    places[place].set(Some(piece));
                }
            });
            thread.join().expect("the thread ends");
            assert_eq!(ledger.made(), 10);
            ledger.assert_exact(|_| false);
        }
    }
}

/// Owns parts of the heap that it lies in.
struct Owner {
    parts: Option<(Heap, Mutator, Root<u64>)>,
    dropped: Arc<AtomicUsize>,
    /// What else it does when it dies.
    work: fn(&Heap),
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some((heap, mutator, root)) = self.parts.take() {
            (self.work)(&heap);
            drop((root, mutator, heap));
        }
        self.dropped.fetch_add(1, SeqCst);
    }
}

/// Allocates owners until enough of them are dead; those died wherever sweeping happened to be: in allocations, at the ends of scopes, in
/// the background.
fn own(workers: usize, work: fn(&Heap), wanted: usize) {
    let heap = Heap::builder().workers(workers).gc_percent(1).build().expect("a heap");
    let (mut mutator, dropped) = (heap.attach(), Arc::new(AtomicUsize::new(0)));
    let mut made = 0;
    while dropped.load(SeqCst) < wanted {
        for _ in 0..4 {
            let other = heap.attach();
            mutator.enter(|cx| {
                let parts = Some((heap.clone(), other, cx.root(cx.alloc(7_u64))));
                cx.alloc(Static(Owner { parts, dropped: Arc::clone(&dropped), work }));
            });
            made += 1;
        }
        mutator.enter(|cx| (0..40).for_each(|_| _ = cx.alloc([0_u64; 128])));
    }
    heap.collect();
    drop(mutator);
    heap.collect();
    assert_eq!(dropped.load(SeqCst), made, "all owners are dead");
    assert_eq!(heap.stats().roots, 0);
    heap.recount().expect("the counters are exact");
}

/// Goal: drop glue may drop mutators, roots and handles of the very heap that runs it, in the middle of an allocation. Method: as [`own`]
/// says.
#[test]
fn drop_glue_may_drop_every_part_of_its_heap() {
    (0..2).for_each(|workers| own(workers, |_| {}, 500));
}

/// Goal: drop glue that has another thread use the heap, and waits for it, stands in nobody's way. Method: the other thread attaches, allocates,
/// and detaches, while the first is in the middle of sweeping.
#[test]
fn drop_glue_may_wait_for_threads_that_use_the_heap() {
    let work: fn(&Heap) = |heap| {
        let work = || {
            heap.attach().enter(|cx| (0..500_u64).for_each(|number| assert_eq!(*cx.alloc(number), number)))
        };
        thread::scope(|scope| scope.spawn(work).join().expect("the other thread ends"));
    };
    (0..2).for_each(|workers| own(workers, work, 40));
}

/// Goal: heaps whose objects own each other's roots leak and do no more. Method: two heaps, tied together, and given up in either order.
#[test]
fn heaps_that_keep_each_other_alive_are_leaked() {
    for first_first in [false, true] {
        let (one, two) = (heap(0), heap(1));
        let (mut in_one, mut in_two) = (one.attach(), two.attach());
        let root = in_one.enter(|cx| cx.root(cx.alloc(GcCell::new(None::<Gc<'_, Static<Root<u64>>>>))));
        let number = in_two.enter(|cx| cx.root(cx.alloc(7_u64)));
        in_one.enter(|cx| root.get(cx).set(cx, Some(cx.alloc(Static(number)))));
        let _kept = in_two.enter(|cx| cx.root(cx.alloc(Static(one.clone()))));
        drop((in_one, in_two, root));
        if first_first { drop((one, two)) } else { drop((two, one)) }
    }
}

/// Goal: a slice of countless elements without a size costs nothing, for the verifier either. Method: so many that nobody could visit them.
#[test]
fn countless_empty_elements_are_verified_at_once() {
    let heap = heap(0);
    let mut mutator = heap.attach();
    let root = mutator.enter(|cx| cx.root(cx.alloc_slice_copy::<[Gc<'_, u64>; 0]>(&[[]; usize::MAX])));
    heap.collect();
    assert_eq!(mutator.enter(|cx| root.get(cx).len()), usize::MAX);
    assert_eq!(heap.verify_report().cycles, 1);
}

/// Goal: a wish for absurdly many threads is no panic. Method: ask; the system gives what it gives.
#[test]
fn absurd_numbers_of_workers_are_cut() {
    let heap = Heap::builder().workers(usize::MAX).build().expect("a heap");
    heap.attach().enter(|cx| assert_eq!(*cx.alloc(7_u64), 7));
    heap.collect();
    assert!(heap.worker_stats().threads.len() <= 256);
}

/// Goal: a mutator that is moved to another thread after each scope works like any other. Method: a chain of threads, cycles all the time.
#[test]
fn a_mutator_may_be_moved_after_each_scope() {
    #[derive(Trace)]
    struct Node<'gc> {
        value: Static<Counted>,
        next: Option<Gc<'gc, Node<'gc>>>,
    }
    for workers in [0, 1] {
        let (heap, ledger) = (heap(workers), Ledger::default());
        let mut mutator = heap.attach();
        let value = ledger.value();
        let list: Root<Node<'static>> = mutator.enter(|cx| cx.root(cx.alloc(Node { value, next: None })));
        let list = Arc::new(list);
        for step in 0..60 {
            let (heap, list, ledger) = (heap.clone(), Arc::clone(&list), ledger.clone());
            let moved = thread::spawn(move || {
                mutator.enter(|cx| {
                    let next = Some(list.get(cx));
                    list.set(cx, cx.alloc(Node { value: ledger.value(), next }));
                    cx.alloc(ledger.value());
                });
                if step % 5 == 0 {
                    heap.collect();
                }
                mutator
            });
            mutator = moved.join().expect("a thread");
        }
        heap.collect();
        let mut live = std::collections::HashSet::new();
        mutator.enter(|cx| {
            let mut next = Some(list.get(cx));
            while let Some(node) = next {
                live.insert(*node.value.number);
                next = node.next;
            }
        });
        assert_eq!(live.len(), 61);
        ledger.assert_exact(|number| live.contains(&number));
    }
}
