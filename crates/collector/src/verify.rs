//! The verifier: a second marker, as simple as can be, that checks the first one.
//!
//! When a cycle has marked and cleared its weak references, the verifier waits until every mutator is outside of its scopes, keeps them from
//! entering, and walks the heap from the roots: one thread, a stack, a hash set. Everything it comes to must be marked (V1), every weak
//! reference on the way must be empty or lead to something marked. It remembers where it was: until the bitmaps take turns again, none of
//! these cells may be handed out (V2).
//!
//! Of an ephemeron that it comes to, the key must be marked, and the value too; it walks on to the value when it has come to the key on
//! some other way.
//!
//! A cycle that fails is given up like one whose tracer panicked: nothing is swept, so the program can go on and tell. This is a mode for
//! tests. It is the one place in which mutators wait for each other: at the entry of scopes, never inside. If that takes too long, because a
//! mutator in a scope itself waits for one that may not enter, the cycle goes on unverified.

use crate::{
    descriptor::Descriptor,
    ephemeron::EphemeronSlot,
    heap::{Core, Registry},
    sweeper::contain,
    trace::EdgeVisitor,
    weak::{WEAK, WeakBox},
};
use hashbrown::{HashMap, HashSet};
use mudlark_arena::{
    Region,
    sync::{AtomicBool, Mutex, Ordering},
};
use std::{ptr::NonNull, time::Duration};

/// What the verifier found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct VerifyReport {
    /// Cycles that were checked.
    pub cycles: u64,
    /// Cycles that were not, because mutators could not be kept outside of their scopes.
    pub skipped: u64,
    /// Objects that were looked at, all cycles together.
    pub objects: u64,
    /// What was wrong, at most [`VIOLATIONS_MAX`] of it. Empty if all is well.
    pub violations: Vec<String>,
}

/// How many violations are described.
pub const VIOLATIONS_MAX: usize = 16;
/// How long a mutator waits at the entry of a scope for others to leave theirs.
pub(crate) const HOLD_MAX: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Verifier {
    is_on: bool,
    /// Mutators may not enter. Changed under the lock of the registry.
    holding: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    report: VerifyReport,
    /// Addresses of the cells that were reached last, ascending.
    reached: Vec<usize>,
}

/// Whether a cycle may end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Verdict {
    Sound,
    Broken,
}

impl Verifier {
    pub(crate) fn new(is_on: bool) -> Verifier {
        Verifier { is_on, holding: AtomicBool::new(false), state: Mutex::new(State::default()) }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether mutators may not enter now.
    pub(crate) fn is_holding(&self) -> bool {
        self.holding.load(Ordering::Acquire)
    }

    /// V2: cells that were reached when the last cycle was verified are not handed out.
    pub(crate) fn check_region(&self, region: &Region) {
        if !self.is_on {
            return;
        }
        let mut state = self.state.lock();
        let (start, limit) = (region.start.addr(), region.limit.addr());
        let first = state.reached.partition_point(|&cell| cell < start);
        if let Some(&cell) = state.reached.get(first).filter(|&&cell| cell < limit) {
            let message = format!("the cell at {cell:#x} was live in the last cycle, and is handed out");
            state.report.note(message);
        }
    }

    /// Forgets which cells are live: marking was not verified, or its result not used.
    fn forget(&self) {
        self.state.lock().reached.clear();
    }
}

impl VerifyReport {
    fn note(&mut self, violation: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }
}

/// An object to look at, and the one that leads to it (roots and locals: none).
struct Step {
    cell: NonNull<u8>,
    from: Option<NonNull<u8>>,
}

/// One walk through the heap.
#[derive(Default)]
struct Walk {
    reached: HashSet<usize>,
    steps: Vec<Step>,
    /// Values of ephemerons, by keys that were not reached yet.
    waiting: HashMap<usize, Vec<Step>>,
    violations: Vec<String>,
}

impl Core {
    /// What the verifier found so far.
    ///
    /// # Panics
    ///
    /// In a fork of the process that made the heap.
    pub fn verify_report(&self) -> VerifyReport {
        self.assert_not_forked("read the verifier's report");
        self.verifier.state.lock().report.clone()
    }

    /// Keeps mutators from entering scopes. The caller drives the cycle, and requests the handshake that tells them.
    pub(crate) fn hold_mutators(&self) {
        self.verifier.holding.store(true, Ordering::Release);
    }

    /// Lets mutators enter, verified or not.
    pub(crate) fn stop_holding(&self) {
        let _registry = self.registry.lock();
        self.verifier.holding.store(false, Ordering::Release);
    }

    /// Checks what was marked, unless somebody could not wait. All mutators have acknowledged that they are held.
    pub(crate) fn verify(&self) -> Verdict {
        // Nobody attaches, detaches or stops the holding meanwhile.
        let registry = self.registry.lock();
        if !self.verifier.is_holding() {
            self.verifier.forget();
            self.verifier.state.lock().report.skipped += 1;
            return Verdict::Sound;
        }
        let verdict = self.verify_held(&registry);
        self.verifier.holding.store(false, Ordering::Release);
        verdict
    }

    fn verify_held(&self, registry: &Registry) -> Verdict {
        let mut walk = Walk::default();
        for chunk in 0..self.roots.chunk_count() {
            self.roots.each_in_chunk(chunk, |cell| walk.steps.push(Step { cell, from: None }));
        }
        for mutator in &registry.mutators {
            mutator.each_local(|cell| walk.steps.push(Step { cell, from: None }));
            // SAFETY: V3: the mutator is held outside of its scopes, and nobody serves it while the registry is locked.
            let local = unsafe { mutator.local() };
            if !local.each_on_stacks(&mut |cell| walk.steps.push(Step { cell, from: None })) {
                // As below, for a stack's function.
                self.verifier.forget();
                return Verdict::Broken;
            }
        }
        while let Some(step) = walk.steps.pop() {
            let cell = step.cell.addr().get();
            if walk.reached.insert(cell) {
                walk.steps.extend(walk.waiting.remove(&cell).into_iter().flatten());
                if !self.verify_object(&step, &mut walk) {
                    // A tracer panicked: what it leads to is not known, and the cycle is given up as if it had panicked for the marker.
                    self.verifier.forget();
                    return Verdict::Broken;
                }
            }
        }
        let Walk { reached, mut violations, .. } = walk;
        self.each_cleanup_target(|target| {
            if self.is_dead(target) {
                violations.push(format!("a cleanup waits for the object at {target:p}, which is dead"));
            }
        });
        let mut state = self.verifier.state.lock();
        state.report.cycles += 1;
        state.report.objects += reached.len() as u64;
        state.reached.clear();
        if violations.is_empty() {
            state.reached.extend(reached);
            state.reached.sort_unstable();
            return Verdict::Sound;
        }
        violations.into_iter().for_each(|violation| state.report.note(violation));
        Verdict::Broken
    }

    /// Looks at an object, and notes where it leads. `false` if its tracer panicked.
    fn verify_object(&self, step: &Step, walk: &mut Walk) -> bool {
        let cell = step.cell;
        if !self.arena.contains(cell.as_ptr()) {
            walk.violations.push(format!("{}: not in the heap", self.describe_step(step)));
            return true;
        }
        // SAFETY: C2: what roots and objects lead to are cells of this arena; checked as far as can be.
        let tag = unsafe { self.arena.tag(cell.as_ptr()) };
        if tag.is_null() {
            walk.violations.push(format!("{}: its block is free", self.describe_step(step)));
            return true;
        }
        if self.is_dead(cell) {
            walk.violations.push(format!("{}: not marked", self.describe_step(step)));
        }
        if std::ptr::eq(tag.cast(), &raw const WEAK) {
            // SAFETY: W2: the descriptor says that the cell holds a box.
            let target = unsafe { WeakBox::from_cell(cell) }.peek();
            if target.is_some_and(|target| self.is_dead(target)) {
                walk.violations.push(format!("{}: leads to a dead object", self.describe_step(step)));
            }
        }
        // SAFETY: C2: the tag of every block in use is the address of a descriptor that lives as long as the heap.
        let descriptor = unsafe { &*tag.cast::<Descriptor>() };
        self.verify_size(step, descriptor, walk);
        let mut each = |target| walk.steps.push(Step { cell: target, from: Some(cell) });
        let mut pairs = Vec::new();
        let mut each_pair = |slot: &EphemeronSlot| pairs.push((slot.peek_key(), slot.peek_value()));
        // SAFETY: V3: all mutators are outside of their scopes.
        let mut visitor = unsafe { EdgeVisitor::new(&mut each) }.with_ephemerons(&mut each_pair);
        let mut is_seen = false;
        contain(|| {
            // SAFETY: C1: the cell holds an object of the block's descriptor.
            unsafe { descriptor.visit_object(cell, &mut visitor) };
            is_seen = true;
        });
        for (key, value) in pairs {
            self.verify_pair(step, key, value, walk);
        }
        is_seen
    }

    /// Compares what an object of the raw tier says of its size with the place it has.
    fn verify_size(&self, step: &Step, descriptor: &Descriptor, walk: &mut Walk) {
        let Some(raw) = descriptor.raw else { return };
        let mut own_bytes = None;
        // SAFETY: P1: the cell holds an object of the type. One whose size panics says nothing.
        contain(|| own_bytes = unsafe { raw.size_of_object(step.cell) });
        // SAFETY: C2: the cell is one of this arena.
        let bytes = unsafe { self.arena.object_bytes(step.cell.as_ptr()) };
        if let Some(own_bytes) = own_bytes.filter(|&own_bytes| own_bytes > bytes) {
            let step = self.describe_step(step);
            walk.violations.push(format!("{step}: takes {own_bytes} bytes, more than its place"));
        }
    }

    fn verify_pair(&self, of: &Step, key: Option<NonNull<u8>>, value: Option<NonNull<u8>>, walk: &mut Walk) {
        let Some(key) = key else {
            if value.is_some() {
                walk.violations.push(format!("{}: a value without a key", self.describe_step(of)));
            }
            return;
        };
        if self.is_dead(key) {
            walk.violations.push(format!("{}: has a dead key", self.describe_step(of)));
            return;
        }
        let Some(value) = value else { return };
        let step = Step { cell: value, from: Some(of.cell) };
        if self.is_dead(value) {
            walk.violations
                .push(format!("{}: the value of a live key, and not marked", self.describe_step(&step)));
        } else if walk.reached.contains(&key.addr().get()) {
            walk.steps.push(step);
        } else {
            walk.waiting.entry(key.addr().get()).or_default().push(step);
        }
    }

    /// Whether what was an object when the cycle began, or was made since, is not marked.
    fn is_dead(&self, cell: NonNull<u8>) -> bool {
        // SAFETY: C2: it is a cell of this arena, and nothing was swept since.
        !unsafe { self.arena.marks(self.arena.filling_side()).is_marked(cell.as_ptr()) }
    }

    fn describe_step(&self, step: &Step) -> String {
        let name = |cell: NonNull<u8>| -> &str {
            if !self.arena.contains(cell.as_ptr()) {
                return "?";
            }
            // SAFETY: C2: as in `verify_object`.
            let tag = unsafe { self.arena.tag(cell.as_ptr()) }.cast::<Descriptor>();
            // SAFETY: C2: as above, or null.
            unsafe { tag.as_ref() }.map_or("?", Descriptor::type_name)
        };
        let cycle = self.cycle_number();
        let from = step.from.map_or("a root or a stack".into(), |from| format!("{} at {from:p}", name(from)));
        format!("cycle {cycle}: {} at {:p}, reached from {from}", name(step.cell), step.cell)
    }
}
