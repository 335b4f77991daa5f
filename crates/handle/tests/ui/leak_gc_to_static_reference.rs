//! Promise: a `Gc` does not leave its scope. Attack: a leaked box makes it `&'static`.

use mudlark::{Gc, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let leaked: &'static Gc<'static, u64> = Box::leak(Box::new(cx.alloc(1_u64)));
        println!("{}", **leaked);
    });
}
