//! The shadow stack of a mutator: what its program keeps from one scope to the next, frame by frame.
//!
//! ```text
//!   chunk 0                chunk 1                chunk 2 (kept for the next deep call)
//!  ┌──────────────┐ above ┌──────────────┐ above ┌──────────────┐
//!  │ a b c d e f  │ ────▶ │ g h i . . .  │ ────▶ │ . . . . . .  │
//!  └──────────────┘       └─────▲────────┘       └──────────────┘
//!       ▲                       last: the last slot in use
//!       a frame began here: to end it is to store this address in `last`
//! ```
//!
//! Safepoints have no stacks to scan, but for these slots; and a handshake must not take longer because a program recurses deeply. So nothing is
//! scanned at the handshake. At *flush* a mutator tells how many slots are in use, its *watermark*, and markers scan so many, whenever they
//! come to it. What was in them at that moment is gray from then on, and it stays there to be found:
//!
//! | what the program does | what happens to the slot |
//! |---|---|
//! | a frame ends, in or outside of a cycle | nothing: only `last` changes |
//! | a slot is used again, below the watermark | what is in it is shaded first (S1); later it holds what a flushed mutator held |
//! | a slot is used again, otherwise | nothing reads what was in it: it may be long dead |
//! | a local is set | the mutator's barrier: what is in it is in use |
//!
//! R4: a slot is the mutator's own, as its hands are within a scope: no other mutator reads it. So until *flush* it needs no
//! barrier: nobody has closed yet, so what the mutator takes from it and stores elsewhere is found by the snapshot. From then on, what the
//! mutator takes from its stack was in a slot that is scanned or shaded, or came out of the heap with all barriers on. At *close* it would be too
//! late: another mutator may have closed and made a new, black object, into which this one stores what only its stack leads to, and then
//! ends the frame. And if another mutator could read the slot, it could do the same even earlier.
//!
//! Ending frames is the only thing that happens outside of scopes, where the collector may serve the mutator at the same time. It makes `last` smaller: to
//! the collector, which reads it once, the frame has ended, or not yet.
//!
//! R5: chunks are freed when nobody can be scanning them: what a mutator does not need is taken off when it disarms, and goes back to the system
//! in pieces, by who clears marks. A mutator that detaches behind flush leaves its chunks to the end of the cycle.

use crate::{heap::Core, local::Local, plant::Bug, roots::Slot};
use mudlark_arena::sync::{AtomicPtr, Mutex, Ordering};
use std::{
    cell::Cell,
    mem::offset_of,
    ptr::{NonNull, null, null_mut, without_provenance_mut},
};

const CHUNK_BYTES: usize = 4096;
/// Slots of a chunk: what a marker takes at once.
#[cfg(not(loom))]
const CHUNK_SLOTS: usize = (CHUNK_BYTES - size_of::<StackHead>()) / size_of::<Slot>();
#[cfg(loom)]
const CHUNK_SLOTS: usize = 2;

/// Where in its chunk the last slot is.
const LAST_OFFSET: usize = offset_of!(StackChunk, slots) + (CHUNK_SLOTS - 1) * size_of::<Slot>();

#[derive(Debug)]
struct StackHead {
    /// The local state of the mutator whose locals lie here.
    owner: Cell<*const Local>,
    /// How many chunks are below.
    number: Cell<usize>,
    /// The next chunk. Changed by the mutator in a scope, and when it disarms or detaches.
    above: AtomicPtr<StackChunk>,
}

#[repr(C, align(4096))]
#[derive(Debug)]
pub(crate) struct StackChunk {
    head: StackHead,
    slots: [Slot; CHUNK_SLOTS],
}

const _: () = assert!(align_of::<StackChunk>() == CHUNK_BYTES && size_of::<StackChunk>() == CHUNK_BYTES);

/// A slot of a mutator's shadow stack. Valid until its frame ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalSlot(NonNull<Slot>);

/// Where a frame begins.
#[derive(Clone, Copy, Debug)]
pub struct FrameMark(*mut Slot);

/// The chunk that a slot is in; null for the place below the first slot.
#[inline]
fn chunk_of(slot: *mut Slot) -> *mut StackChunk {
    slot.map_addr(|address| address & !(CHUNK_BYTES - 1)).cast()
}

/// Stands for the last slot in use where there is none: the end of a chunk that does not exist.
fn below_all() -> *mut Slot {
    without_provenance_mut(LAST_OFFSET)
}

impl LocalSlot {
    #[inline]
    fn slot(&self) -> &Slot {
        // SAFETY: R5: a slot in use lies in a chunk of its mutator's stack.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn head(&self) -> &StackHead {
        // SAFETY: R5: as above.
        unsafe { &(*chunk_of(self.0.as_ptr())).head }
    }

    /// How many slots are below.
    fn depth(&self) -> usize {
        let offset = self.0.addr().get() % CHUNK_BYTES - offset_of!(StackChunk, slots);
        self.head().number.get() * CHUNK_SLOTS + offset / size_of::<Slot>()
    }

    /// The object that is kept.
    ///
    /// # Safety
    ///
    /// The caller is in a scope of the mutator that keeps it ([`Local::keeps`]), and the frame has not ended.
    #[inline]
    pub unsafe fn get(&self) -> Option<NonNull<u8>> {
        // ORDERING: Relaxed: the mutator itself stored it.
        NonNull::new(self.slot().load(Ordering::Relaxed))
    }
}

/// The stack of one mutator.
#[derive(Debug)]
pub(crate) struct ShadowStack {
    /// The last slot in use. Written by the mutator's thread, in scopes and outside.
    last: AtomicPtr<Slot>,
    first: Cell<*mut StackChunk>,
    /// Slots that were in use at *flush*; zero until then, and when the mutator has disarmed.
    watermark: Cell<usize>,
}

impl ShadowStack {
    pub(crate) fn new() -> ShadowStack {
        ShadowStack {
            last: AtomicPtr::new(below_all()),
            first: Cell::new(null_mut()),
            watermark: Cell::new(0),
        }
    }

    /// Where a frame that begins now begins.
    #[inline]
    pub(crate) fn mark(&self) -> FrameMark {
        FrameMark(self.last.load(Ordering::Relaxed))
    }

    /// Ends the frame that began there.
    #[inline]
    pub(crate) fn end(&self, mark: FrameMark) {
        // ORDERING: Relaxed: R4: the collector finds the frame ended, or not yet.
        self.last.store(mark.0, Ordering::Relaxed);
    }

    /// All slots in use.
    fn in_use(&self) -> StackRest {
        let last = self.last.load(Ordering::Relaxed);
        let left = match NonNull::new(last).filter(|_| !chunk_of(last).is_null()) {
            Some(last) => LocalSlot(last).depth() + 1,
            None => 0,
        };
        StackRest { chunk: self.first.get(), left }
    }

    /// Calls `each` with every object that is kept. The mutator is outside of its scopes, and held there.
    pub(crate) fn each(&self, mut each: impl FnMut(NonNull<u8>)) {
        let mut rest = self.in_use();
        while let Some(piece) = rest.next_piece() {
            piece.each(&mut each);
        }
    }

    /// The slot above the last one in use. The caller is in a scope.
    fn next(&self, local: &Local) -> LocalSlot {
        let last = self.last.load(Ordering::Relaxed);
        if last.addr() % CHUNK_BYTES < LAST_OFFSET {
            // SAFETY: R5: the next slot is in the chunk too, which is not at address zero.
            return LocalSlot(unsafe { NonNull::new_unchecked(last.wrapping_add(1)) });
        }
        let below = chunk_of(last);
        // SAFETY: R5: the chunk of a slot in use, or null.
        let below = unsafe { below.as_ref() };
        let above = below.map_or(self.first.get(), |below| below.head.above.load(Ordering::Relaxed));
        let chunk = NonNull::new(above).unwrap_or_else(|| {
            let chunk = local.core().stacks.take(local.core());
            // SAFETY: R5: nobody else has the chunk.
            let head = unsafe { &(*chunk.as_ptr()).head };
            head.owner.set(local);
            head.number.set(below.map_or(0, |below| below.head.number.get() + 1));
            match below {
                // ORDERING: Relaxed: markers come to it only behind a handshake.
                Some(below) => below.head.above.store(chunk.as_ptr(), Ordering::Relaxed),
                None => self.first.set(chunk.as_ptr()),
            }
            chunk
        });
        // SAFETY: R5: the first slot of a chunk; the pointer keeps the provenance of the chunk.
        LocalSlot(unsafe { chunk.byte_add(offset_of!(StackChunk, slots)) }.cast())
    }

    /// Takes off what is above the chunk behind the last one in use. The mutator is at a safepoint, and nobody scans.
    fn trim(&self) -> Option<NonNull<StackChunk>> {
        // SAFETY: R5: the chunk of a slot that was in use a moment ago, or null.
        let top = unsafe { chunk_of(self.last.load(Ordering::Relaxed)).as_ref() };
        let spare = top.map_or(self.first.get(), |top| top.head.above.load(Ordering::Relaxed));
        // SAFETY: R5: a chunk of this stack, or null.
        let spare = unsafe { spare.as_ref() }?;
        if spare.head.above.load(Ordering::Relaxed).is_null() {
            return None;
        }
        NonNull::new(spare.head.above.swap(null_mut(), Ordering::Relaxed))
    }
}

impl Local {
    /// Keeps an object until the current frame of the mutator ends ([`Mutator::end_frame`](crate::Mutator::end_frame)).
    ///
    /// # Safety
    ///
    /// `cell` holds an object of this heap that is reachable now.
    #[inline]
    pub unsafe fn keep(&self, cell: NonNull<u8>) -> LocalSlot {
        let last = self.stack().last.load(Ordering::Relaxed);
        if self.is_armed() || last.addr() % CHUNK_BYTES >= LAST_OFFSET {
            return self.keep_slow(cell);
        }
        // SAFETY: R5: the next slot is in the chunk too, which is not at address zero.
        let slot = LocalSlot(unsafe { NonNull::new_unchecked(last.wrapping_add(1)) });
        // ORDERING: Release: a marker that finds the object through the slot sees its contents.
        slot.slot().store(cell.as_ptr(), Ordering::Release);
        self.stack().last.store(slot.0.as_ptr(), Ordering::Relaxed);
        slot
    }

    #[inline(never)]
    fn keep_slow(&self, cell: NonNull<u8>) -> LocalSlot {
        let slot = self.stack().next(self);
        if slot.depth() < self.stack().watermark.get() && !self.core().plants(Bug::LocalsUnshaded) {
            // SAFETY: R4: what is in the slot was kept at flush, or later.
            unsafe { self.store(slot.slot(), cell.as_ptr()) };
        } else {
            // ORDERING: Release: as in `keep`.
            slot.slot().store(cell.as_ptr(), Ordering::Release);
        }
        self.stack().last.store(slot.0.as_ptr(), Ordering::Relaxed);
        slot
    }

    /// Keeps another object in a slot.
    ///
    /// # Safety
    ///
    /// As for [`Local::keep`]; the slot is this mutator's, and its frame has not ended.
    #[inline]
    pub unsafe fn keep_in(&self, slot: LocalSlot, cell: NonNull<u8>) {
        // SAFETY: R4: what is in a slot in use is an object of this heap.
        unsafe { self.store(slot.slot(), cell.as_ptr()) };
    }

    /// Whether a slot is one of this mutator.
    ///
    /// # Safety
    ///
    /// Its frame has not ended.
    #[inline]
    pub unsafe fn keeps(&self, slot: LocalSlot) -> bool {
        std::ptr::eq(slot.head().owner.get(), self)
    }

    /// What is on the stack is gray from now on: it stays there to be scanned.
    pub(crate) fn flush_stack(&self) {
        let rest = self.stack().in_use();
        self.stack().watermark.set(rest.left);
        if rest.left > 0 && !self.core().plants(Bug::LocalsUnscanned) {
            self.core().queue.push_locals(rest);
        }
    }

    /// Marking is over.
    pub(crate) fn disarm_stack(&self) {
        self.stack().watermark.set(0);
        if let Some(chain) = self.stack().trim() {
            self.core().stacks.give(chain, false);
        }
    }

    /// The mutator detaches.
    pub(crate) fn give_stack(&self) {
        if let Some(chain) = NonNull::new(self.stack().first.replace(null_mut())) {
            self.core().stacks.give(chain, self.stack().watermark.get() > 0);
        }
    }
}

/// What is left to scan of a stack.
#[derive(Debug)]
pub(crate) struct StackRest {
    chunk: *mut StackChunk,
    left: usize,
}

// SAFETY: R5: the chunks stay until the cycle is over, and their slots are atomics.
unsafe impl Send for StackRest {}

/// Slots of one chunk.
#[derive(Debug)]
pub(crate) struct StackPiece {
    chunk: NonNull<StackChunk>,
    count: usize,
}

impl StackRest {
    /// The next piece to scan; `None` when all was taken.
    pub(crate) fn next_piece(&mut self) -> Option<StackPiece> {
        let count = self.left.min(CHUNK_SLOTS);
        let chunk = NonNull::new(self.chunk).filter(|_| count > 0)?;
        self.left -= count;
        // SAFETY: R5: the chunk stays; so do those above it, as far as they are to be scanned.
        self.chunk = unsafe { chunk.as_ref() }.head.above.load(Ordering::Relaxed);
        Some(StackPiece { chunk, count })
    }

    /// Whether all was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl StackPiece {
    /// Calls `each` with what is in the slots.
    pub(crate) fn each(&self, mut each: impl FnMut(NonNull<u8>)) {
        // SAFETY: R5: the chunk stays until the cycle is over.
        let slots = unsafe { &(*self.chunk.as_ptr()).slots };
        for slot in &slots[..self.count] {
            // ORDERING: Acquire pairs with the Release in `keep`: the object is seen complete.
            if let Some(cell) = NonNull::new(slot.load(Ordering::Acquire)) {
                each(cell);
            }
        }
    }
}

/// Chunks that no mutator has: chains, each linked through `above`.
#[derive(Debug, Default)]
pub(crate) struct StackChunks(Mutex<Chains>);

#[derive(Debug, Default)]
struct Chains {
    free: Vec<NonNull<StackChunk>>,
    /// Those that markers may look at until the cycle is over.
    condemned: Vec<NonNull<StackChunk>>,
}

// SAFETY: R5: a chunk belongs to who has it, and the lists to who has the lock.
unsafe impl Send for Chains {}

impl StackChunks {
    /// A chunk for a mutator's stack.
    fn take(&self, core: &Core) -> NonNull<StackChunk> {
        // In a fork the lock may be held for ever.
        if !core.birthplace.is_elsewhere()
            && let Some(chunk) = self.0.lock().take()
        {
            return chunk;
        }
        let head =
            StackHead { owner: Cell::new(null()), number: Cell::new(0), above: AtomicPtr::new(null_mut()) };
        let slots = std::array::from_fn(|_| Slot::new(null_mut()));
        NonNull::from(Box::leak(Box::new(StackChunk { head, slots })))
    }

    /// Gives a chain back; `scanned` if markers may look at it.
    fn give(&self, chain: NonNull<StackChunk>, scanned: bool) {
        let mut chains = self.0.lock();
        if scanned { chains.condemned.push(chain) } else { chains.free.push(chain) }
    }

    /// Gives chunks back to the system, at most so many, when all mutators have disarmed. `false` when there were fewer.
    pub(crate) fn free_some(&self, limit: usize) -> bool {
        let mut chains = self.0.lock();
        let condemned = std::mem::take(&mut chains.condemned);
        chains.free.extend(condemned);
        for _ in 0..limit {
            let Some(chunk) = chains.take() else { return false };
            // SAFETY: R5: nobody has the chunk, which is a leaked box.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
        true
    }

    /// Chunks that no mutator has.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn len(&self) -> usize {
        let chains = self.0.lock();
        let length = |chain: &NonNull<StackChunk>| {
            // SAFETY: R5: the lists are locked.
            let above = |chunk: &NonNull<StackChunk>| unsafe {
                NonNull::new((*chunk.as_ptr()).head.above.load(Ordering::Relaxed))
            };
            std::iter::successors(Some(*chain), above).count()
        };
        chains.free.iter().chain(&chains.condemned).map(length).sum()
    }
}

impl Chains {
    fn take(&mut self) -> Option<NonNull<StackChunk>> {
        let chunk = self.free.pop()?;
        // SAFETY: R5: the chunk is nobody's.
        let above = unsafe { &(*chunk.as_ptr()).head.above }.swap(null_mut(), Ordering::Relaxed);
        self.free.extend(NonNull::new(above));
        Some(chunk)
    }
}

impl Drop for StackChunks {
    fn drop(&mut self) {
        while self.free_some(usize::MAX) {}
    }
}
