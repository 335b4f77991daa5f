//! Promise: a local belongs to its mutator's thread. Attack: read it on another one.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().frame(|frame| {
        let local = frame.enter(|cx| cx.keep(cx.alloc(1_u64)));
        std::thread::scope(|threads| {
            threads.spawn(|| heap.attach().enter(|cx| *local.get(cx)));
        });
    });
}
