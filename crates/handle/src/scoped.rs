//! Threads that share a scope: fork and join inside of it, with its pointers.

use crate::{gc::Brand, scope::Scope};
use mudlark_collector::{InterruptFlag, Mutator, SharedCollector};
use std::{
    fmt,
    marker::PhantomData,
    panic::Location,
    sync::Arc,
    thread::{self, ScopedJoinHandle},
};

/// What spawns threads inside a scope; see [`Scope::scoped`].
///
/// It is [`std::thread::Scope`] for a heap: `'scope` is how long the threads may run, `'env` what they may borrow, `'gc` the brand
/// that all of them share.
///
/// # Example: a function that spawns
///
/// ```
/// use mudlark::{Gc, Heap, Threads};
///
/// fn in_background<'gc>(threads: &Threads<'_, '_, 'gc>, number: Gc<'gc, u64>) {
///     threads.spawn(move |cx| assert_eq!(*cx.alloc(*number + 1), 8));
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let seven = cx.alloc(7);
///     cx.scoped(|threads| in_background(threads, seven));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Threads<'scope, 'env: 'scope, 'gc: 'env> {
    threads: &'scope thread::Scope<'scope, 'env>,
    collector: SharedCollector,
    interrupt: Arc<InterruptFlag>,
    brand: Brand<'gc>,
}

impl fmt::Debug for Threads<'_, '_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("threads", self.threads).finish_non_exhaustive()
    }
}

/// The mutator of a thread that shares a scope; ends both, also when the thread unwinds.
struct Child {
    collector: SharedCollector,
    raw: Arc<Mutator>,
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: M5: it was attached to this heap on this thread; its scope's pointers have the brand of the parent's.
        unsafe { self.collector.detach_child(&self.raw) };
    }
}

impl<'scope, 'env, 'gc> Threads<'scope, 'env, 'gc> {
    /// Runs `f` on a new thread, in the scope of the caller of [`Scope::scoped`]: with a `cx` of its own and the same brand, so that
    /// pointers can go there and come back.
    ///
    /// A `Gc` can go to another thread if what it leads to is `Send` and `Sync`: immutable objects, `GcCell`, `GcMutex`, but not `GcRefCell`.
    ///
    /// # Panics
    ///
    /// If the system gives no thread. In the new thread: in a fork of the process that made the heap.
    ///
    /// # Example: pointers go there and come back
    ///
    /// ```
    /// use mudlark::{Gc, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let word = cx.alloc_str("lark");
    ///     let back = cx.scoped(|threads| threads.spawn(move |cx| [word, cx.alloc_str("wren")]).join());
    ///     let [same, other] = back.expect("no panic");
    ///     assert!(Gc::ptr_eq(word, same));
    ///     assert_eq!(&*other, "wren");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn spawn<R: Send + 'scope>(
        &self,
        f: impl FnOnce(&Scope<'gc>) -> R + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, R> {
        let (collector, interrupt) = (self.collector.clone(), Arc::clone(&self.interrupt));
        let spawned_at = Location::caller();
        self.threads.spawn(move || {
            // SAFETY: M5: `scoped` returns to the parent's scope only when all threads are over.
            let raw = unsafe { collector.attach_child(interrupt, spawned_at) };
            let child = Child { collector, raw };
            // SAFETY: H4: in the scope of the parent, whose brand it shares, until `child` is dropped.
            f(unsafe { Scope::of(&child.raw) })
        })
    }
}

impl<'gc> Scope<'gc> {
    /// Runs `f`, which spawns threads that share this scope, and waits until all of them are done: fork and join.
    ///
    /// Each thread has a mutator of its own and the brand of this scope, so pointers go there and back without
    /// [`Root`](crate::Root)s. The collector waits for the end of this scope as ever; so what takes long should be spread over
    /// several scopes. A thread can call `scoped` again.
    ///
    /// # Panics
    ///
    /// If a thread panicked whose handle was not joined, like [`std::thread::scope`]. In every case all threads have ended before.
    ///
    /// # Example: a tree, built by two threads
    ///
    /// ```
    /// use mudlark::{Gc, Heap, Scope, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Tree<'gc>(Option<[Gc<'gc, Tree<'gc>>; 2]>);
    ///
    /// fn build<'gc>(cx: &Scope<'gc>, depth: u32) -> Gc<'gc, Tree<'gc>> {
    ///     cx.alloc(Tree((depth > 0).then(|| [build(cx, depth - 1), build(cx, depth - 1)])))
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let halves = cx.scoped(|threads| {
    ///         let other = threads.spawn(|cx| build(cx, 9));
    ///         [build(cx, 9), other.join().expect("no panic")]
    ///     });
    ///     let tree = cx.alloc(Tree(Some(halves)));
    ///     assert!(tree.0.is_some());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scoped<'env, R>(&self, f: impl for<'scope> FnOnce(&Threads<'scope, 'env, 'gc>) -> R) -> R
    where
        'gc: 'env,
    {
        // SAFETY: the scope's mutator holds a handle.
        let collector = unsafe { self.core().share() };
        let interrupt = Arc::clone(self.raw().interrupt_flag());
        thread::scope(|threads| f(&Threads { threads, collector, interrupt, brand: PhantomData }))
    }
}
