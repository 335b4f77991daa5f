//! Promise: a pointer does not leave its scope. Attack: in a future that goes on later.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let later = heap.attach().enter(|cx| {
        let gc = cx.alloc(1_u64);
        async move { *gc }
    });
    drop(later);
}
