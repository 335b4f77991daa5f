//! Promise: a `Gc` does not leave its scope. Attack: it hides in a thread-local.

use mudlark::{Gc, Heap};
use std::cell::Cell;

thread_local! {
    static HIDDEN: Cell<Option<Gc<'static, u64>>> = const { Cell::new(None) };
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| HIDDEN.set(Some(cx.alloc(1_u64))));
}
