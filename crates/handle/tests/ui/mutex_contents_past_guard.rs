//! Promise: contents are used under the lock. Attack: a reference to them that outlives the guard of a `GcMutex`.

use mudlark::{GcMutex, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let mutex = cx.alloc(GcMutex::new(vec![cx.alloc(1_u64)]));
        let contents = {
            let mut guard = mutex.into_ref().lock(cx);
            &mut *guard
        };
        mutex.lock(cx).clear();
        contents.push(cx.alloc(2_u64));
    });
}
