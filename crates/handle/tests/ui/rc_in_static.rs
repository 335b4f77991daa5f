//! Promise: the collector may drop a value on any thread. Attack: `Static` around what is not `Send`.

use mudlark::{Heap, Static};
use std::rc::Rc;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        cx.alloc(Static(Rc::new(1_u64)));
    });
}
