//! A marker: traces from gray objects with a stack of its own.
//!
//! What makes it fast, each measured: the mark bit is tested before an object is queued, and lies in a dense bitmap
//! that stays in the cache, so most edges are settled without touching the target; only new objects are prefetched, and
//! a ring of them waits in front of the scan until their memory has arrived; large arrays and the root table
//! are taken in ascending pieces with the stack drained in between, so that what they lead to is met in address
//! order.

use crate::{
    descriptor::Descriptor,
    ephemeron::EphemeronSlot,
    heap::Core,
    mark::{Entry, Gray, MarkQueue, MarkStats, Span, Work, ephemerons},
    mark_lock::{MarkLock, Stamp},
    piece_lock::{PieceLock, Rest},
    plant::Bug,
    roots::RootTable,
    trace::Visitor,
    weak::{self, WeakBox},
};
use mudlark_arena::{Arena, Marks, sync::thread};
use std::{fmt, mem, ptr::NonNull};

/// Objects on their way from memory. Fewer do not hide the latency; more gain nothing.
const RING: usize = 32;
/// Bytes of a large array that are scanned at once.
const PIECE_BYTES: usize = 2048;
/// Between two looks at whether somebody waits for work, in scanned objects.
const SHARE_INTERVAL: usize = 128;
/// A stack shorter than this is not worth sharing. A long one is not needed: what lies at its bottom is
/// the oldest, and in trees the largest part of what remains.
const SHARE_MIN: usize = 4;

/// Why a marker stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Drained {
    /// The queue had no more work.
    Empty,
    /// The budget was used up.
    Budget,
}

/// Traces from gray objects. Type descriptors report edges to it.
pub struct Marker<'h> {
    core: &'h Core,
    arena: &'h Arena,
    marks: Marks<'h>,
    queue: &'h MarkQueue,
    roots: &'h RootTable,
    closed: Stamp,
    stack: Vec<Gray>,
    /// Prefetched objects, the first `ring_len` of them.
    ring: [Gray; RING],
    ring_len: usize,
    /// Weak boxes that were found.
    weak: Vec<WeakBox>,
    /// Slots of ephemerons that were found with white keys.
    ephemerons: Vec<Entry>,
    /// Slots of guardians that were found with white keys.
    guards: Vec<Entry>,
    /// Slots that were looked at, and not told yet.
    looks: u64,
    /// Whether what is marked is looked up in the table of ephemerons.
    keyed: bool,
    scans: usize,
    holding: bool,
    /// A container in the object that is being traced has further pieces.
    unfinished: bool,
    bytes: u64,
    objects: u64,
    /// Bytes looked at that are not in `bytes`: budgets count both.
    work: u64,
    /// What is in the accounts.
    noted: MarkStats,
}

impl fmt::Debug for Marker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marker").field("bytes", &self.bytes).field("stack", &self.stack.len()).finish()
    }
}

impl<'h> Marker<'h> {
    /// A marker that holds nothing yet.
    pub(crate) fn new(core: &'h Core) -> Marker<'h> {
        Marker {
            core,
            arena: &core.arena,
            marks: core.arena.marks(core.arena.filling_side()),
            queue: &core.queue,
            roots: &core.roots,
            closed: Stamp::of_cycle(0),
            stack: Vec::new(),
            ring: [Gray(NonNull::dangling()); RING],
            ring_len: 0,
            weak: Vec::new(),
            ephemerons: Vec::new(),
            guards: Vec::new(),
            looks: 0,
            keyed: false,
            scans: 0,
            holding: false,
            unfinished: false,
            bytes: 0,
            objects: 0,
            work: 0,
            noted: MarkStats::default(),
        }
    }

    /// Looks up the cycle, once work was taken: whoever holds work keeps the cycle from ending, and nobody else does.
    fn join_cycle(&mut self) {
        self.marks = self.arena.marks(self.arena.filling_side());
        self.closed = Stamp::of_cycle(self.core.cycle_number());
    }

    /// Tells what was marked, while work is held: the cycle ends with the exact number, and with all weak boxes.
    fn note(&mut self) {
        self.tell_weak();
        self.tell_ephemerons();
        let bytes = mem::take(&mut self.bytes);
        let objects = mem::take(&mut self.objects);
        if objects > 0 {
            self.core.ephemerons.stir();
        }
        self.noted.objects += objects;
        if bytes > 0 {
            self.work += bytes;
            self.noted.bytes += bytes;
            self.core.accounts.note_marked(bytes, objects);
        }
    }

    /// Takes work and traces, until the queue is empty or about `budget` bytes were looked at.
    ///
    /// What it still holds then goes back to the queue.
    pub(crate) fn drain(&mut self, budget: u64) -> Drained {
        let until = self.work().saturating_add(budget);
        let Some(work) = self.queue.take(&mut self.stack) else { return Drained::Empty };
        self.holding = true;
        self.join_cycle();
        self.begin(work);
        loop {
            if !self.trace(until) {
                self.leave();
                return Drained::Budget;
            }
            self.note();
            match self.queue.take_more(&mut self.stack) {
                Some(work) => self.begin(work),
                None => {
                    self.holding = false;
                    return Drained::Empty;
                }
            }
        }
    }

    /// Gives back what the marker holds.
    fn leave(&mut self) {
        let ring = &self.ring[..mem::take(&mut self.ring_len)];
        self.stack.extend_from_slice(ring);
        self.note();
        self.holding = false;
        self.queue.leave(mem::take(&mut self.stack));
    }

    fn begin(&mut self, work: Work) {
        self.keyed = self.queue.is_keyed();
        match work {
            Work::Ephemerons(entries) => {
                self.work += (entries.len() * size_of::<EphemeronSlot>()) as u64;
                for entry in entries {
                    self.look_at(entry);
                }
            }
            Work::Guards(entries) => self.choose(entries),
            Work::Revivals(entries) => {
                for key in entries.iter().filter_map(|entry| entry.slot().peek_key()) {
                    // SAFETY: C2: the keys of slots are objects of this heap; nothing was swept since they were found white.
                    unsafe { self.edge(key) };
                }
            }
            Work::Objects => self.noted.takes += 1,
            Work::Span(Span { start, end }) => {
                self.work += (end.addr() - start.addr()) as u64;
                let Some(first) = NonNull::new(start) else { return };
                let descriptor = self.descriptor(first);
                // SAFETY: C2: spans begin with a cell.
                for cell in unsafe { self.arena.cells_between(start, end) } {
                    // SAFETY: L2: a span consists of cells, which are not at address zero.
                    let cell = unsafe { NonNull::new_unchecked(cell) };
                    // Counted when the region was taken black, so not here.
                    self.scan_contents(cell, descriptor);
                }
            }
            Work::Piece(Gray(cell), range) => {
                let trace = self.descriptor(cell).trace_part;
                self.work += PIECE_BYTES as u64;
                if range.start > 0 && self.core.plants(Bug::PieceLost) {
                    return;
                }
                // SAFETY: C1, C2: `cell` is gray, so it holds an object of the block's descriptor.
                unsafe { trace(cell, range.start, range.end, self) };
                if mem::take(&mut self.unfinished) {
                    let step = range.len();
                    self.queue.push_array(Gray(cell), range, step);
                }
            }
            Work::Again(Gray(cell)) => {
                let trace = self.descriptor(cell).trace;
                // SAFETY: C1, C2: as above.
                unsafe { trace(cell, self) };
                if self.unfinished {
                    self.trace_again(cell);
                }
            }
            Work::Locals(piece) => {
                self.work += PIECE_BYTES as u64;
                // SAFETY: C2: locals lead to objects of this heap.
                piece.each(|cell| unsafe { self.edge(cell) });
            }
            Work::Roots(chunk) => {
                self.work += PIECE_BYTES as u64;
                let roots = self.roots;
                // SAFETY: C2: roots lead to objects of this heap.
                roots.each_in_chunk(chunk, |cell| unsafe { self.edge(cell) });
            }
        }
    }

    /// Traces until stack and ring are empty (`true`) or `until` bytes of work are done.
    fn trace(&mut self, until: u64) -> bool {
        loop {
            while self.ring_len < RING
                && let Some(gray) = self.stack.pop()
            {
                prefetch(gray.0.as_ptr());
                self.ring[self.ring_len] = gray;
                self.ring_len += 1;
            }
            if self.ring_len == RING {
                self.scan_and_refill();
            } else if self.ring_len > 0 {
                let rest = self.ring;
                for gray in &rest[..mem::take(&mut self.ring_len)] {
                    self.scan(*gray);
                }
            } else {
                // Whoever has more work looks at the budget before the next piece.
                return self.work() < until;
            }
            self.scans += RING;
            if self.scans >= SHARE_INTERVAL {
                self.scans = 0;
                if self.work() >= until {
                    return false;
                }
                self.share();
            }
        }
    }

    /// Once around a full ring: each object is scanned when the next one takes its place and sets out from memory, so that as many are
    /// always under way. Ends early, with a gap in the ring, if the stack has no more.
    fn scan_and_refill(&mut self) {
        for at in 0..RING {
            let Some(next) = self.stack.pop() else {
                self.ring.rotate_left(at);
                let rest = self.ring;
                self.ring_len = 0;
                for gray in &rest {
                    self.scan(*gray);
                }
                return;
            };
            prefetch(next.0.as_ptr());
            let gray = mem::replace(&mut self.ring[at], next);
            self.scan(gray);
        }
    }

    /// Gives the older half of the stack away if the queue has nothing for others.
    fn share(&mut self) {
        if self.stack.len() >= SHARE_MIN && self.queue.is_dry() {
            let half = self.stack.len() / 2;
            self.noted.shares += 1;
            if self.core.plants(Bug::ChunkLost) {
                self.stack.drain(..half);
                return;
            }
            self.queue.share(self.stack.drain(..half));
        }
    }

    #[inline]
    pub(crate) fn descriptor(&self, cell: NonNull<u8>) -> &'static Descriptor {
        // SAFETY: C2: what markers are given are cells of this arena.
        let tag = unsafe { self.arena.tag(cell.as_ptr()) };
        // SAFETY: C2: the tag of every block in use is the address of a descriptor that lives as long as the heap.
        unsafe { &*tag.cast::<Descriptor>() }
    }

    #[inline]
    fn scan(&mut self, gray: Gray) {
        // SAFETY: C2: gray objects are cells of this arena.
        self.bytes += unsafe { self.arena.object_bytes(gray.0.as_ptr()) } as u64;
        if self.keyed {
            self.look_up(gray.0);
        }
        self.scan_contents(gray.0, self.descriptor(gray.0));
    }

    #[inline]
    fn scan_contents(&mut self, cell: NonNull<u8>, descriptor: &Descriptor) {
        self.objects += 1;
        // SAFETY: C1, C2: `cell` is gray, so it holds an object of its block's descriptor.
        unsafe { (descriptor.trace)(cell, self) };
        if self.unfinished {
            self.trace_again(cell);
        }
    }

    /// Not at once: what the piece led to is drained first, and whoever marks for a budget looks at it.
    #[cold]
    fn trace_again(&mut self, cell: NonNull<u8>) {
        self.unfinished = false;
        self.queue.push_again(Gray(cell));
    }

    /// Whether a slice of `len` elements is to be traced at once. If not, its parts will be asked for later.
    ///
    /// # Safety
    ///
    /// `cell` holds such a slice, and is what the descriptor was just asked to trace.
    pub unsafe fn scans_at_once(&mut self, cell: NonNull<u8>, len: usize, elem_bytes: usize) -> bool {
        let step = (PIECE_BYTES / elem_bytes.max(1)).max(1);
        if len > step {
            self.queue.push_array(Gray(cell), 0..len, step);
        }
        len <= step
    }

    /// Follows the value of an ephemeron if its key is marked; else notes it.
    fn look_at(&mut self, entry: Entry) {
        self.looks += 1;
        let Some(key) = entry.slot().peek_key() else { return };
        let marks = self.marks;
        // SAFETY: C2: keys are objects of this heap, or cleared when they die.
        let is_marked = || unsafe { marks.is_marked(key.as_ptr()) };
        if !is_marked() {
            if !self.keyed {
                self.ephemerons.push(entry);
                if self.ephemerons.len() >= ephemerons::BATCH_LEN {
                    self.tell_ephemerons();
                }
                return;
            }
            if self.core.ephemerons.wait_for(key, entry, is_marked) {
                return;
            }
        }
        if let Some(value) = entry.slot().peek_value() {
            // SAFETY: C2: values are objects of this heap, and the key of this one is alive.
            unsafe { self.edge(value) };
        }
    }

    /// G1: gives the slots whose keys are white a value. Marks nothing: what one of the keys leads to is as dead as the key.
    fn choose(&mut self, mut entries: Vec<Entry>) {
        let marks = self.marks;
        entries.retain(|entry| {
            // SAFETY: C2: as in `look_at`.
            let is_white = |key: NonNull<u8>| unsafe { !marks.is_marked(key.as_ptr()) };
            entry.slot().peek_key().filter(|&key| is_white(key)).is_some_and(|key| entry.slot().revive(key))
        });
        if !entries.is_empty() {
            self.core.guards.choose(entries);
        }
    }

    /// A slot of a guardian: an edge if its object came back, else noted if the object is white.
    fn look_at_guard(&mut self, entry: Entry) {
        let Some(key) = entry.slot().peek_key() else { return };
        if let Some(value) = entry.slot().peek_value() {
            // SAFETY: C2: values are objects of this heap.
            unsafe { self.edge(value) };
            return;
        }
        // SAFETY: C2: as in `look_at`.
        if !unsafe { self.marks.is_marked(key.as_ptr()) } {
            self.guards.push(entry);
            if self.guards.len() >= ephemerons::BATCH_LEN {
                self.tell_ephemerons();
            }
        }
    }

    /// An object is marked, and keys are looked up: looks at the slots that wait for it.
    #[cold]
    fn look_up(&mut self, key: NonNull<u8>) {
        let mut found = Vec::new();
        if !self.core.plants(Bug::EphemeronNotLookedUp) {
            self.core.ephemerons.take(key, &mut found, self.queue);
        }
        for entry in found {
            self.look_at(entry);
        }
    }

    fn tell_ephemerons(&mut self) {
        if !self.ephemerons.is_empty() {
            self.core.ephemerons.note(mem::take(&mut self.ephemerons));
        }
        if !self.guards.is_empty() {
            self.core.guards.note(mem::take(&mut self.guards));
        }
        if self.looks > 0 {
            self.core.ephemerons.add_looks(mem::take(&mut self.looks));
        }
    }

    /// Which stamp keeps this marker off.
    pub(crate) fn closed(&self) -> Stamp {
        self.closed
    }

    fn tell_weak(&mut self) {
        if !self.weak.is_empty() {
            self.core.weak.add(mem::take(&mut self.weak));
        }
    }

    /// A weak box was found.
    pub(crate) fn note_weak(&mut self, weak: WeakBox) {
        self.weak.push(weak);
        if self.weak.len() >= weak::BATCH_LEN {
            self.tell_weak();
        }
    }

    /// What this marker did, as far as it is in the accounts.
    pub(crate) fn done(&self) -> MarkStats {
        self.noted
    }

    /// Gives back what it still holds, if a tracer unwound: the cycle will be aborted, and must not wait for it.
    pub(crate) fn let_go(&mut self) {
        if self.holding {
            self.leave();
        }
    }

    /// Bytes looked at.
    fn work(&self) -> u64 {
        self.work + self.bytes
    }
}

// SAFETY: the lock is asked, and held for the look; tracers change nothing (T3).
unsafe impl Visitor for Marker<'_> {
    #[inline]
    unsafe fn edge(&mut self, cell: NonNull<u8>) {
        // SAFETY: C2: by the caller's contract.
        if unsafe { self.marks.try_mark(cell.as_ptr()) } {
            self.stack.push(Gray(cell));
        }
    }

    #[inline]
    unsafe fn leaf(&mut self, cell: NonNull<u8>, cell_bytes: usize) {
        // SAFETY: C2: by the caller's contract.
        if unsafe { self.marks.try_mark(cell.as_ptr()) } {
            let bytes = match cell_bytes {
                // SAFETY: C2: as above.
                0 => unsafe { self.arena.object_bytes(cell.as_ptr()) },
                known => known,
            };
            self.bytes += bytes as u64;
            self.objects += 1;
            if self.keyed {
                self.look_up(cell);
            }
        }
    }

    #[inline]
    unsafe fn ephemeron(&mut self, slot: &EphemeronSlot) {
        // SAFETY: P1: by the caller's contract.
        self.look_at(unsafe { Entry::of(slot) });
    }

    #[inline]
    unsafe fn guard(&mut self, slot: &EphemeronSlot) {
        // SAFETY: P1: by the caller's contract.
        self.look_at_guard(unsafe { Entry::of(slot) });
    }

    fn guarded(&mut self, lock: &MarkLock, contents: impl FnOnce(&mut Self)) {
        let closed = self.closed;
        lock.scan(closed, || contents(self));
    }

    fn guarded_pieces(&mut self, lock: &PieceLock, mut piece: impl FnMut(&mut Self, usize) -> Option<usize>) {
        let closed = self.closed;
        let rest = lock.scan_piece(closed, |first| piece(self, first));
        if rest == Rest::Unknown {
            // The mutator may need this core to come to its end.
            thread::yield_now();
        }
        if rest != Rest::None {
            self.work += PIECE_BYTES as u64;
            self.unfinished = true;
        }
    }
}

/// Asks for memory that will be needed soon.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(loom)))]
    // SAFETY: a prefetch has no effect on anything but the cache, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom))))]
    let _ = address;
}
