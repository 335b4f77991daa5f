//! Promise: a thread's scope ends with its closure. Attack: it comes out as the result, and through a variable.

use mudlark::{Heap, Scope};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        cx.scoped(|threads| {
            let cx = threads.spawn(|cx| cx).join().unwrap();
            cx.alloc(1_u64);
            let mut kept: Option<&Scope<'_>> = None;
            threads.spawn(|cx| kept = Some(cx));
        });
    });
}
