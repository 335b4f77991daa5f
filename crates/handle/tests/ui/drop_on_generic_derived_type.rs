//! Promise: nothing of the user's runs on a dead object. Attack: `Drop` on a generic type with bounds.

use mudlark::Trace;

#[derive(Trace)]
enum Tree<T: Clone>
where
    Option<T>: Clone,
{
    Leaf(T),
    Fork(Vec<Tree<T>>),
}

impl<T: Clone> Drop for Tree<T>
where
    Option<T>: Clone,
{
    fn drop(&mut self) {
        if let Tree::Leaf(value) = self {
            drop(value.clone());
        }
    }
}

fn main() {}
