//! Values that are computed when they are first asked for, from what was kept for that.
//!
//! A [`GcOnceCell`] for the value, and beside it the seed from which it is made. The seed is taken out when its time has come, so that what
//! only the seed held can be freed: a lazy list that kept its seeds would keep all that it was made from.
//!
//! Taking the seed out deletes pointers, under the eyes of a marker. So the seed lies under a mark lock, as the contents of a
//! [`GcMutex`](crate::GcMutex) do, and the argument is the one of `mutex.rs`: the lock of the once cell is between mutators, its holder
//! logs the seed before it takes it, and takes it before anything else can happen.

use crate::{
    guarded::Guarded,
    once_cell::GcOnceCell,
    scope::Scope,
    trace::{Rebrand, Static, Trace, Visitor},
};
use std::fmt;

/// How a [`GcLazy`] makes its value: implemented for the seed.
///
/// A closure cannot be traced, as nobody sees what is in it. So the pointers that the value is made from are the fields of a
/// type of your own; or, if there are none, the seed is a [`Static`] function.
///
/// # Example: a seed with a pointer
///
/// ```
/// use mudlark::{Gc, GcLazy, Heap, Initialize, Scope, Trace};
///
/// #[derive(Trace)]
/// struct Shout<'gc>(Gc<'gc, str>);
///
/// impl<'gc> Initialize<'gc, Gc<'gc, str>> for Shout<'gc> {
///     fn initialize(self, cx: &Scope<'gc>) -> Gc<'gc, str> {
///         cx.alloc_str(&self.0.to_uppercase())
///     }
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let lazy = cx.alloc(GcLazy::new(Shout(cx.alloc_str("lark"))));
///     assert_eq!(&**lazy.force(cx), "LARK");
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Initialize<'gc, T> {
    /// Makes the value.
    ///
    /// # Example: without a `GcLazy`
    ///
    /// ```
    /// use mudlark::{Heap, Initialize, Scope, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Squares(u64);
    ///
    /// impl<'gc> Initialize<'gc, Vec<u64>> for Squares {
    ///     fn initialize(self, _: &Scope<'gc>) -> Vec<u64> {
    ///         (0..self.0).map(|n| n * n).collect()
    ///     }
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     assert_eq!(Squares(3).initialize(cx), [0, 1, 4]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn initialize(self, cx: &Scope<'gc>) -> T;
}

impl<'gc, T, F> Initialize<'gc, T> for Static<F>
where
    F: for<'a> FnOnce(&'a Scope<'gc>) -> T,
{
    fn initialize(self, cx: &Scope<'gc>) -> T {
        (self.0)(cx)
    }
}

/// A value that is made from a seed when it is first asked for, once: a thunk.
///
/// It is `Sync` if the seed is `Send`, and the value `Send + Sync`. What the seed held is let go of when the value is made.
///
/// # Example: a list without end
///
/// ```
/// use mudlark::{Gc, GcLazy, Heap, Initialize, Scope, Trace};
///
/// #[derive(Trace)]
/// struct Cons<'gc> {
///     head: u64,
///     tail: GcLazy<From, Gc<'gc, Cons<'gc>>>,
/// }
///
/// /// The seed of the numbers from here on.
/// #[derive(Trace)]
/// struct From(u64);
///
/// impl<'gc> Initialize<'gc, Gc<'gc, Cons<'gc>>> for From {
///     fn initialize(self, cx: &Scope<'gc>) -> Gc<'gc, Cons<'gc>> {
///         cx.alloc(Cons { head: self.0, tail: GcLazy::new(From(self.0 + 1)) })
///     }
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let first = From(1).initialize(cx);
///     let third = first.tail.force(cx).tail.force(cx);
///     assert_eq!(third.head, 3);
///     assert!(third.tail.get().is_none());
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcLazy<S, T> {
    value: GcOnceCell<T>,
    /// Taken by the initializer of `value`. `None` beside an empty `value`: it unwound.
    seed: Guarded<Option<S>>,
}

// SAFETY: H2, O1: one thread at a time has the seed, by the lock of the once cell, so it is sent and not shared.
unsafe impl<S: Send, T: Send + Sync> Sync for GcLazy<S, T> {}

impl<S, T> GcLazy<S, T> {
    /// A value that is still to be made.
    ///
    /// # Example: nothing is made yet
    ///
    /// ```
    /// use mudlark::{GcLazy, Heap, Scope, Static};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let lazy = GcLazy::<_, u64>::new(Static(|_: &Scope<'_>| unreachable!()));
    ///     assert!(lazy.get().is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(seed: S) -> GcLazy<S, T> {
        GcLazy { value: GcOnceCell::new(), seed: Guarded::new(Some(seed)) }
    }

    /// The value, which is made now if it was not asked for before. Of several mutators that come at once, one makes it and the others
    /// wait, in their scopes: see [`GcMutex`](crate::GcMutex#waiting-in-a-scope).
    ///
    /// # Panics
    ///
    /// If making the value asks for it; and if making it panicked before.
    ///
    /// # Example: a table that most programs do not need
    ///
    /// ```
    /// use mudlark::{Gc, GcLazy, Heap, Scope, Static};
    ///
    /// type Table<'gc> = GcLazy<Static<fn(&Scope<'_>) -> Vec<u64>>, Vec<u64>>;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let squares: Gc<'_, Table<'_>> = cx.alloc(GcLazy::new(Static(|_| (0..100).map(|n| n * n).collect())));
    ///     assert_eq!(squares.force(cx)[7], 49);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn force<'gc>(&self, cx: &Scope<'gc>) -> &T
    where
        S: Initialize<'gc, T> + Trace<'gc>,
        T: Trace<'gc>,
    {
        self.value.get_or_init(cx, || self.take_seed(cx).initialize(cx))
    }

    /// By the initializer of `value`.
    fn take_seed<'gc>(&self, cx: &Scope<'gc>) -> S
    where
        S: Trace<'gc>,
    {
        // SAFETY: H2: this thread holds the lock of the once cell, and nobody has a reference to the seed.
        unsafe { self.seed.log(cx) };
        // SAFETY: H2: as above; markers keep off, for the seed was logged.
        let seed = unsafe { &mut *self.seed.get() };
        seed.take().expect("a lazy value is asked for again after making it panicked")
    }

    /// The value, if it was made.
    ///
    /// # Example: was it needed?
    ///
    /// ```
    /// use mudlark::{GcLazy, Heap, Scope, Static};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let lazy = GcLazy::new(Static(|_: &Scope<'_>| 7));
    ///     assert_eq!(lazy.get(), None);
    ///     lazy.force(cx);
    ///     assert_eq!(lazy.get(), Some(&7));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }
}

impl<S, T: fmt::Debug> fmt::Debug for GcLazy<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => f.debug_tuple("GcLazy").field(value).finish(),
            None => f.write_str("GcLazy(<not made>)"),
        }
    }
}

// SAFETY: T1: seed and value are traced; T3: the one is guarded by the mark lock, the other looks after itself.
unsafe impl<'gc, S: Trace<'gc>, T: Trace<'gc>> Trace<'gc> for GcLazy<S, T> {
    const NEEDS_TRACE: bool = S::NEEDS_TRACE || T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.seed.trace(visitor);
        self.value.trace(visitor);
    }
}

// SAFETY: B1: the same of a seed and a value under another brand.
unsafe impl<S: Rebrand, T: Rebrand> Rebrand for GcLazy<S, T>
where
    for<'gc> S::With<'gc>: Sized,
    for<'gc> T::With<'gc>: Sized,
{
    type With<'gc> = GcLazy<S::With<'gc>, T::With<'gc>>;
}
