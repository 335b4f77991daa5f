//! Promise: an upgrade asks the heap of the object. Attack: upgrade with the scope of another heap.

use mudlark::{GcWeak, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let weak = GcWeak::new(outer, outer.alloc(1_u64));
        two.attach().enter(|inner| weak.upgrade(inner).is_some());
    });
}
