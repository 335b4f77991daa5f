//! Promise: a mutator ends outside of its scopes. Attack: drop it in one.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let number = cx.alloc(1_u64);
        drop(mutator);
        println!("{number}");
    });
}
