//! Promise: heaps do not mix. Attack: `Root::set` with a `Gc` of another heap.

use mudlark::Heap;

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let stranger = outer.alloc(1_u64);
        two.attach().enter(|inner| {
            let root = inner.root(inner.alloc(2_u64));
            root.set(inner, stranger);
        });
    });
}
