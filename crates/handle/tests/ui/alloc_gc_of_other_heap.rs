//! Promise: heaps do not mix. Attack: nest two scopes, and put a `Gc` of the one heap into the other.

use mudlark::{Gc, GcCell, Heap, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let stranger = outer.alloc(Node { next: GcCell::new(None) });
        two.attach().enter(|inner| {
            inner.alloc(Node { next: GcCell::new(Some(stranger)) });
        });
    });
}
