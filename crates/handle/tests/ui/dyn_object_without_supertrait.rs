//! Behind a trait that cannot be traced, a `Box` would hide pointers.

use mudlark::dyn_object;

trait Shape<'gc> {
    fn area(&self) -> f64;
}
dyn_object!(for<'gc> dyn Shape<'gc>);

fn main() {}
