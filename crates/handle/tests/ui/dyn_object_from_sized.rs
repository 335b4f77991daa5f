//! An object does not begin to know a trait later.

use mudlark::{DynTrace, Gc, Heap, Trace, dyn_object};

trait Shape<'gc>: DynTrace<'gc> {}
dyn_object!(for<'gc> dyn Shape<'gc>);

#[derive(Trace)]
struct Square<'gc>(Gc<'gc, u64>);

impl<'gc> Shape<'gc> for Square<'gc> {}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let _shape: Gc<'_, dyn Shape<'_>> = cx.alloc(Square(cx.alloc(1)));
    });
}
