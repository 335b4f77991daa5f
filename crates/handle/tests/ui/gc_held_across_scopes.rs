//! Promise: a `Gc` of one scope is none of the next, for a collection may run between them. Attack: keep it.

use mudlark::{Gc, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let mut kept: Option<Gc<'_, u64>> = None;
    mutator.enter(|cx| kept = Some(cx.alloc(1_u64)));
    mutator.enter(|_| println!("{}", *kept.unwrap()));
}
