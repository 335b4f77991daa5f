//! Regions and claims: how a mutator comes by cells.
//!
//! A mutator *claims* a block of a bin and bumps through its holes one after the other; each hole is a *region*.
//! Nothing is written per object. What the side tables need is written per region: its cells are marked when it is
//! taken (if the mutator allocates black) and the bits of those it did not use are cleared when it is retired.

use crate::{
    arena::Arena,
    bin::Bin,
    bitmap::Bits,
    freed,
    sync::Ordering::Relaxed,
    units::{BLOCK_BYTES, BLOCK_WORDS, BlockId, GRANULE_BYTES, Side},
};
use std::ptr::{null, null_mut};

/// A bump range: cells `[cursor, limit)` are free and the owner's alone.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Where the region began.
    pub start: *mut u8,
    /// The next cell to hand out.
    pub cursor: *mut u8,
    /// The end of the last cell.
    pub limit: *mut u8,
}

impl Region {
    /// A region without cells.
    pub const EMPTY: Region = Region { start: null_mut(), cursor: null_mut(), limit: null_mut() };

    /// Bytes that are still free.
    pub fn free_bytes(&self) -> usize {
        self.limit.addr() - self.cursor.addr()
    }

    /// Takes one cell off the front.
    #[inline]
    pub fn bump(&mut self, cell_bytes: usize) -> Option<*mut u8> {
        if self.free_bytes() < cell_bytes {
            return None;
        }
        let cell = self.cursor;
        self.cursor = cell.wrapping_add(cell_bytes);
        Some(cell)
    }
}

/// A block that one mutator allocates from, and how far it got.
#[derive(Debug)]
pub struct Claim {
    pub(crate) block: Option<BlockId>,
    /// The bin whose block it is.
    pub(crate) bin: *const Bin,
    /// The bitmap that tells the holes: the live one of when the block was claimed.
    pub(crate) side: Side,
    /// Cells below it are live or handed out (A2).
    pub(crate) next_cell: u32,
}

impl Claim {
    /// No block.
    pub const NONE: Claim = Claim { block: None, bin: null(), side: Side::A, next_cell: 0 };

    /// The claimed block, which is one of the bin's.
    fn block_of(&self, bin: &Bin) -> Option<BlockId> {
        assert!(
            self.block.is_none() || std::ptr::eq(self.bin, bin),
            "a claim was used with a bin that is not its own"
        );
        self.block
    }

    /// Whether a block is claimed.
    pub fn is_some(&self) -> bool {
        self.block.is_some()
    }
}

/// Where the cells of new regions are marked: in no bitmap while the mutator allocates white, in the filling one
/// while it allocates black.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Birth {
    /// Between cycles: cells are unmarked in the next bitmap anyway.
    White,
    /// During a cycle: cells are marked whole regions at a time.
    Black,
}

impl Arena {
    /// The next hole of the claimed block, if there is one.
    ///
    /// With [`Birth::Black`] all its cells are marked in the bitmap that is not the claim's own.
    pub fn next_region(&self, bin: &Bin, claim: &mut Claim, birth: Birth) -> Option<Region> {
        self.assert_owns(bin);
        let block = claim.block_of(bin)?;
        let live = self.reservation().marks(claim.side);
        let Some(first) = next_cell(bin, live, block, claim.next_cell, CellKind::Free) else {
            // So that the block is filed as full, and not claimed again for nothing.
            claim.next_cell = bin.cell_count();
            return None;
        };
        let end = next_cell(bin, live, block, first, CellKind::Live).unwrap_or(bin.cell_count());
        claim.next_cell = end;
        if birth == Birth::Black {
            let filling = self.reservation().marks(claim.side.other());
            filling.set_range(block, bin.start_mask(), bin.granule_of(first), self.granule_end(bin, end));
        }
        let base = self.reservation().block_start(block).as_ptr();
        let start = base.wrapping_add(first as usize * bin.cell_bytes());
        freed::reuse(start, (end - first) as usize * bin.cell_bytes());
        Some(Region { start, cursor: start, limit: base.wrapping_add(end as usize * bin.cell_bytes()) })
    }

    /// Ends a region that [`Arena::next_region`] gave for this claim, the last one it gave.
    ///
    /// Cells it did not use go back to the block (unmarked again, if they were born black); the used ones are
    /// counted, and noted as holding an object if the bin has drop glue. Returns how many were used.
    ///
    /// # Safety
    ///
    /// Cells `[start, cursor)` hold initialized objects, or the bin has no drop glue.
    pub unsafe fn retire_region(&self, bin: &Bin, claim: &mut Claim, region: Region, birth: Birth) -> u64 {
        self.assert_owns(bin);
        let (Some(block), false) = (claim.block_of(bin), region.start.is_null()) else {
            return 0;
        };
        let base = self.reservation().block_start(block).addr().get();
        let cell_at = |end: *mut u8| ((end.addr() - base) / bin.cell_bytes()) as u32;
        let (first, used_end, end) = (cell_at(region.start), cell_at(region.cursor), cell_at(region.limit));
        debug_assert_eq!(end, claim.next_cell, "only the last region of a claim is open");
        claim.next_cell = used_end;
        freed::shut(region.cursor, region.free_bytes());
        let (used_granule, end_granule) = (bin.granule_of(used_end), self.granule_end(bin, end));
        if birth == Birth::Black && used_end < end {
            let filling = self.reservation().marks(claim.side.other());
            filling.clear_range(block, bin.start_mask(), used_granule, end_granule);
        }
        if bin.drops() && first < used_end {
            let end = self.granule_end(bin, used_end);
            self.reservation().allocated().set_range(block, bin.start_mask(), bin.granule_of(first), end);
        }
        let used = used_end - first;
        let record = self.reservation().record(block);
        record.set_used_cells(record.used_cells() + used);
        bin.allocated_cells.fetch_add(u64::from(used), Relaxed);
        u64::from(used)
    }

    /// The granule behind the start of the last of the cells below `end`.
    fn granule_end(&self, bin: &Bin, end: u32) -> usize {
        if end == 0 { 0 } else { bin.granule_of(end - 1) + 1 }
    }

    /// Gives the claimed block back to its bin. Its last region must be retired.
    pub fn release_claim(&self, bin: &Bin, claim: &mut Claim) {
        self.assert_owns(bin);
        let Some(block) = claim.block_of(bin) else { return };
        claim.block = None;
        let mut lists = bin.lists().lock();
        if claim.side != lists.live {
            // The bitmaps took turns meanwhile: what is free here now, only a sweep can tell.
            self.note_unswept(1);
            lists.unswept.push(block, self.reservation());
        } else if claim.next_cell < bin.cell_count() {
            self.reservation().record(block).set_cursor(claim.next_cell);
            lists.available.push(block, self.reservation());
        } else {
            lists.full.push(block, self.reservation());
        }
    }

    /// The cells `[start, end)` of one region, for whoever must look at each of them.
    ///
    /// # Safety
    ///
    /// `start` is the start of a cell of this arena.
    pub unsafe fn cells_between(
        &self,
        start: *mut u8,
        end: *mut u8,
    ) -> impl Iterator<Item = *mut u8> + use<> {
        // SAFETY: promised by the caller.
        let bytes = unsafe { self.object_bytes(start) };
        (start.addr()..end.addr()).step_by(bytes).map(move |address| start.with_addr(address))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum CellKind {
    Free,
    Live,
}

/// The first cell at or behind `from` that is free or live, as `kind` says, by the bits of `live`.
fn next_cell(bin: &Bin, live: Bits<'_>, block: BlockId, from: u32, kind: CellKind) -> Option<u32> {
    if from >= bin.cell_count() {
        return None;
    }
    let granule = bin.granule_of(from);
    let mut word = granule / 64;
    let mut skip = !0_u64 << (granule % 64);
    while word < BLOCK_WORDS {
        let bits = live.block_word(block, word);
        let wanted = match kind {
            CellKind::Free => !bits & bin.start_mask()[word],
            // Bits of cells that never start here are never set.
            CellKind::Live => bits,
        };
        let found = wanted & skip;
        if found != 0 {
            return Some(bin.cell_of(word * 64 + found.trailing_zeros() as usize));
        }
        skip = !0;
        word += 1;
    }
    None
}

const _: () = assert!(BLOCK_BYTES == BLOCK_WORDS * 64 * GRANULE_BYTES);
