//! Promise: threads of a scope share only what can be shared. Attack: a thread returns a pointer to
//! a `GcRefCell`.

use mudlark::{GcRefCell, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        cx.scoped(|threads| {
            threads.spawn(|cx| cx.alloc(GcRefCell::new(1_u64)));
        });
    });
}
