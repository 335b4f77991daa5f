//! A lock around contents that several mutators read at once and sometimes change.
//!
//! Why a marker reads nothing that changes stands in `mutex.rs`; a write guard here is what a guard is there. A read
//! guard may be out while a marker reads: neither changes anything.

use crate::{
    guarded::Guarded,
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_arena::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// Contents of any traced type that several threads' mutators read at once, and one at a time changes, like `std`'s
/// `RwLock`.
///
/// It is `Sync` when the contents are `Send + Sync`. The first write guard in a cycle shades all contents, which takes time in
/// proportion to the pointers inside; reading tells the collector nothing. There is no poisoning.
///
/// A mutator that waits for a guard waits in its scope: see [`GcMutex`](crate::GcMutex#waiting-in-a-scope).
///
/// # Example: a table that is mostly read
///
/// ```
/// use mudlark::{Gc, GcRwLock, Heap, Root, Trace};
/// use std::{collections::HashMap, thread};
///
/// #[derive(Trace)]
/// struct Globals<'gc> {
///     names: GcRwLock<HashMap<String, Gc<'gc, str>>>,
/// }
///
/// let heap = Heap::builder().build()?;
/// let globals: Root<Globals<'static>> =
///     heap.attach().enter(|cx| cx.root(cx.alloc(Globals { names: GcRwLock::new(HashMap::new()) })));
/// heap.attach().enter(|cx| {
///     let names = &globals.get(cx).names;
///     names.write(cx).insert("bird".to_owned(), cx.alloc_str("lark"));
/// });
/// thread::scope(|threads| {
///     for _ in 0..2 {
///         let (mut mutator, globals) = (heap.attach(), &globals);
///         threads.spawn(move || {
///             mutator.enter(|cx| assert_eq!(&*globals.get(cx).names.read()["bird"], "lark"));
///         });
///     }
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcRwLock<T> {
    /// Between mutators: who holds it may read the contents, or change them.
    lock: RwLock<()>,
    value: Guarded<T>,
}

// SAFETY: H2: readers on several threads share the contents, and a writer on any thread has them for itself, by the lock.
// Markers only trace them, which T3 allows on any thread.
unsafe impl<T: Send + Sync> Sync for GcRwLock<T> {}

// Where the lock of `std` is plain words, it brings no drop glue: dead objects need no visit for its sake.
#[cfg(all(target_os = "linux", not(loom)))]
const _: () = assert!(!std::mem::needs_drop::<GcRwLock<u64>>());

impl<T> GcRwLock<T> {
    /// A lock around these contents, which nobody holds.
    ///
    /// # Example: a setting
    ///
    /// ```
    /// use mudlark::{GcRwLock, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let level = cx.alloc(GcRwLock::new(1_u64));
    ///     *level.write(cx) = 2;
    ///     assert_eq!(*level.read(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(value: T) -> GcRwLock<T> {
        GcRwLock { lock: RwLock::new(()), value: Guarded::new(value) }
    }

    /// Waits until no mutator has a write guard, and takes a read guard.
    ///
    /// See [waiting in a scope](crate::GcMutex#waiting-in-a-scope). On a thread that has a guard of this lock already, it may never
    /// return, or panic.
    ///
    /// # Example: two readers
    ///
    /// ```
    /// use mudlark::{GcRwLock, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let words = cx.alloc(GcRwLock::new(vec![cx.alloc_str("one")]));
    ///     let first = words.read()[0]; // The guard ends with the statement.
    ///     assert_eq!((&*first, words.read().len()), ("one", 1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn read(&self) -> GcRwLockReadGuard<'_, T> {
        GcRwLockReadGuard { held: self.lock.read(), value: self.value.pointer() }
    }

    /// Takes a read guard, unless there is a write guard.
    ///
    /// # Example: a writer is at work
    ///
    /// ```
    /// use mudlark::{GcRwLock, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let level = cx.alloc(GcRwLock::new(1_u64));
    ///     let writer = level.write(cx);
    ///     assert!(level.try_read().is_none());
    ///     drop(writer);
    ///     assert!(level.try_read().is_some());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_read(&self) -> Option<GcRwLockReadGuard<'_, T>> {
        self.lock.try_read().map(|held| GcRwLockReadGuard { value: self.value.pointer(), held })
    }

    /// Waits until no mutator has a guard, and takes a write guard.
    ///
    /// See [waiting in a scope](crate::GcMutex#waiting-in-a-scope). On a thread that has a guard of this lock already, it never returns,
    /// or panics.
    ///
    /// # Example: replacing everything
    ///
    /// ```
    /// use mudlark::{GcRwLock, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let words = cx.alloc(GcRwLock::new(vec![cx.alloc_str("one")]));
    ///     *words.write(cx) = vec![cx.alloc_str("two"), cx.alloc_str("three")];
    ///     assert_eq!(words.read().len(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn write<'gc>(&self, cx: &Scope<'gc>) -> GcRwLockWriteGuard<'_, T>
    where
        T: Trace<'gc>,
    {
        self.logged(cx, self.lock.write())
    }

    /// Takes a write guard, unless there is a guard.
    ///
    /// # Example: a reader is at work
    ///
    /// ```
    /// use mudlark::{GcRwLock, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let level = cx.alloc(GcRwLock::new(1_u64));
    ///     let reader = level.read();
    ///     assert!(level.try_write(cx).is_none());
    ///     drop(reader);
    ///     assert!(level.try_write(cx).is_some());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_write<'gc>(&self, cx: &Scope<'gc>) -> Option<GcRwLockWriteGuard<'_, T>>
    where
        T: Trace<'gc>,
    {
        self.lock.try_write().map(|held| self.logged(cx, held))
    }

    /// The guard of a mutator that has the lock for itself: contents are shaded before anybody can change them.
    #[inline]
    fn logged<'b, 'gc>(&'b self, cx: &Scope<'gc>, held: RwLockWriteGuard<'b, ()>) -> GcRwLockWriteGuard<'b, T>
    where
        T: Trace<'gc>,
    {
        // SAFETY: H2: this thread holds the lock for itself, and has made no guard yet.
        unsafe { self.value.log(cx) };
        GcRwLockWriteGuard { value: self.value.pointer(), held, contents: PhantomData }
    }

    /// The contents of a lock that is not in the heap, or not any more.
    ///
    /// # Example: a value that was never shared
    ///
    /// ```
    /// assert_eq!(mudlark::GcRwLock::new(1).into_inner(), 1);
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
    /// use mudlark::{GcRwLock, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut names = GcRwLock::new(Vec::new());
    ///     names.get_mut().push("Ann");
    ///     assert_eq!(cx.alloc(names).read().len(), 1);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for GcRwLock<T> {
    fn default() -> GcRwLock<T> {
        GcRwLock::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for GcRwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Some(value) => f.debug_tuple("GcRwLock").field(&*value).finish(),
            None => f.write_str("GcRwLock(<locked>)"),
        }
    }
}

/// Shared access to the contents of a [`GcRwLock`].
///
/// Nothing depends on its drop but the lock's further use: when it is leaked, the contents can be read and never again
/// be changed.
///
/// # Example: a guard that is passed on
///
/// ```
/// use mudlark::{GcRwLock, GcRwLockReadGuard, Heap};
///
/// fn sum(numbers: GcRwLockReadGuard<'_, Vec<u64>>) -> u64 {
///     numbers.iter().sum()
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| assert_eq!(sum(cx.alloc(GcRwLock::new(vec![1, 2])).read()), 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the lock is open again when the guard is dropped"]
pub struct GcRwLockReadGuard<'b, T: ?Sized> {
    value: NonNull<T>,
    /// Opens the lock when it is dropped, and keeps the guard on its thread.
    held: RwLockReadGuard<'b, ()>,
}

// SAFETY: H2: a shared guard gives a `&T` and nothing else; the guard itself stays on its thread.
unsafe impl<T: ?Sized + Sync> Sync for GcRwLockReadGuard<'_, T> {}

impl<'b, T: ?Sized> GcRwLockReadGuard<'b, T> {
    /// Narrows the guard to a part of the contents; the lock stays taken.
    ///
    /// # Example: one field
    ///
    /// ```
    /// use mudlark::{GcRwLock, GcRwLockReadGuard, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let pair = cx.alloc(GcRwLock::new((1_u64, 2_u64)));
    ///     let second = GcRwLockReadGuard::map(pair.read(), |pair| &pair.1);
    ///     assert_eq!(*second, 2);
    ///     assert!(pair.try_write(cx).is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<U: ?Sized>(
        orig: GcRwLockReadGuard<'b, T>,
        part: impl FnOnce(&T) -> &U,
    ) -> GcRwLockReadGuard<'b, U> {
        let value = NonNull::from(part(&*orig));
        GcRwLockReadGuard { value, held: orig.held }
    }

    /// Narrows the guard to a part of the contents that may not be there.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` finds nothing.
    ///
    /// # Example: what a name stands for
    ///
    /// ```
    /// use mudlark::{GcRwLock, GcRwLockReadGuard, Heap};
    /// use std::collections::BTreeMap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let ages = cx.alloc(GcRwLock::new(BTreeMap::from([("Ann", 41)])));
    ///     let age = |name| GcRwLockReadGuard::filter_map(ages.read(), |ages| ages.get(name)).ok();
    ///     assert_eq!(age("Ann").as_deref(), Some(&41));
    ///     assert!(age("Bob").is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_map<U: ?Sized>(
        orig: GcRwLockReadGuard<'b, T>,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<GcRwLockReadGuard<'b, U>, GcRwLockReadGuard<'b, T>> {
        match part(&*orig).map(NonNull::from) {
            Some(value) => Ok(GcRwLockReadGuard { value, held: orig.held }),
            None => Err(orig),
        }
    }
}

impl<T: ?Sized> Deref for GcRwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: H2: while this guard holds the lock, there is no write guard; the part was found through it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for GcRwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Exclusive access to the contents of a [`GcRwLock`].
///
/// Nothing depends on its drop but the lock's further use: when it is leaked, the lock stays locked, its object can
/// still be collected, and its contents live as long as the object does.
///
/// # Example: reading what was written
///
/// ```
/// use mudlark::{GcRwLock, GcRwLockWriteGuard, Heap};
///
/// fn push(mut numbers: GcRwLockWriteGuard<'_, Vec<u64>>) -> usize {
///     numbers.push(3);
///     numbers.len()
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| assert_eq!(push(cx.alloc(GcRwLock::new(vec![1, 2])).write(cx)), 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the lock is open again when the guard is dropped"]
pub struct GcRwLockWriteGuard<'b, T: ?Sized> {
    value: NonNull<T>,
    /// Opens the lock when it is dropped, and keeps the guard on its thread.
    held: RwLockWriteGuard<'b, ()>,
    contents: PhantomData<&'b mut T>,
}

// SAFETY: H2: a shared guard gives a `&T` and nothing else; the guard itself stays on its thread.
unsafe impl<T: ?Sized + Sync> Sync for GcRwLockWriteGuard<'_, T> {}

impl<'b, T: ?Sized> GcRwLockWriteGuard<'b, T> {
    /// Narrows the guard to a part of the contents; the lock stays taken.
    ///
    /// # Example: one field
    ///
    /// ```
    /// use mudlark::{GcRwLock, GcRwLockWriteGuard, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let pair = cx.alloc(GcRwLock::new((1_u64, 2_u64)));
    ///     let mut second = GcRwLockWriteGuard::map(pair.write(cx), |pair| &mut pair.1);
    ///     *second += 1;
    ///     drop(second);
    ///     assert_eq!(*pair.read(), (1, 3));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<U: ?Sized>(
        mut orig: GcRwLockWriteGuard<'b, T>,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> GcRwLockWriteGuard<'b, U> {
        let value = NonNull::from(part(&mut *orig));
        GcRwLockWriteGuard { value, held: orig.held, contents: PhantomData }
    }

    /// Narrows the guard to a part of the contents that may not be there.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` finds nothing.
    ///
    /// # Example: a birthday
    ///
    /// ```
    /// use mudlark::{GcRwLock, GcRwLockWriteGuard, Heap};
    /// use std::collections::BTreeMap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let ages = cx.alloc(GcRwLock::new(BTreeMap::from([("Ann", 41)])));
    ///     let age = GcRwLockWriteGuard::filter_map(ages.write(cx), |ages| ages.get_mut("Ann"));
    ///     let mut age = age.expect("she is there");
    ///     *age += 1;
    ///     drop(age);
    ///     assert_eq!(ages.read()["Ann"], 42);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut orig: GcRwLockWriteGuard<'b, T>,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<GcRwLockWriteGuard<'b, U>, GcRwLockWriteGuard<'b, T>> {
        match part(&mut *orig).map(NonNull::from) {
            Some(value) => Ok(GcRwLockWriteGuard { value, held: orig.held, contents: PhantomData }),
            None => Err(orig),
        }
    }
}

impl<T: ?Sized> Deref for GcRwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: H2: this is the only guard, and it is borrowed.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for GcRwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: H2: this is the only guard, and it is borrowed mutably; markers keep off, for the contents were logged.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for GcRwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// SAFETY: T1: the contents are traced; T3: guarded by the mark lock, which every write guard logs in.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for GcRwLock<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.value.trace(visitor);
    }
}

// SAFETY: B1: a lock around the same contents under another brand.
unsafe impl<T: Rebrand> Rebrand for GcRwLock<T>
where
    for<'gc> T::With<'gc>: Sized,
{
    type With<'gc> = GcRwLock<T::With<'gc>>;
}
