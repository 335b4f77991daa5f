//! Threads that share a scope: further mutators in the scope of one, the *parent*.
//!
//! A *child* is a mutator with one scope, which begins when it attaches and lies within one scope of its parent: the parent's does not
//! end before the child has left its own and detached. Meanwhile parent and children hand each other pointers in any way,
//! past the heap. What a child made is the parent's when it is gone.
//!
//! ```text
//! parent  ──enter────────────────────────────────────────exit──   a safepoint is only here
//! child         └─attach, in scope ──── exit, detach─┘
//! ```
//!
//! # Why nothing is lost (M5)
//!
//! A handshake that is requested after the parent entered waits for the parent. So while its scope lasts, at most one is requested,
//! and the parent has not passed it. A child attaches in the state behind what is requested (M3): the whole family is in the
//! parent's stage or in the next one, and each of them in one stage throughout. Nothing is freed that the parent could
//! reach at its entry, for that takes all handshakes of a cycle. What is to be shown is that pointers that pass by the heap between
//! two adjacent stages mislead no cycle. By the handshake that the parent has not passed:
//!
//! | handshake | parent, child | why |
//! |---|---|---|
//! | *arm* | off, armed | Marking goes by what mutators hold when all of them have passed *flush*; the whole family has let go by then. What the child made is in its window, which it hands over when it detaches: scanned later, whatever the parent stores in it |
//! | *flush* | armed, armed | as above |
//! | *close* | armed, closed | *Flush* is complete. So what anybody of the family holds was loaded with all barriers on, or was made by one of them: it will be marked, whoever keeps it and wherever (`barrier.rs`). Therefore the child's new objects, black and without a window, need no scan, with pointers of the parent in them or put there by it; and a cell that the child stamped holds only such pointers |
//! | *hand over* | closed, closed | What the child shades is in its own buffer. It hands that over when it detaches, before the parent passes: the round is not quiet then (Q4) |
//! | *hold* | closed, closed | The verifier walks when the parent has passed, and so after the child detached. The child is not held, for its parent waits for it |
//! | *disarm* | closed, off | Marking is complete: what any of them holds is marked or was born black, or was born after the turn in a block that was swept before. The parent may mark such an object in the finished bitmap, as it may one that a stranger published: its cell is handed out either way (A2) |
//!
//! The step from stranger to family is only this: a pointer may come from a register instead of a word. A word makes sure that
//! its reader finds it after the writer's store; registers make sure of no more than that the giver has it, which is what the table
//! asks for. The explicit-state model plays it (`crates/model`, scene *family*), and refutes a child that is not waited for, and one
//! that does not hand over.
//!
//! # Waiting
//!
//! A parent waits for its children inside a scope, so a child must never wait for a cycle: it does not enter (it begins in its scope),
//! is not held, and is not throttled when it leaves.

use crate::{heap::Core, interrupt::InterruptFlag, local::Local, mutator::Mutator, sweeper};
use mudlark_arena::sync::Arc;
use std::{panic::Location, ptr::NonNull};

impl Core {
    /// Attaches a mutator for the current thread that is in a scope at once: within the open scope of another mutator, its parent,
    /// with which it may share pointers. `interrupt` is the parent's flag, and `entered_at` stands for where the scope was entered.
    ///
    /// # Safety
    ///
    /// The parent is a mutator of this heap and in a scope (or is such a child itself), and that scope does not end before
    /// [`Core::detach_child`]. The child is used on this thread only.
    ///
    /// # Panics
    ///
    /// In drop glue that the collector runs, and in a fork of the process that made the heap.
    pub unsafe fn attach_child(
        &self,
        interrupt: std::sync::Arc<InterruptFlag>,
        entered_at: &'static Location<'static>,
    ) -> Arc<Mutator> {
        sweeper::assert_outside_of_drop_glue("attach a mutator");
        self.assert_not_forked("attach a mutator");
        let pool = self.roots.take_pool();
        // SAFETY: promised by the caller; pools end with the heap.
        let local = unsafe { Local::new(NonNull::from(self), pool) };
        // In its scope only when it has its pool, which then leads to it.
        self.register(Mutator::new(local, interrupt), |child| child.begin_in_scope(entered_at))
    }

    /// Ends the scope of a child, and the child.
    ///
    /// # Safety
    ///
    /// It came from [`Core::attach_child`] of this heap on this thread, and is not used any more. Whatever pointers are left of its scope
    /// are the parent's.
    pub unsafe fn detach_child(&self, child: &Arc<Mutator>) {
        // A parent waits for this, so nobody waits here.
        child.end_scope();
        // SAFETY: it is of this heap and in no scope; the rest is promised by the caller.
        unsafe { self.detach(child) };
    }
}
