//! Promise: a mutator has one scope at a time. Attack: begin a frame, and a scope in it, within a scope of the frame below.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().frame(|outer| {
        outer.enter(|_cx| outer.frame(|inner| inner.enter(|cx| *cx.alloc(1_u64))));
    });
}
