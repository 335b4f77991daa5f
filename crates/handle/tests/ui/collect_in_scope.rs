//! Promise: no safepoint inside a scope. Attack: ask the mutator for a collection.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let gc = cx.alloc(1_u64);
        mutator.collect();
        println!("{}", *gc);
    });
}
