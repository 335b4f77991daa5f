//! Large objects: block runs of their own.

use crate::{
    arena::Arena,
    block_map::Taken,
    error::Exhausted,
    freed,
    region::Birth,
    sweep::{SweepVisitor, Swept},
    sync::Ordering::Relaxed,
    units::{BLOCK_BYTES, BlockId},
};
use std::ptr::NonNull;

/// What a large object is.
#[derive(Clone, Copy, Debug)]
pub struct LargeSpec {
    /// Bytes of the object; its run is the next multiple of [`BLOCK_BYTES`].
    pub bytes: usize,
    /// As in [`BinSpec`](crate::BinSpec).
    pub tag: *const (),
    /// Whether the dead object is shown to the sweep's visitor.
    pub drops: bool,
}

impl Arena {
    /// Takes a run of blocks for one object, aligned to a block.
    ///
    /// `init` makes the memory a valid object before any sweep can meet it. With [`Birth::Black`] the object is marked
    /// in the bitmap that is not the live one. The run counts as swept.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when there is no such run.
    pub fn alloc_large(
        &self,
        spec: LargeSpec,
        birth: Birth,
        init: impl FnOnce(NonNull<u8>),
    ) -> Result<NonNull<u8>, Exhausted> {
        self.alloc_run(spec, birth, |cell, _| init(cell))
    }

    /// The same for an object all of whose blocks are zero at first. What the system has zeroed is not written again.
    ///
    /// # Errors
    ///
    /// As [`Arena::alloc_large`].
    pub fn alloc_large_zeroed(&self, spec: LargeSpec, birth: Birth) -> Result<NonNull<u8>, Exhausted> {
        self.alloc_run(spec, birth, |cell, taken| {
            if !taken.is_zero {
                // SAFETY: A5: the run was free, and is this object's now.
                unsafe { cell.write_bytes(0, taken.blocks * BLOCK_BYTES) };
            }
        })
    }

    fn alloc_run(
        &self,
        spec: LargeSpec,
        birth: Birth,
        init: impl FnOnce(NonNull<u8>, Taken),
    ) -> Result<NonNull<u8>, Exhausted> {
        let blocks = spec.bytes.div_ceil(BLOCK_BYTES).max(1);
        let taken = self.take_blocks(blocks)?;
        let head = taken.first;
        self.reservation().record(head).init_large(spec.tag, blocks, spec.drops);
        for index in head.index() + 1..head.index() + blocks {
            self.reservation().record(BlockId(index as u32)).init_tail();
        }
        let cell = self.reservation().block_start(head);
        freed::reuse(cell.as_ptr(), blocks * BLOCK_BYTES);
        init(cell, taken);
        self.large_blocks.fetch_add(blocks as u64, Relaxed);
        self.large_allocated.fetch_add(1, Relaxed);
        // Last: from here on a turn of the bitmaps makes the object subject to the sweep. Marked under the same lock: a
        // turn comes before both or after both.
        let mut lists = self.large.lock();
        if birth == Birth::Black {
            // SAFETY: the large object that is being made.
            unsafe { self.marks(lists.live.other()).try_mark(cell.as_ptr()) };
        }
        lists.full.push(head, self.reservation());
        Ok(cell)
    }

    /// Sweeps one large object. `None` when none is left.
    pub fn sweep_one_large(&self, visitor: &mut dyn SweepVisitor) -> Option<Swept> {
        let (head, side) = {
            let mut lists = self.large.lock();
            (lists.unswept.pop(self.reservation())?, lists.live)
        };
        let cell = self.reservation().block_start(head);
        // SAFETY: the head of a large run.
        let is_live = unsafe { self.marks(side).is_marked(cell.as_ptr()) };
        let swept = if is_live {
            self.large.lock().full.push(head, self.reservation());
            Swept::Full
        } else {
            let record = self.reservation().record(head);
            if record.drops() {
                visitor.dead(record.tag(), cell);
            }
            let blocks = record.run_blocks();
            self.large_blocks.fetch_sub(blocks as u64, Relaxed);
            self.large_freed.fetch_add(1, Relaxed);
            if self.freed.wants_cells() {
                // SAFETY: A5: the run is in flight, and its object is dead.
                unsafe { self.freed.end(cell, blocks * BLOCK_BYTES) };
            }
            self.give_blocks(head, blocks);
            Swept::Empty
        };
        self.note_swept();
        Some(swept)
    }
}
