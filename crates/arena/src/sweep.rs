//! Sweeping: finding out what a finished cycle left of each block.
//!
//! Nothing is written into cells. A block without live cells goes back to the free map whole; another one goes to
//! its bin's available list if it has holes. Only if the bin has drop glue are dead cells visited one by one.

use crate::{
    arena::Arena,
    bin::Bin,
    region::Claim,
    sync::Ordering::Relaxed,
    units::{BLOCK_WORDS, BlockId, Side},
};
use std::ptr::NonNull;

/// Is shown the dead objects of bins with drop glue, and of large objects with drop glue.
pub trait SweepVisitor {
    /// The object in `cell` is dead and its cell about to be free. Called once for each object.
    ///
    /// An implementation that unwinds leaks the rest of the block for as long as the arena lives.
    fn dead(&mut self, tag: *const (), cell: NonNull<u8>);
}

/// For arenas whose objects need no visit.
impl SweepVisitor for () {
    fn dead(&mut self, _tag: *const (), _cell: NonNull<u8>) {}
}

/// What a sweep left of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Swept {
    /// Nothing lives in it; it was freed (or claimed).
    Empty,
    /// It has free cells.
    Holes,
    /// Every cell is live.
    Full,
}

impl Arena {
    /// Sweeps one unswept block of the bin and files it. `None` when there is none.
    pub fn sweep_one(&self, bin: &Bin, visitor: &mut dyn SweepVisitor) -> Option<Swept> {
        let (block, side) = self.pop_unswept(bin)?;
        let swept = self.sweep_cells(bin, block, side, visitor);
        match swept {
            Swept::Empty => {
                bin.block_count.fetch_sub(1, Relaxed);
                self.give_blocks(block, 1);
            }
            Swept::Holes => {
                self.reservation().record(block).set_cursor(0);
                bin.lists().lock().available.push(block, self.reservation());
            }
            Swept::Full => bin.lists().lock().full.push(block, self.reservation()),
        }
        self.note_swept();
        Some(swept)
    }

    /// Sweeps one unswept block of the bin and claims it, if it has holes. `None` when none was left.
    pub fn sweep_and_claim(
        &self,
        bin: &Bin,
        claim: &mut Claim,
        visitor: &mut dyn SweepVisitor,
    ) -> Option<Swept> {
        debug_assert!(!claim.is_some());
        let (block, side) = self.pop_unswept(bin)?;
        let swept = self.sweep_cells(bin, block, side, visitor);
        if swept == Swept::Full {
            bin.lists().lock().full.push(block, self.reservation());
        } else {
            *claim = Claim { block: Some(block), bin, side, next_cell: 0 };
        }
        self.note_swept();
        Some(swept)
    }

    fn pop_unswept(&self, bin: &Bin) -> Option<(BlockId, Side)> {
        self.assert_owns(bin);
        let mut lists = bin.lists().lock();
        let block = lists.unswept.pop(self.reservation())?;
        Some((block, lists.live))
    }

    /// Counts what lives in a block that is in flight (A5), and visits what died if the bin has drop glue.
    fn sweep_cells(&self, bin: &Bin, block: BlockId, side: Side, visitor: &mut dyn SweepVisitor) -> Swept {
        let live = self.reservation().marks(side);
        let mut live_cells = 0;
        for (word, mask) in bin.start_mask().iter().enumerate() {
            live_cells += (live.block_word(block, word) & mask).count_ones();
        }
        let record = self.reservation().record(block);
        let dead_cells = record.used_cells().saturating_sub(live_cells);
        if bin.drops() && dead_cells > 0 {
            self.visit_dead(bin, block, side, visitor);
        }
        if self.freed.wants_cells() {
            self.end_dead(bin, block, side);
        }
        record.set_used_cells(live_cells);
        bin.freed_cells.fetch_add(u64::from(dead_cells), Relaxed);
        match live_cells {
            0 => Swept::Empty,
            cells if cells < bin.cell_count() => Swept::Holes,
            _ => Swept::Full,
        }
    }

    /// Ends the memory of all cells that are not live.
    fn end_dead(&self, bin: &Bin, block: BlockId, side: Side) {
        let (live, base) = (self.reservation().marks(side), self.reservation().block_start(block));
        for (word, mask) in bin.start_mask().iter().enumerate() {
            let mut free = mask & !live.block_word(block, word);
            while free != 0 {
                let cell = bin.cell_of(word * 64 + free.trailing_zeros() as usize);
                free &= free - 1;
                // SAFETY: A2: the mask has bits only where cells of the bin start, inside the block.
                let start = unsafe { base.add(cell as usize * bin.cell_bytes()) };
                // SAFETY: A5: the block is in flight, and the cell free.
                unsafe { self.freed.end(start, bin.cell_bytes()) };
            }
        }
    }

    fn visit_dead(&self, bin: &Bin, block: BlockId, side: Side, visitor: &mut dyn SweepVisitor) {
        let (live, allocated) = (self.reservation().marks(side), self.reservation().allocated());
        let base = self.reservation().block_start(block);
        for word in 0..BLOCK_WORDS {
            let keep = live.block_word(block, word);
            let mut dead = allocated.block_word(block, word) & !keep;
            if dead == 0 {
                continue;
            }
            // Cleared before the visits: whatever happens in them, no object is visited twice.
            allocated.keep_in_word(block, word, keep);
            while dead != 0 {
                let cell = bin.cell_of(word * 64 + dead.trailing_zeros() as usize);
                dead &= dead - 1;
                // SAFETY: A2: bits are only set where cells of the bin start, inside the block.
                visitor.dead(bin.tag(), unsafe { base.add(cell as usize * bin.cell_bytes()) });
            }
        }
    }

    /// Visits every object with drop glue that is still there, dead or alive, and forgets it. For the end of a
    /// heap.
    ///
    /// Every region must be retired; nothing may be allocated or swept at the same time.
    pub fn visit_remaining(&mut self, visitor: &mut dyn SweepVisitor) {
        let frontier = self.map().frontier();
        for index in 0..frontier {
            let block = BlockId(index as u32);
            let record = self.reservation().record(block);
            // SAFETY: A6: the bin of a block in use is alive, or the pointer is null.
            if let Some(bin) = unsafe { record.bin().as_ref() }
                && record.state() == crate::blocks::BlockState::Cells
                && bin.drops()
            {
                self.visit_all_cells(bin, block, visitor);
            } else if record.state() == crate::blocks::BlockState::LargeHead && record.drops() {
                visitor.dead(record.tag(), self.reservation().block_start(block));
                record.set_free();
            }
        }
    }

    fn visit_all_cells(&self, bin: &Bin, block: BlockId, visitor: &mut dyn SweepVisitor) {
        let (allocated, base) = (self.reservation().allocated(), self.reservation().block_start(block));
        for word in 0..BLOCK_WORDS {
            let mut cells = allocated.block_word(block, word);
            allocated.keep_in_word(block, word, 0);
            while cells != 0 {
                let cell = bin.cell_of(word * 64 + cells.trailing_zeros() as usize);
                cells &= cells - 1;
                // SAFETY: A2: bits are only set where cells of the bin start, inside the block.
                visitor.dead(bin.tag(), unsafe { base.add(cell as usize * bin.cell_bytes()) });
            }
        }
    }
}
