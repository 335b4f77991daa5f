//! Pages for models: plain memory, a fresh piece for each arena.

use mudlark_arena::PageSource;
use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr::NonNull,
};

/// Real memory, so that addresses are good, from the allocator, so that each run of a model starts with the same.
#[derive(Debug)]
pub(crate) struct ModelPages;

const PAGE_BYTES: usize = 4096;

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, PAGE_BYTES).expect("models ask for small pieces")
}

// SAFETY: the allocator hands out ranges nobody else has, zeroed and accessible throughout; `decommit` refuses.
unsafe impl PageSource for ModelPages {
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }

    fn reserve(&self, bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: a reservation is never empty.
        NonNull::new(unsafe { alloc_zeroed(layout(bytes)) })
    }

    unsafe fn unreserve(&self, start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller gives back what `reserve` allocated.
        unsafe { dealloc(start.as_ptr(), layout(bytes)) };
    }

    unsafe fn commit(&self, _start: NonNull<u8>, _bytes: usize) -> bool {
        true
    }

    unsafe fn decommit(&self, _start: NonNull<u8>, _bytes: usize) -> bool {
        false
    }

    unsafe fn advise_huge(&self, _start: NonNull<u8>, _bytes: usize) {}
}
