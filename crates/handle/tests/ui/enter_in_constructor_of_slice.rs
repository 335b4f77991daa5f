//! Promise: a mutator has one scope at a time. Attack: enter it again while it makes a slice.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        cx.alloc_slice_with(3, |index| mutator.enter(|inner| *inner.alloc(index)));
    });
}
