//! Promise: a local ends with its frame. Attack: return one from the frame.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let _local = mutator.frame(|frame| frame.enter(|cx| cx.keep(cx.alloc(1_u64))));
}
