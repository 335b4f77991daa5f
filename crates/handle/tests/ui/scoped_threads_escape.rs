//! Promise: all threads of a scope end before it goes on. Attack: what spawns them comes out of `scoped`.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let threads = cx.scoped(|threads| threads);
        threads.spawn(|cx| *cx.alloc(1_u64));
    });
}
