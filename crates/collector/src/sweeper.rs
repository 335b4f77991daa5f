//! Sweeping, seen from the collector: running drop glue of the dead, on any thread.

use crate::{descriptor::Descriptor, heap::Core};
use mudlark_arena::{Arena, Bin, SweepVisitor};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
};

thread_local! {
    static IN_DROP_GLUE: Cell<bool> = const { Cell::new(false) };
}

/// Panics in drop glue that the collector runs: a heap must not be entered from there.
///
/// The panic is contained like any other of drop glue.
#[inline]
pub(crate) fn assert_outside_of_drop_glue(what: &str) {
    assert!(
        !IN_DROP_GLUE.get(),
        "cannot {what} in drop glue of a collected object; note what is to be done and do it later, in a scope"
    );
}

/// Runs the drop glue of dead objects. Panics in it are contained.
pub(crate) struct DropGlue;

impl SweepVisitor for DropGlue {
    fn dead(&mut self, tag: *const (), cell: NonNull<u8>) {
        // SAFETY: C2: the tag of every block in use is the address of a static descriptor.
        let descriptor = unsafe { &*tag.cast::<Descriptor>() };
        if descriptor.drop.is_none() {
            return;
        }
        let outer = IN_DROP_GLUE.replace(true);
        // The panic was reported by its hook; the object counts as dropped, as in `std`'s collections.
        contain(|| {
            // SAFETY: C1: the object is dead, was fully written, and the sweep visits it once.
            unsafe { descriptor.drop_object(cell) };
        });
        IN_DROP_GLUE.set(outer);
    }
}

/// Runs what may unwind, and lets nothing out: the payload of a panic has drop glue too, and that may panic again.
pub(crate) fn contain(run: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(run))
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(again);
    }
}

/// Ends all objects of a heap that nobody uses any more.
pub(crate) fn drop_everything(arena: &mut Arena) {
    arena.visit_remaining(&mut DropGlue);
}

impl Core {
    /// Sweeps about `blocks` blocks. `false` when there was nothing to take.
    pub(crate) fn sweep_some(&self, blocks: usize) -> bool {
        let mut left = blocks;
        while left > 0 && self.arena.sweep_one_large(&mut DropGlue).is_some() {
            left -= 1;
        }
        let mut index = 0;
        while left > 0
            && let Some(bin) = self.arena.bin(index)
        {
            left -= self.sweep_bin(bin, left);
            index += 1;
        }
        if left < blocks {
            self.note_swept();
        }
        left < blocks
    }

    /// After something was swept: if it was the last, whoever waits for the end has it now.
    pub(crate) fn note_swept(&self) {
        if self.arena.unswept_blocks() == 0 {
            self.queue.driver.ring();
        }
    }

    fn sweep_bin(&self, bin: &Bin, limit: usize) -> usize {
        (0..limit).take_while(|_| self.arena.sweep_one(bin, &mut DropGlue).is_some()).count()
    }
}
