//! Types of other crates that own what they are given, each behind a feature with the name of its crate.
//!
//! As for the containers of the standard library (see `containers`): none has interior mutability (T3), none has drop glue that looks into its
//! elements other than by dropping them (T5), each is `Send` if its elements are (T4), and a hasher is `'static + Send` (T1, T6).

#[cfg(any(feature = "either", feature = "hashbrown", feature = "indexmap", feature = "smallvec"))]
use super::{Rebrand, Trace, Visitor};

/// Implements the traits for maps: keys, values, and a hasher.
#[cfg(any(feature = "hashbrown", feature = "indexmap"))]
macro_rules! maps {
    ($($feature:literal: $map:ty, $set:ty, $with_map:ty, $with_set:ty);+ $(;)?) => { $(
        // SAFETY: T1-T6: all keys and values are traced; see the module. T7: one that visits makes it `true`.
        #[cfg(feature = $feature)]
        unsafe impl<'gc, K: Trace<'gc>, T: Trace<'gc>, S: Send + 'static> Trace<'gc> for $map {
            const NEEDS_TRACE: bool = K::NEEDS_TRACE || T::NEEDS_TRACE;

            #[inline]
            fn trace<V: Visitor>(&self, visitor: &mut V) {
                super::containers::trace_entries(self, visitor);
            }
        }

        // SAFETY: B1, B2: only keys and values change.
        #[cfg(feature = $feature)]
        unsafe impl<K: Rebrand, T: Rebrand, S: Send + 'static> Rebrand for $map
        where
            for<'r> K::With<'r>: Sized,
            for<'r> T::With<'r>: Sized,
        {
            type With<'gc> = $with_map;
        }

        // SAFETY: T1-T6: all elements are traced; see the module. T7: an element that visits makes it `true`.
        #[cfg(feature = $feature)]
        unsafe impl<'gc, T: Trace<'gc>, S: Send + 'static> Trace<'gc> for $set {
            const NEEDS_TRACE: bool = T::NEEDS_TRACE;

            #[inline]
            fn trace<V: Visitor>(&self, visitor: &mut V) {
                super::containers::trace_all(self, visitor);
            }
        }

        // SAFETY: B1, B2: only the elements change.
        #[cfg(feature = $feature)]
        unsafe impl<T: Rebrand, S: Send + 'static> Rebrand for $set
        where
            for<'r> T::With<'r>: Sized,
        {
            type With<'gc> = $with_set;
        }
    )+ };
}

#[cfg(any(feature = "hashbrown", feature = "indexmap"))]
maps! {
    "hashbrown": hashbrown::HashMap<K, T, S>, hashbrown::HashSet<T, S>,
        hashbrown::HashMap<K::With<'gc>, T::With<'gc>, S>, hashbrown::HashSet<T::With<'gc>, S>;
    "indexmap": indexmap::IndexMap<K, T, S>, indexmap::IndexSet<T, S>,
        indexmap::IndexMap<K::With<'gc>, T::With<'gc>, S>, indexmap::IndexSet<T::With<'gc>, S>;
}

// SAFETY: T1-T6: all elements are traced; see the module. T7: an element that visits makes it `true`.
#[cfg(feature = "hashbrown")]
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for hashbrown::HashTable<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        super::containers::trace_all(self, visitor);
    }
}

// SAFETY: B1, B2: only the elements change.
#[cfg(feature = "hashbrown")]
unsafe impl<T: Rebrand> Rebrand for hashbrown::HashTable<T>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = hashbrown::HashTable<T::With<'gc>>;
}

// SAFETY: T1-T6: all elements are traced, wherever they lie; see the module. T7: an element that visits makes it `true`.
#[cfg(feature = "smallvec")]
unsafe impl<'gc, T: Trace<'gc>, const N: usize> Trace<'gc> for smallvec::SmallVec<[T; N]> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        super::containers::trace_all(self, visitor);
    }
}

// SAFETY: B1, B2: only the elements change.
#[cfg(feature = "smallvec")]
unsafe impl<T: Rebrand, const N: usize> Rebrand for smallvec::SmallVec<[T; N]>
where
    for<'r> T::With<'r>: Sized,
{
    type With<'gc> = smallvec::SmallVec<[T::With<'gc>; N]>;
}

// SAFETY: T1-T6: either value is traced; see the module. T7: one that visits makes it `true`.
#[cfg(feature = "either")]
unsafe impl<'gc, L: Trace<'gc>, R: Trace<'gc>> Trace<'gc> for either::Either<L, R> {
    const NEEDS_TRACE: bool = L::NEEDS_TRACE || R::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        match self {
            either::Either::Left(value) => value.trace(visitor),
            either::Either::Right(value) => value.trace(visitor),
        }
    }
}

// SAFETY: B1, B2: either value changes.
#[cfg(feature = "either")]
unsafe impl<L: Rebrand, R: Rebrand> Rebrand for either::Either<L, R>
where
    for<'r> L::With<'r>: Sized,
    for<'r> R::With<'r>: Sized,
{
    type With<'gc> = either::Either<L::With<'gc>, R::With<'gc>>;
}
