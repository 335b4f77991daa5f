//! Promise: the derive writes sound code or none. Attack: fields that cannot be referenced.

use mudlark::{Gc, Trace};

#[derive(Trace)]
#[repr(C, packed(1))]
struct Packed<'gc> {
    tag: u8,
    next: Gc<'gc, u64>,
}

fn main() {}
