//! The pointers behind a trait have the brand of the object.

use mudlark::{DynTrace, dyn_object};

trait Shape<'gc>: DynTrace<'static> {
    fn area(&'gc self) -> f64;
}
dyn_object!(for<'gc> dyn Shape<'gc>);

fn main() {}
