//! Promise: objects are immutable but for their cells. Attack: assign to an element.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let slice = cx.alloc_slice_with(2, |_| cx.alloc(1_u64));
        slice[0] = slice[1];
    });
}
