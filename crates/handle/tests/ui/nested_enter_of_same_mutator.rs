//! Promise: no safepoint inside a scope. Attack: enter the mutator again, and leave.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    mutator.enter(|cx| {
        let gc = cx.alloc(1_u64);
        mutator.enter(|_| ());
        println!("{}", *gc);
    });
}
