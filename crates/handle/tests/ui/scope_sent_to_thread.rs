//! Promise: a scope belongs to one thread. Attack: a scoped thread allocates in it too.

use mudlark::Heap;
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        thread::scope(|threads| {
            threads.spawn(|| cx.alloc(1_u64));
            cx.alloc(2_u64);
        });
    });
}
