//! A once cell shares its contents: what cannot be shared makes it stay on its thread.

use mudlark::{GcOnceCell, GcRefCell, Root};

fn assert_send<T: Send>() {}

fn main() {
    assert_send::<Root<GcOnceCell<GcRefCell<u64>>>>();
}
