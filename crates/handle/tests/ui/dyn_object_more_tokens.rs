//! What is given to `dyn_object!` is one trait: it cannot be told another brand, nor code of its own.

use mudlark::{DynTrace, dyn_object};

trait Shape<'gc>: DynTrace<'gc> {}

dyn_object!(for<'gc> dyn Shape<'gc> + 'static);

fn main() {}
