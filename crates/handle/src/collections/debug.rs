//! Formatting collections that may contain themselves.

use std::{cell::RefCell, fmt};

thread_local! {
    /// Addresses of the collections that are being formatted.
    static OPEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

struct Open;

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(Vec::pop);
    }
}

/// Runs `format`, unless the collection is being formatted on this thread already: then it is `[…]`, so that one that leads back to
/// itself is written once.
pub(super) fn once<C>(
    collection: &C,
    f: &mut fmt::Formatter<'_>,
    format: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let address = std::ptr::from_ref(collection).addr();
    if OPEN.with_borrow(|open| open.contains(&address)) {
        return f.write_str("[…]");
    }
    OPEN.with_borrow_mut(|open| open.push(address));
    let _open = Open;
    format(f)
}
