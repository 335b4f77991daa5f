//! What belongs to one mutator alone: its regions, its barrier buffer, its window.
//!
//! A [`Local`] is touched by one thread at a time: by its mutator inside a scope, or by whoever serves the
//! mutator a handshake while it is outside of one (see [`crate::mutator`]). So everything in it is plain memory.

use crate::{
    barrier::BUFFER_LEN,
    heap::Core,
    mark::{Gray, Span},
    mark_lock::Stamp,
    plant::Bug,
    raw::Stacks,
    roots::RootSlot,
    shadow_stack::ShadowStack,
    slot_pool::SlotPool,
};
use hashbrown::HashMap;
use mudlark_arena::{Arena, Bin, Birth, Claim, Region, SIZE_CLASS_COUNT, Side, SizeClass};
use std::{
    cell::{Cell, RefCell, UnsafeCell},
    fmt, mem,
    ptr::{NonNull, null_mut},
};

/// Where cells of one kind come from: names a region of a mutator.
///
/// Pointer-free kinds are size classes and have a place of their own in the region table; kinds with a descriptor are
/// found by the descriptor's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind(usize);

/// Descriptor addresses are below it, size classes of one descriptor differ above it.
const CLASS_SHIFT: u32 = 56;

impl Kind {
    /// The kind of pointer-free cells of a size class.
    #[inline]
    pub const fn leaf(class: SizeClass) -> Kind {
        Kind(class.index() + 1)
    }

    /// The kind of the cells of a type with one size.
    #[inline]
    pub fn of(descriptor: &'static crate::Descriptor) -> Kind {
        Kind(std::ptr::from_ref(descriptor).addr())
    }

    /// The kind of the cells of a size class that hold slices of one type.
    #[inline]
    pub fn of_class(descriptor: &'static crate::Descriptor, class: SizeClass) -> Kind {
        Kind(std::ptr::from_ref(descriptor).addr() | (class.index() + 1) << CLASS_SHIFT)
    }

    /// The key of the kind in tables.
    pub(crate) fn bits(self) -> usize {
        self.0
    }

    /// Whether the cells hold no pointers, and are shared by types.
    #[inline]
    pub(crate) const fn is_leaf(self) -> bool {
        self.0 <= SIZE_CLASS_COUNT
    }

    #[inline]
    fn slot(self) -> usize {
        if self.is_leaf() {
            self.0 - 1
        } else {
            // Descriptors lie side by side, 64 bytes or so each.
            let mixed = (self.0 >> 4) ^ (self.0 >> 10) ^ ((self.0 >> CLASS_SHIFT) * 7);
            LEAF_SLOTS + mixed % HASH_SLOTS
        }
    }
}

const LEAF_SLOTS: usize = 64;
const HASH_SLOTS: usize = 64;
const _: () = assert!(SIZE_CLASS_COUNT <= LEAF_SLOTS);

/// The bump range of one kind, in the table that the fast path looks at.
#[derive(Clone, Copy)]
struct Slot {
    kind: usize,
    cursor: *mut u8,
    limit: *mut u8,
    /// Index into `homes`.
    home: usize,
}

const NO_SLOT: Slot = Slot { kind: 0, cursor: null_mut(), limit: null_mut(), home: usize::MAX };

/// Where the cells of one kind of this mutator come from.
#[derive(Debug)]
pub(crate) struct Home {
    kind: Kind,
    pub(crate) bin: NonNull<Bin>,
    pub(crate) claim: Claim,
    /// The open region; its cursor is current only while no slot has a copy.
    region: Region,
}

/// The state that one mutator has alone.
pub struct Local {
    slots: UnsafeCell<[Slot; LEAF_SLOTS + HASH_SLOTS]>,
    pub(crate) armed: Cell<bool>,
    /// The bitmap that this cycle fills. Meaningful while armed.
    pub(crate) filling: Cell<Side>,
    /// What exclusive accesses leave in cells; none before the mutator is closed.
    pub(crate) stamp: Cell<Option<Stamp>>,
    /// Regions that are being taken belong to the window.
    window_open: Cell<bool>,
    window: RefCell<Vec<Span>>,
    pub(crate) buffer: RefCell<Vec<Gray>>,
    homes: RefCell<Vec<Home>>,
    /// Whether any region may be open.
    has_regions: Cell<bool>,
    by_kind: RefCell<HashMap<usize, usize>>,
    /// What an embedder keeps across safepoints.
    pub(crate) stacks: RefCell<Stacks>,
    /// What is kept from scope to scope. The mutator's thread ends frames outside of scopes too.
    stack: ShadowStack,
    /// What roots are made of.
    pool: NonNull<SlotPool>,
    /// Bytes of marking owed by allocations.
    debt: Cell<u64>,
    /// Bytes that collections have grown by and not paid for yet.
    pub(crate) unpaid: Cell<u64>,
    core: NonNull<Core>,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("armed", &self.armed)
            .field("stamp", &self.stamp)
            .finish_non_exhaustive()
    }
}

impl Local {
    /// # Safety
    ///
    /// `core` and `pool` outlive the value.
    pub(crate) unsafe fn new(core: NonNull<Core>, pool: NonNull<SlotPool>) -> Local {
        Local {
            slots: UnsafeCell::new([NO_SLOT; LEAF_SLOTS + HASH_SLOTS]),
            armed: Cell::new(false),
            filling: Cell::new(Side::A),
            stamp: Cell::new(None),
            window_open: Cell::new(false),
            window: RefCell::default(),
            buffer: RefCell::new(Vec::with_capacity(BUFFER_LEN)),
            homes: RefCell::default(),
            has_regions: Cell::new(false),
            by_kind: RefCell::default(),
            stacks: RefCell::default(),
            stack: ShadowStack::new(),
            pool,
            debt: Cell::new(0),
            unpaid: Cell::new(0),
            core,
        }
    }

    /// The heap.
    #[inline]
    pub fn core(&self) -> &Core {
        // SAFETY: promised to `new`.
        unsafe { self.core.as_ref() }
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.core().arena
    }

    // ---- allocation

    /// Takes a cell of the kind, if its region has one: the fast path.
    ///
    /// # Safety
    ///
    /// `cell_bytes` belongs to the kind. Before anything else is done with the mutator, the caller fills the cell with an object of
    /// the kind's descriptor, or with an empty slice that is filled later.
    #[inline(always)]
    pub unsafe fn bump(&self, kind: Kind, cell_bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: L1: only the thread that owns the `Local` is here, and the reference ends with the function.
        let slots = unsafe { &mut *self.slots.get() };
        let slot = &mut slots[kind.slot()];
        if slot.kind != kind.0 || slot.limit.addr() - slot.cursor.addr() < cell_bytes {
            return None;
        }
        let cell = slot.cursor;
        slot.cursor = cell.wrapping_add(cell_bytes);
        NonNull::new(cell)
    }

    /// Whether no cell of the kind was ever wanted here.
    pub(crate) fn is_new(&self, kind: Kind) -> bool {
        !self.by_kind.borrow().contains_key(&kind.0)
    }

    /// The home of a kind, made by `bin` when the kind is new here. Its region leaves the fast path.
    pub(crate) fn home(&self, kind: Kind, bin: impl FnOnce() -> NonNull<Bin>) -> usize {
        let index = *self.by_kind.borrow_mut().entry(kind.0).or_insert_with(|| {
            let mut homes = self.homes.borrow_mut();
            homes.push(Home { kind, bin: bin(), claim: Claim::NONE, region: Region::EMPTY });
            homes.len() - 1
        });
        self.evict(kind.slot());
        index
    }

    /// Runs `change` on a home that no slot has a copy of.
    pub(crate) fn with_home<R>(&self, index: usize, change: impl FnOnce(&mut Home) -> R) -> R {
        change(&mut self.homes.borrow_mut()[index])
    }

    /// Opens a region for the fast path.
    pub(crate) fn install(&self, index: usize, region: Region, cell_bytes: usize) {
        self.has_regions.set(true);
        let limit = self.fast_limit(region.cursor, region.limit, cell_bytes);
        let kind = {
            let home = &mut self.homes.borrow_mut()[index];
            home.region = region;
            home.kind
        };
        self.evict(kind.slot());
        // SAFETY: L1: as in `bump`.
        let slots = unsafe { &mut *self.slots.get() };
        slots[kind.slot()] = Slot { kind: kind.0, cursor: region.cursor, limit, home: index };
    }

    /// Writes the cursor of a slot back to its home and empties the slot.
    fn evict(&self, slot: usize) {
        // SAFETY: L1: as in `bump`.
        let slots = unsafe { &mut *self.slots.get() };
        let Slot { cursor, home, .. } = mem::replace(&mut slots[slot], NO_SLOT);
        if home != usize::MAX {
            self.homes.borrow_mut()[home].region.cursor = cursor;
        }
    }

    /// The region that a home has open: its cursor is current if no slot has a copy.
    pub(crate) fn open_region(&self, index: usize) -> Option<Region> {
        let region = self.homes.borrow()[index].region;
        (!region.start.is_null()).then_some(region)
    }

    /// Ends the open region of a home. Returns the bytes it did not use.
    pub(crate) fn retire(&self, index: usize) -> usize {
        let mut homes = self.homes.borrow_mut();
        let home = &mut homes[index];
        let region = mem::replace(&mut home.region, Region::EMPTY);
        if region.start.is_null() {
            return 0;
        }
        if self.window_open.get() && region.cursor > region.start {
            self.window.borrow_mut().push(Span { start: region.start, end: region.cursor });
        }
        // SAFETY: A6: bins live as long as the arena; the borrow of `home` must stay free for the claim.
        let bin = unsafe { home.bin.as_ref() };
        // SAFETY: objects below the cursor were written right after the bump, inside the scope that is over or is
        // in this very allocation.
        let objects = unsafe { self.arena().retire_region(bin, &mut home.claim, region, self.birth()) };
        self.core().accounts.note_objects(objects);
        region.free_bytes()
    }

    fn retire_all(&self) {
        if !self.has_regions.replace(false) {
            return;
        }
        let mut unused = 0;
        let count = self.homes.borrow().len();
        for index in 0..count {
            // By home and not by slot: the table is a few kilobytes, most of them empty, and safepoints find it cold.
            let slot = self.homes.borrow()[index].kind.slot();
            self.evict(slot);
            unused += self.retire(index);
        }
        self.core().accounts.untake(unused as u64, self.birth());
    }

    fn release_all(&self) {
        for home in self.homes.borrow_mut().iter_mut() {
            // SAFETY: A6: bins live as long as the arena; the borrow of `home` must stay free for the claim.
            let bin = unsafe { home.bin.as_ref() };
            self.arena().release_claim(bin, &mut home.claim);
        }
    }

    /// How regions are taken now.
    pub(crate) fn birth(&self) -> Birth {
        if self.armed.get() && !self.core().plants(Bug::BornWhite) { Birth::Black } else { Birth::White }
    }

    pub(crate) fn debt(&self) -> &Cell<u64> {
        &self.debt
    }

    /// A large object that was just made: in the window it is gray.
    pub(crate) fn note_large(&self, cell: NonNull<u8>, bytes: usize) {
        if self.window_open.get() {
            // A span and no gray object: its bytes are counted as born already.
            let (start, end) = (cell.as_ptr(), cell.as_ptr().wrapping_add(bytes));
            self.window.borrow_mut().push(Span { start, end });
        }
    }

    // ---- roots

    /// The pool of root slots. Any thread may ask for it.
    #[inline]
    pub(crate) fn pool(&self) -> &SlotPool {
        // SAFETY: R3: promised to `new`.
        unsafe { self.pool.as_ref() }
    }

    /// The shadow stack. The mutator's thread may ask for it outside of scopes.
    #[inline]
    pub(crate) fn stack(&self) -> &ShadowStack {
        &self.stack
    }

    /// Makes a root of an object.
    ///
    /// # Safety
    ///
    /// `cell` holds an object of this heap that is reachable now. The slot is given back by
    /// [`RootSlot::give_up`]; until then it keeps the heap alive, if that is one with handles ([`Collector`](crate::Collector)).
    #[inline]
    pub unsafe fn add_root(&self, cell: NonNull<u8>) -> RootSlot {
        self.pool().add(self.core, cell)
    }

    /// Shades what a root leads to that is about to be dropped (S1); nobody else changes the slot meanwhile.
    #[cold]
    pub(crate) fn shade_root(&self, root: RootSlot) {
        // SAFETY: R2: the heap exists, for this is its mutator.
        let Some(cell) = (unsafe { root.get() }) else { return };
        if !self.core().plants(Bug::RootDropUnshaded) {
            // SAFETY: C2: roots lead to objects of this heap.
            unsafe { self.shade(cell) };
        }
    }

    /// Points a root at another object.
    ///
    /// # Safety
    ///
    /// As for [`Local::add_root`]; `root` is in use and of this heap.
    pub unsafe fn set_root(&self, root: RootSlot, cell: NonNull<u8>) {
        // SAFETY: C2: roots lead to objects of this heap.
        unsafe { self.overwrite(root.slot(), cell.as_ptr()) };
    }

    // ---- handshakes (called by the mutator at a safepoint, or on its behalf)

    /// Barrier on, black allocation on, window open.
    pub(crate) fn arm(&self, filling: Side) {
        self.retire_all();
        self.filling.set(filling);
        self.armed.set(true);
        self.window_open.set(true);
        if self.core().plants(Bug::EarlyStamp) {
            self.stamp.set(Some(Stamp::of_cycle(self.core().cycle_number())));
        }
    }

    /// Shades what stacks lead to: behind this, whatever the mutator can reach was loaded with every barrier on, or is gray (R7).
    pub(crate) fn flush(&self) {
        if !self.core().plants(Bug::StacksAtClose) && !self.core().plants(Bug::StacksMissed) {
            self.shade_stacks();
        }
        if !self.core().plants(Bug::LocalsAtClose) {
            self.flush_stack();
        }
    }

    /// Hands over the window.
    pub(crate) fn close(&self, cycle: u64) {
        self.retire_all();
        if self.core().plants(Bug::StacksAtClose) {
            self.shade_stacks();
        }
        self.window_open.set(false);
        self.stamp.set(Some(Stamp::of_cycle(cycle)));
        let window = self.window.take();
        if !self.core().plants(Bug::WindowLost) {
            self.core().queue.push_window(window);
        }
        if self.core().plants(Bug::LocalsAtClose) {
            self.flush_stack();
        }
        self.hand_over();
    }

    /// Hands over the barrier buffer.
    pub(crate) fn hand_over(&self) {
        if self.core().plants(Bug::BufferDropped) {
            self.buffer.borrow_mut().clear();
        }
        self.core().queue.push(&mut self.buffer.borrow_mut());
    }

    /// Barrier off, black allocation off; claims of before the flip go back.
    pub(crate) fn disarm(&self) {
        self.retire_all();
        self.release_all();
        // What is left was found black, or was born after the flip: nothing is gray (C5).
        self.buffer.borrow_mut().clear();
        self.window.borrow_mut().clear();
        self.window_open.set(false);
        self.stamp.set(None);
        self.disarm_stack();
        self.armed.set(false);
    }

    /// The state of a mutator that attaches between two handshakes: as if it had passed the earlier ones, with
    /// nothing in its hands.
    pub(crate) fn join(&self, filling: Side, closed: Option<Stamp>) {
        self.armed.set(true);
        self.window_open.set(closed.is_none());
        self.filling.set(filling);
        self.stamp.set(closed);
    }

    /// Gives everything back: the mutator detaches.
    pub(crate) fn detach(&self) {
        self.retire_all();
        self.release_all();
        self.core().queue.push_window(self.window.take());
        self.hand_over();
        self.give_stack();
    }
}
