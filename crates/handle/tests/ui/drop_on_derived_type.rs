//! Promise: nothing of the user's runs on a dead object, whose `Gc`s may dangle. Attack: `Drop` on a traced
//! type.

use mudlark::{Gc, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: Option<Gc<'gc, Node<'gc>>>,
    value: u64,
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        println!("{}", self.next.map_or(0, |next| next.value));
    }
}

fn main() {}
