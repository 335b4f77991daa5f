//! Promise: a `Gc` does not leave its scope. Attack: the closure stores it in a variable outside.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let mut escaped = None;
    mutator.enter(|cx| escaped = Some(cx.alloc(1_u64)));
    mutator.collect();
    println!("{}", *escaped.unwrap());
}
