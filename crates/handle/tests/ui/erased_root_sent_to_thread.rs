//! Promise: only what is `Send + Sync` is shared between mutators. Attack: forget the type of a `GcRefCell`, and send
//! the `Root`.

use mudlark::{Gc, GcRefCell, Heap};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let root = heap.attach().enter(|cx| cx.root(Gc::erase(cx.alloc(GcRefCell::new(vec![cx.alloc(1_u64)])))));
    thread::spawn(move || drop(root)).join().unwrap();
}
