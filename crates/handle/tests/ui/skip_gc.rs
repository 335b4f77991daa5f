//! Promise: the collector sees every `Gc`. Attack: skip one.

use mudlark::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc> {
    value: u64,
    #[trace(skip)]
    next: Option<Gc<'gc, Node<'gc>>>,
}

fn main() {}
