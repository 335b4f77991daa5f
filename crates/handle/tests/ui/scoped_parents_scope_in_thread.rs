//! Promise: a scope belongs to one thread. Attack: a thread that shares the brand uses its parent's scope, not its own.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        cx.scoped(|threads| {
            threads.spawn(|_| *cx.alloc(1_u64));
        });
    });
}
