//! Promise: what comes back belongs to its own heap. Attack: poll with the scope of another.

use mudlark::{Guardian, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let guardian = outer.alloc(Guardian::<u64>::new());
        two.attach().enter(|inner| guardian.poll(inner).is_some());
    });
}
