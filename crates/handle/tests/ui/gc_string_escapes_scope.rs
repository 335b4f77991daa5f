//! Promise: a string that is being built belongs to its scope. Attack: the builder leaves it.

use mudlark::{GcString, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let mut text = mutator.enter(|cx| GcString::new(cx));
    mutator.collect();
    text.push('x');
}
