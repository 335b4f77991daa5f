//! Promise: only what is `Send + Sync` is shared between mutators. Attack: send a `Root` to a `GcRefCell`.

use mudlark::{GcRefCell, Heap, Trace};
use std::thread;

#[derive(Trace)]
struct Counter {
    hits: GcRefCell<u64>,
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    let root = heap.attach().enter(|cx| cx.root(cx.alloc(Counter { hits: GcRefCell::new(0) })));
    let mut other = heap.attach();
    let thread = thread::spawn(move || other.enter(|cx| *root.get(cx).hits.borrow_mut(cx) += 1));
    thread.join().unwrap();
}
