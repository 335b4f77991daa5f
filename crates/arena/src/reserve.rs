//! One contiguous range of addresses for the heap, and its side tables beside it.
//!
//! ```text
//! | heap: blocks of 32 KiB, aligned to 2 MiB | marks A | marks B | allocated | block records |
//! ```
//!
//! Everything about an address is found by shift and add from the base. The tables are dense arrays and not
//! headers at the start of each block: headers at equal offsets of aligned blocks would all fall into the same
//! few cache sets. Memory is committed from the front, in chunks, the tables together with the blocks they
//! describe, so an index of a block below the frontier is good in every table (A1).

use crate::{
    bitmap::Bits,
    blocks::BlockRecord,
    error::{Exhausted, ReserveError},
    os::PageSource,
    sync::AtomicU64,
    table::Table,
    units::{BLOCK_BYTES, BLOCK_WORDS, BlockId, CHUNK_BLOCKS, CHUNK_BYTES, Side},
};
use std::ptr::NonNull;

/// What is reserved when nobody says how large the heap may get, in bytes of addresses.
pub const MAX_HEAP_BYTES_DEFAULT: usize = 64 << 30;
/// Below this a refused reservation is an error and is not halved any more.
const HEAP_BYTES_FLOOR: usize = 4 << 20;
/// From this size of the heap on huge pages are advised. Smaller heaps gain little, and the first touch of a huge page
/// stops a mutator for milliseconds.
const HUGE_BYTES_MIN: usize = 16 << 30;

#[derive(Debug)]
pub(crate) struct Reservation {
    pages: Box<dyn PageSource>,
    start: NonNull<u8>,
    bytes: usize,
    base: NonNull<u8>,
    block_limit: usize,
    marks: [Table<AtomicU64>; 2],
    allocated: Table<AtomicU64>,
    records: Table<BlockRecord>,
}

// SAFETY: the raw pointers name a range that belongs to the reservation alone.
unsafe impl Send for Reservation {}
// SAFETY: as above; shared access to the range goes through atomics or is ordered by the owners of cells.
unsafe impl Sync for Reservation {}

/// How a reservation for `block_limit` blocks is cut up, in bytes from the aligned base.
struct Layout {
    marks: [usize; 2],
    allocated: usize,
    records: usize,
    end: usize,
}

impl Layout {
    fn of(block_limit: usize, page_bytes: usize) -> Option<Layout> {
        let bitmap_bytes = block_limit.checked_mul(BLOCK_WORDS * 8)?.checked_next_multiple_of(page_bytes)?;
        let record_bytes =
            block_limit.checked_mul(size_of::<BlockRecord>())?.checked_next_multiple_of(page_bytes)?;
        let mark_a = block_limit.checked_mul(BLOCK_BYTES)?.checked_next_multiple_of(page_bytes)?;
        let mark_b = mark_a.checked_add(bitmap_bytes)?;
        let allocated = mark_b.checked_add(bitmap_bytes)?;
        let records = allocated.checked_add(bitmap_bytes)?;
        let end = records.checked_add(record_bytes)?;
        Some(Layout { marks: [mark_a, mark_b], allocated, records, end })
    }
}

impl Reservation {
    /// Reserves addresses for `max_bytes` of heap; halves the request while the system refuses.
    pub(crate) fn new(max_bytes: usize, pages: Box<dyn PageSource>) -> Result<Reservation, ReserveError> {
        let mut blocks = (max_bytes / BLOCK_BYTES).clamp(1, u32::MAX as usize - 1);
        let floor = (HEAP_BYTES_FLOOR / BLOCK_BYTES).min(blocks);
        loop {
            if let Some(reservation) = Reservation::try_new(blocks, &*pages) {
                let (start, bytes, base, layout) = reservation;
                return Ok(Reservation::build(pages, start, bytes, base, blocks, &layout));
            }
            if blocks == floor {
                let least_bytes = floor * BLOCK_BYTES;
                return Err(ReserveError { wanted_bytes: max_bytes, least_bytes });
            }
            blocks = (blocks / 2).max(floor);
        }
    }

    fn try_new(blocks: usize, pages: &dyn PageSource) -> Option<(NonNull<u8>, usize, NonNull<u8>, Layout)> {
        let layout = Layout::of(blocks, pages.page_bytes())?;
        let bytes = layout.end.checked_add(CHUNK_BYTES)?;
        let start = pages.reserve(bytes)?;
        let pad = start.addr().get().next_multiple_of(CHUNK_BYTES) - start.addr().get();
        // SAFETY: the reservation is a chunk longer than the layout, so the padding stays inside.
        let base = unsafe { start.add(pad) };
        Some((start, bytes, base, layout))
    }

    #[cfg(not(loom))]
    fn build(
        pages: Box<dyn PageSource>,
        start: NonNull<u8>,
        bytes: usize,
        base: NonNull<u8>,
        block_limit: usize,
        layout: &Layout,
    ) -> Reservation {
        // SAFETY: the layout gives each table a range of its own inside the reservation.
        let part = |offset: usize| unsafe { base.add(offset) };
        let words = block_limit * BLOCK_WORDS;
        // SAFETY: the layout gives the table `words` words of addresses from a page boundary on.
        let bitmap = |offset: usize| unsafe { Table::new(part(offset), words) };
        let marks = layout.marks.map(bitmap);
        let allocated = bitmap(layout.allocated);
        // SAFETY: likewise for the records.
        let records = unsafe { Table::new(part(layout.records), block_limit) };
        Reservation { pages, start, bytes, base, block_limit, marks, allocated, records }
    }

    #[cfg(loom)]
    fn build(
        pages: Box<dyn PageSource>,
        start: NonNull<u8>,
        bytes: usize,
        base: NonNull<u8>,
        block_limit: usize,
        layout: &Layout,
    ) -> Reservation {
        let _ = (layout.marks, layout.allocated, layout.records);
        let bitmap = || Table::boxed(block_limit * BLOCK_WORDS);
        let marks = [bitmap(), bitmap()];
        let (allocated, records) = (bitmap(), Table::boxed(block_limit));
        Reservation { pages, start, bytes, base, block_limit, marks, allocated, records }
    }

    /// Commits blocks `[0, frontier)`, of which `[0, committed)` are committed already.
    pub(crate) fn commit(&self, committed: usize, frontier: usize) -> Result<(), Exhausted> {
        debug_assert!(committed < frontier && frontier <= self.block_limit);
        #[cfg(not(loom))]
        {
            let words = frontier * BLOCK_WORDS;
            let tables = self.records.commit(frontier, &*self.pages)
                && self.marks.iter().all(|table| table.commit(words, &*self.pages))
                && self.allocated.commit(words, &*self.pages);
            if !tables {
                return Err(Exhausted::System);
            }
        }
        let start = self.block_start(BlockId(committed as u32));
        // SAFETY: the blocks lie below `block_limit`, inside the reservation.
        if !unsafe { self.pages.commit(start, (frontier - committed) * BLOCK_BYTES) } {
            return Err(Exhausted::System);
        }
        if frontier * BLOCK_BYTES >= HUGE_BYTES_MIN && committed * BLOCK_BYTES < HUGE_BYTES_MIN {
            // SAFETY: the range is this reservation.
            unsafe { self.pages.advise_huge(self.base, self.bytes - CHUNK_BYTES) };
        }
        Ok(())
    }

    /// Gives the memory of whole blocks back to the system; `false` when it refuses.
    ///
    /// # Safety
    ///
    /// The blocks are committed, free, and stay so for the call.
    pub(crate) unsafe fn decommit(&self, first: BlockId, blocks: usize) -> bool {
        // SAFETY: committed and free by the caller's contract.
        unsafe { self.pages.decommit(self.block_start(first), blocks * BLOCK_BYTES) }
    }

    /// Whether each block is made of whole pages of the system.
    pub(crate) fn blocks_are_pages(&self) -> bool {
        BLOCK_BYTES.is_multiple_of(self.pages.page_bytes())
    }

    /// How many blocks fit into the reservation.
    pub(crate) fn block_limit(&self) -> usize {
        self.block_limit
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Committed bytes of all side tables.
    pub(crate) fn table_bytes(&self) -> usize {
        let bitmaps = self.marks.iter().chain([&self.allocated]);
        bitmaps.map(Table::committed_bytes).sum::<usize>() + self.records.committed_bytes()
    }

    #[inline]
    pub(crate) fn block_start(&self, block: BlockId) -> NonNull<u8> {
        debug_assert!(block.index() < self.block_limit);
        // SAFETY: A1: the block lies inside the reservation.
        unsafe { self.base.add(block.index() * BLOCK_BYTES) }
    }

    #[inline]
    pub(crate) fn marks(&self, side: Side) -> Bits<'_> {
        Bits::new(&self.marks[side as usize])
    }

    #[inline]
    pub(crate) fn allocated(&self) -> Bits<'_> {
        Bits::new(&self.allocated)
    }

    pub(crate) fn record(&self, block: BlockId) -> &BlockRecord {
        &self.records[block.index()]
    }

    /// The record of a block, without a check.
    ///
    /// # Safety
    ///
    /// The block exists.
    #[inline]
    pub(crate) unsafe fn record_unchecked(&self, block: BlockId) -> &BlockRecord {
        debug_assert!(block.index() < self.block_limit);
        // SAFETY: A1: blocks that exist have a committed record.
        unsafe { self.records.get_unchecked(block.index()) }
    }

    /// Chunk-wise growth: how far to commit when blocks up to `needed` are wanted and `committed` exist.
    pub(crate) fn next_frontier(&self, committed: usize, needed: usize) -> usize {
        let ahead = needed.max(committed + committed / 32);
        ahead.next_multiple_of(CHUNK_BLOCKS).min(self.block_limit)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: this is what `reserve` returned; whoever could use it borrowed from `self`.
        unsafe { self.pages.unreserve(self.start, self.bytes) };
    }
}
