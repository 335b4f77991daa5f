//! `dyn_object!` takes traits: a type has no metadata that its objects could begin with.

use mudlark::{Trace, dyn_object};

#[derive(Trace)]
struct Square(f64);

dyn_object!(for<'gc> dyn Square);

fn main() {}
