//! An erased pointer does not come back with a longer brand.

use mudlark::{Gc, Heap, Trace};

#[derive(Trace)]
struct Node<'gc>(Gc<'gc, u64>);

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let erased = Gc::erase(cx.alloc(Node(cx.alloc(1))));
        let _node = erased.downcast::<Node<'static>>(cx);
    });
}
