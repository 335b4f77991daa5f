//! Promise: a change tells the collector what was there. Attack: borrow mutably without a scope.

use mudlark::{Gc, GcRefCell};

fn cut<'gc>(cell: &GcRefCell<Vec<Gc<'gc, u64>>>) {
    cell.borrow_mut().clear();
}

fn main() {}
