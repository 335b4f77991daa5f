//! Promise: a map holds pointers of its own heap. Attack: a key of another heap, and the scope of another.

use mudlark::{Gc, GcHashMap, Heap, Trace};

#[derive(Trace)]
struct Node<'gc> {
    edges: GcHashMap<Gc<'gc, str>, u64>,
}

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let node = outer.alloc(Node { edges: GcHashMap::new() });
        two.attach().enter(|inner| {
            node.edges.insert(outer, inner.alloc_str("key"), 1);
            node.edges.borrow_mut(inner).clear();
        });
    });
}
