//! Promise: the collector sees every `Gc`. Attack: capture one in a closure in the heap.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let gc = cx.alloc(1_u64);
        cx.alloc(move || *gc);
    });
}
