//! Promise: only what is `Send + Sync` is shared between threads. Attack: send a `GcWeak` of a `GcRefCell`.

use mudlark::{GcRefCell, GcWeak, Heap};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let weak = GcWeak::new(cx, cx.alloc(GcRefCell::new(1_u64)));
        thread::scope(|threads| _ = threads.spawn(move || weak));
    });
}
