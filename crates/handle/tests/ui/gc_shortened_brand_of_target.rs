//! Promise: brands do not change. Attack: coerce the brand within the type that a `Gc` points to.

use mudlark::{Gc, GcCell};

type Slot<'gc> = GcCell<Option<Gc<'gc, u64>>>;

fn shorten<'gc, 'long: 'gc>(gc: Gc<'gc, Slot<'long>>) -> Gc<'gc, Slot<'gc>> {
    gc
}

fn main() {}
