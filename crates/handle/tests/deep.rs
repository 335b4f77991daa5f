//! Structures of any depth: marking and dropping take no native stack.

use mudlark::{Gc, GcCell, Heap, Root, Trace};
use std::thread;

const STACK_BYTES: usize = 256 << 10;
/// Ten million, or fewer where sanitizers make each step slow.
const NODES: u64 = if cfg!(mudlark_asan) { 1_000_000 } else { 10_000_000 };

#[derive(Trace)]
struct Node<'gc> {
    number: u64,
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(work).expect("a thread");
    thread.join().expect("the stack is large enough");
}

fn build_mark_and_drop(workers: usize) {
    let heap = Heap::builder().workers(workers).build().expect("a heap");
    let mut mutator = heap.attach();
    let list: Root<Option<Gc<'static, Node<'static>>>> =
        mutator.enter(|cx| cx.root(cx.alloc(None::<Gc<'_, Node<'_>>>)));
    for first in (0..NODES).step_by(10_000) {
        mutator.enter(|cx| {
            let mut head = *list.get(cx);
            for number in first..first + 10_000 {
                head = Some(cx.alloc(Node { number, next: GcCell::new(head) }));
            }
            list.set(cx, cx.alloc(head));
        });
    }
    mutator.collect();
    assert!(heap.stats().live_bytes >= NODES * 16, "{:?}", heap.stats());
    mutator.enter(|cx| {
        let (mut next, mut sum) = (*list.get(cx), 0);
        while let Some(node) = next {
            sum += node.number;
            next = node.next.get();
        }
        assert_eq!(sum, NODES * (NODES - 1) / 2);
    });
    drop(list);
    mutator.collect();
    assert!(heap.stats().live_bytes < 1 << 20, "{:?}", heap.stats());
    drop(mutator);
    heap.recount().expect("the counters are exact");
}

/// Goal: a list of ten million nodes is marked and freed on a small stack. Method: everything on one thread.
#[test]
fn a_long_list_without_background_threads() {
    on_a_small_stack(|| build_mark_and_drop(0));
}

/// Goal: the same with marking in the background. Method: one worker, beside a program on a small stack.
#[test]
fn a_long_list_with_a_background_thread() {
    on_a_small_stack(|| build_mark_and_drop(1));
}
