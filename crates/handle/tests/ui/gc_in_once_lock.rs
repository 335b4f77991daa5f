//! Promise: what a tracer reads does not change behind a `&self`. Attack: a `Gc` in a `OnceLock`, to be set later.

use mudlark::{Gc, Heap, Trace};
use std::sync::OnceLock;

#[derive(Trace)]
struct Lazy<'gc> {
    value: OnceLock<Gc<'gc, u64>>,
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let lazy = cx.alloc(Lazy { value: OnceLock::new() });
        lazy.value.set(cx.alloc(1)).unwrap();
    });
}
