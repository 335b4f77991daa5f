//! Cleanups: what runs after an object died.

use crate::{gc::Gc, scope::Scope};
use mudlark_collector::{CleanupId, Collector};
use std::{fmt, sync::Weak};

impl<'gc> Scope<'gc> {
    /// Has `cleanup` run once, some time after the object died. The object itself is out of its reach.
    ///
    /// It runs outside of scopes, on a thread of its own or where the program says ([`HeapBuilder::cleanups`](crate::HeapBuilder::cleanups)),
    /// and may use the heap. A panic in it is contained, and counted in [`HeapStats::cleanups`](crate::HeapStats::cleanups). Several
    /// cleanups of one object all run, in no order that means anything. What is left when the heap ends runs then, on the thread that drops the
    /// last handle. If the process ends without that, it does not run.
    ///
    /// An object that `cleanup` owns a [`Root`](crate::Root) of never dies before it ran: so neither does one that is to be cleaned up after itself.
    /// And a heap whose cleanups own a [`Heap`](crate::Heap) or a root of it does not end before they ran.
    ///
    /// # Example: a file that goes with the object that stands for it
    ///
    /// ```
    /// use mudlark::{CleanupRunner, Heap};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let closed = Arc::new(Mutex::new(Vec::new()));
    /// let heap = Heap::builder().cleanups(CleanupRunner::Program).build()?;
    /// let mut mutator = heap.attach();
    /// let file = mutator.enter(|cx| {
    ///     let file = cx.alloc_str("notes.txt");
    ///     let closed = Arc::clone(&closed);
    ///     cx.on_drop(file, move || closed.lock().unwrap().push("notes.txt"));
    ///     cx.root(file)
    /// });
    /// mutator.collect();
    /// assert_eq!(heap.run_cleanups(), 0);
    /// drop(file);
    /// mutator.collect();
    /// assert_eq!(heap.run_cleanups(), 1);
    /// assert_eq!(*closed.lock().unwrap(), ["notes.txt"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_drop<T: ?Sized>(&self, object: Gc<'gc, T>, cleanup: impl FnOnce() + Send + 'static) -> Cleanup {
        // SAFETY: C4: the scope's mutator holds a handle.
        let collector = unsafe { self.core().share() };
        // SAFETY: H1: what a `Gc` leads to is live in its scope, which is one of this heap.
        let id = unsafe { collector.on_death(Gc::cell(object), cleanup) };
        Cleanup { collector: std::sync::Arc::downgrade(&collector), id }
    }
}

/// A registered cleanup, to cancel it. It keeps nothing alive, and dropping it changes nothing.
///
/// # Example: dropping it does not cancel
///
/// ```
/// use mudlark::{Cleanup, CleanupRunner, Heap};
///
/// let heap = Heap::builder().cleanups(CleanupRunner::Program).build()?;
/// let cleanup: Cleanup = heap.attach().enter(|cx| cx.on_drop(cx.alloc(7_u64), || ()));
/// drop(cleanup);
/// heap.collect();
/// assert_eq!(heap.run_cleanups(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cleanup {
    collector: Weak<Collector>,
    id: Option<CleanupId>,
}

impl Cleanup {
    /// Takes the cleanup back. `true` if it will never run; `false` if it ran, or is about to.
    ///
    /// # Example: closing by hand
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let cleanup = heap.attach().enter(|cx| cx.on_drop(cx.alloc(1_u64), || unreachable!()));
    /// assert!(cleanup.cancel());
    /// heap.collect();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(self) -> bool {
        match (self.collector.upgrade(), self.id) {
            (Some(collector), Some(id)) => collector.cancel_cleanup(id),
            _ => false,
        }
    }
}

impl fmt::Debug for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleanup").field("id", &self.id).finish_non_exhaustive()
    }
}
