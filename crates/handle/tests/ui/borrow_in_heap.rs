//! Promise: what is in the heap is `'static` but for its `Gc`s. Attack: put a borrowed value there.

use mudlark::{Heap, Root};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let text = String::from("short-lived");
    let root: Root<&'static str> = heap.attach().enter(|cx| cx.root(cx.alloc(text.as_str())));
    drop(text);
    heap.attach().enter(|cx| println!("{}", *root.get(cx)));
}
