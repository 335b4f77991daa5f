//! Promise: what the collector reads changes in mudlark's cells only. Attack: a `Gc` in `std::sync::Mutex`.

use mudlark::Heap;
use std::sync::Mutex;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let gc = cx.alloc(1_u64);
        cx.alloc(Mutex::new(gc));
    });
}
