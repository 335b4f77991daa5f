//! Promise: what the collector reads changes in mudlark's cells only. Attack: a `Gc` in
//! `std::cell::RefCell`.

use mudlark::{Gc, Trace};
use std::cell::RefCell;

#[derive(Trace)]
struct Node<'gc> {
    edges: RefCell<Vec<Gc<'gc, Node<'gc>>>>,
}

fn main() {}
