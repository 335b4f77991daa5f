//! Which blocks are free: address-ordered bitmaps, in which runs coalesce by nature.

use crate::units::{BlockId, CHUNK_BLOCKS};
use bitvec::prelude::{BitVec, Lsb0};

/// The free blocks below the frontier. Guarded by one lock of the arena.
#[derive(Debug)]
pub(crate) struct BlockMap {
    /// One bit per block below the frontier: nothing lives there.
    free: BitVec<u64, Lsb0>,
    /// One bit per block below the frontier: free, and its memory is given back.
    released: BitVec<u64, Lsb0>,
    free_count: usize,
    released_count: usize,
    /// No block below it is free.
    lowest: usize,
}

/// Free blocks that were taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub(crate) first: BlockId,
    pub(crate) blocks: usize,
    /// None of them was backed by memory: all of it reads as zero.
    pub(crate) is_zero: bool,
}

impl BlockMap {
    pub(crate) fn new(block_limit: usize) -> BlockMap {
        // The whole capacity at once: addresses only, and growing the frontier allocates nothing.
        let (free, released) = (BitVec::with_capacity(block_limit), BitVec::with_capacity(block_limit));
        BlockMap { free, released, free_count: 0, released_count: 0, lowest: 0 }
    }

    /// Blocks that exist: the first one beyond the committed part of the heap.
    pub(crate) fn frontier(&self) -> usize {
        self.free.len()
    }

    pub(crate) fn free_count(&self) -> usize {
        self.free_count
    }

    pub(crate) fn released_count(&self) -> usize {
        self.released_count
    }

    /// Moves the frontier up; the new blocks are free and, like released ones, not backed by memory yet.
    pub(crate) fn extend(&mut self, frontier: usize) {
        let added = frontier - self.frontier();
        self.free.resize(frontier, true);
        self.released.resize(frontier, true);
        self.free_count += added;
        self.released_count += added;
    }

    /// Takes the lowest free block.
    pub(crate) fn take_one(&mut self) -> Option<Taken> {
        let found = self.lowest + self.free[self.lowest..].first_one()?;
        self.lowest = found + 1;
        let is_zero = self.mark_used(found);
        Some(Taken { first: BlockId(found as u32), blocks: 1, is_zero })
    }

    /// Takes the lowest run of `blocks` adjacent free blocks.
    pub(crate) fn take_run(&mut self, blocks: usize) -> Option<Taken> {
        let mut from = self.lowest;
        loop {
            let start = from + self.free[from..].first_one()?;
            let window = self.free.get(start..start + blocks)?;
            let Some(gap) = window.first_zero() else {
                let backed = (start..start + blocks).filter(|&block| !self.mark_used(block)).count();
                return Some(Taken { first: BlockId(start as u32), blocks, is_zero: backed == 0 });
            };
            from = start + gap;
        }
    }

    /// How many blocks below the frontier a run that starts in its free end already has.
    pub(crate) fn free_at_end(&self) -> usize {
        self.free.trailing_ones()
    }

    /// Tells whether the block was not backed by memory.
    fn mark_used(&mut self, block: usize) -> bool {
        self.free.set(block, false);
        self.free_count -= 1;
        let was_released = self.released.replace(block, false);
        self.released_count -= usize::from(was_released);
        was_released
    }

    /// Puts a run back.
    pub(crate) fn give(&mut self, first: BlockId, blocks: usize) {
        let start = first.index();
        debug_assert!(self.free[start..start + blocks].not_any(), "blocks are freed once");
        self.free[start..start + blocks].fill(true);
        self.free_count += blocks;
        self.lowest = self.lowest.min(start);
    }

    /// The highest run of free blocks with memory that lies below `end`, cut at chunk boundaries: what to
    /// release next. `whole` admits whole chunks only, so that no huge page is split.
    pub(crate) fn releasable(&self, end: usize, whole: bool) -> Option<(BlockId, usize)> {
        let mut chunk_end = end.min(self.frontier());
        while chunk_end > 0 {
            let chunk = (chunk_end - 1) / CHUNK_BLOCKS * CHUNK_BLOCKS;
            let backed = |block: usize| self.free[block] && !self.released[block];
            if whole {
                if (chunk..chunk_end).all(|block| self.free[block]) && (chunk..chunk_end).any(backed) {
                    return Some((BlockId(chunk as u32), chunk_end - chunk));
                }
            } else if let Some(last) = (chunk..chunk_end).rev().find(|&block| backed(block)) {
                let first = (chunk..=last).rev().take_while(|&block| backed(block)).last().unwrap_or(last);
                return Some((BlockId(first as u32), last + 1 - first));
            }
            chunk_end = chunk;
        }
        None
    }

    /// Notes that the memory of free blocks was given back.
    pub(crate) fn mark_released(&mut self, first: BlockId, blocks: usize) {
        for block in first.index()..first.index() + blocks {
            debug_assert!(self.free[block], "only free blocks are released");
            if !self.released.replace(block, true) {
                self.released_count += 1;
            }
        }
    }

    /// Whether a block below the frontier is free.
    pub(crate) fn is_free(&self, block: BlockId) -> bool {
        self.free[block.index()]
    }

    /// Counts the bits anew: `(free, released)`.
    pub(crate) fn recount(&self) -> (usize, usize) {
        (self.free.count_ones(), self.released.count_ones())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Goal: neighbors that become free serve as one run. Method: free the halves of a run separately.
    #[test]
    fn runs_coalesce() {
        let mut map = BlockMap::new(64);
        map.extend(64);
        let run = map.take_run(8).unwrap().first;
        assert_eq!(map.take_run(56).unwrap().first.index(), 8);
        assert!(map.take_one().is_none());
        map.give(run, 3);
        map.give(BlockId(3), 5);
        assert_eq!(map.take_run(8).map(|taken| taken.first), Some(run));
    }

    proptest! {
        /// Goal: no block is given out twice and the counters are exact. Method: random calls against a
        /// vector of booleans.
        #[test]
        fn behaves_like_a_vector_of_flags(ops in proptest::collection::vec((0_u8..4, 1_usize..9), 1..200)) {
            let mut map = BlockMap::new(256);
            map.extend(64);
            let mut taken: Vec<(BlockId, usize)> = Vec::new();
            let mut used = vec![false; 256];
            for (op, n) in ops {
                match op {
                    0 | 1 => {
                        let run = if op == 0 { map.take_one().map(|taken| (taken.first, 1)) } else { map.take_run(n).map(|taken| (taken.first, n)) };
                        if let Some((first, blocks)) = run {
                            for slot in &mut used[first.index()..first.index() + blocks] {
                                prop_assert!(!*slot);
                                *slot = true;
                            }
                            taken.push((first, blocks));
                        }
                    }
                    2 if !taken.is_empty() => {
                        let (first, blocks) = taken.swap_remove(n % taken.len());
                        map.give(first, blocks);
                        used[first.index()..first.index() + blocks].fill(false);
                    }
                    _ => {
                        if let Some((first, blocks)) = map.releasable(map.frontier(), n % 2 == 0) {
                            map.mark_released(first, blocks);
                        }
                    }
                }
                prop_assert_eq!(map.recount(), (map.free_count(), map.released_count()));
                prop_assert_eq!(map.free_count(), used[..64].iter().filter(|&&slot| !slot).count());
            }
        }
    }
}
