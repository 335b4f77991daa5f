//! Promise: a guard ends before its scope. Attack: the guard of a `GcMutex` leaves the scope.

use mudlark::{GcMutex, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let mut guard = mutator.enter(|cx| cx.alloc(GcMutex::new(1_u64)).into_ref().lock(cx));
    mutator.collect();
    *guard = 2;
}
