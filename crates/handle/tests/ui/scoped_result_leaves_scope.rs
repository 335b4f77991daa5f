//! Promise: what threads of a scope made belongs to the scope. Attack: it leaves it.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let word = heap.attach().enter(|cx| {
        cx.scoped(|threads| threads.spawn(|cx| cx.alloc_str("made")).join().unwrap())
    });
    println!("{word}");
}
