//! An exchange tells the collector of its own heap what it takes out.

use mudlark::{GcCell, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let number = outer.alloc(1_u64);
        let cell = outer.alloc(GcCell::new(Some(number)));
        two.attach().enter(|inner| cell.compare_exchange(inner, Some(number), None).is_ok());
    });
}
