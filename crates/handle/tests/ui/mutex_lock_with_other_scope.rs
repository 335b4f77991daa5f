//! Promise: a change tells the collector of its own heap. Attack: `GcMutex::lock` with the scope of another.

use mudlark::{GcMutex, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let mutex = outer.alloc(GcMutex::new(vec![outer.alloc(1_u64)]));
        two.attach().enter(|inner| mutex.lock(inner).clear());
    });
}
