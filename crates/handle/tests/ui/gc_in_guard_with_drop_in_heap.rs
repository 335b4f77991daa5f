//! Promise: nothing of the user's runs on a dead object. Attack: a guard with `Drop` and a `Gc`, wrapped as foreign.

use mudlark::{Gc, Heap, Static};

struct Guard<'gc>(Gc<'gc, u64>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let number = cx.alloc(1_u64);
        cx.alloc(vec![Static(Guard(number))]);
    });
}
