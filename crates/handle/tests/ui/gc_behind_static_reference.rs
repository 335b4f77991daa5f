//! Promise: the collector sees every `Gc`. Attack: hide it behind a reference that claims to be `'static`.

use mudlark::{Gc, Trace};

#[derive(Trace)]
struct Hidden<'gc> {
    next: &'static Gc<'gc, u64>,
}

fn main() {}
