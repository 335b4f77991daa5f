//! Which type, which object: pointers whose type was forgotten and is asked for, and pointers that are compared by address.
//!
//! # Types
//!
//! An erased pointer leads to an object whose block knows its type, by a [`TypeId`] in the descriptor. Not by the name, which two types
//! may share, nor by the address of the descriptor or of a function in it: a compiler may make two of one and one of two.
//!
//! A `TypeId` knows no lifetimes. `Node<'gc>` has that of `Node<'static>`, and equality says "the same type, lifetimes aside". That this
//! is the same type altogether takes an argument (D2). Both the type that is forgotten and the one that is asked for are of the form
//! `T: Rebrand<With<'gc> = T>`.
//!
//! - `T::With<'static>` is `'static`, so every lifetime in `T` is `'static` itself or was put there in place of the brand;
//!   and as `T::With<'gc>` is `T`, these are `'gc`.
//! - Which are which is decided by the impls of `Rebrand`, and an impl cannot tell types apart that differ in lifetimes only. So
//!   if two types of this form differ in nothing but lifetimes, they do not differ.
//!
//! `Trace<'gc>` alone would not do: `PhantomData<&'a ()>` is traced under every brand, `'a` can be any lifetime, and a type may rest its
//! safety on it. It has no `Rebrand` unless `'a` is the brand or `'static`.
//!
//! Objects of pointer-free types without drop glue share blocks, which know their size and no more. Asking for such a type is
//! refused when the program is compiled. Who wants to ask anyway makes the object with [`Scope::alloc_dyn`], as a
//! [`dyn AnyObject`](crate::AnyObject): it carries its type.

use crate::{
    gc::{Brand, Gc},
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use std::{
    any::TypeId,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    mem,
    ops::Deref,
};

/// The identity of a type, all lifetimes aside.
pub(crate) fn of<T: ?Sized>() -> TypeId {
    trait Identified {
        fn identity(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T: ?Sized> Identified for PhantomData<T> {
        fn identity(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let phantom = PhantomData::<T>;
    let phantom: &dyn Identified = &phantom;
    // SAFETY: D2: the method has no lifetime to look at, as code has none; that it wants `'static` is so that nobody takes the
    // answer for more than it is.
    let phantom = unsafe { mem::transmute::<&dyn Identified, &(dyn Identified + 'static)>(phantom) };
    phantom.identity()
}

/// The same for a type that has a name outside of scopes.
pub(crate) fn of_named<T: ?Sized + Rebrand>() -> TypeId {
    TypeId::of::<T::With<'static>>()
}

/// What a [`Gc`] leads to when its type was forgotten, see [`Gc::erase`].
///
/// It has a brand, because there may be branded pointers in what it hides. And it stays on its thread, because what it hides may have to.
///
/// # Example: whatever a script gave
///
/// ```
/// use mudlark::{Erased, Gc, Heap, Trace};
///
/// #[derive(Trace)]
/// struct File<'gc>(Gc<'gc, str>);
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let value: Gc<'_, Erased<'_>> = Gc::erase(cx.alloc(File(cx.alloc_str("notes"))));
///     let file = value.downcast::<File<'_>>(cx).expect("it is a file");
///     assert_eq!(&*file.0, "notes");
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Erased<'gc> {
    brand: Brand<'gc>,
    not_send: PhantomData<*mut ()>,
}

impl fmt::Debug for Erased<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erased").field("brand", &self.brand).finish()
    }
}

// SAFETY: nothing can be seen or owned through it. Its objects are traced by their own descriptor, and may need it.
unsafe impl<'gc> Trace<'gc> for Erased<'gc> {
    const NEEDS_TRACE: bool = true;

    fn trace<V: Visitor>(&self, _visitor: &mut V) {}
}

// SAFETY: B1: the brand is replaced, and is all there is.
unsafe impl Rebrand for Erased<'_> {
    type With<'gc> = Erased<'gc>;
}

impl<'gc, T: ?Sized> Gc<'gc, T> {
    /// Forgets the type: for lists of whatever. The object stays what it is, to the collector too, and [`Gc::downcast`] finds out.
    ///
    /// # Example: two types in one list
    ///
    /// ```
    /// use mudlark::{Gc, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// struct File<'gc>(Gc<'gc, str>);
    ///
    /// #[derive(Trace)]
    /// struct Folder<'gc>(Vec<Gc<'gc, File<'gc>>>);
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let file = cx.alloc(File(cx.alloc_str("notes")));
    ///     let list = [Gc::erase(file), Gc::erase(cx.alloc(Folder(vec![file])))];
    ///     assert!(list[0].downcast::<Folder<'_>>(cx).is_none());
    ///     let folder = list[1].downcast::<Folder<'_>>(cx).expect("the second is a folder");
    ///     assert!(Gc::ptr_eq(folder.0[0], file));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn erase(this: Self) -> Gc<'gc, Erased<'gc>>
    where
        T: Rebrand<With<'gc> = T>,
    {
        // SAFETY: H1: the same object; nothing can be done with it that needs its type.
        unsafe { Gc::from_cell(Gc::cell(this)) }
    }
}

impl<'gc> Gc<'gc, Erased<'gc>> {
    /// The pointer as it was before its type was forgotten, if that was `T`.
    ///
    /// `T` must have pointers or drop glue: objects of other types do not know what they are, and a program that asks does not
    /// compile. For those see [`AnyObject`](crate::AnyObject). What was a string cannot be asked for either.
    ///
    /// # Example: a file, and no folder
    ///
    /// ```
    /// use mudlark::{Gc, Heap};
    ///
    /// type File = String;
    /// type Folder = Vec<File>;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let value = Gc::erase(cx.alloc(File::from("notes")));
    ///     assert_eq!(value.downcast::<File>(cx).as_deref().map(String::as_str), Some("notes"));
    ///     assert!(value.downcast::<Folder>(cx).is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Example: a number is no answer
    ///
    /// ```compile_fail
    /// # use mudlark::{Gc, Heap};
    /// # let heap = Heap::builder().build().unwrap();
    /// heap.attach().enter(|cx| Gc::erase(cx.alloc(1_u64)).downcast::<u64>(cx).is_some());
    /// ```
    #[inline]
    pub fn downcast<T>(self, cx: &Scope<'gc>) -> Option<Gc<'gc, T>>
    where
        T: ?Sized + Trace<'gc> + Rebrand<With<'gc> = T>,
    {
        const {
            assert!(
                T::NEEDS_TRACE || mem::needs_drop::<T>(),
                "objects of pointer-free types without drop glue do not know their type; \
                 allocate them with `alloc_dyn` as a `dyn AnyObject`, and use `Gc::downcast_ref`"
            );
        }
        // SAFETY: H1: the object is alive in this scope, and of its heap.
        let descriptor = unsafe { cx.core().descriptor_of(Gc::cell(self)) };
        // SAFETY: D2: the object was made as a `T`, and H1.
        ((descriptor.identity)() == of_named::<T>()).then(|| unsafe { Gc::from_cell(Gc::cell(self)) })
    }
}

/// A pointer that is compared and hashed by the object's address, as a key of maps for example.
///
/// [`Gc`] itself compares values. Addresses are good keys: objects never move, and a key keeps its object alive, so that no other
/// takes its address.
///
/// # Example: which nodes were visited
///
/// ```
/// use mudlark::{ByAddress, Heap};
/// use std::collections::HashSet;
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let (one, other) = (cx.alloc_str("same"), cx.alloc_str("same"));
///     let mut visited = HashSet::new();
///     assert!(visited.insert(ByAddress(one)));
///     assert!(visited.insert(ByAddress(other)));
///     assert!(!visited.insert(ByAddress(one)));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct ByAddress<'gc, T: ?Sized>(
    /// The pointer.
    pub Gc<'gc, T>,
);

impl<T: ?Sized> Clone for ByAddress<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for ByAddress<'_, T> {}

impl<'gc, T: ?Sized> Deref for ByAddress<'gc, T> {
    type Target = Gc<'gc, T>;

    #[inline]
    fn deref(&self) -> &Gc<'gc, T> {
        &self.0
    }
}

impl<'gc, T: ?Sized> From<Gc<'gc, T>> for ByAddress<'gc, T> {
    #[inline]
    fn from(gc: Gc<'gc, T>) -> Self {
        ByAddress(gc)
    }
}

impl<T: ?Sized> PartialEq for ByAddress<'_, T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        Gc::ptr_eq(self.0, other.0)
    }
}

impl<T: ?Sized> Eq for ByAddress<'_, T> {}

impl<T: ?Sized> PartialOrd for ByAddress<'_, T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: ?Sized> Ord for ByAddress<'_, T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        Gc::address(self.0).cmp(&Gc::address(other.0))
    }
}

impl<T: ?Sized> Hash for ByAddress<'_, T> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        Gc::address(self.0).hash(state);
    }
}

/// Formats the address: what it leads to is another matter.
impl<T: ?Sized> fmt::Debug for ByAddress<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByAddress({:p})", self.0)
    }
}

// SAFETY: T1: the pointer is traced.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for ByAddress<'gc, T> {
    const NEEDS_TRACE: bool = true;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.0.trace(visitor);
    }
}

// SAFETY: B1: a wrapper of the same pointer under another brand.
unsafe impl<T: ?Sized + Rebrand> Rebrand for ByAddress<'_, T> {
    type With<'gc> = ByAddress<'gc, T::With<'gc>>;
}
