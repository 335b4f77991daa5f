//! Promise: a borrow of a vector ends before its scope. Attack: the guard leaves the scope.

use mudlark::{GcVec, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let mut guard = mutator.enter(|cx| cx.alloc(GcVec::<u64>::new()).into_ref().borrow_mut(cx));
    mutator.collect();
    guard.push(2);
}
