//! Promise: a store tells the collector of its own heap. Attack: an erased type, which shows no pointers,
//! in a `GcRefCell` that is borrowed with the scope of another heap.

use mudlark::{Erased, GcRefCell, Heap};

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let cells = outer.alloc(GcRefCell::new(Vec::<GcRefCell<Option<Erased<'_>>>>::new()));
        two.attach().enter(|inner| cells.borrow_mut(inner).push(GcRefCell::new(None)));
    });
}
