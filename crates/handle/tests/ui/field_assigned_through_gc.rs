//! Promise: objects are immutable but for their cells. Attack: assign to a field.

use mudlark::{Gc, Heap, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: Option<Gc<'gc, Node<'gc>>>,
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let node = cx.alloc(Node { next: None });
        node.next = Some(node);
    });
}
