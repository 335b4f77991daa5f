//! Promise: a local ends with its frame. Attack: put one of an inner frame among those of the outer one.

use mudlark::Heap;

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().frame(|outer| {
        let mut locals = vec![outer.enter(|cx| cx.keep(cx.alloc(1_u64)))];
        outer.frame(|inner| locals.push(inner.enter(|cx| cx.keep(cx.alloc(2_u64)))));
    });
}
