//! Promise: only pointers into the heap are words of a `GcCell`. Attack: a word of one's own.

use mudlark::Word;

#[derive(Clone, Copy)]
struct Address(usize);

impl Word for Address {
    fn into_raw(self) -> *mut u8 {
        std::ptr::without_provenance_mut(self.0)
    }

    unsafe fn from_raw(raw: *mut u8) -> Self {
        Address(raw.addr())
    }
}

fn main() {}
