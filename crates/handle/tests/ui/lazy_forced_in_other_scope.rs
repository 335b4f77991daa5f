//! The seed is taken out in a scope of its own heap: there the collector is told.

use mudlark::{Gc, GcLazy, Heap, Initialize, Scope, Trace};

#[derive(Trace)]
struct Seed<'gc>(Gc<'gc, u64>);

impl<'gc> Initialize<'gc, u64> for Seed<'gc> {
    fn initialize(self, _: &Scope<'gc>) -> u64 {
        *self.0
    }
}

fn main() {
    let (one, two) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    one.attach().enter(|outer| {
        let lazy = outer.alloc(GcLazy::<Seed<'_>, u64>::new(Seed(outer.alloc(1))));
        two.attach().enter(|inner| *lazy.force(inner));
    });
}
