//! Promise: contents that may change are seen through a guard. Attack: keep a reference when the guard is gone.

use mudlark::{GcRefCell, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let list = cx.alloc(GcRefCell::new(vec![1_u64]));
        let first = {
            let guard = list.borrow();
            &guard[0]
        };
        list.borrow_mut(cx).clear();
        println!("{first}");
    });
}
