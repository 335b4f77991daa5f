//! Only what implements a trait goes behind it.

use mudlark::{DynTrace, Gc, Heap, Trace, dyn_object};

trait Shape<'gc>: DynTrace<'gc> {}
dyn_object!(for<'gc> dyn Shape<'gc>);

#[derive(Trace)]
struct Stone;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let _shape: Gc<'_, dyn Shape<'_>> = cx.alloc_dyn(Stone);
    });
}
