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
    marker::PhantomData,
    mem,
    ops::{Deref, DerefMut},
    ptr::NonNull,
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
///
/// # Example: a reader that comes at a bad time
///
/// ```
/// use mudlark::{BorrowError, GcRefCell, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let cell = GcRefCell::new(1);
///     let _writer = cell.borrow_mut(cx);
///     assert_eq!(cell.try_borrow().err(), Some(BorrowError));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BorrowError;

/// The contents are borrowed.
///
/// # Example: a script that changes what it iterates over
///
/// ```
/// use mudlark::{BorrowMutError, GcRefCell, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let list = cx.alloc(GcRefCell::new(vec![1, 2]));
///     for _ in list.borrow().iter() {
///         assert_eq!(list.try_borrow_mut(cx).err(), Some(BorrowMutError));
///     }
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    ///
    /// # Example: contents of any type
    ///
    /// ```
    /// let cell = mudlark::GcRefCell::new(vec![1, 2]);
    /// assert_eq!(cell.borrow().len(), 2);
    /// ```
    pub fn new(value: T) -> GcRefCell<T> {
        GcRefCell { borrows: Cell::new(0), value: Guarded::new(value) }
    }

    /// Borrows the contents.
    ///
    /// # Panics
    ///
    /// If they are mutably borrowed.
    ///
    /// # Example: two readers
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let cell = GcRefCell::new(7);
    ///     let (one, other) = (cell.borrow(), cell.borrow());
    ///     assert_eq!(*one + *other, 14);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// # Example: formatting what may be in use
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let cell = GcRefCell::new(7);
    ///     let show = || cell.try_borrow().map_or("in use".to_owned(), |number| number.to_string());
    ///     assert_eq!(show(), "7");
    ///     let _writer = cell.borrow_mut(cx);
    ///     assert_eq!(show(), "in use");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_borrow(&self) -> Result<Ref<'_, T>, BorrowError> {
        let borrows = self.borrows.get();
        if borrows >= EXCLUSIVE - 1 {
            return Err(BorrowError);
        }
        self.borrows.set(borrows + 1);
        Ok(Ref { value: self.value.pointer(), borrow: Shared { borrows: &self.borrows } })
    }

    /// Borrows the contents mutably.
    ///
    /// # Panics
    ///
    /// If they are borrowed.
    ///
    /// # Example: an array that is sorted in its place
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let numbers = cx.alloc(GcRefCell::new([3, 1, 2]));
    ///     numbers.borrow_mut(cx).sort();
    ///     assert_eq!(*numbers.borrow(), [1, 2, 3]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// # Example: an error for the script instead of a panic
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let list = GcRefCell::new(vec![1]);
    ///     let push = || list.try_borrow_mut(cx).map(|mut list| list.push(2));
    ///     assert!(push().is_ok());
    ///     let reader = list.borrow();
    ///     let message = push().unwrap_err().to_string();
    ///     assert!(message.starts_with("the contents of the cell are borrowed"), "{message}");
    ///     assert_eq!(reader.len(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        let borrow = Exclusive { borrows: &self.borrows };
        Ok(RefMut { value: self.value.pointer(), borrow, contents: PhantomData })
    }

    /// Puts other contents in place, and returns the old ones.
    ///
    /// # Panics
    ///
    /// If they are borrowed; [`GcRefCell::try_replace`] tells instead.
    ///
    /// # Example: a list that is handed on
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let names = cx.alloc(GcRefCell::new(vec![cx.alloc_str("Ann")]));
    ///     assert_eq!(names.replace(cx, vec![cx.alloc_str("Bob")]).len(), 1);
    ///     assert_eq!(&*names.take(cx)[0], "Bob");
    ///     assert!(names.borrow().is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn replace<'gc>(&self, cx: &Scope<'gc>, value: T) -> T
    where
        T: Trace<'gc>,
    {
        mem::replace(&mut *self.borrow_mut(cx), value)
    }

    /// Puts other contents in place, and returns the old ones.
    ///
    /// # Errors
    ///
    /// If they are borrowed. The new contents come back.
    ///
    /// # Example: somebody reads
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let cell = cx.alloc(GcRefCell::new(1_u64));
    ///     let reader = cell.borrow();
    ///     assert_eq!(cell.try_replace(cx, 2), Err(2));
    ///     drop(reader);
    ///     assert_eq!(cell.try_replace(cx, 2), Ok(1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_replace<'gc>(&self, cx: &Scope<'gc>, value: T) -> Result<T, T>
    where
        T: Trace<'gc>,
    {
        match self.try_borrow_mut(cx) {
            Ok(mut contents) => Ok(mem::replace(&mut *contents, value)),
            Err(BorrowMutError) => Err(value),
        }
    }

    /// Takes the contents, and leaves their default.
    ///
    /// # Panics
    ///
    /// If they are borrowed.
    ///
    /// # Example: the messages so far
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let messages = cx.alloc(GcRefCell::new(vec!["one", "two"]));
    ///     assert_eq!(messages.take(cx), ["one", "two"]);
    ///     assert!(messages.borrow().is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn take<'gc>(&self, cx: &Scope<'gc>) -> T
    where
        T: Trace<'gc> + Default,
    {
        self.replace(cx, T::default())
    }

    /// Exchanges the contents of two cells.
    ///
    /// # Panics
    ///
    /// If either are borrowed, or the two are one cell.
    ///
    /// # Example: two hands
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let (left, right) = (GcRefCell::new(vec![1]), GcRefCell::new(vec![]));
    ///     left.swap(cx, &right);
    ///     assert_eq!((left.borrow().len(), right.borrow().len()), (0, 1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn swap<'gc>(&self, cx: &Scope<'gc>, other: &GcRefCell<T>)
    where
        T: Trace<'gc>,
    {
        mem::swap(&mut *self.borrow_mut(cx), &mut *other.borrow_mut(cx));
    }

    /// The contents of a cell that nobody else has, without a check.
    ///
    /// Such a cell is not in the heap, or lies in the contents of another cell that are borrowed mutably.
    ///
    /// # Example: filled before it is shared
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut names = GcRefCell::new(Vec::new());
    ///     names.get_mut().push("Ann");
    ///     assert_eq!(cx.alloc(names).borrow().len(), 1);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The contents of a cell that is not in the heap, or not any more.
    ///
    /// # Example: a value that was never shared
    ///
    /// ```
    /// let mut cell = mudlark::GcRefCell::new(1);
    /// *cell.get_mut() += 1;
    /// assert_eq!(cell.into_inner(), 2);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: Default> Default for GcRefCell<T> {
    fn default() -> GcRefCell<T> {
        GcRefCell::new(T::default())
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

/// Ends a shared borrow when dropped.
struct Shared<'b> {
    borrows: &'b Cell<u32>,
}

impl Drop for Shared<'_> {
    #[inline]
    fn drop(&mut self) {
        self.borrows.set(self.borrows.get() - 1);
    }
}

/// Ends a mutable borrow when dropped.
struct Exclusive<'b> {
    borrows: &'b Cell<u32>,
}

impl Drop for Exclusive<'_> {
    #[inline]
    fn drop(&mut self) {
        self.borrows.set(0);
    }
}

/// A shared borrow of the contents of a [`GcRefCell`], or of a part of them.
///
/// # Example: an answer that keeps the cell borrowed
///
/// ```
/// use mudlark::{GcRefCell, Heap, Ref};
///
/// fn longest<'b>(words: &'b GcRefCell<Vec<String>>) -> Option<Ref<'b, String>> {
///     let index = (0..words.borrow().len()).max_by_key(|&index| words.borrow()[index].len())?;
///     Some(Ref::map(words.borrow(), |words| &words[index]))
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let words = cx.alloc(GcRefCell::new(vec!["a".to_owned(), "lark".to_owned()]));
///     let longest = longest(&words).expect("there are words");
///     assert_eq!(*longest, "lark");
///     assert!(words.try_borrow_mut(cx).is_err());
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the borrow ends when the guard is dropped"]
pub struct Ref<'b, T: ?Sized> {
    value: NonNull<T>,
    borrow: Shared<'b>,
}

impl<'b, T: ?Sized> Ref<'b, T> {
    /// Another borrow of the same. No method, so that `clone` clones what is borrowed.
    ///
    /// # Panics
    ///
    /// If there are four billion borrows.
    ///
    /// # Example: the cell is free when both are gone
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap, Ref};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let cell = GcRefCell::new(7);
    ///     let one = cell.borrow();
    ///     let other = Ref::clone(&one);
    ///     drop(one);
    ///     assert!(*other == 7 && cell.try_borrow_mut(cx).is_err());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[allow(clippy::should_implement_trait, reason = "as `std`'s `Ref::clone`")]
    pub fn clone(orig: &Ref<'b, T>) -> Ref<'b, T> {
        let borrows = orig.borrow.borrows;
        assert!(borrows.get() < EXCLUSIVE - 1, "the contents of the cell are borrowed four billion times");
        borrows.set(borrows.get() + 1);
        Ref { value: orig.value, borrow: Shared { borrows } }
    }

    /// Narrows the borrow to a part of the contents.
    ///
    /// # Example: one field
    ///
    /// ```
    /// use mudlark::{Gc, GcRefCell, Heap, Ref};
    ///
    /// fn first<'b, 'gc>(cell: &'b GcRefCell<Vec<Gc<'gc, str>>>) -> Ref<'b, Gc<'gc, str>> {
    ///     Ref::map(cell.borrow(), |names| &names[0])
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let names = cx.alloc(GcRefCell::new(vec![cx.alloc_str("Ann")]));
    ///     let first = first(&names);
    ///     assert_eq!(&**first, "Ann");
    ///     assert!(names.try_borrow_mut(cx).is_err());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<U: ?Sized>(orig: Ref<'b, T>, part: impl FnOnce(&T) -> &U) -> Ref<'b, U> {
        let value = NonNull::from(part(&*orig));
        Ref { value, borrow: orig.borrow }
    }

    /// Narrows the borrow to a part of the contents that may not be there.
    ///
    /// # Errors
    ///
    /// The borrow as it was, if `part` finds nothing.
    ///
    /// # Example: an entry
    ///
    /// ```
    /// use mudlark::{GcRefCell, Ref};
    ///
    /// let cell = GcRefCell::new(vec![1, 2]);
    /// assert_eq!(Ref::filter_map(cell.borrow(), |list| list.get(1)).ok().as_deref(), Some(&2));
    /// assert!(Ref::filter_map(cell.borrow(), |list| list.get(2)).is_err());
    /// ```
    pub fn filter_map<U: ?Sized>(
        orig: Ref<'b, T>,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<Ref<'b, U>, Ref<'b, T>> {
        match part(&*orig).map(NonNull::from) {
            Some(value) => Ok(Ref { value, borrow: orig.borrow }),
            None => Err(orig),
        }
    }
}

impl<T: ?Sized> Deref for Ref<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: H2: while this borrow is counted, no mutable one is made; the part was found through it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A mutable borrow of the contents of a [`GcRefCell`], or of a part of them.
///
/// Nothing depends on its drop but the cell's further use: when it is leaked, the cell stays borrowed.
///
/// # Example: one writer at a time
///
/// ```
/// use mudlark::{GcRefCell, Heap, RefMut};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let counter = cx.alloc(GcRefCell::new(1));
///     let mut writer: RefMut<'_, i32> = counter.borrow_mut(cx);
///     *writer += 1;
///     assert!(counter.try_borrow().is_err());
///     drop(writer);
///     assert_eq!(*counter.borrow(), 2);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the borrow ends when the guard is dropped"]
pub struct RefMut<'b, T: ?Sized> {
    value: NonNull<T>,
    borrow: Exclusive<'b>,
    /// What is borrowed mutably has this type and no other.
    contents: PhantomData<&'b mut T>,
}

impl<'b, T: ?Sized> RefMut<'b, T> {
    /// Narrows the borrow to a part of the contents.
    ///
    /// # Example: one entry
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap, RefMut};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let names = cx.alloc(GcRefCell::new(vec![cx.alloc_str("Ann")]));
    ///     let mut first = RefMut::map(names.borrow_mut(cx), |names| &mut names[0]);
    ///     *first = cx.alloc_str("Bob");
    ///     drop(first);
    ///     assert_eq!(&*names.borrow()[0], "Bob");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<U: ?Sized>(mut orig: RefMut<'b, T>, part: impl FnOnce(&mut T) -> &mut U) -> RefMut<'b, U> {
        let value = NonNull::from(part(&mut *orig));
        RefMut { value, borrow: orig.borrow, contents: PhantomData }
    }

    /// Narrows the borrow to a part of the contents that may not be there.
    ///
    /// # Errors
    ///
    /// The borrow as it was, if `part` finds nothing.
    ///
    /// # Example: an entry
    ///
    /// ```
    /// use mudlark::{GcRefCell, Heap, RefMut};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let cell = GcRefCell::new(vec![1, 2]);
    ///     match RefMut::filter_map(cell.borrow_mut(cx), |list| list.get_mut(2)) {
    ///         Ok(mut third) => *third += 1,
    ///         Err(mut list) => list.push(3),
    ///     }
    ///     assert_eq!(*cell.borrow(), [1, 2, 3]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut orig: RefMut<'b, T>,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RefMut<'b, U>, RefMut<'b, T>> {
        match part(&mut *orig).map(NonNull::from) {
            Some(value) => Ok(RefMut { value, borrow: orig.borrow, contents: PhantomData }),
            None => Err(orig),
        }
    }
}

impl<T: ?Sized> Deref for RefMut<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: H2: this is the only borrow; the part was found through it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for RefMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: H2: this is the only borrow; markers keep off, for the contents were logged.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RefMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RefMut<'_, T> {
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
