//! Promise: the collector sees every `Gc`. Attack: the skipped field gets it as a type argument.

use mudlark::{Heap, Trace};

#[derive(Trace)]
struct Hidden<T> {
    #[trace(skip)]
    value: T,
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let gc = cx.alloc(1_u64);
        cx.alloc(Hidden { value: gc });
    });
}
