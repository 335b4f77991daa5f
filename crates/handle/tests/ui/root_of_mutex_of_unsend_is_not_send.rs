//! Promise: a `GcMutex` shares what can be sent. Attack: in it, a pointer to an object that cannot be shared.

use mudlark::{Gc, GcMutex, GcRefCell, Heap, Root};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let root: Root<GcMutex<Gc<'static, GcRefCell<u64>>>> =
        heap.attach().enter(|cx| cx.root(cx.alloc(GcMutex::new(cx.alloc(GcRefCell::new(1_u64))))));
    let mut other = heap.attach();
    let thread = thread::spawn(move || other.enter(|cx| *root.get(cx).lock(cx).borrow_mut(cx) += 1));
    thread.join().unwrap();
}
