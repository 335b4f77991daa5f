//! Promise: what is in the heap is `'static` but for its `Gc`s. Attack: a lifetime beside the brand.

use mudlark::{Gc, Trace};

#[derive(Trace)]
struct Pair<'gc, 'src, 'more> {
    key: Gc<'gc, str>,
    text: &'src str,
    more: &'more str,
}

fn main() {}
