//! A lock around contents that several mutators change.
//!
//! There are two locks in it, for two kinds of rivals:
//!
//! | lock | between whom | held |
//! |---|---|---|
//! | `Mutex` of `std` | mutators | as long as the guard lives; forever, if it is leaked |
//! | [`MarkLock`] | the mutator that got the guard, and a marker | while either of the two reads the contents once |
//!
//! A marker never takes the first, for it waits for no program. Why it reads nothing that changes:
//!
//! - Whoever takes a guard first shades the contents, behind the mutators' lock and before the first `&mut` ([`Local::log`]).
//!   So a second mutator neither changes what is being shaded, nor shades what is being changed.
//! - Contents with pointers have the brand of a scope, and a guard of them ends with it, leaked or not. No mutator passes a
//!   safepoint with one. So a guard that is out while a cycle marks was taken by a closed mutator, which left the
//!   cycle's stamp, and markers keep off for the rest of the cycle.
//! - Without a stamp a marker looks, under the mark lock. It sees what mutators wrote before: they have passed the
//!   handshake *close* since. What one mutator wrote, the next sees by the mutators' lock.
//!
//! The stamp of one mutator holds for the others, also for those that are not closed yet. Stamps appear when all have
//! passed the handshake *flush*. From then on a white object can be hidden only by taking it out of a place in
//! which it lay since: out of a stamped cell, and then the stamp's owner shaded it, or out of any other, and then the
//! barrier does.
//!
//! [`crate::GcRwLock`] rests on the same argument; its readers change nothing and leave nothing.
//!
//! [`Local::log`]: mudlark_collector::Local::log

use crate::{
    guarded::Guarded,
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_arena::sync::{Mutex, MutexGuard};
use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// Contents of any traced type that several threads' mutators change, like `std`'s `Mutex`.
///
/// It is `Sync` when the contents are `Send`, so a [`Root`](crate::Root) of an object with it can go to other threads. One mutator at
/// a time has a guard. As with [`GcRefCell`](crate::GcRefCell), the first guard in a cycle shades all contents, which takes time in
/// proportion to the pointers inside; for one pointer take a [`GcCell`](crate::GcCell), which needs no lock.
///
/// There is no poisoning: after a panic the next one finds the contents as they were left.
///
/// # Waiting in a scope
///
/// [`GcMutex::lock`] waits for another mutator, and a mutator that waits is in its scope: no cycle ends meanwhile,
/// and the heap grows. The holder never waits for the collector, so nothing more than a delay comes of it; but keep guards short.
/// Where they are not, [`GcMutex::try_lock`], leave the scope, and come again.
///
/// Deadlocks are those of `std`: a thread that waits for a guard of its own, or two that wait for each other.
/// In them the collector waits too.
///
/// # Example: a list that threads fill
///
/// ```
/// use mudlark::{Gc, GcMutex, Heap, Root};
/// use std::thread;
///
/// let heap = Heap::builder().build()?;
/// let names: Root<GcMutex<Vec<Gc<'static, str>>>> =
///     heap.attach().enter(|cx| cx.root(cx.alloc(GcMutex::new(Vec::<Gc<'_, str>>::new()))));
/// thread::scope(|threads| {
///     for name in ["Ann", "Bob"] {
///         let mut mutator = heap.attach();
///         let names = &names;
///         threads.spawn(move || mutator.enter(|cx| names.get(cx).lock(cx).push(cx.alloc_str(name))));
///     }
/// });
/// heap.collect();
/// heap.attach().enter(|cx| assert_eq!(names.get(cx).lock(cx).len(), 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcMutex<T> {
    /// Between mutators: who holds it has the contents.
    lock: Mutex<()>,
    value: Guarded<T>,
}

// SAFETY: H2: one thread at a time has the contents, by the lock, so they are sent and not shared. Markers only trace them, which
// T3 allows on any thread.
unsafe impl<T: Send> Sync for GcMutex<T> {}

// Where the lock of `std` is a word, it brings no drop glue: dead objects need no visit for its sake.
#[cfg(all(target_os = "linux", not(loom)))]
const _: () = assert!(!std::mem::needs_drop::<GcMutex<u64>>());

impl<T> GcMutex<T> {
    /// A lock around these contents, which nobody holds.
    ///
    /// # Example: a counter
    ///
    /// ```
    /// use mudlark::{GcMutex, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let hits = heap.attach().enter(|cx| {
    ///     let hits = cx.alloc(GcMutex::new(0_u64));
    ///     *hits.lock(cx) += 1;
    ///     *hits.lock(cx)
    /// });
    /// assert_eq!(hits, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(value: T) -> GcMutex<T> {
        GcMutex { lock: Mutex::new(()), value: Guarded::new(value) }
    }

    /// Waits until no other mutator has a guard, and takes one.
    ///
    /// See [waiting in a scope](GcMutex#waiting-in-a-scope). On a thread that has a guard of this lock already, it never returns, or
    /// panics.
    ///
    /// # Example: what is taken out stays alive
    ///
    /// ```
    /// use mudlark::{GcMutex, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let queue = cx.alloc(GcMutex::new(vec![cx.alloc_str("first"), cx.alloc_str("second")]));
    ///     let job = queue.lock(cx).remove(0); // The guard ends with the statement.
    ///     assert_eq!((&*job, queue.lock(cx).len()), ("first", 1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn lock<'gc>(&self, cx: &Scope<'gc>) -> GcMutexGuard<'_, T>
    where
        T: Trace<'gc>,
    {
        self.logged(cx, self.lock.lock())
    }

    /// Takes a guard, unless there is one.
    ///
    /// # Example: come again, and let cycles end meanwhile
    ///
    /// ```
    /// use mudlark::{GcMutex, Heap, Root};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let hits: Root<GcMutex<u64>> = mutator.enter(|cx| cx.root(cx.alloc(GcMutex::new(0_u64))));
    /// while !mutator.enter(|cx| hits.get(cx).try_lock(cx).map(|mut hits| *hits += 1).is_some()) {
    ///     std::thread::yield_now(); // Outside of the scope.
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_lock<'gc>(&self, cx: &Scope<'gc>) -> Option<GcMutexGuard<'_, T>>
    where
        T: Trace<'gc>,
    {
        self.lock.try_lock().map(|held| self.logged(cx, held))
    }

    /// The guard of a mutator that has the lock: contents are shaded before anybody can change them.
    #[inline]
    fn logged<'b, 'gc>(&'b self, cx: &Scope<'gc>, held: MutexGuard<'b, ()>) -> GcMutexGuard<'b, T>
    where
        T: Trace<'gc>,
    {
        // SAFETY: H2: this thread holds the lock, and has made no guard yet.
        unsafe { self.value.log(cx) };
        GcMutexGuard { value: self.value.pointer(), held, contents: PhantomData }
    }

    /// The contents of a lock that is not in the heap, or not any more.
    ///
    /// # Example: a value that was never shared
    ///
    /// ```
    /// assert_eq!(mudlark::GcMutex::new(1).into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// The contents of a lock that nobody else has, without taking it.
    ///
    /// Such a lock is not in the heap, or lies in the contents of another cell that are borrowed mutably.
    ///
    /// # Example: filled before it is shared
    ///
    /// ```
    /// use mudlark::{GcMutex, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut names = GcMutex::new(Vec::new());
    ///     names.get_mut().push("Ann");
    ///     assert_eq!(cx.alloc(names).lock(cx).len(), 1);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for GcMutex<T> {
    fn default() -> GcMutex<T> {
        GcMutex::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for GcMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lock.try_lock() {
            Some(_held) => {
                // SAFETY: H2: no guard is out while this thread holds the lock; nothing is changed, so nothing is logged.
                let value = unsafe { &*self.value.get() };
                f.debug_tuple("GcMutex").field(value).finish()
            }
            None => f.write_str("GcMutex(<locked>)"),
        }
    }
}

/// Exclusive access to the contents of a [`GcMutex`].
///
/// Nothing depends on its drop but the lock's further use: when it is leaked, the lock stays locked, its object can
/// still be collected, and its contents live as long as the object does.
///
/// # Example: a guard that is passed on
///
/// ```
/// use mudlark::{Gc, GcMutex, GcMutexGuard, Heap};
///
/// fn shorten(mut words: GcMutexGuard<'_, Vec<Gc<'_, str>>>) {
///     words.truncate(1);
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let words = cx.alloc(GcMutex::new(vec![cx.alloc_str("one"), cx.alloc_str("two")]));
///     shorten(words.lock(cx));
///     assert_eq!(words.lock(cx).len(), 1);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the lock is open again when the guard is dropped"]
pub struct GcMutexGuard<'b, T: ?Sized> {
    value: NonNull<T>,
    /// Opens the lock when it is dropped, and keeps the guard on its thread.
    held: MutexGuard<'b, ()>,
    contents: PhantomData<&'b mut T>,
}

// SAFETY: H2: a shared guard gives a `&T` and nothing else; the guard itself stays on its thread.
unsafe impl<T: ?Sized + Sync> Sync for GcMutexGuard<'_, T> {}

impl<'b, T: ?Sized> GcMutexGuard<'b, T> {
    /// Narrows the guard to a part of the contents; the lock stays taken.
    ///
    /// # Example: one field
    ///
    /// ```
    /// use mudlark::{GcMutex, GcMutexGuard, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let pair = cx.alloc(GcMutex::new((1_u64, 2_u64)));
    ///     let mut second = GcMutexGuard::map(pair.lock(cx), |pair| &mut pair.1);
    ///     *second += 1;
    ///     assert!(pair.try_lock(cx).is_none());
    ///     drop(second);
    ///     assert_eq!(*pair.lock(cx), (1, 3));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<U: ?Sized>(
        mut orig: GcMutexGuard<'b, T>,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> GcMutexGuard<'b, U> {
        let value = NonNull::from(part(&mut *orig));
        GcMutexGuard { value, held: orig.held, contents: PhantomData }
    }

    /// Narrows the guard to a part of the contents that may not be there.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` finds nothing.
    ///
    /// # Example: an element, if there is one
    ///
    /// ```
    /// use mudlark::{GcMutex, GcMutexGuard, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let list = cx.alloc(GcMutex::new(vec![1, 2]));
    ///     let first = GcMutexGuard::filter_map(list.lock(cx), |list| list.first_mut());
    ///     *first.expect("it is not empty") += 10;
    ///     let none = GcMutexGuard::filter_map(list.lock(cx), |list| list.get_mut(7));
    ///     assert_eq!(*none.expect_err("it has two elements"), [11, 2]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut orig: GcMutexGuard<'b, T>,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<GcMutexGuard<'b, U>, GcMutexGuard<'b, T>> {
        match part(&mut *orig).map(NonNull::from) {
            Some(value) => Ok(GcMutexGuard { value, held: orig.held, contents: PhantomData }),
            None => Err(orig),
        }
    }
}

impl<T: ?Sized> Deref for GcMutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: H2: this is the only guard, and it is borrowed; the part was found through it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for GcMutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: H2: this is the only guard, and it is borrowed mutably; markers keep off, for the contents were logged.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for GcMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// SAFETY: T1: the contents are traced; T3: guarded by the mark lock, which every guard logs in.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for GcMutex<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.value.trace(visitor);
    }
}

// SAFETY: B1: a lock around the same contents under another brand.
unsafe impl<T: Rebrand> Rebrand for GcMutex<T>
where
    for<'gc> T::With<'gc>: Sized,
{
    type With<'gc> = GcMutex<T::With<'gc>>;
}
