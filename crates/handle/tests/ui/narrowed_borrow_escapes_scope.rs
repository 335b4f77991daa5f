//! A borrow of a part ends with the scope, like one of the whole.

use mudlark::{GcRefCell, Heap, Ref};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut kept: Option<Ref<'_, u64>> = None;
    heap.attach().enter(|cx| {
        let cell = cx.alloc(GcRefCell::new((1_u64, 2_u64)));
        kept = Some(Ref::map(cell.into_ref().borrow(), |pair| &pair.0));
    });
}
