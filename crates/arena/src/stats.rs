//! Exact accounting, and the slow recount that checks it.

use crate::{
    arena::Arena,
    block_map::BlockMap,
    blocks::BlockState,
    sync::Ordering::Relaxed,
    units::{BLOCK_BYTES, BLOCK_WORDS, BlockId},
};

/// What an arena holds, in bytes unless a name says otherwise.
///
/// `total = in_use + free` and `committed = total - released`, always.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ArenaStats {
    /// Addresses reserved for blocks.
    pub reserved_bytes: usize,
    /// Blocks below the frontier.
    pub total_bytes: usize,
    /// Blocks that hold cells or large objects.
    pub in_use_bytes: usize,
    /// Blocks that hold nothing.
    pub free_bytes: usize,
    /// Blocks that may be backed by memory.
    pub committed_bytes: usize,
    /// Free blocks without memory: never used, or given back.
    pub released_bytes: usize,
    /// Committed side tables: mark bitmaps, allocated bits, block records.
    pub side_table_bytes: usize,
    /// Objects in large runs.
    pub large_objects: u64,
    /// Blocks of large runs.
    pub large_bytes: usize,
}

/// What a bin holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BinStats {
    /// Bytes of a cell.
    pub cell_bytes: usize,
    /// Blocks of the bin.
    pub blocks: u64,
    /// Objects handed out since birth.
    pub allocated: u64,
    /// Objects found dead since birth.
    pub freed: u64,
}

impl BinStats {
    /// Objects that no sweep found dead yet.
    pub fn objects(&self) -> u64 {
        self.allocated.saturating_sub(self.freed)
    }
}

impl Arena {
    /// The counters. Blocks are exact at any time; what is counted in cells is exact while no mutator holds
    /// an open region and no sweep is under way.
    pub fn stats(&self) -> ArenaStats {
        self.stats_by(&self.map())
    }

    fn stats_by(&self, map: &BlockMap) -> ArenaStats {
        // Freed first: what is freed in between was allocated before.
        let freed = self.large_freed.load(Relaxed);
        let large_objects = self.large_allocated.load(Relaxed).saturating_sub(freed);
        let (total, free, released) = (map.frontier(), map.free_count(), map.released_count());
        ArenaStats {
            reserved_bytes: self.reservation().block_limit() * BLOCK_BYTES,
            total_bytes: total * BLOCK_BYTES,
            in_use_bytes: (total - free) * BLOCK_BYTES,
            free_bytes: free * BLOCK_BYTES,
            committed_bytes: (total - released) * BLOCK_BYTES,
            released_bytes: released * BLOCK_BYTES,
            side_table_bytes: self.reservation().table_bytes(),
            large_objects,
            large_bytes: self.large_blocks.load(Relaxed) as usize * BLOCK_BYTES,
        }
    }

    /// The counters of each bin, in order of making.
    pub fn bin_stats(&self) -> Vec<BinStats> {
        let stats = |bin: &crate::Bin| {
            let (allocated, freed) = bin.object_counts();
            BinStats { cell_bytes: bin.cell_bytes(), blocks: bin.block_count(), allocated, freed }
        };
        self.bins().into_iter().map(stats).collect()
    }

    /// Tells the tag of each large object, and the bytes of its blocks. Approximate while mutators run.
    pub fn each_large(&self, mut each: impl FnMut(*const (), usize)) {
        let map = self.map();
        for index in 0..map.frontier() {
            let record = self.reservation().record(BlockId(index as u32));
            if record.state() == BlockState::LargeHead {
                each(record.tag(), record.run_blocks() * BLOCK_BYTES);
            }
        }
    }

    /// Counts everything anew from the block records and bitmaps, and compares with the counters.
    ///
    /// For tests: slow, and right only while nobody allocates, marks or sweeps, all regions are retired and all claims
    /// released. The error names the first difference.
    ///
    /// # Errors
    ///
    /// A description of the counter that is off.
    pub fn recount(&self) -> Result<(), String> {
        // Free memory may go back to the system at any time, so the counters are read and compared under one lock.
        let map = self.map();
        let stats = self.stats_by(&map);
        let (free, released) = map.recount();
        let same = |what: &str, counter: usize, counted: usize| {
            if counter == counted {
                Ok(())
            } else {
                Err(format!("{what}: counter {counter}, recount {counted}"))
            }
        };
        same("free bytes", stats.free_bytes, free * BLOCK_BYTES)?;
        same("released bytes", stats.released_bytes, released * BLOCK_BYTES)?;
        let (mut large_objects, mut large_blocks) = (0, 0);
        let bins = self.bins();
        let mut counts = vec![(0_u64, 0_u64); bins.len()];
        for index in 0..map.frontier() {
            let block = BlockId(index as u32);
            let record = self.reservation().record(block);
            let state = record.state();
            same(
                "free state of a block",
                usize::from(map.is_free(block)),
                usize::from(state == BlockState::Free),
            )?;
            match state {
                BlockState::Free => self.expect_no_marks(block)?,
                BlockState::LargeHead => {
                    (large_objects, large_blocks) = (large_objects + 1, large_blocks + 1)
                }
                BlockState::LargeTail => large_blocks += 1,
                BlockState::Cells => {
                    let bin = bins.iter().position(|&bin| std::ptr::eq(bin, record.bin()));
                    let count = &mut counts[bin.ok_or("a block of an unknown bin")?];
                    *count = (count.0 + 1, count.1 + u64::from(record.used_cells()));
                }
            }
        }
        same("large objects", stats.large_objects as usize, large_objects)?;
        same("large bytes", stats.large_bytes, large_blocks * BLOCK_BYTES)?;
        for (stats, (blocks, cells)) in self.bin_stats().iter().zip(counts) {
            let what = format!("of the bin of {} byte cells", stats.cell_bytes);
            same(&format!("blocks {what}"), stats.blocks as usize, blocks as usize)?;
            same(&format!("objects {what}"), stats.objects() as usize, cells as usize)?;
        }
        same("total", stats.total_bytes, stats.in_use_bytes + stats.free_bytes)?;
        same("committed", stats.committed_bytes, stats.total_bytes - stats.released_bytes)
    }

    /// A3, as far as it can be checked from outside a cycle.
    fn expect_no_marks(&self, block: BlockId) -> Result<(), String> {
        let live = self.reservation().marks(self.live_side());
        let marked = (0..BLOCK_WORDS).any(|word| live.block_word(block, word) != 0);
        if marked { Err(format!("free block {} has live marks", block.index())) } else { Ok(()) }
    }

    /// Gives memory of free blocks back to the system until at most `keep_bytes` of free blocks are backed, from
    /// the highest address down. Whole chunks only if the heap uses huge pages. Returns bytes given back.
    ///
    /// Refusals of the system end the attempt and do no harm.
    pub fn release_free(&self, keep_bytes: usize, whole_chunks: bool) -> usize {
        // Where pages are larger than blocks, a page of a free block can have a neighbor in use.
        let whole_chunks = whole_chunks || !self.reservation().blocks_are_pages();
        let mut done = 0;
        let mut end = usize::MAX;
        loop {
            // The lock is held over the system call: nobody may take the blocks meanwhile.
            let mut map = self.map();
            let backed = (map.free_count() - map.released_count()) * BLOCK_BYTES;
            if backed <= keep_bytes {
                return done;
            }
            let Some((first, blocks)) = map.releasable(end, whole_chunks) else { return done };
            // SAFETY: A5: free blocks are in use by nobody, and stay so under the lock.
            if !unsafe { self.reservation().decommit(first, blocks) } {
                return done;
            }
            // Some of a whole chunk may have been given back before.
            let before = map.released_count();
            map.mark_released(first, blocks);
            done += (map.released_count() - before) * BLOCK_BYTES;
            end = first.index();
        }
    }
}
