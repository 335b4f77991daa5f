//! Promise: what a program without `unsafe` writes cannot break the heap. Attack: a tracer that sees
//! nothing.

use mudlark::{Gc, Trace, trace::Visitor};

struct Hidden<'gc>(Gc<'gc, u64>);

impl<'gc> Trace<'gc> for Hidden<'gc> {
    const NEEDS_TRACE: bool = false;

    fn trace<V: Visitor>(&self, _: &mut V) {}
}

fn main() {}
