//! Promise: nothing of the user's runs on a dead object, whose `Gc`s may dangle. Attack: `Drop` on a traced enum.

use mudlark::{Gc, Trace};

#[derive(Trace)]
enum Tree<'gc> {
    Leaf(u64),
    Fork(Gc<'gc, Tree<'gc>>, Gc<'gc, Tree<'gc>>),
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        if let Tree::Fork(one, _) = self {
            println!("{}", matches!(**one, Tree::Leaf(1)));
        }
    }
}

fn main() {}
