//! Promise: what a program without `unsafe` writes cannot break the heap. Attack: a root that names another
//! type.

use mudlark::Rebrand;

struct Number(u64);

impl Rebrand for Number {
    type With<'gc> = String;
}

fn main() {}
