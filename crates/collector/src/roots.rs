//! The root table: slots that keep objects alive from outside the heap.
//!
//! A slot is one word: the address of an object, or null, or (with the lowest bit set) a link of the free list. Slots
//! live in chunks that never move and are freed with the heap, so a slot may be read by a marker at any time.
//!
//! | step | order |
//! |---|---|
//! | make | take a free slot; store the object (Release: the marker that reads it sees the object) |
//! | read | load (the owner of the root ordered it before) |
//! | drop | under the gate of the queue: take the object out and, if a cycle is open, shade it; then free the slot (R1) |
//!
//! R1: whoever drops a root may be no mutator, so no handshake waits for it. Between taking the object out and shading it
//! the object would be in nobody's hands; so both are one critical section of the lock under which marking ends. A root dropped
//! before the cycle opened is not in the snapshot, and whoever read it passes a safepoint before the snapshot is complete.

use crate::fork::Birthplace;
use mudlark_arena::sync::{AtomicPtr, AtomicUsize, Mutex, Ordering};
use std::ptr::{NonNull, null_mut};

/// Slots of a chunk: what a marker takes at once.
#[cfg(not(loom))]
pub(crate) const CHUNK_SLOTS: usize = 256;
#[cfg(loom)]
pub(crate) const CHUNK_SLOTS: usize = 2;

type Slot = AtomicPtr<u8>;

/// A slot of a root table. Valid for as long as the heap it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RootSlot(NonNull<Slot>);

// SAFETY: slots are atomics that outlive whoever names them (R2: they are freed with the heap).
unsafe impl Send for RootSlot {}
// SAFETY: as above.
unsafe impl Sync for RootSlot {}

impl RootSlot {
    pub(crate) fn slot(&self) -> &Slot {
        // SAFETY: R2: chunks are freed with the heap, which outlives the users of its slots.
        unsafe { self.0.as_ref() }
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

    /// Stores an object and returns the one that was there.
    pub(crate) fn replace(&self, cell: *mut u8) -> Option<NonNull<u8>> {
        // ORDERING: AcqRel: Release publishes the object to markers; Acquire because the old one's mark is looked at.
        NonNull::new(self.slot().swap(cell, Ordering::AcqRel))
    }
}

const FREE: usize = 1;

/// All roots of a heap.
#[derive(Debug, Default)]
pub(crate) struct RootTable {
    chunks: Mutex<Vec<Box<[Slot]>>>,
    /// Freed slots, linked through themselves. Pushed by anybody, taken whole (so links cannot be confused).
    free: AtomicPtr<Slot>,
    /// Lists of free slots that mutators gave back when they detached. Whole, because finding their ends would take long.
    returned: Mutex<Vec<FreeList>>,
    count: AtomicUsize,
    birthplace: Birthplace,
}

/// The first of some free slots that are linked.
#[derive(Debug)]
struct FreeList(NonNull<Slot>);

// SAFETY: R2: slots are atomics that outlive whoever names them.
unsafe impl Send for FreeList {}

/// Free slots of one mutator: taken off the table together, used one by one.
#[derive(Debug, Default)]
pub(crate) struct SlotCache {
    next: Option<NonNull<Slot>>,
}

impl RootTable {
    /// Makes a root of `cell`, in a slot of the cache or a new chunk.
    pub(crate) fn add(&self, cache: &mut SlotCache, cell: NonNull<u8>) -> RootSlot {
        let free = cache.next.take().or_else(|| self.take_free()).or_else(|| self.take_returned());
        let slot = free.unwrap_or_else(|| self.grow());
        let root = RootSlot(slot);
        cache.next = unlink(root.slot().load(Ordering::Relaxed));
        // ORDERING: Release: a marker that finds the object through the slot sees its contents.
        root.slot().store(cell.as_ptr(), Ordering::Release);
        self.count.fetch_add(1, Ordering::Relaxed);
        root
    }

    fn take_free(&self) -> Option<NonNull<Slot>> {
        // ORDERING: Acquire pairs with the Release in `give`: the links are seen.
        NonNull::new(self.free.swap(null_mut(), Ordering::Acquire))
    }

    fn take_returned(&self) -> Option<NonNull<Slot>> {
        // A lock that was held at a fork stays locked.
        (!self.birthplace.is_elsewhere()).then(|| self.returned.lock().pop()).flatten().map(|list| list.0)
    }

    /// A new chunk, all of whose slots are linked to one list.
    fn grow(&self) -> NonNull<Slot> {
        let chunk: Box<[Slot]> = (0..CHUNK_SLOTS).map(|_| Slot::new(null_mut())).collect();
        let mut next = null_mut();
        for slot in chunk.iter().rev() {
            slot.store(link(next), Ordering::Relaxed);
            next = std::ptr::from_ref(slot).cast_mut();
        }
        let first = NonNull::from(&chunk[0]);
        if self.birthplace.is_elsewhere() {
            // Nobody scans roots here.
            Box::leak(chunk);
        } else {
            self.chunks.lock().push(chunk);
        }
        first
    }

    /// Frees a slot whose object was taken out.
    pub(crate) fn give(&self, root: RootSlot) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        let mut head = self.free.load(Ordering::Relaxed);
        loop {
            root.slot().store(link(head), Ordering::Relaxed);
            // ORDERING: Release pairs with the Acquire in `take_free`.
            match self.free.compare_exchange_weak(head, root.0.as_ptr(), Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Puts the slots of a cache back.
    pub(crate) fn give_cache(&self, cache: &mut SlotCache) {
        if let Some(first) = cache.next.take() {
            self.returned.lock().push(FreeList(first));
        }
    }

    /// How many chunks there are now. Roots in later ones hold what was reachable or new when they were made.
    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.lock().len()
    }

    /// Roots in use.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Calls `each` with every object of a chunk of slots.
    pub(crate) fn each_in_chunk(&self, chunk: usize, mut each: impl FnMut(NonNull<u8>)) {
        let (first, len) = {
            let chunks = self.chunks.lock();
            (NonNull::from(&chunks[chunk][0]), chunks[chunk].len())
        };
        for index in 0..len {
            // SAFETY: R2: the chunk has `len` slots and stays where it is.
            let slot = RootSlot(unsafe { first.add(index) });
            // ORDERING: Acquire pairs with the Release in `add`: the object is seen complete.
            let word = slot.slot().load(Ordering::Acquire);
            if word.addr() & FREE == 0
                && let Some(cell) = NonNull::new(word)
            {
                each(cell);
            }
        }
    }
}

fn link(next: *mut Slot) -> *mut u8 {
    next.cast::<u8>().map_addr(|address| address | FREE)
}

fn unlink(word: *mut u8) -> Option<NonNull<Slot>> {
    NonNull::new(word.map_addr(|address| address & !FREE).cast())
}
