//! Promise: a reference into the heap ends with its scope. Attack: return `Gc::as_ref`.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let escaped: &u64 = mutator.enter(|cx| cx.alloc(1_u64).into_ref());
    mutator.collect();
    println!("{escaped}");
}
