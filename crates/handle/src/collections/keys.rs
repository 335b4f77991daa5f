//! Which keys compare themselves, without a look at the program.
//!
//! `Eq` of a key is code of the program that may come back to the map it is asked for, so a map counts as borrowed meanwhile (K1), which
//! takes a tenth of the time of a look-up. The keys that most maps have, numbers and strings, are compared by code of `std` and of
//! this crate, and need no such care. There is no trait for it to be had, for a program's keys would have to implement it too; so the types
//! are compared, which costs nothing: all is known when the program is compiled.
//!
//! Called by [`GcHashMap`](crate::GcHashMap). How keys are *hashed* is not asked here: a hasher of the program's runs while nothing of a
//! table is in hand.

use crate::gc::Gc;
use std::{any::TypeId, marker::PhantomData, mem};

/// Whether neither `K: Borrow<Q>` nor `Q: Eq`, nor drop glue of `K`, runs code of the program's.
#[inline(always)]
pub(super) fn are_plain<K, Q: ?Sized>() -> bool {
    let (key, asked) = (id::<K>(), id::<Q>());
    // One of those below is borrowed as itself in one way only, which is that of `std`.
    (key == asked && is_number::<Q>()) || (is_text(key) && (asked == key || asked == id::<str>()))
}

/// Whether a type is a number, or something as small.
#[inline(always)]
pub(super) fn is_number<Q: ?Sized>() -> bool {
    let id = id::<Q>();
    macro_rules! any {
        ($($number:ty)*) => { false $(|| id == TypeId::of::<$number>())* };
    }
    any!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char)
}

#[inline(always)]
fn is_text(id: TypeId) -> bool {
    id == TypeId::of::<Gc<'static, str>>()
        || id == TypeId::of::<&'static str>()
        || id == TypeId::of::<String>()
}

/// The same for types that differ in lifetimes only, which no implementation named above tells apart.
#[inline(always)]
fn id<T: ?Sized>() -> TypeId {
    trait Named {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }

    impl<T: ?Sized> Named for PhantomData<T> {
        #[inline(always)]
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }

    let name: &dyn Named = &PhantomData::<T>;
    // SAFETY: K3: the object is empty, and what is asked of it knows no lifetime.
    let name = unsafe { mem::transmute::<&dyn Named, &(dyn Named + 'static)>(name) };
    name.id()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no key of a program's is taken for one of `std`. Method: each of the types, beside some that only look like them.
    #[test]
    fn keys_of_the_program_are_asked() {
        #[derive(PartialEq, Eq, Hash)]
        struct Number(u64);

        fn of_a_scope<'a>(_: &'a str) -> [bool; 3] {
            [
                are_plain::<&'a str, str>(),
                are_plain::<Gc<'a, str>, str>(),
                are_plain::<Gc<'a, str>, Gc<'a, str>>(),
            ]
        }

        assert_eq!(of_a_scope(&String::from("brief")), [true; 3]);
        let plain = [are_plain::<u64, u64>(), are_plain::<char, char>(), are_plain::<String, str>()];
        assert_eq!(plain, [true; 3]);
        let asked = [
            are_plain::<Number, Number>(),
            are_plain::<Number, u64>(),
            are_plain::<Number, str>(),
            are_plain::<Box<str>, Number>(),
            are_plain::<Gc<'_, u64>, u64>(),
            are_plain::<Gc<'_, Number>, Number>(),
            are_plain::<Box<Number>, Box<Number>>(),
            are_plain::<(u64, Number), (u64, Number)>(),
        ];
        assert_eq!(asked, [false; 8]);
    }
}
