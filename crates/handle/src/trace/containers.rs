//! Types of the standard library that own what they are given: they trace it all.
//!
//! None of them has interior mutability, so what a `&self` reaches stands still (T3). None has drop glue that
//! looks into its elements other than by dropping them (T5). Each is `Send` if its elements are (T4), and has
//! no data beside them but numbers and its own memory (T1, T6). Under another brand only the elements change
//! (B1, B2).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque},
    mem::ManuallyDrop,
    num::{Saturating, Wrapping},
    ops::{Bound, ControlFlow, Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive},
    pin::Pin,
    task::Poll,
    vec,
};

use super::{Rebrand, Trace, Visitor};
use crate::layout::leaf_bytes;

/// Implements the traits for what `for element in &container` takes apart.
macro_rules! sequences {
    ($($ty:ident),+ $(,)?) => { $(
        // SAFETY: T1-T6: all elements are traced; see the module. T7: an element that visits makes it `true`.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $ty<T> {
            const NEEDS_TRACE: bool = T::NEEDS_TRACE;

            #[inline]
            fn trace<V: Visitor>(&self, visitor: &mut V) {
                trace_all(self, visitor);
            }
        }

        // SAFETY: B1, B2: see the module.
        unsafe impl<T: Rebrand> Rebrand for $ty<T>
        where
            for<'r> T::With<'r>: Sized,
        {
            type With<'gc> = $ty<T::With<'gc>>;
        }
    )+ };
}

sequences! { Option, Vec, VecDeque, LinkedList, BinaryHeap, BTreeSet }

#[inline]
pub(super) fn trace_all<'a, 'gc, T, V>(elements: impl IntoIterator<Item = &'a T>, visitor: &mut V)
where
    T: Trace<'gc> + 'a,
    V: Visitor,
{
    if T::NEEDS_TRACE {
        for element in elements {
            element.trace(visitor);
        }
    }
}

// SAFETY: T1-T6: all elements are traced; see the module. T7: an element that visits makes it `true`.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for [T] {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        trace_all(self, visitor);
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: Rebrand> Rebrand for [T]
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = [T::With<'gc>];
}

// SAFETY: T1-T6: all elements are traced; see the module. T7: an element that visits makes it `true`.
unsafe impl<'gc, T: Trace<'gc>, const N: usize> Trace<'gc> for [T; N] {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    const LEAF_BYTES: usize = leaf_bytes::<[T; N]>();

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        trace_all(self, visitor);
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: Rebrand, const N: usize> Rebrand for [T; N]
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = [T::With<'gc>; N];
}

/// Implements the traits for what has one part, or two of the same type: `Type<T>: value => [parts of
/// value]`.
macro_rules! wrappers {
    ($($ty:ident: $value:ident => [$($part:expr),*]),+ $(,)?) => { $(
        // SAFETY: T1-T6: all parts are traced; see the module. T7: a part that visits makes it `true`.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $ty<T> {
            const NEEDS_TRACE: bool = T::NEEDS_TRACE;

            #[inline]
            fn trace<V: Visitor>(&self, visitor: &mut V) {
                let $value = self;
                trace_all([$($part),*], visitor);
            }
        }

        // SAFETY: B1, B2: see the module.
        unsafe impl<T: Rebrand> Rebrand for $ty<T>
        where
            for<'r> T::With<'r>: Sized,
        {
            type With<'gc> = $ty<T::With<'gc>>;
        }
    )+ };
}

wrappers! {
    Reverse: it => [&it.0],
    Saturating: it => [&it.0],
    Wrapping: it => [&it.0],
    Range: it => [&it.start, &it.end],
    RangeFrom: it => [&it.start],
    RangeInclusive: it => [it.start(), it.end()],
    RangeTo: it => [&it.end],
    RangeToInclusive: it => [&it.end],
}

// SAFETY: T1-T6: the value in the box is traced; see the module. T7: it makes `NEEDS_TRACE` `true` if it
// visits.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for Box<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        if T::NEEDS_TRACE {
            T::trace(self, visitor);
        }
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: ?Sized + Rebrand> Rebrand for Box<T> {
    type With<'gc> = Box<T::With<'gc>>;
}

// SAFETY: T1-T6: the value in the box is traced; see the module. T7: it makes `NEEDS_TRACE` `true` if it
// visits.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for Pin<Box<T>> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        if T::NEEDS_TRACE {
            T::trace(self, visitor);
        }
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: ?Sized + Rebrand> Rebrand for Pin<Box<T>> {
    type With<'gc> = Pin<Box<T::With<'gc>>>;
}

// SAFETY: T1-T6: the value is traced; see the module. It is used as long as the object lives, though it is never dropped. T7: it makes
// `NEEDS_TRACE` `true` if it visits.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for ManuallyDrop<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        T::trace(self, visitor);
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: Rebrand> Rebrand for ManuallyDrop<T>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = ManuallyDrop<T::With<'gc>>;
}

// SAFETY: T1-T6: the elements that are left are traced; see the module. T7: an element that visits makes it
// `true`.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for vec::IntoIter<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        trace_all(self.as_slice(), visitor);
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: Rebrand> Rebrand for vec::IntoIter<T>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = vec::IntoIter<T::With<'gc>>;
}

// SAFETY: T1-T6: the value is traced; see the module. T7: it makes `NEEDS_TRACE` `true` if it visits.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Poll<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        if let Poll::Ready(value) = self {
            value.trace(visitor);
        }
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: Rebrand> Rebrand for Poll<T>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = Poll<T::With<'gc>>;
}

// SAFETY: T1-T6: the end is traced; see the module. T7: it makes `NEEDS_TRACE` `true` if it visits.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Bound<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        match self {
            Bound::Included(end) | Bound::Excluded(end) => end.trace(visitor),
            Bound::Unbounded => {}
        }
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: Rebrand> Rebrand for Bound<T>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = Bound<T::With<'gc>>;
}

// SAFETY: T1-T6: either value is traced; see the module. T7: one that visits makes it `true`.
unsafe impl<'gc, T: Trace<'gc>, E: Trace<'gc>> Trace<'gc> for Result<T, E> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE || E::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        match self {
            Ok(value) => value.trace(visitor),
            Err(error) => error.trace(visitor),
        }
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: Rebrand, E: Rebrand> Rebrand for Result<T, E>
where
    for<'r> T::With<'r>: Sized,
    for<'r> E::With<'r>: Sized,
{
    type With<'gc> = Result<T::With<'gc>, E::With<'gc>>;
}

// SAFETY: T1-T6: either value is traced; see the module. T7: one that visits makes it `true`.
unsafe impl<'gc, T: Trace<'gc>, C: Trace<'gc>> Trace<'gc> for ControlFlow<T, C> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE || C::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        match self {
            ControlFlow::Break(value) => value.trace(visitor),
            ControlFlow::Continue(value) => value.trace(visitor),
        }
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<T: Rebrand, C: Rebrand> Rebrand for ControlFlow<T, C>
where
    for<'r> T::With<'r>: Sized,
    for<'r> C::With<'r>: Sized,
{
    type With<'gc> = ControlFlow<T::With<'gc>, C::With<'gc>>;
}

#[inline]
pub(super) fn trace_entries<'a, 'gc, K, T, V>(
    entries: impl IntoIterator<Item = (&'a K, &'a T)>,
    visitor: &mut V,
) where
    K: Trace<'gc> + 'a,
    T: Trace<'gc> + 'a,
    V: Visitor,
{
    if K::NEEDS_TRACE || T::NEEDS_TRACE {
        for (key, value) in entries {
            key.trace(visitor);
            value.trace(visitor);
        }
    }
}

// SAFETY: T1-T6: all keys and values are traced; see the module. T7: one that visits makes it `true`.
unsafe impl<'gc, K: Trace<'gc>, T: Trace<'gc>> Trace<'gc> for BTreeMap<K, T> {
    const NEEDS_TRACE: bool = K::NEEDS_TRACE || T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        trace_entries(self, visitor);
    }
}

// SAFETY: B1, B2: see the module.
unsafe impl<K: Rebrand, T: Rebrand> Rebrand for BTreeMap<K, T>
where
    for<'r> K::With<'r>: Sized,
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = BTreeMap<K::With<'gc>, T::With<'gc>>;
}

// A hasher is a place to hide a `Gc`, so it must be `'static + Send`: it holds none (T1, T6), any thread may
// drop it (T4), and its drop glue has none to follow (T5). It is the same under every brand (B1).

// SAFETY: T1-T6: all keys and values are traced; for the hasher see above. T7: one that visits makes it
// `true`.
unsafe impl<'gc, K, T, S> Trace<'gc> for HashMap<K, T, S>
where
    K: Trace<'gc>,
    T: Trace<'gc>,
    S: Send + 'static,
{
    const NEEDS_TRACE: bool = K::NEEDS_TRACE || T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        trace_entries(self, visitor);
    }
}

// SAFETY: B1, B2: see the module, and above.
unsafe impl<K: Rebrand, T: Rebrand, S: Send + 'static> Rebrand for HashMap<K, T, S>
where
    for<'r> K::With<'r>: Sized,
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = HashMap<K::With<'gc>, T::With<'gc>, S>;
}

// SAFETY: T1-T6: all elements are traced; for the hasher see above. T7: an element that visits makes it
// `true`.
unsafe impl<'gc, T: Trace<'gc>, S: Send + 'static> Trace<'gc> for HashSet<T, S> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        trace_all(self, visitor);
    }
}

// SAFETY: B1, B2: see the module, and above.
unsafe impl<T: Rebrand, S: Send + 'static> Rebrand for HashSet<T, S>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = HashSet<T::With<'gc>, S>;
}

macro_rules! tuples {
    ($($(($part:ident $value:ident))+,)+) => { $(
        // SAFETY: T1-T6: all parts are traced; see the module. T7: a part that visits makes it `true`.
        unsafe impl<'gc, $($part: Trace<'gc>),+> Trace<'gc> for ($($part,)+) {
            const NEEDS_TRACE: bool = $($part::NEEDS_TRACE)||+;

            #[inline]
            fn trace<V: Visitor>(&self, visitor: &mut V) {
                let ($($value,)+) = self;
                $($value.trace(visitor);)+
            }
        }

        // SAFETY: B1, B2: see the module.
        unsafe impl<$($part: Rebrand),+> Rebrand for ($($part,)+)
        where
            $(for<'r> $part::With<'r>: Sized,)+
        {
            type With<'gc> = ($($part::With<'gc>,)+);
        }
    )+ };
}

tuples! {
    (A a),
    (A a) (B b),
    (A a) (B b) (C c),
    (A a) (B b) (C c) (D d),
    (A a) (B b) (C c) (D d) (E e),
    (A a) (B b) (C c) (D d) (E e) (F f),
    (A a) (B b) (C c) (D d) (E e) (F f) (G g),
    (A a) (B b) (C c) (D d) (E e) (F f) (G g) (H h),
    (A a) (B b) (C c) (D d) (E e) (F f) (G g) (H h) (I i),
    (A a) (B b) (C c) (D d) (E e) (F f) (G g) (H h) (I i) (J j),
    (A a) (B b) (C c) (D d) (E e) (F f) (G g) (H h) (I i) (J j) (K k),
    (A a) (B b) (C c) (D d) (E e) (F f) (G g) (H h) (I i) (J j) (K k) (L l),
}
