//! Promise: what a cell guards is read only while nobody changes it. Attack: a visitor of one's own that
//! looks at once.

use mudlark::trace::Visitor;
use mudlark_collector::{EphemeronSlot, MarkLock};
use std::ptr::NonNull;

struct Curious;

impl Visitor for Curious {
    unsafe fn edge(&mut self, _: NonNull<u8>) {}

    unsafe fn leaf(&mut self, _: NonNull<u8>, _: usize) {}

    unsafe fn ephemeron(&mut self, _: &EphemeronSlot) {}

    unsafe fn guard(&mut self, _: &EphemeronSlot) {}

    fn guarded(&mut self, _: &MarkLock, contents: impl FnOnce(&mut Self)) {
        contents(self);
    }
}

fn main() {}
