//! Promise: what is in the heap is `'static` but for its `Gc`s. Attack: borrow for the lifetime of the
//! brand.

use mudlark::Trace;

#[derive(Trace)]
struct Token<'src> {
    text: &'src str,
}

fn main() {}
