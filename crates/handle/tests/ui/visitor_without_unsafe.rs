//! Promise: what a cell guards is read only while nobody changes it. Attack: a visitor of one's own that
//! looks at once.

use mudlark::trace::Visitor;
use mudlark_collector::{EphemeronSlot, MarkLock, PieceLock};
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

    fn guarded_pieces(&mut self, _: &PieceLock, mut piece: impl FnMut(&mut Self, usize) -> Option<usize>) {
        let mut next = Some(0);
        while let Some(first) = next {
            next = piece(self, first);
        }
    }
}

fn main() {}
