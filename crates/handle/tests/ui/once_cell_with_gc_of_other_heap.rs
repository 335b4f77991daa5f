//! A once cell takes pointers of its own heap only.

use mudlark::{Gc, GcOnceCell, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let cell = outer.alloc(GcOnceCell::<Gc<'_, u64>>::new());
        two.attach().enter(|inner| {
            let _ = cell.set(outer, inner.alloc(1));
        });
    });
}
