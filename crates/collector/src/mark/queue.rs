//! The shared queue of gray objects, and who is working on them.
//!
//! | field of `Inner` | meaning | rule |
//! |---|---|---|
//! | `open` | a cycle is between arm and finish | Q1: gray objects are pushed only while it is set; the flip clears it under the lock (the gate) |
//! | `chunks`, `windows`, `arrays`, `locals`, `again`, `roots` | gray objects, by kind | Q2: taken under the lock, in this order: the last four wait until what was found is drained |
//! | `guards`, `revivals`, `ephemerons` | slots to be looked at again | taken last |
//! | `active` | markers that hold work | Q3: raised with the take, lowered when nothing is held: empty and inactive means nothing is gray outside of mutators |
//! | `pushes` | pushes since birth | Q4: a round of handshakes proves marking complete only if it did not move |

use crate::{
    bell::Bell,
    mark::{Entry, ephemerons::BATCH_LEN},
    shadow_stack::{StackPiece, StackRest},
};
use mudlark_arena::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering::Relaxed};
use std::{mem, ops::Range, ptr::NonNull, time::Duration};

/// A gray object: marked, not scanned.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Gray(pub(crate) NonNull<u8>);

// SAFETY: a gray object is only ever handed to markers, which read it as `Descriptor` allows on any thread.
unsafe impl Send for Gray {}

/// Adjacent cells of one block, gray all of them: the window of a mutator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: *mut u8,
    pub(crate) end: *mut u8,
}

// SAFETY: as for `Gray`.
unsafe impl Send for Span {}

/// What a marker takes at once.
#[derive(Debug)]
pub(crate) enum Work {
    /// Objects; they are on the marker's stack already.
    Objects,
    Span(Span),
    /// Elements of a large array.
    Piece(Gray, Range<usize>),
    /// An object in which there are containers with further pieces.
    Again(Gray),
    /// Slots of one chunk of a shadow stack.
    Locals(StackPiece),
    /// Slots of one chunk of the root table.
    Roots(usize),
    /// Slots of ephemerons, to be looked at again.
    Ephemerons(Vec<Entry>),
    /// Slots of guardians: those with white keys are chosen.
    Guards(Vec<Entry>),
    /// Slots of guardians whose keys are to be marked.
    Revivals(Vec<Entry>),
}

/// The rest of a large array that is scanned piece by piece.
#[derive(Debug)]
struct ArrayRest {
    cell: Gray,
    rest: Range<usize>,
    step: usize,
}

/// How an armed mutator may look at a weak reference to an unmarked object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WeakGate {
    /// Marking goes on: the object lives if it is shaded now.
    Open,
    /// Marking is over, and what is not marked is dead.
    Clearing,
    /// References to the dead are cleared: what is left is alive.
    Cleared,
}

/// Empty vectors that are kept to be used again.
const SPARE_MAX: usize = 16;

#[derive(Debug, Default)]
struct Inner {
    open: bool,
    /// Between the end of marking and the end of clearing weak references.
    clearing: bool,
    marking: bool,
    chunks: Vec<Vec<Gray>>,
    /// By mutator; none is empty.
    windows: Vec<Vec<Span>>,
    arrays: Vec<ArrayRest>,
    /// Objects to be looked at again.
    again: Vec<Gray>,
    /// By mutator; none is empty.
    locals: Vec<StackRest>,
    roots: Range<usize>,
    /// None is empty.
    ephemerons: Vec<Vec<Entry>>,
    /// The same; while there are some, nothing else is queued.
    guards: Vec<Vec<Entry>>,
    revivals: Vec<Vec<Entry>>,
    active: usize,
    pushes: u64,
    /// Empty vectors to use again.
    spare: Vec<Vec<Gray>>,
    kicks: u64,
}

impl Inner {
    /// Takes work for a marker whose stack is empty.
    fn take(&mut self, stack: &mut Vec<Gray>) -> Option<Work> {
        debug_assert!(stack.is_empty());
        if !self.marking {
            return None;
        }
        if let Some(objects) = self.chunks.pop() {
            let empty = mem::replace(stack, objects);
            self.keep_spare(empty);
            return Some(Work::Objects);
        }
        if let Some(window) = self.windows.last_mut() {
            let span = window.pop();
            if window.is_empty() {
                self.windows.pop();
            }
            return span.map(Work::Span);
        }
        if let Some(array) = self.arrays.last_mut() {
            let end = array.rest.end.min(array.rest.start + array.step);
            let piece = Work::Piece(array.cell, array.rest.start..end);
            array.rest.start = end;
            if array.rest.is_empty() {
                self.arrays.pop();
            }
            return Some(piece);
        }
        if let Some(rest) = self.locals.last_mut() {
            let piece = rest.next_piece();
            if rest.is_empty() {
                self.locals.pop();
            }
            return piece.map(Work::Locals);
        }
        if let Some(object) = self.again.pop() {
            return Some(Work::Again(object));
        }
        if let Some(chunk) = self.roots.next() {
            return Some(Work::Roots(chunk));
        }
        if let Some(entries) = self.guards.pop() {
            return Some(Work::Guards(entries));
        }
        if let Some(entries) = self.revivals.pop() {
            return Some(Work::Revivals(entries));
        }
        let entries = self.ephemerons.last_mut()?;
        if entries.len() > BATCH_LEN {
            return Some(Work::Ephemerons(entries.split_off(entries.len() - BATCH_LEN)));
        }
        self.ephemerons.pop().map(Work::Ephemerons)
    }

    fn is_quiet(&self, round: u64) -> bool {
        self.pushes == round && self.active == 0 && self.is_empty()
    }

    fn keep_spare(&mut self, empty: Vec<Gray>) {
        if empty.capacity() > 0 && self.spare.len() < SPARE_MAX {
            self.spare.push(empty);
        }
    }

    fn is_empty(&self) -> bool {
        self.chunks.is_empty()
            && self.windows.is_empty()
            && self.arrays.is_empty()
            && self.locals.is_empty()
            && self.again.is_empty()
            && self.roots.is_empty()
            && self.ephemerons.is_empty()
            && self.guards.is_empty()
            && self.revivals.is_empty()
    }
}

/// The shared queue of gray objects. See the [module](self) for its rules.
#[derive(Debug, Default)]
pub(crate) struct MarkQueue {
    inner: Mutex<Inner>,
    /// Wakes the background thread that drives cycles.
    pub(crate) driver: Bell,
    /// The others wait here for work, or for a kick.
    wake_helpers: Condvar,
    /// Those others, as far as they wait.
    hungry: AtomicUsize,
    /// Whether gray objects are admitted, for those who do not have the lock: see [`MarkQueue::may_be_open`].
    gate: AtomicBool,
    /// Whether nobody could take objects now. Markers look at it now and then, and share.
    dry: AtomicBool,
    /// Whether objects that are marked are looked up in the table of ephemerons. Changed while nobody holds work.
    keyed: AtomicBool,
}

impl MarkQueue {
    /// Admits gray objects: a cycle begins.
    pub(crate) fn open(&self) {
        let mut inner = self.inner.lock();
        debug_assert!(inner.is_empty() && inner.active == 0, "Q1: nothing is left of the last cycle");
        inner.open = true;
        self.keyed.store(false, Relaxed);
        self.gate.store(true, Relaxed);
    }

    /// Before slots are given back to be looked at again: whether they wait in a table. Nobody holds work.
    pub(crate) fn set_keyed(&self, keyed: bool) {
        // ORDERING: P3: Relaxed: whoever takes work next, does so under the lock, after this.
        self.keyed.store(keyed, Relaxed);
    }

    /// Whether objects that are marked must be looked up: the same for as long as work is held.
    pub(crate) fn is_keyed(&self) -> bool {
        self.keyed.load(Relaxed)
    }

    /// Adds slots of ephemerons to look at again.
    pub(crate) fn push_ephemerons(&self, batches: impl IntoIterator<Item = Vec<Entry>>) {
        self.push_slots(|inner| inner.ephemerons.extend(batches));
    }

    /// Adds slots of guardians, to choose from.
    pub(crate) fn push_guards(&self, batches: Vec<Vec<Entry>>) {
        self.push_slots(|inner| inner.guards = batches);
    }

    /// Adds slots of guardians whose keys are to be marked.
    pub(crate) fn push_revivals(&self, batches: Vec<Vec<Entry>>) {
        self.push_slots(|inner| inner.revivals = batches);
    }

    fn push_slots(&self, push: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner.lock();
        if inner.open {
            push(&mut inner);
            inner.pushes += 1;
            self.notify_if_hungry(&inner);
        }
    }

    /// Whether no work came after `round`.
    pub(crate) fn is_quiet(&self, round: u64) -> bool {
        self.inner.lock().is_quiet(round)
    }

    /// Whether a cycle is open, as far as the current thread has heard: it is, if the thread does something that an armed mutator did before.
    #[inline]
    pub(crate) fn may_be_open(&self) -> bool {
        // ORDERING: Relaxed: R1: what the answer is needed for is ordered behind the opening by whoever took the handshake.
        self.gate.load(Relaxed)
    }

    /// Lets markers take work, root chunks `[0, roots)` among it: the snapshot is complete.
    pub(crate) fn start_marking(&self, roots: usize) {
        let mut inner = self.inner.lock();
        inner.marking = true;
        inner.roots = 0..roots;
        inner.pushes += 1;
    }

    /// Ends a cycle unless work came after `round`: `false` then. Afterwards nobody can push (Q1).
    pub(crate) fn finish(&self, round: u64) -> bool {
        let mut inner = self.inner.lock();
        if !inner.is_quiet(round) {
            return false;
        }
        (inner.open, inner.marking, inner.clearing) = (false, false, true);
        self.gate.store(false, Relaxed);
        true
    }

    /// No weak reference leads to a dead object any more.
    pub(crate) fn weak_is_cleared(&self) {
        self.inner.lock().clearing = false;
    }

    /// Drops all work: the cycle is aborted. Markers may still hold some, which they drop as well.
    pub(crate) fn abort(&self) {
        let mut inner = self.inner.lock();
        (inner.open, inner.marking) = (false, false);
        self.gate.store(false, Relaxed);
        inner.chunks.clear();
        inner.windows.clear();
        inner.arrays.clear();
        inner.again.clear();
        inner.ephemerons.clear();
        inner.guards.clear();
        inner.revivals.clear();
        inner.locals.clear();
        inner.roots = 0..0;
        self.notify(&mut inner);
    }

    /// If nothing is queued and nobody holds work: the number of pushes so far, to start a round with (Q4).
    pub(crate) fn drained(&self) -> Option<u64> {
        let inner = self.inner.lock();
        (inner.is_empty() && inner.active == 0).then_some(inner.pushes)
    }

    /// Whether no marker holds work any more.
    pub(crate) fn is_inactive(&self) -> bool {
        self.inner.lock().active == 0
    }

    /// Adds gray objects and leaves `objects` empty. They are dropped if no cycle is open. Wakes nobody: mutators come here at
    /// safepoints.
    pub(crate) fn push(&self, objects: &mut Vec<Gray>) {
        if objects.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.open {
            let empty = inner.spare.pop().unwrap_or_default();
            inner.chunks.push(mem::replace(objects, empty));
            inner.pushes += 1;
            self.note_chunks(&inner);
        } else {
            objects.clear();
        }
    }

    /// Runs `take` under the gate, and adds the object that it gives. `take` is told whether a cycle is open; if none is, it
    /// gives nothing.
    pub(crate) fn push_gated(&self, take: impl FnOnce(bool) -> Option<Gray>) {
        let mut inner = self.inner.lock();
        let gray = take(inner.open);
        self.add(&mut inner, gray);
    }

    /// The same for who looks at a weak reference.
    pub(crate) fn push_weak(&self, look: impl FnOnce(WeakGate) -> Option<Gray>) {
        let mut inner = self.inner.lock();
        let gray = look(match (inner.open, inner.clearing) {
            (true, _) => WeakGate::Open,
            (false, true) => WeakGate::Clearing,
            (false, false) => WeakGate::Cleared,
        });
        self.add(&mut inner, gray);
    }

    fn add(&self, inner: &mut MutexGuard<'_, Inner>, gray: Option<Gray>) {
        let Some(gray) = gray else { return };
        debug_assert!(inner.open, "Q1");
        let mut objects = inner.spare.pop().unwrap_or_default();
        objects.push(gray);
        inner.chunks.push(objects);
        inner.pushes += 1;
        self.note_chunks(inner);
    }

    /// Adds the window of a mutator.
    pub(crate) fn push_window(&self, window: Vec<Span>) {
        if window.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        debug_assert!(inner.open);
        inner.windows.push(window);
        inner.pushes += 1;
    }

    /// Adds the shadow stack of a mutator, to be scanned.
    pub(crate) fn push_locals(&self, stack: StackRest) {
        let mut inner = self.inner.lock();
        debug_assert!(inner.open && !stack.is_empty());
        inner.locals.push(stack);
        inner.pushes += 1;
    }

    /// Adds elements of a large array, to be scanned `step` at a time. The caller holds work.
    pub(crate) fn push_array(&self, cell: Gray, rest: Range<usize>, step: usize) {
        self.push_rest(|inner| inner.arrays.push(ArrayRest { cell, rest, step }));
    }

    /// Adds an object that is to be looked at again. The caller holds work.
    pub(crate) fn push_again(&self, cell: Gray) {
        self.push_rest(|inner| inner.again.push(cell));
    }

    fn push_rest(&self, push: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner.lock();
        if inner.open {
            push(&mut inner);
            inner.pushes += 1;
            self.notify_if_hungry(&inner);
        }
    }

    /// Takes the first work of a marker that holds none, its objects into `stack`. Ends with a
    /// [`MarkQueue::take_more`] that finds nothing, or with [`MarkQueue::leave`].
    pub(crate) fn take(&self, stack: &mut Vec<Gray>) -> Option<Work> {
        let mut inner = self.inner.lock();
        let work = inner.take(stack)?;
        self.note_chunks(&inner);
        if !inner.is_empty() {
            self.wake_hungry(&inner);
        }
        // Q3: in the same critical section as the take.
        inner.active += 1;
        Some(work)
    }

    /// Takes further work of a marker that used all it held; with `None` it holds nothing any more.
    pub(crate) fn take_more(&self, stack: &mut Vec<Gray>) -> Option<Work> {
        let mut inner = self.inner.lock();
        let work = inner.take(stack);
        self.note_chunks(&inner);
        if work.is_none() {
            inner.keep_spare(mem::take(stack));
            self.deactivate(&mut inner);
        }
        work
    }

    /// Gives back what a marker holds.
    pub(crate) fn leave(&self, mut objects: Vec<Gray>) {
        let mut inner = self.inner.lock();
        if inner.open && !objects.is_empty() {
            inner.chunks.push(objects);
        } else {
            objects.clear();
            inner.keep_spare(objects);
        }
        self.notify_if_hungry(&inner);
        self.deactivate(&mut inner);
    }

    fn deactivate(&self, inner: &mut Inner) {
        inner.active -= 1;
        if inner.active == 0 && inner.is_empty() {
            // The one who drives the cycle may be waiting for just this.
            self.notify(inner);
        }
    }

    /// Whether an assisting mutator or another thread would find no objects to take.
    #[inline]
    pub(crate) fn is_dry(&self) -> bool {
        self.dry.load(Relaxed)
    }

    /// Shares a part of a marker's stack.
    pub(crate) fn share(&self, objects: impl Iterator<Item = Gray>) {
        let mut inner = self.inner.lock();
        if !inner.open {
            return;
        }
        let mut chunk = inner.spare.pop().unwrap_or_default();
        chunk.extend(objects);
        inner.chunks.push(chunk);
        self.notify_if_hungry(&inner);
    }

    fn note_chunks(&self, inner: &MutexGuard<'_, Inner>) {
        self.dry.store(inner.is_empty(), Relaxed);
    }

    fn notify_if_hungry(&self, inner: &MutexGuard<'_, Inner>) {
        self.note_chunks(inner);
        self.wake_hungry(inner);
    }

    fn wake_hungry(&self, inner: &Inner) {
        if inner.marking && self.hungry.load(Relaxed) > 0 {
            self.wake_helpers.notify_one();
        }
    }

    fn notify(&self, inner: &mut Inner) {
        inner.kicks += 1;
        self.wake_helpers.notify_all();
        self.driver.ring();
    }

    /// Wakes the background threads, to look around.
    pub(crate) fn kick(&self) {
        self.notify(&mut self.inner.lock());
    }

    /// The wait of background threads that only mark: until a marker shares work, or somebody kicked since `seen`.
    pub(crate) fn wait_for_work(&self, seen: u64) {
        let mut inner = self.inner.lock();
        self.hungry.fetch_add(1, Relaxed);
        while inner.kicks == seen && (!inner.marking || inner.is_empty()) {
            inner = self.wake_helpers.wait(inner);
        }
        self.hungry.fetch_sub(1, Relaxed);
    }

    /// The wait of one that has marked enough for a while: until `limit`, or somebody kicked since `seen`.
    pub(crate) fn wait_for_kick(&self, seen: u64, limit: Duration) {
        let inner = self.inner.lock();
        if inner.kicks == seen {
            self.wake_helpers.wait_at_most(inner, limit);
        }
    }

    /// The kicks so far.
    pub(crate) fn kicks(&self) -> u64 {
        self.inner.lock().kicks
    }
}
