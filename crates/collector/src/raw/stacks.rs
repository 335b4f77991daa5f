//! Stacks: what a mutator keeps across its safepoints without a barrier.
//!
//! An interpreter keeps pointers in frames and registers of its own. It registers a function that reports them, and the heap
//! calls it once in a cycle, when the mutator passes the *flush* handshake: on the mutator's thread as it leaves its scope, or on
//! another one while the mutator is outside of its scopes. What it reports is shaded.
//!
//! R7: why there, and why once. Behind *flush*, all mutators are armed. What the stack leads to from then on was on it at that
//! moment, and is gray; or was loaded later, with every barrier on, and is as safe as any pointer in a scope; or is new. So
//! stacks are written without a barrier, always. One handshake earlier, another mutator could still take a pointer out of the heap
//! unshaded that this one loads just then. One later, this mutator could store what only its stack leads to into an object that another one,
//! which has closed, has made black, and pop it. The model in `crates/model` finds both, and nothing against *flush*.

use crate::{
    barrier::Shader,
    local::Local,
    raw::{RawVisitor, StackFn},
    sweeper::contain,
};
use std::{
    ffi::c_void,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::atomic::Ordering::Relaxed,
};

/// A stack of a mutator: who reports what is on it.
#[derive(Clone, Copy)]
pub struct RawStack {
    /// Reports what each pointer on the stack leads to. It takes time at a safepoint, so a stack should not be deep without
    /// bounds: what is far below can move to an object of the heap.
    pub visit: StackFn,
    /// Handed to it.
    pub data: *mut c_void,
}

impl fmt::Debug for RawStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawStack").field("data", &self.data).finish_non_exhaustive()
    }
}

/// Names a stack of a mutator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct RawStackId(u64);

/// All stacks of a mutator.
#[derive(Debug, Default)]
pub(crate) struct Stacks {
    stacks: Vec<(RawStackId, RawStack)>,
    made: u64,
}

impl Stacks {
    pub(crate) fn add(&mut self, stack: RawStack) -> RawStackId {
        self.made += 1;
        let id = RawStackId(self.made);
        self.stacks.push((id, stack));
        id
    }

    pub(crate) fn remove(&mut self, id: RawStackId) -> bool {
        let index = self.stacks.iter().position(|&(other, _)| other == id);
        index.map(|index| self.stacks.swap_remove(index)).is_some()
    }

    /// Reports everything. `false` if a function unwound: then something is missing.
    fn visit(&self, visitor: &mut RawVisitor<'_>) -> bool {
        let visited = catch_unwind(AssertUnwindSafe(|| {
            for (_, stack) in &self.stacks {
                // SAFETY: E8: the mutator is at a safepoint, or outside of its scopes.
                unsafe { (stack.visit)(visitor, stack.data) };
            }
        }));
        visited.map_err(|payload| contain(|| drop(payload))).is_ok()
    }
}

impl Local {
    /// Shades what the stacks lead to (R7). At the handshake *flush*; the mutator is armed.
    pub(crate) fn shade_stacks(&self) {
        let stacks = self.stacks.borrow();
        if !stacks.visit(&mut RawVisitor::of_shader(Shader::new(self))) {
            // As if a tracer had panicked: nothing is swept.
            self.core().driver.abort.store(true, Relaxed);
        }
    }

    /// Tells `each` what the stacks lead to. The mutator is outside of its scopes, and stays there.
    pub(crate) fn each_on_stacks(&self, each: &mut dyn FnMut(NonNull<u8>)) -> bool {
        self.stacks.borrow().visit(&mut RawVisitor::of_each(each))
    }
}
