//! A pool of root slots: what one mutator makes roots of, without a lock and without an atomic instruction.
//!
//! Its free slots are two lists. One belongs to the mutator that has the pool: it takes slots from there, and puts back those of roots that are
//! dropped in its scopes; links are addresses. The other takes the slots of roots that are dropped anywhere else; the mutator takes it
//! over whole when its own is empty, so links cannot be confused. There, links are numbers of slots in the pool, so that the head of the
//! list and a count fit into one word:
//!
//! ```text
//!    63    62 ............ 32  31 ........ 0
//!   KEPT        count             head           0 is the end of a list
//! ```
//!
//! | who has the pool | `KEPT` | count |
//! |---|---|---|
//! | a mutator | no | slots on this list |
//! | nobody, and no root is left | no | slots on this list |
//! | nobody, or it is the common one | yes | roots that are left; while there are any, the pool holds a handle to the heap for them |
//!
//! R3: so a root needs no handle of its own: while a mutator has the pool, the mutator keeps the heap alive, and from then on the pool does.
//! Who counts the last root down in the same compare-and-swap that puts its slot back, has the handle, and whoever counts another one down
//! does not look at the pool again.
//!
//! A mutator that attaches takes a pool that nobody has, so there are never more of them than there were mutators at one time.

use crate::{
    background::SharedCollector,
    heap::Core,
    local::Local,
    mutator::thread_token,
    roots::{CHUNK_SLOTS, Chunk, ChunkHead, RootSlot, link, unlink},
};
use mudlark_arena::sync::{AtomicU64, AtomicUsize, Ordering};
use std::{
    cell::{Cell, UnsafeCell},
    ptr::{NonNull, null},
};

/// Bits of a slot's number that say where in its chunk it is.
const POSITION_BITS: u32 = 9;
const _: () = assert!(CHUNK_SLOTS < 1 << POSITION_BITS);
/// So many that the number of slots fits into 31 bits.
const CHUNKS_MAX: usize = 1 << (31 - POSITION_BITS);

const KEPT: u64 = 1 << 63;

/// The word of the list that all threads put slots on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Given(u64);

impl Given {
    fn new(kept: bool, count: u32, head: u32) -> Given {
        Given(if kept { KEPT } else { 0 } | u64::from(count) << 32 | u64::from(head))
    }

    fn is_kept(self) -> bool {
        self.0 & KEPT != 0
    }

    fn count(self) -> u32 {
        ((self.0 & !KEPT) >> 32) as u32
    }

    fn head(self) -> u32 {
        self.0 as u32
    }
}

/// Free slots of one mutator, and what is known of those in use.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct SlotPool {
    /// The thread whose scope of the owner is open: an address that is different for each thread. Zero outside of scopes.
    pub(crate) thread: AtomicUsize,
    /// The local state of the mutator that has the pool.
    owner: Cell<*const Local>,
    /// The first free slot of the owner's list.
    free: Cell<Option<RootSlot>>,
    /// The first of those that were taken over from the list of all threads, by number.
    taken: Cell<u32>,
    /// Roots that were made, and those that the owner knows to be dropped: two numbers, so that neither waits for the other. Written by the
    /// owner.
    made: AtomicU64,
    ended: AtomicU64,
    /// All chunks, by number.
    chunks: UnsafeCell<Vec<NonNull<Chunk>>>,
    given: OtherLine,
}

/// Changed by all threads, so not on the line of the owner.
#[repr(align(128))]
#[derive(Debug)]
struct OtherLine(AtomicU64);

/// Counts up. Not atomic as a whole: only the owner of the pool writes.
#[inline]
fn count(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

/// The heap's handle for the roots of a pool that nobody has. Dropping it may end the heap.
#[must_use = "the heap lives until this is dropped"]
pub(crate) struct Kept(#[allow(dead_code, reason = "held, not read")] Option<SharedCollector>);

impl SlotPool {
    /// A pool without slots that nobody has.
    pub(crate) fn new() -> SlotPool {
        SlotPool::with(Given::new(false, 0, 0))
    }

    /// The same, for one that nobody ever has.
    pub(crate) fn kept() -> SlotPool {
        SlotPool::with(Given::new(true, 0, 0))
    }

    fn with(given: Given) -> SlotPool {
        SlotPool {
            thread: AtomicUsize::new(0),
            owner: Cell::new(null()),
            free: Cell::new(None),
            taken: Cell::new(0),
            made: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            chunks: UnsafeCell::new(Vec::new()),
            given: OtherLine(AtomicU64::new(given.0)),
        }
    }

    fn given(&self) -> &AtomicU64 {
        &self.given.0
    }

    /// The local state of the mutator that has the pool, if the current thread is in a scope of it.
    #[inline]
    pub(crate) fn local_here(&self) -> Option<&Local> {
        // ORDERING: Relaxed: only the current thread writes its own token there, and takes it back.
        if self.thread.load(Ordering::Relaxed) != thread_token() {
            return None;
        }
        // SAFETY: M1: the thread is in a scope of the mutator, so the pointer is not written, and leads to what is the thread's.
        Some(unsafe { &*self.owner.get() })
    }

    /// Roots in use.
    pub(crate) fn len(&self) -> usize {
        let given = Given(self.given().load(Ordering::Relaxed));
        if given.is_kept() {
            return given.count() as usize;
        }
        self.used().saturating_sub(given.count()) as usize
    }

    /// Slots that are in use, or on the list of all threads.
    fn used(&self) -> u32 {
        let ended = self.ended.load(Ordering::Relaxed);
        self.made.load(Ordering::Relaxed).saturating_sub(ended) as u32
    }

    /// Makes a root of `cell`. The caller has the pool.
    #[inline]
    pub(crate) fn add(&self, core: NonNull<Core>, cell: NonNull<u8>) -> RootSlot {
        let root = self.take(core);
        // ORDERING: Release: a marker that finds the object through the slot sees its contents.
        root.slot().store(cell.as_ptr(), Ordering::Release);
        count(&self.made, 1);
        root
    }

    /// Takes a free slot.
    #[inline]
    fn take(&self, core: NonNull<Core>) -> RootSlot {
        let Some(root) = self.free.get() else { return self.take_slow(core) };
        self.free.set(root.next());
        root
    }

    /// The slot with this number.
    fn slot(&self, number: u32) -> RootSlot {
        let place = number - 1;
        // SAFETY: R3: the caller has the pool, and makes no chunk meanwhile.
        let chunks = unsafe { &*self.chunks.get() };
        let chunk = chunks[(place >> POSITION_BITS) as usize];
        // SAFETY: R3: numbers are those of slots.
        unsafe { RootSlot::at(chunk, (place & ((1 << POSITION_BITS) - 1)) as usize) }
    }

    fn number(root: RootSlot) -> u32 {
        (root.head().number << POSITION_BITS | root.position() as u32) + 1
    }

    /// Takes a slot that others put back, or makes a chunk.
    #[inline(never)]
    fn take_slow(&self, core: NonNull<Core>) -> RootSlot {
        if self.taken.get() == 0 {
            let given = self.take_given();
            if given.head() == 0 {
                return self.grow(core);
            }
            if !given.is_kept() {
                count(&self.ended, given.count().into());
            }
            self.taken.set(given.head());
        }
        let root = self.slot(self.taken.get());
        self.taken.set(unlink(root.slot().load(Ordering::Relaxed)));
        root
    }

    /// Empties the list that all threads put slots on.
    fn take_given(&self) -> Given {
        // ORDERING: Acquire pairs with the Release in `give`: the links are seen, and the drops that they come from are over.
        let mut given = Given(self.given().load(Ordering::Acquire));
        while given.head() != 0 {
            let count = if given.is_kept() { given.count() } else { 0 };
            let empty = Given::new(given.is_kept(), count, 0);
            match self.given().compare_exchange_weak(given.0, empty.0, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => given = Given(now),
            }
        }
        given
    }

    /// A new chunk. One of its slots is taken, the others go to the owner's list.
    fn grow(&self, core: NonNull<Core>) -> RootSlot {
        // SAFETY: R3: the caller has the pool, and no other reference to the list is held.
        let chunks = unsafe { &mut *self.chunks.get() };
        assert!(
            chunks.len() < CHUNKS_MAX,
            "a mutator has two billion roots; put objects into collections instead"
        );
        let head = ChunkHead { core, pool: self, number: chunks.len() as u32 };
        // SAFETY: C4: the owner's heap exists.
        let chunk = unsafe { core.as_ref() }.roots.add_chunk(head);
        chunks.push(chunk);
        for position in (1..CHUNK_SLOTS).rev() {
            // SAFETY: R2: the chunk has so many slots.
            let root = unsafe { RootSlot::at(chunk, position) };
            root.set_next(self.free.replace(Some(root)));
        }
        // SAFETY: R2: as above.
        unsafe { RootSlot::at(chunk, 0) }
    }

    /// Puts a slot on the owner's list, in a scope of the owner; its object was shaded, if need be.
    #[inline]
    pub(crate) fn put_back(&self, root: RootSlot) {
        root.set_next(self.free.replace(Some(root)));
        count(&self.ended, 1);
    }

    /// Puts a slot on the list of all threads. The heap may end as soon as this is done, unless the answer keeps it.
    pub(crate) fn give(&self, root: RootSlot) -> Kept {
        let core = root.head().core;
        let number = SlotPool::number(root);
        let mut given = Given(self.given().load(Ordering::Relaxed));
        loop {
            root.slot().store(link(given.head()), Ordering::Relaxed);
            let kept = given.is_kept();
            let count = if kept { given.count() - 1 } else { given.count() + 1 };
            let after = Given::new(kept, count, number);
            // ORDERING: Release pairs with the Acquire in `take_given`; Acquire: who is the last to count down ends the heap, behind all others.
            match self.given().compare_exchange_weak(given.0, after.0, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if kept && count == 0 => {
                    // SAFETY: C4: the pool's handle keeps the heap.
                    let core = unsafe { core.as_ref() };
                    // SAFETY: R3: the last root of a kept pool has the pool's handle.
                    return Kept(unsafe { core.take_kept_handle() });
                }
                Ok(_) => return Kept(None),
                Err(now) => given = Given(now),
            }
        }
    }

    /// A mutator that attaches has the pool from now on.
    pub(crate) fn adopt(&self, owner: *const Local, core: &Core) {
        self.owner.set(owner);
        let used = self.used();
        let mut given = Given(self.given().load(Ordering::Relaxed));
        while given.is_kept() {
            let after = Given::new(false, used - given.count(), given.head());
            // ORDERING: Acquire: roots that were dropped meanwhile are gone before the owner looks.
            match self.given().compare_exchange_weak(given.0, after.0, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    // Whoever attaches has another handle, so the heap does not end here.
                    // SAFETY: R3: while there are roots, the pool has a handle.
                    drop((given.count() > 0).then(|| Kept(unsafe { core.take_kept_handle() })));
                    return;
                }
                Err(now) => given = Given(now),
            }
        }
    }

    /// The owner leaves: what is still rooted keeps the heap alive from now on. Nobody has the pool then.
    pub(crate) fn leave(&self, core: &Core) {
        self.owner.set(null());
        let used = self.used();
        let mut handle = None;
        let mut given = Given(self.given().load(Ordering::Relaxed));
        while used > given.count() {
            handle = handle.or_else(|| core.kept_handle());
            let after = Given::new(true, used - given.count(), given.head());
            // ORDERING: Release: who drops the last root ends the heap behind all that the owner did.
            match self.given().compare_exchange_weak(given.0, after.0, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    std::mem::forget(handle);
                    return;
                }
                Err(now) => given = Given(now),
            }
        }
        // If there is a handle after all, the mutator has another one, so the heap does not end here.
    }

    /// Takes a slot, which is null then, of the pool that nobody has. The caller has the lock around the pool.
    pub(crate) fn add_kept(&self, core: &Core) -> RootSlot {
        let root = self.take(NonNull::from(core));
        root.slot().store(std::ptr::null_mut(), Ordering::Relaxed);
        let handle = core.kept_handle();
        let mut given = Given(self.given().load(Ordering::Relaxed));
        loop {
            let after = Given::new(true, given.count() + 1, given.head());
            match self.given().compare_exchange_weak(given.0, after.0, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if given.count() == 0 => {
                    std::mem::forget(handle);
                    return root;
                }
                // There is one already, and the caller has another, so the heap does not end here.
                Ok(_) => return root,
                Err(now) => given = Given(now),
            }
        }
    }
}
