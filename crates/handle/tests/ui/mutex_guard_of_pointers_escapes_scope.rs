//! Promise: a guard of contents with pointers ends before its scope. Attack: a lock on the stack, whose guard is kept outside.

use mudlark::{GcMutex, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let mutex = GcMutex::new(Vec::new());
    let mut kept = None;
    mutator.enter(|cx| {
        let mut guard = mutex.lock(cx);
        guard.push(cx.alloc(1_u64));
        kept = Some(guard);
    });
}
