//! Promise: a change tells the collector of its own heap. Attack: fill a weak map with the scope of another.

use mudlark::{GcWeakMap, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let map = outer.alloc(GcWeakMap::<u64, u64>::new());
        two.attach().enter(|inner| map.insert(inner, inner.alloc(1), inner.alloc(2)).is_some());
    });
}
