//! Promise: no brand is `'static`. Attack: a closure that accepts this brand only.

use mudlark::{Heap, Scope};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx: &Scope<'static>| drop(cx.alloc(1_u64)));
}
