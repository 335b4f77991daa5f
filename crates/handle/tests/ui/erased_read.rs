//! Promise: what is behind a pointer whose type was forgotten cannot be seen. Attack: look.

use mudlark::{Gc, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let erased = Gc::erase(cx.alloc(1_u64));
        let number: &u64 = &erased;
        println!("{number}");
    });
}
