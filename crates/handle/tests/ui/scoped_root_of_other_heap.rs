//! Promise: the brand says which heap. Attack: a thread allocates in one heap what leads into another.

use mudlark::Heap;

fn main() {
    let (one, other) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|cx| {
        let word = cx.alloc_str("here");
        other.attach().enter(|cx| {
            cx.scoped(|threads| {
                threads.spawn(move |cx| cx.alloc(Some(word)));
            });
        });
    });
}
