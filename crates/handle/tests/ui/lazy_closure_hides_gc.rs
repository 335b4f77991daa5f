//! A closure is a place where no tracer looks.

use mudlark::{GcLazy, Heap, Static};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let number = cx.alloc(1_u64);
        let lazy = cx.alloc(GcLazy::<_, u64>::new(Static(move |_: &mudlark::Scope<'_>| *number)));
        assert_eq!(*lazy.force(cx), 1);
    });
}
