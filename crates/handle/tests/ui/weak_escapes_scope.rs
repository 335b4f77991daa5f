//! Promise: what a scope gives lives as long as the scope. Attack: keep a `GcWeak` for later.

use mudlark::{GcWeak, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let weak = mutator.enter(|cx| GcWeak::new(cx, cx.alloc(1_u64)));
    mutator.collect();
    mutator.enter(|cx| assert!(weak.upgrade(cx).is_some()));
}
