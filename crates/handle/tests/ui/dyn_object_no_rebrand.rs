//! What holds under one brand only must not get another behind a trait.

use mudlark::{AnyObject, Gc, Heap, Trace};

#[derive(Trace)]
#[trace(no_rebrand)]
struct Short<'gc>(Gc<'gc, u64>);

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let _any: Gc<'_, dyn AnyObject<'_>> = cx.alloc_dyn(Short(cx.alloc(1)));
    });
}
