//! An object behind a trait ends with its scope like any other.

use mudlark::{DynTrace, Gc, Heap, Trace, dyn_object};

trait Shape<'gc>: DynTrace<'gc> {}
dyn_object!(for<'gc> dyn Shape<'gc>);

#[derive(Trace)]
struct Square<'gc>(Gc<'gc, u64>);

impl<'gc> Shape<'gc> for Square<'gc> {}

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut kept: Option<Gc<'_, dyn Shape<'_>>> = None;
    heap.attach().enter(|cx| kept = Some(cx.alloc_dyn(Square(cx.alloc(1)))));
}
