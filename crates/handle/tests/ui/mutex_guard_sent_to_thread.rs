//! Promise: who locked unlocks, in its own scope. Attack: another thread takes the guard of a `GcMutex` along.

use mudlark::{GcMutex, Heap};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let mutex = cx.alloc(GcMutex::new(1_u64));
        let mut guard = mutex.lock(cx);
        thread::scope(|threads| {
            threads.spawn(move || *guard += 1);
        });
    });
}
