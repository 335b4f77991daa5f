//! Promise: a store tells the collector what it overwrites. Attack: set a cell without a scope.

use mudlark::{Gc, GcCell};

fn cut<'gc>(cell: &GcCell<Option<Gc<'gc, u64>>>) {
    cell.set(None);
}

fn main() {}
