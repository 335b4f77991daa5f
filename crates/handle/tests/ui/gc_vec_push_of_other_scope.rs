//! Promise: a vector holds pointers of its own heap. Attack: pushing one of another, with either scope.

use mudlark::{Gc, GcVec, Heap, Trace};

#[derive(Trace)]
struct Node<'gc> {
    edges: GcVec<Gc<'gc, Node<'gc>>>,
}

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let node = outer.alloc(Node { edges: GcVec::new() });
        two.attach().enter(|inner| {
            let other = inner.alloc(Node { edges: GcVec::new() });
            node.edges.push(outer, other);
            node.edges.push(inner, node);
        });
    });
}
