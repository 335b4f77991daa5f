//! Promise: threads of a scope share only what can be shared. Attack: a thread captures a pointer to a `GcRefCell`.

use mudlark::{GcRefCell, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let cell = cx.alloc(GcRefCell::new(1_u64));
        cx.scoped(|threads| {
            threads.spawn(move |_| *cell.borrow());
        });
    });
}
