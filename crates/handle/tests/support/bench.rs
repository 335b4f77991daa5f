//! A heap in which anything may panic, and what must hold afterwards.

use crate::ledger::{Counted, Ledger};
use mudlark::{Gc, GcCell, Heap, HeapBuilder, Mutator, Root, Scope, Static, Trace, Zeal};
use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::AtomicUsize},
};

pub(crate) type Left = Arc<AtomicUsize>;

#[derive(Trace)]
pub(crate) struct Node<'gc> {
    pub(crate) value: Static<Counted>,
    pub(crate) next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

/// A heap with some lists, half of them rooted.
pub(crate) struct Bench {
    pub(crate) ledger: Ledger,
    pub(crate) kept: Vec<(Root<Node<'static>>, Vec<usize>)>,
    pub(crate) mutator: Mutator,
    pub(crate) heap: Heap,
}

const LISTS: usize = 20;

pub(crate) fn builder(workers: usize) -> HeapBuilder {
    Heap::builder().workers(workers).verify(true).zeal(Zeal { fill_freed: true, ..Zeal::default() })
}

/// A list of three nodes, and their numbers from the head on.
pub(crate) fn list<'gc>(cx: &Scope<'gc>, ledger: &Ledger) -> (Gc<'gc, Node<'gc>>, Vec<usize>) {
    let mut numbers = Vec::new();
    let mut make = |next| {
        let value = ledger.value();
        numbers.insert(0, *value.number);
        cx.alloc(Node { value, next: GcCell::new(next) })
    };
    let tail = make(None);
    let middle = make(Some(tail));
    (make(Some(middle)), numbers)
}

impl Bench {
    pub(crate) fn new(builder: HeapBuilder) -> Bench {
        let heap = builder.build().expect("a heap");
        let (ledger, mut kept) = (Ledger::default(), Vec::new());
        let mut mutator = heap.attach();
        mutator.enter(|cx| {
            for index in 0..LISTS {
                let (head, numbers) = list(cx, &ledger);
                if index % 2 == 0 {
                    kept.push((cx.root(head), numbers));
                }
            }
        });
        Bench { ledger, kept, mutator, heap }
    }

    pub(crate) fn live(&self) -> HashSet<usize> {
        self.kept.iter().flat_map(|(_, numbers)| numbers.iter().copied()).collect()
    }

    /// What is rooted is there and was not dropped; the heap can be used.
    pub(crate) fn check(&mut self) {
        self.mutator.enter(|cx| {
            for (root, numbers) in &self.kept {
                let mut next = Some(root.get(cx));
                for &number in numbers {
                    let node = next.expect("the list is whole");
                    assert_eq!(*node.value.number, number);
                    next = node.next.get();
                }
                assert!(next.is_none());
            }
            (0..100_u64).for_each(|number| assert_eq!(*cx.alloc(number), number));
            let (head, numbers) = list(cx, &self.ledger);
            self.kept.push((cx.root(head), numbers));
        });
        let live = self.live();
        self.ledger.assert_none_wrongly(|number| live.contains(&number));
    }

    /// Everything that must hold however it came to this.
    pub(crate) fn finish(mut self) {
        self.check();
        self.heap.collect();
        self.check();
        self.heap.collect();
        let live = self.live();
        self.ledger.assert_exact(|number| live.contains(&number));
        assert_eq!(self.heap.verify_report().violations, Vec::<String>::new());
        self.kept.clear();
        drop(self.mutator);
        self.heap.collect();
        self.ledger.assert_exact(|_| false);
        self.heap.recount().expect("the counters are exact");
    }
}

/// Whether `work` panicked.
pub(crate) fn panics(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}
