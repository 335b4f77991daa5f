//! Promise: the collector sees every `Gc`. Attack: hide one in a boxed trait object.

use mudlark::{Gc, Heap, Static};

trait Number: Send {
    fn number(&self) -> u64;
}

struct Hidden<'gc>(Gc<'gc, u64>);

impl Number for Hidden<'_> {
    fn number(&self) -> u64 {
        *self.0
    }
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let hidden: Box<dyn Number> = Box::new(Hidden(cx.alloc(1)));
        cx.alloc(Static(hidden));
    });
}
