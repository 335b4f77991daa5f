//! Promise: a pointer does not leave its scope. Attack: through a channel that was there before.

use mudlark::Heap;
use std::sync::mpsc::channel;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let (sender, receiver) = channel();
    heap.attach().enter(|cx| sender.send(cx.alloc(1_u64)).unwrap());
    println!("{}", receiver.recv().unwrap());
}
