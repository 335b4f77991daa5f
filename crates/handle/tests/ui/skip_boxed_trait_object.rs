//! A `dyn` type with the brand may own pointers: it is traced, not skipped.

use mudlark::{DynTrace, Trace, dyn_object};

trait Shape<'gc>: DynTrace<'gc> {}
dyn_object!(for<'gc> dyn Shape<'gc>);

#[derive(Trace)]
struct Holder<'gc> {
    #[trace(skip)]
    shape: Box<dyn Shape<'gc> + 'gc>,
}

fn main() {}
