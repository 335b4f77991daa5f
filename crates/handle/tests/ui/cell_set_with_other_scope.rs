//! Promise: a store tells the collector of its own heap. Attack: `GcCell::set` with the scope of another.

use mudlark::{Gc, GcCell, Heap, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let node = outer.alloc(Node { next: GcCell::new(None) });
        two.attach().enter(|inner| node.next.set(inner, Some(node)));
    });
}
