//! A lifetime that is neither the brand nor `'static` would be lost: the type that comes back could have another in its place.

use mudlark::{Gc, Heap, Scope, Trace};
use std::marker::PhantomData;

#[derive(Trace)]
struct Proof<T>(PhantomData<T>, Vec<u8>);

fn forget<'gc, 'a>(cx: &Scope<'gc>, _: &'a u8) {
    Gc::erase(cx.alloc(Proof(PhantomData::<&'a u8>, vec![])));
}

fn main() {
    Heap::builder().build().unwrap().attach().enter(|cx| forget(cx, &1));
}
