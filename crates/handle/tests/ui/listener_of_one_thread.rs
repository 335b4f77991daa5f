//! Promise: the collector calls listeners on any thread. Attack: one that holds an `Rc`.

use mudlark::Heap;
use std::{cell::Cell, rc::Rc};

fn main() {
    let changes = Rc::new(Cell::new(0));
    let counter = Rc::clone(&changes);
    let _heap = Heap::builder().on_pressure(move |_| counter.set(counter.get() + 1)).build();
}
