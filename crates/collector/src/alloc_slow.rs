//! Allocation's slow path, as a story: pay, next hole, swept block, sweep one, fresh block, reclaim, give up.

use crate::{
    cycle::Phase,
    descriptor::Descriptor,
    local::{Kind, Local},
    mutator::Mutator,
    sweeper::DropGlue,
};
use mudlark_arena::{
    BLOCK_BYTES, Birth, CELL_BYTES_MAX, Exhausted, LargeSpec, Region, Swept, sync::Ordering::Relaxed,
};
use std::{fmt, ptr::NonNull};

/// Blocks that one allocation sweeps at most before it takes a fresh one: bounds the time, and the memory that is taken
/// although there are holes.
const SWEEP_BLOCKS_MAX: usize = 8;

/// There is no memory for an allocation. Nothing has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapFull {
    /// Bytes that were asked for.
    pub bytes: usize,
    /// Bytes believed to be live.
    pub live: u64,
    /// The maximum heap.
    pub max_heap: usize,
    /// Why not.
    pub cause: FullCause,
}

/// Why there is no memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FullCause {
    /// The maximum heap is used up.
    Limit,
    /// The hard limit, which can be changed while the heap runs, is reached.
    HardLimit {
        /// The limit.
        bytes: u64,
    },
    /// The system gives no more.
    System,
    /// This process is a fork of the one that made the heap.
    Forked,
}

impl From<Exhausted> for FullCause {
    fn from(exhausted: Exhausted) -> FullCause {
        match exhausted {
            Exhausted::Limit => FullCause::Limit,
            Exhausted::System => FullCause::System,
        }
    }
}

impl fmt::Display for HeapFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeapFull { bytes, live, max_heap, cause } = self;
        write!(f, "cannot allocate {bytes} bytes: {live} bytes live of a {max_heap} byte maximum heap")?;
        match cause {
            FullCause::Limit => {
                f.write_str("; raise `max_heap`, drop roots, or leave the scope so that a cycle can end")
            }
            FullCause::HardLimit { bytes } => write!(
                f,
                ", and its hard limit is {bytes} bytes; raise that with `set_hard_limit`, drop roots, or leave the scope so that \
                 a cycle can end"
            ),
            FullCause::System => write!(f, "; {}", Exhausted::System),
            FullCause::Forked => f.write_str(
                "; this process is a fork of the one that made the heap, and its collector stayed behind: make a heap \
                 after the fork, or call `exec`",
            ),
        }
    }
}

impl std::error::Error for HeapFull {}

impl Local {
    /// Takes a cell when [`Local::bump`] found none: opens the next region of the kind.
    ///
    /// `cell_bytes` is what the kind stands for: the type's size, or the class's.
    ///
    /// # Errors
    ///
    /// [`HeapFull`] when no memory can be had.
    ///
    /// # Safety
    ///
    /// As for [`Local::bump`]; kind, descriptor and size belong together, and `mutator` is the one that the value belongs to.
    #[cold]
    pub unsafe fn alloc_slow(
        &self,
        mutator: &Mutator,
        kind: Kind,
        descriptor: &'static Descriptor,
        cell_bytes: usize,
    ) -> Result<NonNull<u8>, HeapFull> {
        let core = self.core();
        if core.birthplace.is_elsewhere() {
            return Err(self.full(mutator, cell_bytes, FullCause::Forked));
        }
        if self.is_new(kind)
            && let Some(cause) = core.refuses(cell_bytes)
        {
            // Before anything is made for the kind: to fail takes no memory.
            return Err(self.full(mutator, cell_bytes, cause));
        }
        let home = self.home(kind, || core.bin(kind, descriptor, cell_bytes));
        match self.open_region(home).filter(|open| open.free_bytes() >= cell_bytes) {
            // Another kind had taken this one's place in the table, or zeal wants a cycle.
            Some(open) => {
                self.install(home, open, cell_bytes);
                core.ask_out_of_zeal(mutator);
            }
            None => self.open_next(mutator, home, cell_bytes)?,
        }
        // Only now: what comes before asks others, and may unwind. A cell that was taken must be filled.
        // SAFETY: promised by the caller.
        let cell = unsafe { self.bump(kind, cell_bytes) };
        Ok(cell.expect("a region that was just opened has a cell"))
    }

    /// Ends the region of a home and opens the next one, which is paid for.
    fn open_next(&self, mutator: &Mutator, home: usize, cell_bytes: usize) -> Result<(), HeapFull> {
        let core = self.core();
        if let Some(cause) = core.refuses(cell_bytes) {
            return Err(self.full(mutator, cell_bytes, cause));
        }
        let unused = self.retire(home);
        core.accounts.untake(unused as u64, self.birth());
        let region = self.next_region(home).map_err(|cause| self.full(mutator, cell_bytes, cause.into()))?;
        core.verifier.check_region(&region);
        let bytes = region.free_bytes();
        core.accounts.take(bytes as u64, self.birth());
        self.install(home, region, cell_bytes);
        self.pay(mutator, bytes);
        Ok(())
    }

    /// The stops of the arena's ladder, in order.
    fn next_region(&self, index: usize) -> Result<Region, Exhausted> {
        let (arena, birth) = (self.arena(), self.birth());
        let mut sweeps = 0;
        loop {
            let found = self.with_home(index, |home| {
                // SAFETY: A6: bins live as long as the arena; the borrow of `home` must stay free for the claim.
                let bin = unsafe { home.bin.as_ref() };
                if let Some(region) = arena.next_region(bin, &mut home.claim, birth) {
                    return Ok(Some(region));
                }
                arena.release_claim(bin, &mut home.claim);
                if arena.claim_available(bin, &mut home.claim) {
                    return Ok(None);
                }
                while sweeps < SWEEP_BLOCKS_MAX {
                    sweeps += 1;
                    let swept = arena.sweep_and_claim(bin, &mut home.claim, &mut DropGlue);
                    if swept.is_some() {
                        self.core().note_swept();
                    }
                    match swept {
                        Some(Swept::Full) => {}
                        Some(Swept::Empty | Swept::Holes) => return Ok(None),
                        None => break,
                    }
                }
                arena.claim_fresh(bin, &mut home.claim).map(|()| None)
            });
            match found {
                Ok(Some(region)) => return Ok(region),
                Ok(None) => {}
                // What other bins left dead may be enough; it is bounded by the heap, and the alternative is to fail.
                Err(cause) => {
                    if !self.core().sweep_some(SWEEP_BLOCKS_MAX) {
                        return Err(cause);
                    }
                    sweeps = 0;
                }
            }
        }
    }

    /// Allocates an object that is too large for a cell; `init` makes its memory valid.
    ///
    /// # Errors
    ///
    /// [`HeapFull`] when no memory can be had. `init` was not called then.
    ///
    /// # Safety
    ///
    /// `init` makes an object of the descriptor's type, which takes at most `bytes`, or an empty slice that is filled later;
    /// `mutator` is the one that the value belongs to.
    #[cold]
    pub unsafe fn alloc_large(
        &self,
        mutator: &Mutator,
        descriptor: &'static Descriptor,
        bytes: usize,
        mut init: impl FnMut(NonNull<u8>),
    ) -> Result<NonNull<u8>, HeapFull> {
        self.alloc_run(mutator, descriptor, bytes, |spec, birth| {
            self.arena().alloc_large(spec, birth, &mut init)
        })
    }

    /// The same for the raw tier: the place holds garbage, or zeros.
    ///
    /// # Errors
    ///
    /// [`HeapFull`] when no memory can be had.
    ///
    /// # Safety
    ///
    /// The caller makes an object of the descriptor's type before the next safepoint; otherwise as for [`Local::alloc_large`].
    #[cold]
    pub(crate) unsafe fn alloc_large_raw(
        &self,
        mutator: &Mutator,
        descriptor: &'static Descriptor,
        bytes: usize,
        is_zeroed: bool,
    ) -> Result<NonNull<u8>, HeapFull> {
        let arena = self.arena();
        self.alloc_run(mutator, descriptor, bytes, |spec, birth| match is_zeroed {
            true => arena.alloc_large_zeroed(spec, birth),
            false => arena.alloc_large(spec, birth, |_| {}),
        })
    }

    /// A run of blocks for one object, which `take` makes valid.
    fn alloc_run(
        &self,
        mutator: &Mutator,
        descriptor: &'static Descriptor,
        bytes: usize,
        mut take: impl FnMut(LargeSpec, Birth) -> Result<NonNull<u8>, Exhausted>,
    ) -> Result<NonNull<u8>, HeapFull> {
        debug_assert!(bytes > CELL_BYTES_MAX);
        let tag = std::ptr::from_ref(descriptor).cast();
        let spec = LargeSpec { bytes, tag, drops: descriptor.drop.is_some() };
        let (core, birth) = (self.core(), self.birth());
        if core.birthplace.is_elsewhere() {
            return Err(self.full(mutator, bytes, FullCause::Forked));
        }
        if let Some(cause) = core.refuses(bytes.next_multiple_of(BLOCK_BYTES)) {
            return Err(self.full(mutator, bytes, cause));
        }
        let cell = loop {
            match take(spec, birth) {
                Ok(cell) => break cell,
                Err(_) if core.sweep_some(SWEEP_BLOCKS_MAX) => {}
                Err(cause) => return Err(self.full(mutator, bytes, cause.into())),
            }
        };
        let taken = bytes.next_multiple_of(BLOCK_BYTES);
        let start = cell.as_ptr();
        core.verifier.check_region(&Region { start, cursor: start, limit: start.wrapping_add(taken) });
        core.accounts.take(taken as u64, birth);
        core.accounts.note_objects(1);
        self.note_large(cell, taken);
        self.pay(mutator, taken);
        Ok(cell)
    }

    /// What an allocation owes the cycle: begin one, or mark a little.
    pub(crate) fn pay(&self, mutator: &Mutator, bytes: usize) {
        let core = self.core();
        core.pace_memory();
        if core.driver.take_owed_wake() {
            core.queue.kick();
        }
        if core.driver.is_marking() {
            self.assist(bytes);
        } else if core.is_triggered() {
            mutator.poll_at_exit();
            let wakes = core.background.has_threads() && !core.expects_brief_cycle();
            if wakes && core.driver.is(Phase::Idle) && core.background.ask() {
                core.queue.driver.ring();
            }
            if core.is_behind() {
                // The goal is past, and the cycle not over or not even begun.
                self.assist_cycle();
            }
        }
        if core.driver.wants_poll(core) || core.is_nearly_full() {
            mutator.poll_at_exit();
        }
    }

    #[cold]
    pub(crate) fn full(&self, mutator: &Mutator, bytes: usize, cause: FullCause) -> HeapFull {
        let core = self.core();
        core.starved.store(true, Relaxed);
        mutator.poll_at_exit();
        HeapFull { bytes, live: core.accounts.live(), max_heap: core.max_heap(), cause }
    }
}
