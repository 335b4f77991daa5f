//! What happens to the memory of dead cells, in tests: it is filled, and AddressSanitizer told that nobody may touch it.
//!
//! Otherwise nothing does: cells are not written when they die. With `--cfg mudlark_asan`, in a program built with
//! AddressSanitizer, a swept cell is poisoned until it lies in a region again.

use std::ptr::NonNull;

/// Fills freed cells: no address of a heap, no small number, no text.
const FILL: u8 = 0xdb;

/// What is done to dead cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freed {
    pub(crate) fills: bool,
}

#[cfg(mudlark_asan)]
unsafe extern "C" {
    fn __asan_poison_memory_region(start: *const u8, bytes: usize);
    fn __asan_unpoison_memory_region(start: *const u8, bytes: usize);
}

impl Freed {
    /// Whether a sweep must look at each dead cell.
    pub(crate) fn wants_cells(self) -> bool {
        self.fills || cfg!(mudlark_asan)
    }

    /// Nothing lives in `[start, start + bytes)` any more.
    ///
    /// # Safety
    ///
    /// The memory is committed, and the caller's alone.
    pub(crate) unsafe fn end(self, start: NonNull<u8>, bytes: usize) {
        if self.fills {
            reuse(start.as_ptr(), bytes);
            // SAFETY: promised by the caller.
            unsafe { start.write_bytes(FILL, bytes) };
        }
        shut(start.as_ptr(), bytes);
    }
}

/// Cells that are handed out.
#[inline]
pub(crate) fn reuse(start: *mut u8, bytes: usize) {
    #[cfg(mudlark_asan)]
    // SAFETY: only the sanitizer's shadow of heap memory changes.
    unsafe {
        __asan_unpoison_memory_region(start, bytes);
    }
    #[cfg(not(mudlark_asan))]
    let _ = (start, bytes);
}

/// Cells that were handed out and not used, or that are dead.
#[inline]
pub(crate) fn shut(start: *mut u8, bytes: usize) {
    #[cfg(mudlark_asan)]
    // SAFETY: only the sanitizer's shadow of heap memory changes.
    unsafe {
        __asan_poison_memory_region(start, bytes);
    }
    #[cfg(not(mudlark_asan))]
    let _ = (start, bytes);
}
