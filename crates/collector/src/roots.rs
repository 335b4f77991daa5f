//! The root table: slots that keep objects alive from outside the heap.
//!
//! A slot is one word: the address of an object, or null, or (with the lowest bit set) a link of a free list. Slots lie in
//! aligned chunks that never move and are freed with the heap; so a marker may read a slot at any time, and a slot's address leads to
//! its chunk, the chunk to its heap and to its owner: a root is one word.
//!
//! | step | where | order |
//! |---|---|---|
//! | make | in a scope | take a free slot of the mutator's pool (`slot_pool.rs`); store the object (Release: the marker that reads it sees the object) |
//! | read | in a scope | load (the owner of the root ordered it before) |
//! | set | in a scope | the mutator's barrier |
//! | drop | in a scope of the mutator whose pool it is | the mutator's barrier: shade if armed, then take out (S1) |
//! | drop | anywhere else | look whether a cycle is open; if not, take out; if so, take out and shade under the gate of the queue (R1) |
//! | clone | anywhere else | under the gate: read, store |
//!
//! R1: whoever drops a root may be no mutator, so no handshake waits for it, and the look and the taking out are two steps. They need neither a
//! lock nor a fence. Who finds no cycle open drops a root of before the snapshot, however long it takes over it and however
//! late it hears of the cycle: had an armed mutator used the root, then the opening of the gate happened before that mutator was armed, that before
//! its use, and that before the drop, which would have found the gate open. So whatever scopes took from the root they took unarmed, and
//! let go of before their mutators armed. With a cycle open it is different: between taking the object out and shading it
//! the object would be in nobody's hands; so both are one critical section of the lock under which marking ends.

use crate::{heap::Core, mark::Gray, plant::Bug, slot_pool::SlotPool};
use mudlark_arena::sync::{AtomicPtr, AtomicUsize, Mutex, Ordering};
use std::{
    mem::offset_of,
    ptr::{NonNull, null_mut},
};

/// Bytes of a chunk, and its alignment.
pub(crate) const CHUNK_BYTES: usize = 4096;
/// Slots of a chunk: what a marker takes at once.
#[cfg(not(loom))]
pub(crate) const CHUNK_SLOTS: usize = (CHUNK_BYTES - size_of::<ChunkHead>()) / size_of::<Slot>();
#[cfg(loom)]
pub(crate) const CHUNK_SLOTS: usize = 2;

/// A place for one object's address.
pub(crate) type Slot = AtomicPtr<u8>;

/// What all slots of a chunk have in common. Written before the chunk is shown to anybody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkHead {
    pub(crate) core: NonNull<Core>,
    /// Where free slots go; null if the chunk belongs to a set of roots.
    pub(crate) pool: *const SlotPool,
    /// Which of its owner's chunks it is.
    pub(crate) number: u32,
}

/// Slots with their common head.
#[repr(C, align(4096))]
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) head: ChunkHead,
    pub(crate) slots: [Slot; CHUNK_SLOTS],
}

const _: () = assert!(align_of::<Chunk>() == CHUNK_BYTES && size_of::<Chunk>() == CHUNK_BYTES);

/// A slot of a root table. Valid for as long as the heap it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RootSlot(NonNull<Slot>);

// SAFETY: R2: slots are atomics that outlive whoever names them.
unsafe impl Send for RootSlot {}
// SAFETY: R2: as above.
unsafe impl Sync for RootSlot {}

impl RootSlot {
    /// The slot at this place of a chunk.
    ///
    /// # Safety
    ///
    /// `position` is below [`CHUNK_SLOTS`], and the chunk is one of a root table.
    #[inline]
    pub(crate) unsafe fn at(chunk: NonNull<Chunk>, position: usize) -> RootSlot {
        // SAFETY: R2: promised by the caller; the pointer keeps the provenance of the whole chunk.
        let first = unsafe { chunk.byte_add(offset_of!(Chunk, slots)) }.cast::<Slot>();
        // SAFETY: R2: as above.
        RootSlot(unsafe { first.add(position) })
    }

    #[inline]
    pub(crate) fn slot(&self) -> &Slot {
        // SAFETY: R2: chunks are freed with the heap, which outlives the users of its slots.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn chunk(self) -> NonNull<Chunk> {
        let chunk = self.0.as_ptr().map_addr(|address| address & !(CHUNK_BYTES - 1));
        // SAFETY: R2: a slot lies in a chunk, which is aligned to its size and not at address zero.
        unsafe { NonNull::new_unchecked(chunk.cast()) }
    }

    #[inline]
    pub(crate) fn head(&self) -> &ChunkHead {
        // SAFETY: R2: the chunk stays, and its head is not written any more.
        unsafe { &(*self.chunk().as_ptr()).head }
    }

    /// The place of the slot in its chunk.
    #[inline]
    pub(crate) fn position(self) -> usize {
        (self.0.addr().get() - self.chunk().addr().get() - offset_of!(Chunk, slots)) / size_of::<Slot>()
    }

    /// The object the slot keeps alive.
    ///
    /// # Safety
    ///
    /// The heap still exists.
    #[inline]
    pub unsafe fn get(&self) -> Option<NonNull<u8>> {
        // ORDERING: Acquire pairs with the Release in `set` when roots are shared between threads.
        NonNull::new(self.slot().load(Ordering::Acquire))
    }

    /// Whether the slot is one of this heap.
    ///
    /// # Safety
    ///
    /// The slot's heap still exists.
    #[inline]
    pub unsafe fn is_of(&self, core: &Core) -> bool {
        std::ptr::eq(self.head().core.as_ptr(), core)
    }

    /// Gives a root up: its object lives no longer because of it. If it was the last thing that kept the heap alive, the heap ends.
    ///
    /// # Safety
    ///
    /// The slot came from [`Local::add_root`](crate::Local::add_root) or [`RootSlot::duplicate`], its heap still exists, and it is not used
    /// any more.
    #[inline]
    pub unsafe fn give_up(self) {
        // SAFETY: R2: the slots of pools have one, which is freed with the heap.
        let pool = unsafe { &*self.head().pool };
        if let Some(local) = pool.local_here() {
            if local.is_armed() {
                local.shade_root(self);
            }
            pool.put_back(self);
        } else {
            // SAFETY: promised by the caller.
            unsafe { self.give_up_elsewhere() };
        }
    }

    /// # Safety
    ///
    /// As for [`RootSlot::give_up`].
    unsafe fn give_up_elsewhere(self) {
        let ChunkHead { core, pool, .. } = *self.head();
        {
            // SAFETY: C4: the heap exists as long as the slot is in use.
            let core = unsafe { core.as_ref() };
            // ORDERING: Relaxed: R1: what matters is ordered before by the users of the root. In a fork nobody marks, and locks may be held for ever.
            let may_be_open = core.queue.may_be_open() && !core.plants(Bug::GatePassedBy);
            if may_be_open && !core.birthplace.is_elsewhere() {
                core.drop_under_gate(self);
            }
        }
        // SAFETY: R2: pools are freed with the heap.
        let kept = unsafe { (*pool).give(self) };
        // From here on the heap is gone, perhaps, but for what is kept.
        drop(kept);
    }

    /// Makes another root of the same object, on any thread, in or outside of scopes.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap, outside of the scopes of the mutator that made the root.
    ///
    /// # Safety
    ///
    /// The slot is in use, and its heap exists.
    pub unsafe fn duplicate(self) -> RootSlot {
        let ChunkHead { core, pool, .. } = *self.head();
        // SAFETY: R2: the slots of pools have one, which is freed with the heap.
        let pool = unsafe { &*pool };
        if let Some(local) = pool.local_here()
            // SAFETY: promised by the caller.
            && let Some(cell) = unsafe { self.get() }
        {
            // SAFETY: the mutator is in a scope, and the object reachable from the root.
            return unsafe { local.add_root(cell) };
        }
        // SAFETY: C4: promised by the caller.
        let core = unsafe { core.as_ref() };
        core.assert_not_forked("clone a root outside of its mutator's scopes");
        let twin = core.roots.common.lock().0.add_kept(core);
        let fill = || {
            // SAFETY: promised by the caller.
            let Some(cell) = (unsafe { self.get() }) else { return };
            // ORDERING: Release: a marker that finds the object through the slot sees its contents.
            twin.slot().store(cell.as_ptr(), Ordering::Release);
        };
        if core.plants(Bug::CloneOutsideGate) {
            fill();
        } else {
            // R1: the slot may have been scanned. So whoever drops the original, behind this, is to know of the cycle.
            core.queue.push_gated(|_| {
                fill();
                None
            });
        }
        twin
    }

    /// Stores an object and returns the one that was there.
    pub(crate) fn replace(&self, cell: *mut u8) -> Option<NonNull<u8>> {
        // ORDERING: AcqRel: Release publishes the object to markers; Acquire because the old one's mark is looked at.
        NonNull::new(self.slot().swap(cell, Ordering::AcqRel))
    }
}

impl Core {
    /// Takes the object out of a slot, and shades it if a cycle is open: under the gate, so that the cycle cannot end in between.
    pub(crate) fn drop_under_gate(&self, root: RootSlot) {
        self.queue.push_gated(|open| {
            let cell = root.replace(null_mut()).filter(|_| open)?;
            // The cycle that is open cannot end under the gate, and its bitmap is this one.
            let filling = self.arena.marks(self.arena.filling_side());
            if self.plants(Bug::RootDropUnshaded) {
                return None;
            }
            // SAFETY: C2: roots lead to objects of this heap.
            unsafe { filling.try_mark(cell.as_ptr()) }.then_some(Gray(cell))
        });
    }
}

const FREE: usize = 1;

impl RootSlot {
    /// The free slot behind this one, which is on a list that belongs to the caller.
    #[inline]
    pub(crate) fn next(self) -> Option<RootSlot> {
        let word = self.slot().load(Ordering::Relaxed);
        NonNull::new(word.map_addr(|address| address & !FREE).cast()).map(RootSlot)
    }

    /// Makes the slot a free one in front of another.
    #[inline]
    pub(crate) fn set_next(self, next: Option<RootSlot>) {
        let next: *mut u8 = next.map_or(null_mut(), |next| next.0.as_ptr().cast());
        // ORDERING: Relaxed: a marker that comes by finds a link and passes on.
        self.slot().store(next.map_addr(|address| address | FREE), Ordering::Relaxed);
    }
}

/// The word of a free slot in front of the one with this number.
pub(crate) fn link(next: u32) -> *mut u8 {
    std::ptr::without_provenance_mut((next as usize) << 1 | FREE)
}

/// The number in such a word.
pub(crate) fn unlink(word: *mut u8) -> u32 {
    debug_assert!(word.addr() & FREE != 0);
    (word.addr() >> 1) as u32
}

/// All roots of a heap.
#[derive(Debug, Default)]
pub(crate) struct RootTable {
    /// Every chunk there is.
    chunks: Mutex<Chunks>,
    /// The pools of mutators, those that are not there any more included.
    pools: Mutex<Pools>,
    /// Slots for those who are no mutators.
    pub(crate) common: Mutex<CommonPool>,
    /// Objects in sets of roots.
    pub(crate) in_sets: AtomicUsize,
}

#[derive(Debug, Default)]
struct Chunks {
    all: Vec<NonNull<Chunk>>,
}

// SAFETY: R2: chunks consist of atomics and of what is not written any more, and are freed with the table.
unsafe impl Send for Chunks {}

#[derive(Debug, Default)]
struct Pools {
    all: Vec<NonNull<SlotPool>>,
    idle: Vec<NonNull<SlotPool>>,
}

// SAFETY: R3: a pool is used by who has it, and is freed with the table.
unsafe impl Send for Pools {}

/// The pool whose owner is whoever has the lock around it.
#[derive(Debug)]
pub(crate) struct CommonPool(Box<SlotPool>);

impl Default for CommonPool {
    fn default() -> CommonPool {
        CommonPool(Box::new(SlotPool::kept()))
    }
}

impl RootTable {
    /// A pool for a mutator that attaches: one that nobody has, or a new one.
    pub(crate) fn take_pool(&self) -> NonNull<SlotPool> {
        let mut pools = self.pools.lock();
        pools.idle.pop().unwrap_or_else(|| {
            let pool = NonNull::from(Box::leak(Box::new(SlotPool::new())));
            pools.all.push(pool);
            pool
        })
    }

    /// Puts a pool back.
    pub(crate) fn return_pool(&self, pool: NonNull<SlotPool>) {
        self.pools.lock().idle.push(pool);
    }

    /// A new chunk whose slots are null. Markers know it.
    pub(crate) fn add_chunk(&self, head: ChunkHead) -> NonNull<Chunk> {
        // SAFETY: C4: whoever makes a chunk for a heap has the heap.
        let core = unsafe { head.core.as_ref() };
        let slots = std::array::from_fn(|_| Slot::new(null_mut()));
        let chunk = NonNull::from(Box::leak(Box::new(Chunk { head, slots })));
        // In a fork nobody scans roots, and the lock may be held for ever.
        if !core.birthplace.is_elsewhere() {
            self.chunks.lock().all.push(chunk);
        }
        chunk
    }

    /// How many chunks there are now. Roots in later ones hold what was reachable or new when they were made.
    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.lock().all.len()
    }

    /// Roots in use.
    pub(crate) fn len(&self) -> usize {
        let in_pools: usize = {
            let pools = self.pools.lock();
            // SAFETY: R3: pools are freed with the table; the numbers are atomics.
            pools.all.iter().map(|pool| unsafe { pool.as_ref() }.len()).sum()
        };
        in_pools + self.common.lock().0.len() + self.in_sets.load(Ordering::Relaxed)
    }

    /// Calls `each` with every object of a chunk of slots.
    pub(crate) fn each_in_chunk(&self, chunk: usize, mut each: impl FnMut(NonNull<u8>)) {
        let chunk = self.chunks.lock().all[chunk];
        for position in 0..CHUNK_SLOTS {
            // SAFETY: R2: the chunk has so many slots, and stays where it is.
            let slot = unsafe { RootSlot::at(chunk, position) };
            // ORDERING: Acquire pairs with the Release in `SlotPool::add`: the object is seen complete.
            let word = slot.slot().load(Ordering::Acquire);
            if word.addr() & FREE == 0
                && let Some(cell) = NonNull::new(word)
            {
                each(cell);
            }
        }
    }
}

impl Drop for RootTable {
    fn drop(&mut self) {
        let chunks = std::mem::take(&mut *self.chunks.lock());
        for chunk in chunks.all {
            // SAFETY: R2: chunks are leaked boxes, and end with the heap.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
        let pools = std::mem::take(&mut *self.pools.lock());
        for pool in pools.all {
            // SAFETY: R3: pools are leaked boxes, and end with the heap.
            drop(unsafe { Box::from_raw(pool.as_ptr()) });
        }
    }
}
