//! Promise: only what is `Send + Sync` is shared between mutators. Attack: share a `Root` to a `Cell`.

use mudlark::{Heap, Root};
use std::cell::Cell;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let root: Root<Cell<u64>> = heap.attach().enter(|cx| cx.root(cx.alloc(Cell::new(0))));
    std::thread::scope(|threads| {
        threads.spawn(|| heap.attach().enter(|cx| root.get(cx).set(1)));
    });
}
