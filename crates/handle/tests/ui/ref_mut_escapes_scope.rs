//! Promise: a borrow of a cell ends before its scope. Attack: the guard leaves the scope.

use mudlark::{GcRefCell, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let mut guard = mutator.enter(|cx| cx.alloc(GcRefCell::new(1_u64)).into_ref().borrow_mut(cx));
    mutator.collect();
    *guard = 2;
}
