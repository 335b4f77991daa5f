//! Promise: the collector sees every `Gc`. Attack: `Static` around one.

use mudlark::{Heap, Static};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let gc = cx.alloc(1_u64);
        cx.alloc(Static(gc));
    });
}
