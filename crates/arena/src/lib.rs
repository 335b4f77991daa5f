//! The memory of a mudlark heap: typed blocks without headers, dense side tables, exact accounting.
//!
//! An [`Arena`] reserves one contiguous range of addresses and cuts it into blocks of 32 KiB. All cells of a block
//! have one size and one *tag* (what the owner wants to find again from an address), so objects carry no header.
//! Beside the heap lie two bitmaps with one mark bit per 16 bytes, which take turns: the bits of the finished
//! cycle say which cells are live, and everything else is a hole to allocate from; the other bitmap fills in the next
//! cycle. Sweeping writes nothing into cells.
//!
//! # Allocation, in stops
//!
//! 1. The mutator bumps through its [`Region`], a hole between live cells. Nothing is written but the object.
//! 2. The region is used up: [`Arena::next_region`] finds the next hole of the claimed block in the live bitmap.
//! 3. The block has no more holes: [`Arena::claim_available`] claims a swept one.
//! 4. None is swept: [`Arena::sweep_and_claim`] sweeps one, and claims it if it has holes.
//! 5. All are swept and full: [`Arena::claim_fresh`] takes a free block, committing memory if it must.
//! 6. No memory: [`Exhausted`]; nothing has happened.
//!
//! # A cycle, in stops
//!
//! 1. Whoever traces calls [`Marks::try_mark`] for what it reaches. New regions are taken [`Birth::Black`].
//! 2. [`Arena::turn`]: the filled bitmap becomes the live one, every block unswept.
//! 3. Claims are released, then [`Arena::clear_filling`] empties the other bitmap.
//! 4. [`Arena::sweep_one`] and allocation itself sweep; blocks without live cells go back whole.
//!
//! # Example: a bin, a mark, a sweep
//!
//! ```
//! use mudlark_arena::{Arena, ArenaConfig, BinSpec, Birth, Claim};
//!
//! let arena = Arena::new(ArenaConfig::default())?;
//! let bin = arena.new_bin(BinSpec { cell_bytes: 24, tag: std::ptr::null(), drops: false });
//!
//! // Allocate a block's worth of cells, remember one.
//! let mut claim = Claim::NONE;
//! arena.claim_fresh(bin, &mut claim)?;
//! let mut region = arena.next_region(bin, &mut claim, Birth::White).expect("a fresh block is one hole");
//! let kept = region.bump(bin.cell_bytes()).unwrap();
//! while region.bump(bin.cell_bytes()).is_some() {}
//! // SAFETY: the bin has no drop glue.
//! let used = unsafe { arena.retire_region(bin, &mut claim, region, Birth::White) };
//! arena.release_claim(bin, &mut claim);
//! assert_eq!(used, u64::from(bin.cell_count()));
//!
//! // Mark it, take turns, sweep: one object is left.
//! // SAFETY: `kept` is a cell of this arena.
//! assert!(unsafe { arena.marks(arena.filling_side()).try_mark(kept) });
//! arena.turn();
//! let rest = arena.clear_filling(0..usize::MAX);
//! assert_eq!(rest, None);
//! while arena.sweep_one(bin, &mut ()).is_some() {}
//! assert_eq!(arena.bin_stats()[0].objects(), 1);
//! arena.recount().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arena;
mod bin;
mod bitmap;
mod block_map;
mod blocks;
mod error;
mod freed;
mod large;
mod os;
mod region;
mod reserve;
pub mod size_class;
mod stats;
mod sweep;
#[doc(hidden)]
pub mod sync;
mod table;
mod units;

pub use arena::{Arena, ArenaConfig};
pub use bin::{Bin, BinSpec};
pub use bitmap::Marks;
pub use error::{Exhausted, ReserveError};
pub use large::LargeSpec;
pub use os::{PageSource, SystemPages};
pub use region::{Birth, Claim, Region};
pub use reserve::MAX_HEAP_BYTES_DEFAULT;
pub use size_class::{SIZE_CLASS_COUNT, SizeClass};
pub use stats::{ArenaStats, BinStats};
pub use sweep::{SweepVisitor, Swept};
pub use units::{
    BLOCK_BYTES, BLOCK_GRANULES, BLOCK_WORDS, BlockId, CELL_ALIGN_MAX, CELL_BYTES_MAX, CELL_BYTES_MIN,
    CHUNK_BLOCKS, CHUNK_BYTES, GRANULE_BYTES, Side,
};
