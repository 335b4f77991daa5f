//! Vectors.

use super::{
    debug,
    store::{Buffer, PIECE_BYTES, Pieces, Store},
    vec_guards::{GcVecMut, GcVecRef},
};
use crate::{
    error::AllocError,
    ref_cell::{BorrowError, BorrowMutError},
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_collector::{HeapFull, Shader};
use std::{fmt, mem};

/// A growing array, like `std`'s `Vec`, whose buffer counts as memory of the heap and whose contents change in place.
///
/// A field of an object, or an object: `Gc<GcVec<T>>`. Operations take `&self` and the scope. Each single one ([`push`](GcVec::push),
/// [`pop`](GcVec::pop), [`set`](GcVec::set), [`swap_remove`](GcVec::swap_remove), ...) tells a collector that is marking about just what it
/// takes out, so its cost does not depend on how long the vector is. [`GcVec::borrow_mut`] gives the whole `Vec`; the first time
/// in a cycle it shades all that the collector has not seen yet, as a [`GcRefCell`](crate::GcRefCell) does. Operations that move many elements
/// ([`insert`](GcVec::insert), [`remove`](GcVec::remove), [`retain`](GcVec::retain), [`clear`](GcVec::clear)) go that way.
///
/// Not `Sync`: one thread's mutators use it. Threads share it in a [`GcMutex`](crate::GcMutex).
///
/// # Panics
///
/// Everything but the functions whose names begin with `try_` panics if the contents are mutably borrowed, and what changes them if they
/// are borrowed at all; what grows them, when the heap is full.
///
/// # Example: a stack of values
///
/// ```
/// use mudlark::{Gc, GcVec, Heap};
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let stack = mutator.enter(|cx| {
///     let stack = cx.alloc(GcVec::new());
///     stack.push(cx, cx.alloc_str("Ann"));
///     stack.push(cx, cx.alloc_str("Bob"));
///     cx.root(stack)
/// });
/// assert!(heap.stats().external_bytes >= 16);
/// mutator.enter(|cx| {
///     let stack = stack.get(cx);
///     assert_eq!(stack.pop(cx).as_deref(), Some("Bob"));
///     assert_eq!(stack.iter().map(|name| name.len()).sum::<usize>(), 3);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcVec<T> {
    pub(super) store: Store<Vec<T>>,
}

impl<T> Buffer for Vec<T> {
    fn buffer_bytes(&self) -> usize {
        // Elements without a size have no buffer, and room for as many as there are numbers.
        self.capacity().saturating_mul(size_of::<T>()) * usize::from(size_of::<T>() > 0)
    }
}

// SAFETY: T1-T7: all elements are traced, as in `trace/containers.rs`; places are numbered by index.
unsafe impl<'gc, T: Trace<'gc>> Pieces<'gc> for Vec<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE && size_of::<T>() > 0;

    #[inline]
    fn trace_piece<V: Visitor>(&self, visitor: &mut V, first: usize) -> Option<usize> {
        let step = const { if size_of::<T>() == 0 { 1 } else { PIECE_BYTES.div_ceil(size_of::<T>()) } };
        // Elements may have been taken out since the last piece.
        let rest = self.get(first..).unwrap_or_default();
        for element in &rest[..rest.len().min(step)] {
            element.trace(visitor);
        }
        (rest.len() > step).then(|| first + step)
    }
}

/// Shows a value to the shader, if there is one, before it is taken out.
#[inline(always)]
pub(super) fn shade<'gc, T: Trace<'gc>>(shader: Option<&mut Shader<'_>>, values: &[T]) {
    if let Some(shader) = shader {
        values.iter().for_each(|value| value.trace(shader));
    }
}

impl<T> GcVec<T> {
    /// A vector without elements and without a buffer.
    /// For an example see [`GcVec::push`].
    pub const fn new() -> GcVec<T> {
        GcVec { store: Store::new(Vec::new()) }
    }

    /// Takes the elements out of the collection, and their bytes out of the account.
    /// For an example see [`GcVec::set`].
    pub fn into_inner(self) -> Vec<T> {
        self.store.into_inner()
    }

    /// How many elements there are.
    /// For an example see [`GcVec::push`].
    #[inline]
    #[track_caller]
    pub fn len(&self) -> usize {
        // SAFETY: `len` runs no other code.
        unsafe { self.store.look(Vec::len) }
    }

    /// Whether there is no element.
    /// For an example see [`GcVec::push`].
    #[inline]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements there is room for.
    /// For an example see [`GcVec::try_reserve`].
    #[inline]
    #[track_caller]
    pub fn capacity(&self) -> usize {
        // SAFETY: `capacity` runs no other code.
        unsafe { self.store.look(Vec::capacity) }
    }

    /// A copy of an element, if there is one with this index.
    /// For an example see [`GcVec::set`].
    #[inline]
    #[track_caller]
    pub fn get(&self, index: usize) -> Option<T>
    where
        T: Copy,
    {
        // SAFETY: copying runs no other code.
        unsafe { self.store.look(|vec| vec.get(index).copied()) }
    }

    /// A copy of the last element.
    /// For an example see [`GcVec::push`].
    #[inline]
    #[track_caller]
    pub fn last(&self) -> Option<T>
    where
        T: Copy,
    {
        // SAFETY: copying runs no other code.
        unsafe { self.store.look(|vec| vec.last().copied()) }
    }

    /// Copies of the elements, in order. It borrows nothing: elements that are added or removed meanwhile are, or are not, met by their index.
    /// For an example see [`GcVec::extend`].
    #[inline]
    pub fn iter(&self) -> GcVecIter<'_, T>
    where
        T: Copy,
    {
        GcVecIter { vec: self, next: 0 }
    }

    /// Borrows the elements.
    /// For an example see [`GcVec::try_borrow`].
    #[inline]
    #[track_caller]
    pub fn borrow(&self) -> GcVecRef<'_, T> {
        self.try_borrow().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Borrows the elements.
    ///
    /// # Errors
    ///
    /// If they are mutably borrowed.
    ///
    /// # Example: a script that changes what it iterates over
    ///
    /// ```
    /// use mudlark::{GcVec, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let list = GcVec::from_iter_in(cx, [2, 1]);
    ///     for _ in list.borrow().iter() {
    ///         assert!(list.try_borrow().is_ok() && list.try_borrow_mut(cx).is_err());
    ///     }
    ///     list.borrow_mut(cx).sort();
    ///     assert_eq!(list.borrow()[..], [1, 2]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_borrow(&self) -> Result<GcVecRef<'_, T>, BorrowError> {
        self.store.borrow().map(GcVecRef)
    }
}

/// Changes. They take the scope.
impl<'gc, T: Trace<'gc>> GcVec<T> {
    /// A vector with room for so many elements.
    /// For an example see [`GcVec::try_reserve`].
    #[track_caller]
    pub fn with_capacity(cx: &Scope<'gc>, capacity: usize) -> GcVec<T> {
        let vec = GcVec::new();
        vec.reserve(cx, capacity);
        vec
    }

    /// A vector of these elements.
    /// For an example see [`GcVec::set`].
    #[track_caller]
    pub fn from_vec(cx: &Scope<'gc>, elements: Vec<T>) -> GcVec<T> {
        let vec = GcVec { store: Store::new(elements) };
        vec.store.settle(cx);
        vec
    }

    /// A vector of what an iterator gives.
    ///
    /// # Example: squares
    ///
    /// ```
    /// use mudlark::{GcVec, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let squares = GcVec::from_iter_in(cx, (0..4_u64).map(|n| n * n));
    ///     assert_eq!(squares.borrow()[..], [0, 1, 4, 9]);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn from_iter_in(cx: &Scope<'gc>, elements: impl IntoIterator<Item = T>) -> GcVec<T> {
        let vec = GcVec::new();
        vec.extend(cx, elements);
        vec
    }

    /// Borrows the whole vector mutably.
    /// For an example see [`GcVec::try_borrow`].
    ///
    /// The first time in a cycle it shades what the collector has not seen.
    #[inline]
    #[track_caller]
    pub fn borrow_mut<'b>(&'b self, cx: &'b Scope<'gc>) -> GcVecMut<'b, 'gc, T> {
        self.try_borrow_mut(cx).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Borrows the whole vector mutably.
    /// For an example see [`GcVec::try_borrow`].
    ///
    /// # Errors
    ///
    /// If it is borrowed.
    #[inline]
    pub fn try_borrow_mut<'b>(&'b self, cx: &'b Scope<'gc>) -> Result<GcVecMut<'b, 'gc, T>, BorrowMutError> {
        self.store.borrow_mut(cx).map(GcVecMut)
    }

    /// Adds an element at the end.
    ///
    /// # Example: a stack
    ///
    /// ```
    /// use mudlark::{GcVec, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let stack = cx.alloc(GcVec::new());
    ///     ["a", "b"].map(|word| stack.push(cx, word));
    ///     assert_eq!((stack.len(), stack.last(), stack.pop(cx)), (2, Some("b"), Some("b")));
    ///     assert!(stack.pop(cx) == Some("a") && stack.is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn push(&self, cx: &Scope<'gc>, value: T) {
        self.try_push(cx, value).unwrap_or_else(|error| error.panic());
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    ///
    /// When the buffer is full, and so is the heap: what it and its collections hold has reached the maximum, or the system gives no memory. The
    /// value comes back, nothing has happened, and a cycle is asked for; once the scope is left, it may free memory.
    ///
    /// # Example: a list that hits the limit
    ///
    /// ```
    /// use mudlark::{GcVec, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let list = cx.alloc(GcVec::new());
    ///     let error = (0_u64..).find_map(|n| list.try_push(cx, n).err()).expect("memory is finite");
    ///     assert_eq!(error.value, list.len() as u64);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_push(&self, cx: &Scope<'gc>, value: T) -> Result<(), AllocError<T>> {
        // SAFETY: writing runs no other code, for there is room, and the reference ends with it.
        if let Some(vec) = unsafe { self.store.quiet(cx) }
            && vec.len() < vec.capacity()
        {
            push_within_capacity(vec, value);
            return Ok(());
        }
        self.push_slow(cx, value)
    }

    /// Asks why the fast path was not taken: borrowed, full, or armed.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn push_slow(&self, cx: &Scope<'gc>, value: T) -> Result<(), AllocError<T>> {
        if let Err(full) = self.try_reserve(cx, 1) {
            return Err(AllocError { value, full });
        }
        // SAFETY: nobody has a borrow; writing runs no other code, for there is room.
        unsafe { self.store.change(cx, |vec, _| push_within_capacity(vec, value)) };
        Ok(())
    }

    /// Takes the last element out.
    /// For an example see [`GcVec::push`].
    #[inline]
    #[track_caller]
    pub fn pop(&self, cx: &Scope<'gc>) -> Option<T> {
        self.store.assert_free();
        // SAFETY: nobody has a borrow; moving values runs no other code.
        unsafe {
            self.store.change(cx, |vec, shader| {
                shade(shader, vec.last().map_or(&[], std::slice::from_ref));
                vec.pop()
            })
        }
    }

    /// Puts a value in the place of another one, which it returns.
    /// For an example see [`GcVec::set`].
    ///
    /// # Panics
    ///
    /// If there is no element with this index.
    #[inline]
    #[track_caller]
    pub fn replace(&self, cx: &Scope<'gc>, index: usize, value: T) -> T {
        self.store.assert_free();
        self.assert_index("replace", index);
        // SAFETY: nobody has a borrow; moving values runs no other code.
        unsafe {
            self.store.change(cx, |vec, shader| {
                shade(shader, &vec[index..=index]);
                mem::replace(&mut vec[index], value)
            })
        }
    }

    /// Puts a value in the place of another one.
    ///
    /// # Panics
    ///
    /// If there is no element with this index.
    ///
    /// # Example: an array of a script
    ///
    /// ```
    /// use mudlark::{GcVec, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let array = GcVec::from_vec(cx, vec!['a', 'b', 'c']);
    ///     array.set(cx, 0, 'x');
    ///     assert_eq!((array.get(0), array.get(3), array.replace(cx, 1, 'y')), (Some('x'), None, 'b'));
    ///     array.swap(cx, 0, 2);
    ///     array.insert(cx, 1, '-');
    ///     assert_eq!((array.swap_remove(cx, 0), array.remove(cx, 1)), ('c', '-'));
    ///     assert_eq!(array.into_inner(), ['x', 'y']);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn set(&self, cx: &Scope<'gc>, index: usize, value: T) {
        drop(self.replace(cx, index, value));
    }

    /// Exchanges two elements.
    /// For an example see [`GcVec::set`].
    ///
    /// # Panics
    ///
    /// If there is no element with one of the indices.
    #[inline]
    #[track_caller]
    pub fn swap(&self, cx: &Scope<'gc>, a: usize, b: usize) {
        self.store.assert_free();
        self.assert_index("swap", a.max(b));
        // SAFETY: nobody has a borrow; moving values runs no other code.
        unsafe {
            self.store.change(cx, |vec, mut shader| {
                shade(shader.as_deref_mut(), &vec[a..=a]);
                shade(shader, &vec[b..=b]);
                vec.swap(a, b);
            });
        }
    }

    /// Takes an element out, and puts the last one in its place.
    /// For an example see [`GcVec::set`].
    ///
    /// # Panics
    ///
    /// If there is no element with this index.
    #[inline]
    #[track_caller]
    pub fn swap_remove(&self, cx: &Scope<'gc>, index: usize) -> T {
        self.store.assert_free();
        self.assert_index("remove", index);
        // SAFETY: nobody has a borrow; moving values runs no other code.
        unsafe {
            self.store.change(cx, |vec, mut shader| {
                shade(shader.as_deref_mut(), &vec[index..=index]);
                // The last one leaves its place too, for one that a marker may have passed.
                shade(shader, vec.last().map_or(&[], std::slice::from_ref));
                vec.swap_remove(index)
            })
        }
    }

    /// Adds copies of values at the end.
    /// For an example see [`GcVec::extend`].
    #[inline]
    #[track_caller]
    pub fn extend_from_slice(&self, cx: &Scope<'gc>, values: &[T])
    where
        T: Copy,
    {
        self.reserve(cx, values.len());
        // SAFETY: nobody has a borrow; copying runs no other code, for there is room.
        unsafe { self.store.change(cx, |vec, _| vec.extend_from_slice(values)) };
    }

    /// Adds what an iterator gives, one after the other.
    ///
    /// # Example: numbers that come and go
    ///
    /// ```
    /// use mudlark::{GcVec, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let numbers = GcVec::new();
    ///     numbers.extend(cx, 1..=3_u64);
    ///     numbers.extend_from_slice(cx, &[40, 50]);
    ///     numbers.retain(cx, |n| n % 2 == 0);
    ///     numbers.truncate(cx, 2);
    ///     assert_eq!(numbers.iter().sum::<u64>(), 42);
    ///     numbers.clear(cx);
    ///     assert!(numbers.is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn extend(&self, cx: &Scope<'gc>, values: impl IntoIterator<Item = T>) {
        let values = values.into_iter();
        self.reserve(cx, values.size_hint().0);
        values.for_each(|value| self.push(cx, value));
    }

    /// Puts an element before the one with this index.
    /// For an example see [`GcVec::set`].
    ///
    /// # Panics
    ///
    /// If the index is beyond the end.
    #[track_caller]
    pub fn insert(&self, cx: &Scope<'gc>, index: usize, value: T) {
        self.reserve(cx, 1);
        self.borrow_mut(cx).insert(index, value);
    }

    /// Takes an element out, and moves those behind it.
    /// For an example see [`GcVec::set`].
    ///
    /// # Panics
    ///
    /// If there is no element with this index.
    #[track_caller]
    pub fn remove(&self, cx: &Scope<'gc>, index: usize) -> T {
        self.borrow_mut(cx).remove(index)
    }

    /// Drops the elements from this index on.
    /// For an example see [`GcVec::extend`].
    #[track_caller]
    pub fn truncate(&self, cx: &Scope<'gc>, len: usize) {
        if mem::needs_drop::<T>() {
            // Drop glue is code of the program.
            return self.borrow_mut(cx).truncate(len);
        }
        self.store.assert_free();
        // SAFETY: nobody has a borrow; there is no drop glue that could run.
        unsafe {
            self.store.change(cx, |vec, shader| {
                shade(shader, vec.get(len..).unwrap_or_default());
                vec.truncate(len);
            });
        }
    }

    /// Drops all elements.
    /// For an example see [`GcVec::extend`].
    #[track_caller]
    pub fn clear(&self, cx: &Scope<'gc>) {
        self.truncate(cx, 0);
    }

    /// Drops the elements for which `keep` says `false`.
    /// For an example see [`GcVec::extend`].
    #[track_caller]
    pub fn retain(&self, cx: &Scope<'gc>, keep: impl FnMut(&T) -> bool) {
        self.borrow_mut(cx).retain(keep);
    }

    /// Makes room for so many more elements.
    /// For an example see [`GcVec::try_reserve`].
    #[inline]
    #[track_caller]
    pub fn reserve(&self, cx: &Scope<'gc>, additional: usize) {
        if let Err(full) = self.try_reserve(cx, additional) {
            AllocError { value: (), full }.panic();
        }
    }

    /// Makes room for so many more elements.
    ///
    /// # Errors
    ///
    /// When the heap is full, as for [`GcVec::try_push`].
    ///
    /// # Example: a size that a script chose
    ///
    /// ```
    /// use mudlark::{GcVec, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let array = GcVec::<u64>::with_capacity(cx, 100);
    ///     assert!(array.try_reserve(cx, 1 << 20).is_err());
    ///     assert!(array.try_reserve(cx, 1000).is_ok() && array.capacity() >= 1000);
    ///     array.shrink_to_fit(cx);
    ///     assert_eq!(array.capacity(), 0);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_reserve(&self, cx: &Scope<'gc>, additional: usize) -> Result<(), HeapFull> {
        self.store.assert_free();
        if self.capacity() - self.len() < additional { self.grow(cx, additional) } else { Ok(()) }
    }

    /// Gives back what of the buffer is not used.
    /// For an example see [`GcVec::try_reserve`].
    #[track_caller]
    pub fn shrink_to_fit(&self, cx: &Scope<'gc>) {
        self.store.assert_free();
        // SAFETY: nobody has a borrow; moving values runs no other code.
        unsafe { self.store.change(cx, |vec, _| vec.shrink_to_fit()) };
        self.store.settle(cx);
    }

    /// A larger buffer: at least twice as large. Nobody has a borrow.
    #[cold]
    fn grow(&self, cx: &Scope<'gc>, additional: usize) -> Result<(), HeapFull> {
        let (len, capacity) = (self.len(), self.capacity());
        let capacity = grown_capacity::<T>(len, capacity, additional);
        let bytes = capacity.saturating_mul(size_of::<T>());
        self.store.grow(cx, bytes)?;
        // SAFETY: nobody has a borrow; moving values runs no other code. A marker counts places, and comes to them in the new buffer.
        let reserved = unsafe { self.store.change(cx, |vec, _| vec.try_reserve_exact(capacity - len)) };
        // Refused, or given more than asked for.
        if self.capacity() != capacity {
            self.store.settle(cx);
        }
        reserved.map_err(|_| cx.refused_external(bytes))
    }

    #[inline(always)]
    #[track_caller]
    fn assert_index(&self, what: &str, index: usize) {
        let len = self.len();
        assert!(index < len, "cannot {what} the element {index} of {len}");
    }
}

/// How much room a vector gets that needs some.
pub(super) fn grown_capacity<T>(len: usize, capacity: usize, additional: usize) -> usize {
    let least = if size_of::<T>() <= 1024 { 4 } else { 1 };
    len.saturating_add(additional).max(capacity.saturating_mul(2)).max(least)
}

/// Adds an element where there is room.
#[inline(always)]
fn push_within_capacity<T>(vec: &mut Vec<T>, value: T) {
    let len = vec.len();
    if let Some(place) = vec.spare_capacity_mut().first_mut() {
        place.write(value);
        // SAFETY: the element was just written, within the capacity.
        unsafe { vec.set_len(len + 1) };
    }
}

impl<T> Default for GcVec<T> {
    fn default() -> GcVec<T> {
        GcVec::new()
    }
}

impl<T> IntoIterator for GcVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> std::vec::IntoIter<T> {
        self.into_inner().into_iter()
    }
}

impl<'a, T: Copy> IntoIterator for &'a GcVec<T> {
    type Item = T;
    type IntoIter = GcVecIter<'a, T>;

    fn into_iter(self) -> GcVecIter<'a, T> {
        self.iter()
    }
}

/// Formats the elements; a vector in itself as `[…]`.
impl<T: fmt::Debug> fmt::Debug for GcVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_borrow() {
            Ok(elements) => debug::once(self, f, |f| elements.fmt(f)),
            Err(BorrowError) => f.write_str("GcVec(<borrowed>)"),
        }
    }
}

/// Copies of the elements of a [`GcVec`], see [`GcVec::iter`].
/// For an example see [`GcVec::extend`].
#[derive(Debug)]
pub struct GcVecIter<'a, T> {
    vec: &'a GcVec<T>,
    next: usize,
}

impl<T: Copy> Iterator for GcVecIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let element = self.vec.get(self.next)?;
        self.next += 1;
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.vec.len().saturating_sub(self.next), None)
    }
}

// SAFETY: T1-T7: the store guards the contents, which say what is in them.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for GcVec<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.store.trace(visitor);
    }
}

// SAFETY: B1, B2: a vector of the same elements under another brand.
unsafe impl<T: Rebrand> Rebrand for GcVec<T>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = GcVec<T::With<'gc>>;
}
