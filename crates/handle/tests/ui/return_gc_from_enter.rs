//! Promise: a `Gc` does not leave its scope. Attack: `enter` returns it.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let escaped = mutator.enter(|cx| cx.alloc(1_u64));
    mutator.collect();
    println!("{}", *escaped);
}
