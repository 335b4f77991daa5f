//! Promise: heaps do not mix. Attack: root a `Gc` with the scope of another heap.

use mudlark::Heap;

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let stranger = outer.alloc(1_u64);
        two.attach().enter(|inner| drop(inner.root(stranger)));
    });
}
