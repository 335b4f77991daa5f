//! A trait that does not say `Send` and `Sync` may hide what is neither.

use mudlark::{DynTrace, Heap, Root, dyn_object};

trait Shape<'gc>: DynTrace<'gc> {}
dyn_object!(for<'gc> dyn Shape<'gc>);

fn main() {
    let heap = Heap::builder().build().unwrap();
    let root: Option<Root<dyn Shape<'static>>> = None;
    std::thread::spawn(move || drop((heap, root)));
}
