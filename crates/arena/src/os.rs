//! Pages from the operating system, behind a seam that tests can make fail.

use std::{fmt, ptr::NonNull};

/// Where address ranges and their memory come from.
///
/// Every request may be refused at any time; the arena stays whole and can be asked again.
///
/// # Safety
///
/// A range that `reserve` returned must stay the caller's alone until `unreserve`, and must be readable and
/// writable, and zero where it was never written or was decommitted, wherever `commit` returned `true`.
pub unsafe trait PageSource: Send + Sync + fmt::Debug {
    /// Bytes of a page: what the ends of the ranges below are multiples of.
    fn page_bytes(&self) -> usize;
    /// Reserves `bytes` of addresses without memory, or `None`.
    fn reserve(&self, bytes: usize) -> Option<NonNull<u8>>;
    /// Gives a whole reservation back.
    ///
    /// # Safety
    ///
    /// `start` and `bytes` are what `reserve` gave and was asked for, and nothing uses the range any more.
    unsafe fn unreserve(&self, start: NonNull<u8>, bytes: usize);
    /// Makes a part of a reservation readable and writable; `false` when the system refuses.
    ///
    /// # Safety
    ///
    /// The range lies in a reservation of this source.
    unsafe fn commit(&self, start: NonNull<u8>, bytes: usize) -> bool;
    /// Gives the memory of a committed range back; it reads as zero afterwards. `false` when the system refuses:
    /// then the range keeps its contents.
    ///
    /// # Safety
    ///
    /// The range is committed and nobody needs its contents.
    unsafe fn decommit(&self, start: NonNull<u8>, bytes: usize) -> bool;
    /// Advises huge pages for a range. Only a hint: refusals do not matter.
    ///
    /// # Safety
    ///
    /// The range lies in a reservation of this source.
    unsafe fn advise_huge(&self, start: NonNull<u8>, bytes: usize);
}

/// The operating system's own pages.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemPages;

// SAFETY: `mmap` hands out ranges nobody else has; anonymous private memory is zero until written and after
// `MADV_DONTNEED`.
unsafe impl PageSource for SystemPages {
    fn page_bytes(&self) -> usize {
        // SAFETY: `sysconf` has no preconditions.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(bytes).unwrap_or(4096)
    }

    fn reserve(&self, bytes: usize) -> Option<NonNull<u8>> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: an anonymous mapping at an address of the system's choice touches no existing memory.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) }
    }

    unsafe fn unreserve(&self, start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller gives back exactly what `reserve` mapped.
        unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }

    unsafe fn commit(&self, start: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the range is ours by the caller's contract; protections of our own range affect nobody else.
        unsafe { libc::mprotect(start.as_ptr().cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) == 0 }
    }

    unsafe fn decommit(&self, start: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the range is ours and its contents are not needed, by the caller's contract.
        unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTNEED) == 0 }
    }

    unsafe fn advise_huge(&self, start: NonNull<u8>, bytes: usize) {
        // SAFETY: advice about our own range changes no contents.
        unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
    }
}
