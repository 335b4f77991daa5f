//! Bitmaps with one bit per granule: marks (two of them, taking turns) and allocated cells.

use crate::{
    sync::{AtomicU64, Ordering::Relaxed},
    units::{BLOCK_GRANULES, BLOCK_WORDS, BlockId, GRANULE_SHIFT},
};
use std::ops::Range;

/// A view of one bitmap. Copy it to where the loop is.
///
/// All accesses are relaxed. A bit that is set before a pointer to its cell is published (Release) is seen by
/// whoever loads that pointer (Acquire); every other reader is ordered by a lock or a handshake (A4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits<'a> {
    words: &'a [AtomicU64],
}

/// The granules of one block that are the start of a cell: which mark bits mean anything.
pub(crate) type StartMask = [u64; BLOCK_WORDS];

impl<'a> Bits<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> Bits<'a> {
        Bits { words }
    }

    /// # Safety
    ///
    /// `granule` lies in a block that exists.
    #[inline]
    unsafe fn word_of(self, granule: usize) -> &'a AtomicU64 {
        debug_assert!(granule / 64 < self.words.len());
        // SAFETY: A1: granules of a block that exists lie inside the table.
        unsafe { self.words.get_unchecked(granule / 64) }
    }

    /// Whether the bit of `granule` is set.
    ///
    /// # Safety
    ///
    /// `granule`, counted from the base of the arena, lies in a block that exists.
    #[inline]
    unsafe fn test(self, granule: usize) -> bool {
        // SAFETY: promised by the caller.
        let word = unsafe { self.word_of(granule) };
        word.load(Relaxed) >> (granule % 64) & 1 != 0
    }

    /// Sets the bit of `granule`; `true` for exactly one of those who race to do so.
    ///
    /// Tests before it sets: most edges lead to marked objects, and a locked instruction would take the line
    /// from the other markers.
    ///
    /// # Safety
    ///
    /// As for [`Bits::test`].
    #[inline]
    unsafe fn try_set(self, granule: usize) -> bool {
        // SAFETY: promised by the caller.
        let word = unsafe { self.word_of(granule) };
        let bit = 1_u64 << (granule % 64);
        if word.load(Relaxed) & bit != 0 {
            return false;
        }
        // ORDERING: Relaxed: the bit itself decides who scans; what is scanned was published with the pointer.
        word.fetch_or(bit, Relaxed) & bit == 0
    }

    /// Sets the bits of `mask` in the granules `[first, end)` of `block`.
    pub(crate) fn set_range(self, block: BlockId, mask: &StartMask, first: usize, end: usize) {
        self.each_word(block, mask, first, end, |word, bits| {
            word.fetch_or(bits, Relaxed);
        });
    }

    /// Clears the bits of `mask` in the granules `[first, end)` of `block`.
    pub(crate) fn clear_range(self, block: BlockId, mask: &StartMask, first: usize, end: usize) {
        self.each_word(block, mask, first, end, |word, bits| {
            word.fetch_and(!bits, Relaxed);
        });
    }

    fn each_word(
        self,
        block: BlockId,
        mask: &StartMask,
        first: usize,
        end: usize,
        mut change: impl FnMut(&AtomicU64, u64),
    ) {
        debug_assert!(first <= end && end <= BLOCK_GRANULES);
        for (index, cells) in mask.iter().enumerate().take(end.div_ceil(64)).skip(first / 64) {
            let low = if index == first / 64 { !0 << (first % 64) } else { !0 };
            let high = if index == end / 64 { !(!0 << (end % 64)) } else { !0 };
            let bits = cells & low & high;
            if bits != 0 {
                change(&self.words[block.index() * BLOCK_WORDS + index], bits);
            }
        }
    }

    /// The word with index `index` among those of `block`.
    #[inline]
    pub(crate) fn block_word(self, block: BlockId, index: usize) -> u64 {
        self.words[block.index() * BLOCK_WORDS + index].load(Relaxed)
    }

    /// Clears in the word with index `index` of `block` all bits outside of `keep`.
    #[inline]
    pub(crate) fn keep_in_word(self, block: BlockId, index: usize, keep: u64) {
        self.words[block.index() * BLOCK_WORDS + index].fetch_and(keep, Relaxed);
    }

    /// Clears the bits of these blocks.
    pub(crate) fn clear_blocks(self, blocks: Range<usize>) {
        let words = &self.words[blocks.start * BLOCK_WORDS..blocks.end * BLOCK_WORDS];
        for line in words.chunks(8) {
            // Only dirty lines are written, so that tables of untouched blocks take no memory.
            if line.iter().fold(0, |bits, word| bits | word.load(Relaxed)) != 0 {
                line.iter().for_each(|word| word.store(0, Relaxed));
            }
        }
    }
}

/// One mark bitmap seen from addresses: what a marker copies into its loop.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    base: usize,
    bits: Bits<'a>,
}

impl<'a> Marks<'a> {
    pub(crate) fn new(base: usize, bits: Bits<'a>) -> Marks<'a> {
        Marks { base, bits }
    }

    /// Whether the mark bit of the cell is set.
    ///
    /// # Safety
    ///
    /// `cell` is the start of a cell or large object of this arena.
    #[inline]
    pub unsafe fn is_marked(self, cell: *const u8) -> bool {
        // SAFETY: A1: cells lie in blocks that exist.
        unsafe { self.bits.test((cell.addr() - self.base) >> GRANULE_SHIFT) }
    }

    /// Sets the mark bit of the cell; `true` for exactly one of those who race to do so.
    ///
    /// # Safety
    ///
    /// `cell` is the start of a cell or large object of this arena.
    #[inline]
    pub unsafe fn try_mark(self, cell: *const u8) -> bool {
        // SAFETY: A1: cells lie in blocks that exist.
        unsafe { self.bits.try_set((cell.addr() - self.base) >> GRANULE_SHIFT) }
    }
}
