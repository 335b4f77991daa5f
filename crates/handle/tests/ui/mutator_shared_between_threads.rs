//! Promise: a mutator is used by one thread at a time. Attack: two threads share it.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mutator = heap.attach();
    std::thread::scope(|threads| {
        threads.spawn(|| mutator.heap().collect());
        threads.spawn(|| mutator.heap().collect());
    });
}
