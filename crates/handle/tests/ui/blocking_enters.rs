//! Promise: a mutator that blocks is not entered meanwhile. Attack: enter it.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    mutator.blocking(|| mutator.enter(|cx| *cx.alloc(1_u64)));
    mutator.enter(|_| mutator.blocking(|| ()));
}
