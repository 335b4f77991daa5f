//! The system refuses pages, at each request in turn: allocation gives the value back, and nothing else fails.
#![allow(clippy::result_large_err, reason = "values come back in the error, whatever their size")]

#[path = "support/ledger.rs"]
mod ledger;
#[path = "../../arena/tests/support/pages.rs"]
mod pages;

use ledger::{Counted, Ledger};
use mudlark::{
    AllocError, FullCause, Gc, GcCell, GcWeak, Heap, HeapError, Mutator, Root, Scope, Static, Trace,
};
use pages::FlakyPages;

/// More than a chunk of memory, so that each round asks the system for more.
const ROUND: usize = 2_600;

type Next<'gc> = Option<Gc<'gc, Node<'gc>>>;

#[derive(Trace)]
struct Node<'gc> {
    value: Static<Counted>,
    text: Gc<'gc, str>,
    next: Next<'gc>,
    before: GcCell<Option<GcWeak<'gc, Node<'gc>>>>,
    ballast: [u64; 120],
}

/// A program on a heap whose pages come from `pages`, and what it must find.
struct Run {
    pages: FlakyPages,
    /// Whether the pages are well again when a refusal was noticed.
    heals: bool,
    ledger: Ledger,
    /// Allocations that failed.
    errors: u64,
}

impl Run {
    fn new(pages: FlakyPages, heals: bool) -> Run {
        Run { pages, heals, ledger: Ledger::default(), errors: 0 }
    }

    /// Tries to allocate; if that fails, with the value that came back, once more when the pages are well again. `None` if they do
    /// not get well.
    fn insist<V, R>(
        &mut self,
        value: V,
        mut attempt: impl FnMut(V) -> Result<R, AllocError<V>>,
    ) -> Option<R> {
        let AllocError { value, full } = match attempt(value) {
            Ok(made) => return Some(made),
            Err(error) => error,
        };
        assert_eq!(full.cause, FullCause::System, "{full}");
        self.errors += 1;
        if !self.heals {
            return None;
        }
        self.pages.heal();
        Some(attempt(value).unwrap_or_else(|error| panic!("the pages are well again: {error}")))
    }

    /// A heap; if even the least number of addresses is refused, when the pages are well again.
    fn heap(&mut self, workers: usize) -> Heap {
        let build = || Heap::builder().workers(workers).verify(true).pages(self.pages.clone()).build();
        build().unwrap_or_else(|error| {
            assert!(matches!(error, HeapError::Reserve(_)), "{error}");
            self.pages.heal();
            build().expect("the pages are well again")
        })
    }

    /// A node in front of a list.
    fn node<'gc>(&mut self, cx: &Scope<'gc>, next: Next<'gc>, index: usize) -> Option<Gc<'gc, Node<'gc>>> {
        let text = self.insist((), |()| cx.try_alloc_str("a text that is shared by nobody"))?;
        let (value, before) = (self.ledger.value(), GcCell::new(None));
        let ballast = [*value.number as u64; 120];
        let node = Node { value, text, next, before, ballast };
        let node = self.insist(node, |node| cx.try_alloc(node))?;
        if let Some(next) = next {
            let weak = self.insist(node, |node| GcWeak::try_new(cx, node))?;
            next.before.set(cx, Some(weak));
        }
        if index.is_multiple_of(500) {
            let number = *node.value.number;
            let large = self.insist([number; 3000], |large| cx.try_alloc(large))?;
            assert!(large.iter().all(|&other| other == number));
            let slice = self.insist((), |()| cx.try_alloc_slice_with(3000, |_| next))?;
            assert!(slice.iter().all(|other| other.is_some() == next.is_some()));
        }
        Some(node)
    }

    /// A list as long as it gets.
    fn list(&mut self, mutator: &mut Mutator) -> Option<Root<Node<'static>>> {
        mutator.enter(|cx| {
            let mut head = None;
            for index in 0..ROUND {
                let Some(node) = self.node(cx, head, index) else { break };
                head = Some(node);
            }
            head.map(|head| cx.root(head))
        })
    }

    /// Everything in a list is there, and nothing else is.
    fn check(&self, mutator: &mut Mutator, list: Option<&Root<Node<'static>>>) {
        let mut live = std::collections::HashSet::new();
        mutator.enter(|cx| {
            let mut next = list.map(|list| list.get(cx));
            while let Some(node) = next {
                let number = *node.value.number;
                assert!(live.insert(number));
                assert!(node.ballast.iter().all(|&other| other == number as u64), "node {number}");
                assert_eq!(&*node.text, "a text that is shared by nobody");
                if let (Some(next), Some(before)) = (node.next, node.next.and_then(|next| next.before.get()))
                {
                    assert!(
                        before.upgrade(cx).is_some_and(|before| Gc::ptr_eq(before, node)),
                        "before {}",
                        *next.value.number
                    );
                }
                next = node.next;
            }
        });
        self.ledger.assert_exact(|number| live.contains(&number));
    }

    /// A heap that grows, shrinks and grows. Returns whether any request was refused.
    fn run(mut self, workers: usize) -> bool {
        let heap = self.heap(workers);
        let mut mutator = heap.attach();
        let mut list = None;
        for _ in 0..2 {
            drop(list.take());
            heap.collect();
            self.check(&mut mutator, None);
            // What the system refuses to take back stays.
            heap.release_free_memory();
            list = self.list(&mut mutator);
            drop(heap.attach());
            heap.collect();
            self.check(&mut mutator, list.as_ref());
        }
        assert!(list.is_some() || !self.heals);
        // Whatever happened: with pages there is room again.
        self.pages.heal();
        self.heals = true;
        let errors = self.errors;
        drop(list);
        let list = self.list(&mut mutator);
        assert_eq!(self.errors, errors);
        heap.collect();
        self.check(&mut mutator, list.as_ref());
        assert_eq!(heap.verify_report().violations, Vec::<String>::new());
        drop((list, mutator));
        heap.collect();
        heap.recount().expect("the counters are exact");
        self.ledger.assert_exact(|_| false);
        self.pages.refused() > 0
    }
}

/// Goal: a refusal is an error that gives the value back, or nothing that anybody notices; afterwards all goes on. Method: the n-th request is
/// refused, for each n until none is; with and without a background thread.
#[test]
fn each_single_refusal_is_survived() {
    for workers in [0, 1] {
        let number =
            (0..).find(|&number| !Run::new(FlakyPages::refusing(number, number + 1), true).run(workers));
        assert!(number > Some(10), "{number:?} requests");
    }
}

/// Goal: the same for a system that refuses everything from some moment on, until somebody notices, or longer: then what is there can be used,
/// collected and given back. Method: all requests from the n-th on are refused, for each n until none is.
#[test]
fn each_longer_spell_is_survived() {
    for (workers, heals) in [(0, true), (0, false), (1, false)] {
        let number =
            (0..).find(|&number| !Run::new(FlakyPages::refusing(number, u64::MAX), heals).run(workers));
        assert!(number > Some(10), "{number:?} requests");
    }
}
