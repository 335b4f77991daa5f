//! Cells that are filled once.
//!
//! ```text
//!            get_or_init, set                     the value is written
//!   EMPTY ─────────────────────▶ the thread's ─────────────────────────▶ FULL   for good
//!     ▲                           own number            Release
//!     └──── the initializer unwinds ──┘
//! ```
//!
//! # Why there is no barrier, no mark lock and no stamp
//!
//! *A marker never reads what is being written.* It looks at the state with Acquire and at the value only if that is `FULL`; it
//! pairs with the Release behind the write, and after it nothing but the value's own cells changes (T3). A marker never waits:
//! a cell that is being filled is empty to it.
//!
//! *What is put into the cell is not lost, even if the marker saw the cell empty.* A deletion barrier keeps what was reachable
//! when the last mutator closed. Filling an empty cell deletes nothing, so there is nothing to shade. What goes in was in the hands of a mutator:
//!
//! - It was loaded, from an object of the snapshot or a root. There marking finds it, or whoever takes it out from there shades it
//!   (S1). A weak pointer that was upgraded shaded it.
//! - It was made by a mutator that is armed: born black. If that was in a window, before the handshake *close*, it is scanned with the window.
//! - It was made before this cycle's *arm*, in the same scope: a mutator is armed at the ends of scopes only, and has no pointer then.
//!
//! So it does not matter whether the fill falls before the snapshot or behind it. If it falls before the snapshot, that is,
//! before *close* of the mutator that fills, the marker sees it: the handshake is between the two. Then the cell is what keeps the
//! value alive, and is not missed.
//!
//! *Nothing is taken out behind a `&self`.* `take` and `get_mut` want the cell for themselves: it is not in the heap, or lies in
//! the contents of another cell that are borrowed mutably. Those were shaded as a whole, this cell included.
//!
//! Mutators wait for each other in [`GcOnceCell::get_or_init`], as with a lock. A thread that comes back to a cell that it is itself filling
//! would wait for ever. The state tells whose turn it is, so it panics instead.

use crate::{
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_arena::sync::{AtomicUsize, Mutex, Ordering};
use std::{cell::UnsafeCell, convert::Infallible, fmt};

/// A cell that is filled once, like `std`'s `OnceLock`: for what is known only after the object was made, or computed
/// when it is first asked for.
///
/// It is `Sync` if the contents are `Send + Sync`. Reading costs one predictable branch, and filling tells the collector nothing. For
/// contents whose initializer is known in advance there is [`GcLazy`](crate::GcLazy).
///
/// # Example: a name that is put together once
///
/// ```
/// use mudlark::{Gc, GcOnceCell, Heap, Scope, Trace};
///
/// #[derive(Trace)]
/// struct Person<'gc> {
///     first: Gc<'gc, str>,
///     last: Gc<'gc, str>,
///     full: GcOnceCell<Gc<'gc, str>>,
/// }
///
/// fn full<'gc>(cx: &Scope<'gc>, person: &Person<'gc>) -> Gc<'gc, str> {
///     *person.full.get_or_init(cx, || cx.alloc_str(&format!("{} {}", person.first, person.last)))
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let (first, last) = (cx.alloc_str("Ann"), cx.alloc_str("Lark"));
///     let ann = cx.alloc(Person { first, last, full: GcOnceCell::new() });
///     assert!(ann.full.get().is_none());
///     assert_eq!(&*full(cx, &ann), "Ann Lark");
///     assert!(ann.full.get().is_some());
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcOnceCell<T> {
    /// [`EMPTY`], [`FULL`], or the number of the thread that fills the cell.
    state: AtomicUsize,
    /// Between mutators: who holds it may fill the cell.
    lock: Mutex<()>,
    value: UnsafeCell<Option<T>>,
}

const EMPTY: usize = 0;
const FULL: usize = 1;

// SAFETY: O1: one thread at a time fills the cell, by the lock, and sends the value to those that share it. Markers only trace it.
unsafe impl<T: Send + Sync> Sync for GcOnceCell<T> {}

// Where the lock of `std` is a word, it brings no drop glue: dead objects need no visit for its sake.
#[cfg(all(target_os = "linux", not(loom)))]
const _: () = assert!(!std::mem::needs_drop::<GcOnceCell<u64>>());

thread_local! {
    static MARK: u64 = const { 0 };
}

/// A number that no other living thread has: an address, so neither `EMPTY` nor `FULL`.
fn this_thread() -> usize {
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

impl<T> GcOnceCell<T> {
    /// An empty cell.
    ///
    /// # Example: to be filled later
    ///
    /// ```
    /// let cell = mudlark::GcOnceCell::<u64>::new();
    /// assert!(cell.get().is_none());
    /// ```
    pub fn new() -> GcOnceCell<T> {
        GcOnceCell { state: AtomicUsize::new(EMPTY), lock: Mutex::new(()), value: UnsafeCell::new(None) }
    }

    /// What is in the cell. `None` too while it is being filled.
    ///
    /// # Example: a parent that a node learns of when it is put somewhere
    ///
    /// ```
    /// use mudlark::{Gc, GcOnceCell, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Node<'gc>(GcOnceCell<Gc<'gc, Node<'gc>>>);
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let [parent, child] = [(); 2].map(|()| cx.alloc(Node(GcOnceCell::new())));
    ///     assert!(child.0.set(cx, parent).is_ok());
    ///     assert!(child.0.get().is_some_and(|found| Gc::ptr_eq(*found, parent)));
    ///     assert!(parent.0.get().is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // ORDERING: Acquire pairs with the Release in `fill`: the value is seen complete (O1).
        if self.state.load(Ordering::Acquire) != FULL {
            return None;
        }
        // SAFETY: O1: the cell is full, and nobody changes it any more.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// What is in the cell, after filling it if it is empty. Of several mutators that come at once, one runs `init` and the others wait for it.
    ///
    /// If `init` panics, the cell stays empty. Waiting happens in the scope, see [`GcMutex`](crate::GcMutex#waiting-in-a-scope).
    ///
    /// # Panics
    ///
    /// If `init` comes back to the cell.
    ///
    /// # Example: computed once
    ///
    /// ```
    /// use mudlark::{GcOnceCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (cell, mut times) = (GcOnceCell::new(), 0);
    ///     for _ in 0..3 {
    ///         cell.get_or_init(cx, || {
    ///             times += 1;
    ///             "costly"
    ///         });
    ///     }
    ///     assert_eq!((cell.get(), times), (Some(&"costly"), 1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_init<'gc>(&self, cx: &Scope<'gc>, init: impl FnOnce() -> T) -> &T
    where
        T: Trace<'gc>,
    {
        let Ok(value) = self.get_or_try_init(cx, || Ok::<T, Infallible>(init()));
        value
    }

    /// What is in the cell, after filling it if it is empty and `init` succeeds.
    ///
    /// # Errors
    ///
    /// Those of `init`. The cell stays empty then.
    ///
    /// # Panics
    ///
    /// If `init` comes back to the cell.
    ///
    /// # Example: a value that may not fit
    ///
    /// ```
    /// use mudlark::{Gc, GcOnceCell, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let table: GcOnceCell<Gc<'_, [u64]>> = GcOnceCell::new();
    ///     assert!(table.get_or_try_init(cx, || cx.try_alloc_slice_with(1 << 20, |_| 0)).is_err());
    ///     assert!(table.get_or_try_init(cx, || cx.try_alloc_slice_with(1 << 10, |_| 0)).is_ok());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_try_init<'gc, E>(
        &self,
        _cx: &Scope<'gc>,
        init: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, E>
    where
        T: Trace<'gc>,
    {
        match self.get() {
            Some(value) => Ok(value),
            None => self.fill(init),
        }
    }

    /// Fills the cell, if it is empty.
    ///
    /// # Errors
    ///
    /// The value, if the cell is full.
    ///
    /// # Panics
    ///
    /// If an initializer of this cell calls it.
    ///
    /// # Example: the first one counts
    ///
    /// ```
    /// use mudlark::{GcOnceCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let parent = GcOnceCell::new();
    ///     assert_eq!(parent.set(cx, 1), Ok(()));
    ///     assert_eq!(parent.set(cx, 2), Err(2));
    ///     assert_eq!(parent.get(), Some(&1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn set<'gc>(&self, cx: &Scope<'gc>, value: T) -> Result<(), T>
    where
        T: Trace<'gc>,
    {
        let mut value = Some(value);
        self.get_or_try_init(cx, || value.take().ok_or(())).ok();
        value.map_or(Ok(()), Err)
    }

    /// Fills the cell with what `init` gives, unless somebody did in the meantime.
    #[cold]
    #[track_caller]
    fn fill<E>(&self, init: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let this_thread = this_thread();
        // ORDERING: Relaxed: only this thread itself ever left its number here.
        assert!(
            self.state.load(Ordering::Relaxed) != this_thread,
            "a once cell is asked for its value by its own initializer"
        );
        let _held = self.lock.lock();
        if self.get().is_none() {
            let mut turn = Turn { state: &self.state, after: EMPTY };
            // ORDERING: Relaxed: it means something to this thread alone.
            self.state.store(this_thread, Ordering::Relaxed);
            let value = init()?;
            // SAFETY: O1: this thread holds the lock, and until the cell is full nobody else looks at the value.
            unsafe { *self.value.get() = Some(value) };
            turn.after = FULL;
        }
        // SAFETY: O1: the cell is full, or will be when `turn` ends, and this thread wrote it or saw it full.
        let value = unsafe { &*self.value.get() }.as_ref();
        Ok(value.expect("the cell is full"))
    }

    /// Empties a cell that nobody else has.
    ///
    /// # Example: a cell that can be filled again
    ///
    /// ```
    /// use mudlark::{GcOnceCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut cell = GcOnceCell::from(1);
    ///     assert_eq!(cell.take(), Some(1));
    ///     assert_eq!(cell.set(cx, 2), Ok(()));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take(&mut self) -> Option<T> {
        // By `&mut`: no initializer is at work, for it would borrow the cell.
        self.state = AtomicUsize::new(EMPTY);
        self.value.get_mut().take()
    }

    /// What is in a cell that nobody else has.
    ///
    /// # Example: a change before it is shared
    ///
    /// ```
    /// use mudlark::{GcOnceCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut cell = GcOnceCell::from(vec![1]);
    ///     cell.get_mut().expect("it is full").push(2);
    ///     assert_eq!(cx.alloc(cell).get(), Some(&vec![1, 2]));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// What is in a cell that is not in the heap, or not any more.
    ///
    /// # Example: a value that was never shared
    ///
    /// ```
    /// let mut cell = mudlark::GcOnceCell::from(1);
    /// assert_eq!(cell.take(), Some(1));
    /// assert_eq!(cell.into_inner(), None);
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

/// Tells what became of the cell, also when the initializer unwinds.
struct Turn<'a> {
    state: &'a AtomicUsize,
    after: usize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `get`: the value was written before.
        self.state.store(self.after, Ordering::Release);
    }
}

impl<T> Default for GcOnceCell<T> {
    fn default() -> GcOnceCell<T> {
        GcOnceCell::new()
    }
}

impl<T> From<T> for GcOnceCell<T> {
    /// A full cell.
    fn from(value: T) -> GcOnceCell<T> {
        GcOnceCell {
            state: AtomicUsize::new(FULL),
            lock: Mutex::new(()),
            value: UnsafeCell::new(Some(value)),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for GcOnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => f.debug_tuple("GcOnceCell").field(value).finish(),
            None => f.write_str("GcOnceCell(<empty>)"),
        }
    }
}

// SAFETY: T1: the value is traced if there is one; T3: it is looked at only when it is complete, and then does not change.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for GcOnceCell<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        if T::NEEDS_TRACE
            && let Some(value) = self.get()
        {
            value.trace(visitor);
        }
    }
}

// SAFETY: B1: a cell of the same contents under another brand.
unsafe impl<T: Rebrand> Rebrand for GcOnceCell<T>
where
    for<'gc> T::With<'gc>: Sized,
{
    type With<'gc> = GcOnceCell<T::With<'gc>>;
}
