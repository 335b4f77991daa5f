//! Bins: all blocks whose cells have one size and one tag.

use crate::{
    bitmap::StartMask,
    blocks::NO_BLOCK,
    reserve::Reservation,
    sync::{AtomicU64, Mutex, Ordering::Relaxed},
    units::{
        BLOCK_BYTES, BLOCK_WORDS, BlockId, CELL_ALIGN_MAX, CELL_BYTES_MAX, CELL_BYTES_MIN, GRANULE_BYTES,
        GRANULE_SHIFT, Side,
    },
};

/// What all cells of a bin have in common.
#[derive(Clone, Copy, Debug)]
pub struct BinSpec {
    /// Bytes of a cell: a multiple of 8, from [`CELL_BYTES_MIN`] to [`CELL_BYTES_MAX`]. Cells of a size that is a
    /// multiple of a power of two up to [`CELL_ALIGN_MAX`] are aligned to it.
    pub cell_bytes: usize,
    /// Whatever the owner wants to find again from an address; the collector's type descriptor. Never read here.
    pub tag: *const (),
    /// Whether dead objects are shown to the sweep's visitor, because they have drop glue.
    pub drops: bool,
}

/// All blocks whose cells have one size and one tag, and the lists they are in.
///
/// A block of a bin is in exactly one place (A5): claimed by one mutator; or in flight to be swept by one thread;
/// or on one of the lists: *unswept* (nobody looked at it since the bitmaps took turns), *available* (swept,
/// with holes from its cursor on), *full*.
#[derive(Debug)]
pub struct Bin {
    spec: BinSpec,
    /// The base of the arena that made it.
    base: usize,
    cell_count: u32,
    start_mask: StartMask,
    lists: Mutex<Lists>,
    pub(crate) block_count: AtomicU64,
    /// Cells handed to mutators since birth, as far as regions were retired.
    pub(crate) allocated_cells: AtomicU64,
    /// Cells found dead by sweeps since birth.
    pub(crate) freed_cells: AtomicU64,
}

// SAFETY: the tag is an opaque address that nothing here reads through.
unsafe impl Send for Bin {}
// SAFETY: as above; the rest is atomics and a lock.
unsafe impl Sync for Bin {}

impl Bin {
    pub(crate) fn new(spec: BinSpec, base: usize, live: Side) -> Bin {
        assert!(
            spec.cell_bytes.is_multiple_of(8) && (CELL_BYTES_MIN..=CELL_BYTES_MAX).contains(&spec.cell_bytes),
            "a cell of {} bytes was asked for; cells are multiples of 8 from {CELL_BYTES_MIN} to {CELL_BYTES_MAX}",
            spec.cell_bytes
        );
        let cell_count = (BLOCK_BYTES / spec.cell_bytes) as u32;
        let mut start_mask = [0; BLOCK_WORDS];
        for cell in 0..cell_count as usize {
            let granule = cell * spec.cell_bytes / GRANULE_BYTES;
            start_mask[granule / 64] |= 1 << (granule % 64);
        }
        Bin {
            spec,
            base,
            cell_count,
            start_mask,
            lists: Mutex::new(Lists::new(live)),
            block_count: AtomicU64::new(0),
            allocated_cells: AtomicU64::new(0),
            freed_cells: AtomicU64::new(0),
        }
    }

    /// The base of the arena that the bin belongs to.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Bytes of a cell.
    #[inline]
    pub fn cell_bytes(&self) -> usize {
        self.spec.cell_bytes
    }

    /// Cells of a block.
    pub fn cell_count(&self) -> u32 {
        self.cell_count
    }

    /// What the owner attached to all cells.
    pub fn tag(&self) -> *const () {
        self.spec.tag
    }

    /// Whether dead objects are shown to the sweep's visitor.
    pub fn drops(&self) -> bool {
        self.spec.drops
    }

    /// Objects of this bin since birth: `(allocated, freed)`, exact while no mutator holds a region of it and no
    /// sweep is under way.
    pub fn object_counts(&self) -> (u64, u64) {
        // Freed first: what is freed in between was allocated before.
        let freed = self.freed_cells.load(Relaxed);
        (self.allocated_cells.load(Relaxed), freed)
    }

    /// Blocks that belong to the bin.
    pub fn block_count(&self) -> u64 {
        self.block_count.load(Relaxed)
    }

    pub(crate) fn lists(&self) -> &Mutex<Lists> {
        &self.lists
    }

    pub(crate) fn start_mask(&self) -> &StartMask {
        &self.start_mask
    }

    /// The granule within its block in which a cell starts; of the cell behind the last one: the block's end.
    #[inline]
    pub(crate) fn granule_of(&self, cell: u32) -> usize {
        // A cell behind the last one may start in the block's last granule; nothing starts there then.
        (cell as usize * self.spec.cell_bytes).min(BLOCK_BYTES) >> GRANULE_SHIFT
    }

    /// The cell that starts in a granule of its block.
    #[inline]
    pub(crate) fn cell_of(&self, granule: usize) -> u32 {
        // Cells have at least 16 bytes, so the start is the first multiple at or behind the granule's start.
        (granule * GRANULE_BYTES).div_ceil(self.spec.cell_bytes) as u32
    }
}

const _: () = assert!(cfg!(loom) || BLOCK_BYTES.is_multiple_of(CELL_ALIGN_MAX));

/// The lists of a bin, or of the large objects. Links are in the block records.
#[derive(Debug)]
pub(crate) struct Lists {
    pub(crate) unswept: List,
    pub(crate) available: List,
    pub(crate) full: List,
    /// The bitmap that tells the holes of blocks on `available`. Changes when a cycle ends, under the lock.
    pub(crate) live: Side,
}

impl Lists {
    pub(crate) fn new(live: Side) -> Lists {
        Lists { unswept: List::EMPTY, available: List::EMPTY, full: List::EMPTY, live }
    }

    /// Makes all listed blocks unswept, now that `live` tells what lives in them. Returns how many they are.
    pub(crate) fn turn(&mut self, live: Side, reservation: &Reservation) -> usize {
        debug_assert!(self.unswept.is_empty(), "a cycle begins when the sweep of the last one is complete");
        self.live = live;
        let (available, full) = (self.available.take(), self.full.take());
        self.unswept = available;
        self.unswept.append(full, reservation);
        self.unswept.len
    }
}

/// A singly linked list of blocks.
#[derive(Debug)]
pub(crate) struct List {
    head: u32,
    tail: u32,
    pub(crate) len: usize,
}

impl List {
    const EMPTY: List = List { head: NO_BLOCK, tail: NO_BLOCK, len: 0 };

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NO_BLOCK
    }

    fn take(&mut self) -> List {
        std::mem::replace(self, List::EMPTY)
    }

    pub(crate) fn push(&mut self, block: BlockId, reservation: &Reservation) {
        reservation.record(block).set_next(self.head);
        if self.is_empty() {
            self.tail = block.0;
        }
        self.head = block.0;
        self.len += 1;
    }

    pub(crate) fn pop(&mut self, reservation: &Reservation) -> Option<BlockId> {
        if self.is_empty() {
            return None;
        }
        let block = BlockId(self.head);
        self.head = reservation.record(block).next();
        self.len -= 1;
        Some(block)
    }

    fn append(&mut self, other: List, reservation: &Reservation) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = other;
        } else {
            reservation.record(BlockId(self.tail)).set_next(other.head);
            self.tail = other.tail;
            self.len += other.len;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: cell and granule numbers convert both ways, for each cell size. Method: all sizes, all cells.
    #[test]
    fn each_cell_starts_in_a_granule_of_its_own() {
        for cell_bytes in (CELL_BYTES_MIN..=CELL_BYTES_MAX).step_by(8) {
            let bin = Bin::new(BinSpec { cell_bytes, tag: std::ptr::null(), drops: false }, 0, Side::A);
            let starts: u32 = bin.start_mask.iter().map(|word| word.count_ones()).sum();
            assert_eq!(starts, bin.cell_count());
            for cell in 0..bin.cell_count() {
                assert_eq!(bin.cell_of(bin.granule_of(cell)), cell);
            }
        }
    }
}
