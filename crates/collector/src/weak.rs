//! Weak references: boxes whose content does not keep alive what it leads to.
//!
//! A weak box is an ordinary object, found and freed like any other; only its tracer reports no edge. It reports the box itself
//! instead, so that at the end of marking there is a list of all boxes that existed when the cycle began.
//!
//! | when | what happens |
//! |---|---|
//! | a mutator that is not armed looks | it takes what is in the box |
//! | an armed one looks, the target is marked | the same |
//! | an armed one looks, the target is not marked | the gate decides: while marking goes on the target is shaded, into the shared queue; behind the end of marking it is dead |
//! | marking is complete | every box on the list whose target is not marked is cleared (W1), before any mutator disarms and before anything is swept |
//!
//! A target must not be shaded into the mutator's own buffer: nobody would wait for that, and marking could end before it is
//! scanned. Boxes born black need no clearing, for what they were made from was in a mutator's hands after the snapshot was complete, and
//! is marked.

use crate::{
    alloc_slow::HeapFull,
    descriptor::{Descriptor, trace_no_part},
    heap::Core,
    local::{Kind, Local},
    mark::{Gray, Marker, WeakGate},
    mutator::Mutator,
    plant::Bug,
    trace::EdgeVisitor,
};
use mudlark_arena::sync::{AtomicPtr, Mutex, Ordering};
use std::{
    alloc::Layout,
    any::TypeId,
    ptr::{NonNull, null_mut},
};

/// How many a marker finds before it tells: what is cleared at once.
pub(crate) const BATCH_LEN: usize = 256;
/// Bytes of a weak box: the smallest cell.
const BOX_BYTES: usize = mudlark_arena::CELL_BYTES_MIN;

/// A weak box of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WeakBox(NonNull<u8>);

// SAFETY: W2: what is in the box is atomic; who names the box keeps it alive, and may be on any thread.
unsafe impl Send for WeakBox {}

unsafe fn trace_box(cell: NonNull<u8>, marker: &mut Marker<'_>) {
    marker.note_weak(WeakBox(cell));
}

unsafe fn visit_box(_cell: NonNull<u8>, _visitor: &mut EdgeVisitor<'_>) {}

/// The descriptor of all weak boxes.
pub(crate) static WEAK: Descriptor = Descriptor {
    trace: trace_box,
    trace_part: trace_no_part,
    visit: visit_box,
    drop: None,
    name: || "(weak)",
    needs_trace: true,
    layout: Layout::new::<WeakBox>(),
    identity: TypeId::of::<WeakBox>,
    raw: None,
};

impl WeakBox {
    /// The box in a cell.
    ///
    /// # Safety
    ///
    /// [`Local::alloc_weak`] filled the cell, which is alive whenever the box is used.
    #[inline]
    pub unsafe fn from_cell(cell: NonNull<u8>) -> WeakBox {
        WeakBox(cell)
    }

    /// Where the box lies: an edge to it keeps the box alive.
    #[inline]
    pub fn cell(self) -> NonNull<u8> {
        self.0
    }

    #[cfg(not(loom))]
    fn target(&self) -> &AtomicPtr<u8> {
        // SAFETY: W2: the cell holds a box, which begins with this word.
        unsafe { self.0.cast::<AtomicPtr<u8>>().as_ref() }
    }

    /// Loom's atomics are no memory, so in models the cell has the address of one.
    #[cfg(loom)]
    fn target(&self) -> &AtomicPtr<u8> {
        // SAFETY: W2: the cell holds a box, which begins with this address.
        let word = unsafe { self.0.cast::<*const AtomicPtr<u8>>().read() };
        // SAFETY: words of models are never freed.
        unsafe { &*word }
    }

    /// # Safety
    ///
    /// The cell is new, and large enough.
    unsafe fn init(cell: NonNull<u8>, target: NonNull<u8>) -> WeakBox {
        let word = AtomicPtr::new(target.as_ptr());
        #[cfg(loom)]
        let word: *const AtomicPtr<u8> = Box::leak(Box::new(word));
        // SAFETY: promised by the caller.
        unsafe { cell.cast().write(word) };
        WeakBox(cell)
    }

    /// What is in the box, without asking whether it may be looked at.
    pub(crate) fn peek(self) -> Option<NonNull<u8>> {
        peek(self.target())
    }

    fn clear(self) {
        // ORDERING: Relaxed: nothing is read through null, and the target is not touched before all mutators passed disarm.
        self.target().store(null_mut(), Ordering::Relaxed);
    }
}

fn peek(weak: &AtomicPtr<u8>) -> Option<NonNull<u8>> {
    // ORDERING: Acquire pairs with the Release of whoever published the box, or filled the slot.
    NonNull::new(weak.load(Ordering::Acquire))
}

/// The weak boxes that a cycle found.
#[derive(Debug, Default)]
pub(crate) struct WeakList {
    found: Mutex<Vec<Vec<WeakBox>>>,
}

impl WeakList {
    /// Adds boxes that a marker found. It still holds work, so that marking is not complete before they are here.
    pub(crate) fn add(&self, boxes: Vec<WeakBox>) {
        self.found.lock().push(boxes);
    }

    /// Forgets all boxes: the cycle is given up.
    pub(crate) fn forget(&self) {
        self.found.lock().clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.lock().is_empty()
    }
}

impl Core {
    /// Whether nothing is to be cleared behind the end of marking.
    pub(crate) fn has_no_weak_work(&self) -> bool {
        self.weak.is_empty() && self.ephemerons.is_empty() && !self.cleanups.has_registered()
    }

    /// Behind the end of marking: clears boxes whose targets are dead (W1), some of those on the list. `false` when none was left.
    pub(crate) fn clear_weak_batch(&self) -> bool {
        let marks = self.arena.marks(self.arena.filling_side());
        let Some(boxes) = self.weak.found.lock().pop() else { return false };
        for weak in boxes {
            let Some(target) = weak.peek() else { continue };
            // SAFETY: C2: the target was an object of this heap when the cycle began, and nothing was swept since.
            if !unsafe { marks.is_marked(target.as_ptr()) } && !self.plants(Bug::WeakNotCleared) {
                weak.clear();
            }
        }
        true
    }
}

impl Local {
    /// Makes a weak box for an object.
    ///
    /// # Errors
    ///
    /// [`HeapFull`] when no memory can be had.
    ///
    /// # Safety
    ///
    /// `target` holds an object of this heap that is reachable now; `mutator` is the one that the value belongs to.
    pub unsafe fn alloc_weak(&self, mutator: &Mutator, target: NonNull<u8>) -> Result<WeakBox, HeapFull> {
        let kind = Kind::of(&WEAK);
        // SAFETY: kind and size belong together, and the cell is filled below.
        let cell = match unsafe { self.bump(kind, BOX_BYTES) } {
            Some(cell) => cell,
            // SAFETY: as above.
            None => unsafe { self.alloc_slow(mutator, kind, &WEAK, BOX_BYTES) }?,
        };
        // SAFETY: the cell is new and has room for a word.
        Ok(unsafe { WeakBox::init(cell, target) })
    }

    /// The object of a weak box, if it is not dead.
    ///
    /// # Safety
    ///
    /// The box is of this heap and reachable now.
    #[inline]
    pub unsafe fn upgrade(&self, weak: WeakBox) -> Option<NonNull<u8>> {
        // SAFETY: promised by the caller.
        unsafe { self.upgrade_word(weak.target()) }
    }

    /// The object that a weak word leads to, if it is not dead.
    ///
    /// # Safety
    ///
    /// The word lies in an object of this heap that is reachable now. It is cleared when what it leads to dies, and leads to nothing
    /// else before.
    #[inline]
    pub(crate) unsafe fn upgrade_word(&self, weak: &AtomicPtr<u8>) -> Option<NonNull<u8>> {
        let target = peek(weak)?;
        if !self.is_armed() {
            return Some(target);
        }
        // SAFETY: A1: what was in a box is the address of a cell.
        let is_marked = unsafe { self.marks().is_marked(target.as_ptr()) };
        // Once more: if the box was cleared in between, the mark may belong to an object that was made in the cell since.
        if is_marked && peek(weak) == Some(target) {
            return Some(target);
        }
        self.upgrade_unmarked(weak)
    }

    #[cold]
    fn upgrade_unmarked(&self, weak: &AtomicPtr<u8>) -> Option<NonNull<u8>> {
        // In a fork nobody marks, clears or sweeps.
        if self.core().plants(Bug::WeakUnshaded) || self.core().birthplace.is_elsewhere() {
            return peek(weak);
        }
        let mut upgraded = None;
        self.core().queue.push_weak(|gate| {
            // Again, under the gate: meanwhile marking may have ended, and the box been cleared.
            let target = peek(weak)?;
            // SAFETY: C2: what is in a box that was not cleared is an object.
            let is_marked = || unsafe { self.marks().is_marked(target.as_ptr()) };
            match gate {
                WeakGate::Open => {
                    upgraded = Some(target);
                    // SAFETY: C2: as above.
                    unsafe { self.marks().try_mark(target.as_ptr()) }.then_some(Gray(target))
                }
                WeakGate::Clearing => {
                    upgraded = Some(target).filter(|_| is_marked());
                    None
                }
                // What is left is alive: marked, or made by a mutator that has disarmed already.
                WeakGate::Cleared => {
                    upgraded = Some(target);
                    None
                }
            }
        });
        upgraded
    }
}
