//! Cells of anything: contents that change, checked at run time.

use crate::{
    guarded::Guarded,
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use std::{
    cell::Cell,
    error::Error,
    fmt,
    ops::{Deref, DerefMut},
};

/// Contents of any traced type that can be changed, like `std`'s `RefCell`.
///
/// The first mutable borrow in a cycle shades all contents, so that the collector never looks at what is
/// being changed: it takes time in proportion to the pointers inside. For large arrays of pointers
/// take a slice of [`GcCell`](crate::GcCell)s, whose barrier is constant.
///
/// Not `Sync`: one thread's mutators use it.
///
/// # Example: an object with a growing list
///
/// ```
/// use mudlark::{Gc, GcRefCell, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let names = cx.alloc(GcRefCell::new(Vec::new()));
///     names.borrow_mut(cx).push(cx.alloc_str("Ann"));
///     assert_eq!(names.borrow().len(), 1);
///     assert!(names.try_borrow_mut(cx).is_ok());
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcRefCell<T> {
    /// Shared borrows, or [`EXCLUSIVE`].
    borrows: Cell<u32>,
    value: Guarded<T>,
}

const EXCLUSIVE: u32 = u32::MAX;

/// The contents are mutably borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BorrowError;

/// The contents are borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BorrowMutError;

impl fmt::Display for BorrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the contents of the cell are mutably borrowed; drop the `RefMut` first")
    }
}

impl fmt::Display for BorrowMutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the contents of the cell are borrowed; drop the `Ref` or `RefMut` first")
    }
}

impl Error for BorrowError {}
impl Error for BorrowMutError {}

impl<T> GcRefCell<T> {
    /// A cell with these contents.
    pub fn new(value: T) -> GcRefCell<T> {
        GcRefCell { borrows: Cell::new(0), value: Guarded::new(value) }
    }

    /// Borrows the contents.
    ///
    /// # Panics
    ///
    /// If they are mutably borrowed.
    #[inline]
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.try_borrow().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Borrows the contents.
    ///
    /// # Errors
    ///
    /// If they are mutably borrowed, or borrowed four billion times.
    #[inline]
    pub fn try_borrow(&self) -> Result<Ref<'_, T>, BorrowError> {
        let borrows = self.borrows.get();
        if borrows >= EXCLUSIVE - 1 {
            return Err(BorrowError);
        }
        self.borrows.set(borrows + 1);
        Ok(Ref { cell: self })
    }

    /// Borrows the contents mutably.
    ///
    /// # Panics
    ///
    /// If they are borrowed.
    #[inline]
    #[track_caller]
    pub fn borrow_mut<'gc>(&self, cx: &Scope<'gc>) -> RefMut<'_, T>
    where
        T: Trace<'gc>,
    {
        self.try_borrow_mut(cx).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Borrows the contents mutably.
    ///
    /// # Errors
    ///
    /// If they are borrowed.
    #[inline]
    pub fn try_borrow_mut<'gc>(&self, cx: &Scope<'gc>) -> Result<RefMut<'_, T>, BorrowMutError>
    where
        T: Trace<'gc>,
    {
        if self.borrows.get() != 0 {
            return Err(BorrowMutError);
        }
        // SAFETY: H2: nobody has a mutable borrow, and this thread makes none meanwhile.
        unsafe { self.value.log(cx) };
        self.borrows.set(EXCLUSIVE);
        Ok(RefMut { cell: self })
    }
}

impl<T: fmt::Debug> fmt::Debug for GcRefCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_borrow() {
            Ok(value) => f.debug_tuple("GcRefCell").field(&&*value).finish(),
            Err(BorrowError) => f.write_str("GcRefCell(<borrowed>)"),
        }
    }
}

/// A shared borrow of the contents of a [`GcRefCell`].
pub struct Ref<'b, T> {
    cell: &'b GcRefCell<T>,
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: H2: while this borrow is counted, no mutable one is made.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> Drop for Ref<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.borrows.set(self.cell.borrows.get() - 1);
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A mutable borrow of the contents of a [`GcRefCell`].
///
/// Nothing depends on its drop but the cell's further use: when it is leaked, the cell stays borrowed.
pub struct RefMut<'b, T> {
    cell: &'b GcRefCell<T>,
}

impl<T> Deref for RefMut<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: H2: this is the only borrow.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for RefMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: H2: this is the only borrow; markers keep off, for the contents were logged.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T> Drop for RefMut<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.borrows.set(0);
    }
}

impl<T: fmt::Debug> fmt::Debug for RefMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// SAFETY: T1: the contents are traced; T3: guarded by the lock, which every exclusive borrow logs in.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for GcRefCell<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.value.trace(visitor);
    }
}

// SAFETY: B1: a cell of the same contents under another brand.
unsafe impl<T: Rebrand> Rebrand for GcRefCell<T>
where
    for<'gc> T::With<'gc>: Sized,
{
    type With<'gc> = GcRefCell<T::With<'gc>>;
}
