//! Promise: a pair leads to one heap. Attack: a value from a scope of another.

use mudlark::{Ephemeron, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let key = outer.alloc(1_u64);
        two.attach().enter(|inner| {
            Ephemeron::new(inner, inner.alloc(2_u64), key);
        });
    });
}
