//! Promise: a weak map is used by one thread's mutators. Attack: send a `Root` to one to another thread.

use mudlark::{Gc, GcWeakMap, Heap, Root};
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let root: Root<GcWeakMap<'static, u64, u64>> = heap.attach().enter(|cx| {
        let map: Gc<'_, GcWeakMap<'_, u64, u64>> = cx.alloc(GcWeakMap::new());
        cx.root(map)
    });
    let mut other = heap.attach();
    let thread = thread::spawn(move || other.enter(|cx| root.get(cx).insert(cx, cx.alloc(1), cx.alloc(2)).is_some()));
    thread.join().unwrap();
}
