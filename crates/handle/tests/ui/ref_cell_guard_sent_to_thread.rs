//! Promise: contents of a `GcRefCell` stay on one thread. Attack: share a guard.

use mudlark::{GcRefCell, Heap};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let cell = cx.alloc(GcRefCell::new(1_u64));
        let guard = cell.borrow();
        thread::scope(|threads| _ = threads.spawn(|| *guard));
    });
}
