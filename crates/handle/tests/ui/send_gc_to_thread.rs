//! Promise: a `Gc` does not leave its scope. Attack: another thread takes it along.

use mudlark::Heap;
use std::thread;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let thread = heap.attach().enter(|cx| {
        let gc = cx.alloc(1_u64);
        thread::spawn(move || println!("{}", *gc))
    });
    thread.join().unwrap();
}
