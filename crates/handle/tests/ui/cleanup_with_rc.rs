//! Promise: cleanups run on any thread. Attack: take an `Rc` along.

use mudlark::Heap;
use std::rc::Rc;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let count = Rc::new(1);
    heap.attach().enter(|cx| {
        cx.on_drop(cx.alloc(7_u64), move || drop(count));
    });
}
