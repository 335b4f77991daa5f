//! The arena: reservation, free blocks, bins and large objects in one place.

use crate::{
    bin::{Bin, BinSpec, Lists},
    bitmap::{Bits, Marks},
    block_map::{BlockMap, Taken},
    error::{Exhausted, ReserveError},
    freed::{self, Freed},
    os::{PageSource, SystemPages},
    region::Claim,
    reserve::{MAX_HEAP_BYTES_DEFAULT, Reservation},
    sync::{AtomicU8, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering::Relaxed},
    units::{BLOCK_BYTES, BLOCK_SHIFT, BlockId, Side},
};
use std::{ops::Range, ptr::NonNull};

/// How an arena is built.
#[derive(Debug)]
pub struct ArenaConfig {
    /// Bytes of blocks that may ever be in use; also what is reserved. 64 GiB of addresses by default.
    pub max_bytes: usize,
    /// Where pages come from.
    pub pages: Box<dyn PageSource>,
    /// Fills the cells of dead objects when they are swept. For tests; off by default.
    pub fill_freed: bool,
}

impl Default for ArenaConfig {
    fn default() -> ArenaConfig {
        ArenaConfig { max_bytes: MAX_HEAP_BYTES_DEFAULT, pages: Box::new(SystemPages), fill_freed: false }
    }
}

/// Memory for one heap.
///
/// See the [crate documentation](crate) for how the parts play together, and for an example.
#[derive(Debug)]
pub struct Arena {
    reservation: Reservation,
    pub(crate) freed: Freed,
    map: Mutex<BlockMap>,
    /// Every bin ever made. Boxed, so that block records can point at them for as long as the arena lives.
    bins: Mutex<Vec<NonNull<Bin>>>,
    pub(crate) large: Mutex<Lists>,
    /// The live bitmap, for statistics and new bins; each bin has its own under its lock.
    live: AtomicU8,
    /// Blocks that wait for the sweep or are being swept.
    unswept: AtomicUsize,
    pub(crate) large_blocks: AtomicU64,
    pub(crate) large_allocated: AtomicU64,
    pub(crate) large_freed: AtomicU64,
}

// SAFETY: bins are only ever shared; the arena owns them until its drop.
unsafe impl Send for Arena {}
// SAFETY: as above; everything else synchronizes itself.
unsafe impl Sync for Arena {}

impl Arena {
    /// Reserves addresses for an arena; takes no memory yet.
    ///
    /// When the system refuses, for example under `RLIMIT_AS`, half of the addresses are asked for, down to 4 MiB.
    ///
    /// # Errors
    ///
    /// [`ReserveError`] when the system refuses even that.
    pub fn new(config: ArenaConfig) -> Result<Arena, ReserveError> {
        let reservation = Reservation::new(config.max_bytes, config.pages)?;
        let map = BlockMap::new(reservation.block_limit());
        Ok(Arena {
            reservation,
            freed: Freed { fills: config.fill_freed },
            map: Mutex::new(map),
            bins: Mutex::new(Vec::new()),
            large: Mutex::new(Lists::new(Side::A)),
            live: AtomicU8::new(Side::A as u8),
            unswept: AtomicUsize::new(0),
            large_blocks: AtomicU64::new(0),
            large_allocated: AtomicU64::new(0),
            large_freed: AtomicU64::new(0),
        })
    }

    /// Makes a bin. It lives as long as the arena.
    ///
    /// # Panics
    ///
    /// If the cell size is not a multiple of 8 or out of range.
    pub fn new_bin(&self, spec: BinSpec) -> &Bin {
        let mut bins = self.bins.lock();
        let bin = NonNull::from(Box::leak(Box::new(Bin::new(spec, self.base(), self.live_side()))));
        bins.push(bin);
        // SAFETY: A6: bins are freed with the arena only.
        unsafe { bin.as_ref() }
    }

    /// The bins made so far.
    pub fn bins(&self) -> Vec<&Bin> {
        // SAFETY: A6: bins are freed with the arena only.
        self.bins.lock().iter().map(|bin| unsafe { bin.as_ref() }).collect()
    }

    /// The bin with number `index` in order of making.
    pub fn bin(&self, index: usize) -> Option<&Bin> {
        // SAFETY: A6: bins are freed with the arena only.
        self.bins.lock().get(index).map(|bin| unsafe { bin.as_ref() })
    }

    fn base(&self) -> usize {
        self.reservation.base().addr().get()
    }

    /// Blocks of one arena mean nothing in another.
    pub(crate) fn assert_owns(&self, bin: &Bin) {
        assert_eq!(bin.base(), self.base(), "a bin was used with an arena that did not make it");
    }

    /// Claims a swept block of the bin that has holes. `false` when there is none.
    ///
    /// # Panics
    ///
    /// As everything that takes a bin or a claim: if the bin is of another arena, or the claim of another bin.
    pub fn claim_available(&self, bin: &Bin, claim: &mut Claim) -> bool {
        self.assert_owns(bin);
        debug_assert!(claim.block.is_none());
        let mut lists = bin.lists().lock();
        let Some(block) = lists.available.pop(&self.reservation) else { return false };
        let next_cell = self.reservation.record(block).cursor();
        *claim = Claim { block: Some(block), bin, side: lists.live, next_cell };
        true
    }

    /// Claims a free block for the bin, committing memory if it must.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when no block is free and none can be committed.
    pub fn claim_fresh(&self, bin: &Bin, claim: &mut Claim) -> Result<(), Exhausted> {
        self.assert_owns(bin);
        debug_assert!(claim.block.is_none());
        let block = self.take_blocks(1)?.first;
        self.reservation.record(block).init_cells(bin);
        bin.block_count.fetch_add(1, Relaxed);
        *claim = Claim { block: Some(block), bin, side: bin.lists().lock().live, next_cell: 0 };
        Ok(())
    }

    /// Takes a run of free blocks off the map, growing the frontier if it must.
    pub(crate) fn take_blocks(&self, blocks: usize) -> Result<Taken, Exhausted> {
        let mut map = self.map.lock();
        let take = |map: &mut BlockMap| if blocks == 1 { map.take_one() } else { map.take_run(blocks) };
        if let Some(found) = take(&mut map) {
            return Ok(found);
        }
        let frontier = map.frontier();
        let needed = frontier - map.free_at_end() + blocks;
        if needed > self.reservation.block_limit() {
            return Err(Exhausted::Limit);
        }
        let ahead = self.reservation.next_frontier(frontier, needed);
        self.reservation.commit(frontier, ahead)?;
        map.extend(ahead);
        take(&mut map).ok_or(Exhausted::Limit)
    }

    /// Puts a run of blocks back on the map. No bit of theirs is set in the live bitmap (A3).
    pub(crate) fn give_blocks(&self, first: BlockId, blocks: usize) {
        for index in first.index()..first.index() + blocks {
            self.reservation.record(BlockId(index as u32)).set_free();
        }
        self.map.lock().give(first, blocks);
    }

    /// Whether an address lies in a block that exists.
    pub fn contains(&self, address: *const u8) -> bool {
        let base = self.base();
        let bytes = self.map.lock().frontier() * BLOCK_BYTES;
        (base..base + bytes).contains(&address.addr())
    }

    /// The tag of the bin or large object that `cell` belongs to.
    ///
    /// # Safety
    ///
    /// `cell` is the start of a cell or large object of this arena.
    #[inline]
    pub unsafe fn tag(&self, cell: *const u8) -> *const () {
        // SAFETY: A1: cells lie in blocks that exist.
        unsafe { self.reservation.record_unchecked(self.block_of(cell)) }.tag()
    }

    /// Bytes of the cell that starts at `cell` (of a large object: of its blocks).
    ///
    /// # Safety
    ///
    /// `cell` is the start of a cell or large object of this arena.
    #[inline]
    pub unsafe fn object_bytes(&self, cell: *const u8) -> usize {
        // SAFETY: A1: cells lie in blocks that exist.
        unsafe { self.reservation.record_unchecked(self.block_of(cell)) }.object_bytes()
    }

    /// One of the mark bitmaps.
    #[inline]
    pub fn marks(&self, side: Side) -> Marks<'_> {
        Marks::new(self.reservation.base().addr().get(), self.reservation.marks(side))
    }

    #[inline]
    pub(crate) fn block_of(&self, cell: *const u8) -> BlockId {
        BlockId(((cell.addr() - self.reservation.base().addr().get()) >> BLOCK_SHIFT) as u32)
    }

    pub(crate) fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    pub(crate) fn map(&self) -> MutexGuard<'_, BlockMap> {
        self.map.lock()
    }

    /// The bitmap of the last finished cycle.
    pub fn live_side(&self) -> Side {
        if self.live.load(Relaxed) == Side::A as u8 { Side::A } else { Side::B }
    }

    /// The bitmap that the next cycle fills, or the one that is under way.
    #[inline]
    pub fn filling_side(&self) -> Side {
        self.live_side().other()
    }

    /// Makes the filled bitmap the live one: every block becomes unswept.
    ///
    /// Blocks that are claimed meanwhile stay with their claimants, who go on by the old bitmap; they become unswept
    /// when they are released. The caller orders this call after all marking, and sees to it that the last
    /// sweep is complete.
    pub fn turn(&self) {
        let bins = self.bins.lock();
        let live = self.filling_side();
        self.live.store(live as u8, Relaxed);
        for bin in bins.iter() {
            // SAFETY: A6: bins are freed with the arena only.
            let mut lists = unsafe { bin.as_ref() }.lists().lock();
            self.note_unswept(lists.turn(live, &self.reservation));
        }
        let mut large = self.large.lock();
        self.note_unswept(large.turn(live, &self.reservation));
    }

    /// Clears a part of the bitmap that the next cycle will fill: the marks of these blocks, by number. Tells where the next part begins,
    /// or `None` behind the last block. Every claim of before the last [`Arena::turn`] must have been released.
    #[must_use = "there may be further blocks"]
    pub fn clear_filling(&self, blocks: Range<usize>) -> Option<usize> {
        let frontier = self.map.lock().frontier();
        let filling: Bits<'_> = self.reservation.marks(self.filling_side());
        let end = blocks.end.min(frontier);
        filling.clear_blocks(blocks.start.min(end)..end);
        (end < frontier).then_some(end)
    }

    pub(crate) fn note_unswept(&self, blocks: usize) {
        self.unswept.fetch_add(blocks, Relaxed);
    }

    pub(crate) fn note_swept(&self) {
        // ORDERING: Release pairs with the Acquire in `unswept_blocks`: who sees zero sees all sweeps.
        self.unswept.fetch_sub(1, crate::sync::Ordering::Release);
    }

    /// Blocks and large objects that wait for the sweep, or are being swept right now.
    pub fn unswept_blocks(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `note_swept`.
        self.unswept.load(crate::sync::Ordering::Acquire)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // Whoever gets these addresses next may touch them.
        freed::reuse(self.reservation.base().as_ptr(), self.map.lock().frontier() * BLOCK_BYTES);
        for bin in self.bins.lock().drain(..) {
            // SAFETY: A6: `new_bin` leaked it, and all borrows ended with the arena's.
            drop(unsafe { Box::from_raw(bin.as_ptr()) });
        }
    }
}
