//! Promise: a `GcMutex` gives contents to one thread at a time. Attack: two threads use one guard of contents that are not `Sync`.

use mudlark::{GcMutex, GcRefCell, Heap};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let mutex = cx.alloc(GcMutex::new(GcRefCell::new(1_u64)));
        let guard = mutex.lock(cx);
        thread::scope(|threads| {
            threads.spawn(|| *guard.borrow());
            assert_eq!(*guard.borrow(), 1);
        });
    });
}
