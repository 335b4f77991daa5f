//! Promise: a scope ends with its closure. Attack: return it, to allocate after the safepoint.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let scope = mutator.enter(|cx| cx);
    scope.alloc(1_u64);
}
