//! Promise: brands do not change. Attack: coerce a derived type, which holds its `Gc`s by value.

use mudlark::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: Option<Gc<'gc, Node<'gc>>>,
}

fn shorten<'short, 'long: 'short>(node: &'short Node<'long>) -> &'short Node<'short> {
    node
}

fn main() {}
