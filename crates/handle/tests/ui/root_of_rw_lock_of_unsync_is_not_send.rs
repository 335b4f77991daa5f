//! Promise: a `GcRwLock` shares what can be sent and shared. Attack: readers on two threads borrow a `GcRefCell`.

use mudlark::{GcRefCell, GcRwLock, Heap, Root};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let root: Root<GcRwLock<GcRefCell<u64>>> =
        heap.attach().enter(|cx| cx.root(cx.alloc(GcRwLock::new(GcRefCell::new(1_u64)))));
    let mut other = heap.attach();
    let thread = thread::spawn(move || other.enter(|cx| *root.get(cx).read().borrow_mut(cx) += 1));
    thread.join().unwrap();
}
