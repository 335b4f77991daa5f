//! Promise: brands do not change. Attack: coerce a `Gc` to a shorter brand, as any covariant type would
//! allow.

use mudlark::Gc;

fn shorten<'short, 'long: 'short>(gc: Gc<'long, u64>) -> Gc<'short, u64> {
    gc
}

fn main() {}
