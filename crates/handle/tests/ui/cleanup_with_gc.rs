//! Promise: a cleanup cannot bring its object back. Attack: take a pointer along.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let object = cx.alloc(7_u64);
        cx.on_drop(object, move || assert_eq!(*object, 7));
    });
}
