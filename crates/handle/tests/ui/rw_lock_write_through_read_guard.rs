//! Promise: who changes contents has them alone and told the collector. Attack: a change through a read guard of a `GcRwLock`.

use mudlark::{GcRwLock, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let lock = cx.alloc(GcRwLock::new(vec![cx.alloc(1_u64)]));
        lock.read().clear();
    });
}
