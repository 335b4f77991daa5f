//! Header and tail are of one heap.

use mudlark::Heap;

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let number = outer.alloc(1_u64);
        two.attach().enter(|inner| {
            inner.alloc_tailed(inner.alloc(1_u64), 1, |_| number);
        });
    });
}
