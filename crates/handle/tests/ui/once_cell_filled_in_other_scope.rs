//! Nor is it filled in a scope of another heap.

use mudlark::{Gc, GcOnceCell, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let cell = outer.alloc(GcOnceCell::<Gc<'_, u64>>::new());
        two.attach().enter(|inner| {
            cell.get_or_init(inner, || outer.alloc(1));
        });
    });
}
