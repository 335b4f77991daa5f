//! Promise: what the collector reads changes in mudlark's cells only. Attack: a `Gc` in `std::cell::Cell`.

use mudlark::{Gc, Trace};
use std::cell::Cell;

#[derive(Trace)]
struct Node<'gc> {
    next: Cell<Option<Gc<'gc, Node<'gc>>>>,
}

fn main() {}
