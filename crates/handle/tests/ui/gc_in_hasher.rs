//! Promise: the collector sees every `Gc`. Attack: the hasher of a map holds one.

use mudlark::{Gc, Heap};
use std::{
    collections::HashMap,
    hash::{BuildHasher, DefaultHasher},
};

struct Hidden<'gc>(Gc<'gc, u64>);

impl BuildHasher for Hidden<'_> {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        println!("{}", *self.0);
        DefaultHasher::new()
    }
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.attach().enter(|cx| {
        let map: HashMap<u64, u64, Hidden<'_>> = HashMap::with_hasher(Hidden(cx.alloc(1)));
        cx.alloc(map);
    });
}
