//! Promise: the derive writes sound code or none. Attack: fields that may not be there.

use mudlark::{Gc, Trace};

#[derive(Trace)]
union Word<'gc> {
    number: u64,
    pointer: Gc<'gc, u64>,
}

fn main() {}
