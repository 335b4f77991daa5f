//! Promise: a pointer does not leave its scope. Attack: as the payload of a panic.

use mudlark::Heap;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let payload = catch_unwind(AssertUnwindSafe(|| mutator.enter(|cx| panic_any(cx.alloc(1_u64)))));
    drop(payload);
}
