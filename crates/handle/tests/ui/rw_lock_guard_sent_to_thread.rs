//! Promise: who locked unlocks, in its own scope. Attack: another thread takes a read guard of a `GcRwLock` along.

use mudlark::{GcRwLock, Heap};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let lock = cx.alloc(GcRwLock::new(1_u64));
        let guard = lock.read();
        thread::scope(|threads| {
            threads.spawn(move || assert_eq!(*guard, 1));
        });
    });
}
