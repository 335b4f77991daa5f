//! Sizes that the whole heap agrees on, and the identities of its parts.

/// Bytes of a granule, the unit of mark bits: each cell starts in a granule of its own.
pub const GRANULE_BYTES: usize = 1 << GRANULE_SHIFT;
pub(crate) const GRANULE_SHIFT: u32 = 4;

/// Bytes of a block, the unit in which types get memory. Shrunk under loom to one bitmap word.
pub const BLOCK_BYTES: usize = 1 << BLOCK_SHIFT;
#[cfg(not(loom))]
pub(crate) const BLOCK_SHIFT: u32 = 15;
#[cfg(loom)]
pub(crate) const BLOCK_SHIFT: u32 = 10;

/// Granules of a block.
pub const BLOCK_GRANULES: usize = BLOCK_BYTES / GRANULE_BYTES;
/// 64-bit words of one bitmap that belong to one block.
pub const BLOCK_WORDS: usize = BLOCK_GRANULES / 64;

/// Blocks committed together: 2 MiB, one huge page, and whole OS pages of every side table.
pub const CHUNK_BLOCKS: usize = 64;
/// Bytes of a chunk.
pub const CHUNK_BYTES: usize = CHUNK_BLOCKS * BLOCK_BYTES;

/// The smallest cell.
pub const CELL_BYTES_MIN: usize = 16;
/// The largest cell that lives in a block with others; what is larger gets a run of blocks.
#[cfg(not(loom))]
pub const CELL_BYTES_MAX: usize = 8192;
/// The largest cell that lives in a block with others; what is larger gets a run of blocks.
#[cfg(loom)]
pub const CELL_BYTES_MAX: usize = 512;
/// The strongest alignment a cell can have.
pub const CELL_ALIGN_MAX: usize = 4096;

const _: () = assert!(BLOCK_GRANULES.is_multiple_of(64));
const _: () = assert!(CELL_BYTES_MIN >= GRANULE_BYTES, "two cells would share a mark bit");

/// A block by its place in the reservation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockId(pub(crate) u32);

impl BlockId {
    /// The place in the reservation, counted in blocks from its base.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One of the two mark bitmaps.
///
/// They take turns: the bits of the finished cycle say which cells are live, the other ones fill in the next
/// cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The bitmap that is live at birth (and empty: everything is a hole).
    A,
    /// The bitmap that the first cycle fills.
    B,
}

impl Side {
    /// The bitmap that is not this one.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}
