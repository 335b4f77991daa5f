//! Promise: the collector sees every `Gc`. Attack: share one by counting.

use mudlark::Heap;
use std::sync::Arc;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let gc = cx.alloc(1_u64);
        cx.alloc(Arc::new(gc));
    });
}
