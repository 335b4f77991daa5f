//! Nobody can say for a trait of somebody else what is behind it.

use mudlark::dyn_object;
use std::any::Any;

dyn_object!(for<'gc> dyn Any);

fn main() {}
