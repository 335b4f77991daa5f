//! Promise: frames are a stack. Attack: keep something in the outer frame while an inner one is open.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().frame(|outer| {
        outer.frame(|_inner| {
            let _local = outer.enter(|cx| cx.keep(cx.alloc(1_u64)));
        });
    });
}
