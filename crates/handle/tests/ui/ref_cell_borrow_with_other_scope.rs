//! Promise: a store tells the collector of its own heap. Attack: `GcRefCell::borrow_mut` with the scope of
//! another.

use mudlark::{Gc, GcRefCell, Heap, Trace};

#[derive(Trace)]
struct Node<'gc> {
    edges: GcRefCell<Vec<Gc<'gc, Node<'gc>>>>,
}

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let node = outer.alloc(Node { edges: GcRefCell::new(Vec::new()) });
        two.attach().enter(|inner| node.edges.borrow_mut(inner).push(node));
    });
}
