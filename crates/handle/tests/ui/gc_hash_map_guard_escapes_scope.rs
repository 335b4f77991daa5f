//! Promise: a borrow of a map, and what is in it, ends before its scope. Attack: the guard, and an element, leave the scope.

use mudlark::{Gc, GcHashMap, Heap};

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut mutator = heap.attach();
    let guard = mutator.enter(|cx| cx.alloc(GcHashMap::<u64, u64>::new()).into_ref().borrow());
    let element = mutator.enter(|cx| {
        let map = cx.alloc(GcHashMap::<u64, Gc<'_, u64>>::new());
        map.insert(cx, 1, cx.alloc(1));
        map.get(&1)
    });
    mutator.collect();
    drop((guard, element));
}
