//! Promise: a `Gc` does not leave its scope. Attack: `dyn Any` forgets its brand.

use mudlark::Heap;
use std::any::Any;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let escaped: Box<dyn Any> = heap.attach().enter(|cx| -> Box<dyn Any> { Box::new(cx.alloc(1_u64)) });
    drop(escaped);
}
