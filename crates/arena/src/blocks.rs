//! Block records: what is known of a block, 32 bytes in a dense table.
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `tag`, `bin`, `object_words`, `state`, `drops`, `cursor` of a large run | whoever takes the block from the free map, before a pointer into it exists | everybody who holds such a pointer |
//! | `next` | holder of the lock of the list it is in | the same |
//! | `cursor` | who puts the block on a list | who takes it off |
//! | `used_cells` | the claimant, the sweeper | the same; statistics (approximate while they run) |
//!
//! All accesses are relaxed: pointers to cells are published with Release, lists are locked.

use crate::{
    bin::Bin,
    sync::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed},
    table::Zeroed,
    units::{BLOCK_BYTES, CELL_BYTES_MIN},
};
use std::ptr::null_mut;

/// What a block is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum BlockState {
    /// Nothing lives here.
    Free = 0,
    /// Cells of one bin.
    Cells = 1,
    /// The first block of a large object.
    LargeHead = 2,
    /// A further block of a large object.
    LargeTail = 3,
}

#[repr(C, align(32))]
#[derive(Debug)]
pub(crate) struct BlockRecord {
    /// What the owner of the block attached to it: the type of all its objects.
    tag: AtomicPtr<()>,
    /// The bin whose cells these are; null in large runs.
    bin: AtomicPtr<Bin>,
    /// Words of 8 bytes that each object of the block takes (of a large object: its whole run).
    object_words: AtomicU32,
    /// The next block in a list of the bin, or [`NO_BLOCK`].
    next: AtomicU32,
    /// Of cells: those below it are live or handed out; from it on, unmarked ones are free (A2). Of a large object: blocks of
    /// its run.
    cursor: AtomicU32,
    /// Cells that hold an object, as far as retired regions and the last sweep tell.
    used_cells: AtomicU16,
    state: AtomicU8,
    /// Whether dead objects of a large run are shown to the sweep visitor.
    drops: AtomicU8,
}

pub(crate) const NO_BLOCK: u32 = u32::MAX;

const WORD_BYTES: usize = 8;

const _: () = assert!(cfg!(loom) || size_of::<BlockRecord>() == 32);
const _: () =
    assert!(BLOCK_BYTES / CELL_BYTES_MIN <= u16::MAX as usize, "the cells of a block are counted in 16 bits");

impl Default for BlockRecord {
    fn default() -> BlockRecord {
        BlockRecord {
            tag: AtomicPtr::new(null_mut()),
            bin: AtomicPtr::new(null_mut()),
            object_words: AtomicU32::new(0),
            next: AtomicU32::new(0),
            cursor: AtomicU32::new(0),
            used_cells: AtomicU16::new(0),
            state: AtomicU8::new(0),
            drops: AtomicU8::new(0),
        }
    }
}

// SAFETY: all fields are atomics of null or zero, and `BlockState::Free` is zero.
unsafe impl Zeroed for BlockRecord {}

impl BlockRecord {
    pub(crate) fn init_cells(&self, bin: &Bin) {
        self.tag.store(bin.tag().cast_mut(), Relaxed);
        self.bin.store(std::ptr::from_ref(bin).cast_mut(), Relaxed);
        self.object_words.store((bin.cell_bytes() / WORD_BYTES) as u32, Relaxed);
        self.cursor.store(0, Relaxed);
        self.used_cells.store(0, Relaxed);
        self.state.store(BlockState::Cells as u8, Relaxed);
    }

    pub(crate) fn init_large(&self, tag: *const (), blocks: usize, drops: bool) {
        self.tag.store(tag.cast_mut(), Relaxed);
        self.bin.store(null_mut(), Relaxed);
        // A run of more than 32 GiB counts as one of 32 GiB, in estimates only.
        let words = u32::try_from(blocks * (BLOCK_BYTES / WORD_BYTES)).unwrap_or(u32::MAX);
        self.object_words.store(words, Relaxed);
        self.used_cells.store(1, Relaxed);
        self.cursor.store(blocks as u32, Relaxed);
        self.drops.store(u8::from(drops), Relaxed);
        self.state.store(BlockState::LargeHead as u8, Relaxed);
    }

    pub(crate) fn init_tail(&self) {
        self.state.store(BlockState::LargeTail as u8, Relaxed);
    }

    pub(crate) fn set_free(&self) {
        self.used_cells.store(0, Relaxed);
        self.tag.store(null_mut(), Relaxed);
        self.state.store(BlockState::Free as u8, Relaxed);
    }

    pub(crate) fn state(&self) -> BlockState {
        match self.state.load(Relaxed) {
            0 => BlockState::Free,
            1 => BlockState::Cells,
            2 => BlockState::LargeHead,
            _ => BlockState::LargeTail,
        }
    }

    #[inline]
    pub(crate) fn tag(&self) -> *const () {
        self.tag.load(Relaxed)
    }

    #[inline]
    pub(crate) fn object_bytes(&self) -> usize {
        self.object_words.load(Relaxed) as usize * WORD_BYTES
    }

    /// The bin, null in large runs.
    pub(crate) fn bin(&self) -> *const Bin {
        self.bin.load(Relaxed)
    }

    pub(crate) fn next(&self) -> u32 {
        self.next.load(Relaxed)
    }

    pub(crate) fn set_next(&self, next: u32) {
        self.next.store(next, Relaxed);
    }

    pub(crate) fn cursor(&self) -> u32 {
        self.cursor.load(Relaxed)
    }

    pub(crate) fn set_cursor(&self, cell: u32) {
        self.cursor.store(cell, Relaxed);
    }

    pub(crate) fn used_cells(&self) -> u32 {
        self.used_cells.load(Relaxed).into()
    }

    pub(crate) fn set_used_cells(&self, cells: u32) {
        self.used_cells.store(cells as u16, Relaxed);
    }

    pub(crate) fn run_blocks(&self) -> usize {
        self.cursor.load(Relaxed) as usize
    }

    pub(crate) fn drops(&self) -> bool {
        self.drops.load(Relaxed) != 0
    }
}
