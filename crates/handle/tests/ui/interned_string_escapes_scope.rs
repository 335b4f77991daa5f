//! Promise: what a weak thing gives is alive within the scope. Attack: keep an interned string beyond it.

use mudlark::{GcInterner, Heap, Root};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let symbols: Root<GcInterner<'static>> = mutator.enter(|cx| cx.root(cx.alloc(GcInterner::new())));
    let symbol = mutator.enter(|cx| symbols.get(cx).intern(cx, "lark"));
    assert_eq!(&*symbol, "lark");
}
