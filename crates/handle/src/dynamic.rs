//! Objects behind a trait: `Gc<'gc, dyn Shape<'gc> + 'gc>`, in one word.
//!
//! ```text
//!   Gc<dyn Shape> ──▶ ┌──────────┬───────────────┐
//!                     │ metadata │ the value     │   the metadata of a `&dyn Shape`: which methods it has
//!                     └──────────┴───────────────┘   alignment of the value: a word at most
//! ```
//!
//! The object begins with what makes a `&dyn Shape` of its address, so the pointer stays one word and fits wherever a [`Gc`] does:
//! into a [`GcCell`](crate::GcCell), a [`GcWeak`](crate::GcWeak), a [`Root`](crate::Root). The object knows its trait from birth:
//! [`Scope::alloc_dyn`] makes it, and a `Gc<Circle>` cannot become a `Gc<dyn Shape>` later.
//!
//! # Refused
//!
//! - *Fat pointers*, as `Box<dyn Shape>` has. Two words cannot be loaded in one step while another thread stores them, so no cell that
//!   markers read without a lock could hold one; every `Gc` of unknown type would have to know its own size.
//! - *Looking the methods up by descriptor.* The block knows the type, and a table could lead from type and trait to the methods. But that is
//!   a dependent load into the block's record and a search, in every call; objects without pointers share blocks and have no
//!   descriptor of their own; and somebody must fill the table without naming all pairs.
//! - *A function in place of the metadata*, which turns an address into a `&dyn Shape`. No assumption about references would be needed; but an
//!   indirect call before each indirect call. The assumption is small: a reference to a `dyn` is two words, the first of
//!   them the address. It is checked when each object is made, and costs nothing there.
//! - *The metadata and the address*, a whole reference to itself at the head of each object: needs no assumption either, and a word
//!   more in each object.
//!
//! # Tracing
//!
//! The collector finds the object by its descriptor, which is that of its type: marking does not go through the trait. But a `dyn Shape` can
//! also be owned, in a `Box`. So traits of objects have [`DynTrace`] as a supertrait. All types of named brand have it, and
//! through it the pointers in a `dyn Shape` are found, and its type.

use crate::{
    error::AllocError,
    gc::{Gc, Referent},
    identity,
    layout::{Place, descriptor},
    scope::Scope,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_collector::{Descriptor, EphemeronSlot, MarkLock, PieceLock};
use std::{
    alloc::Layout,
    any::TypeId,
    mem,
    ptr::{self, NonNull},
};

/// What a trait must have as a supertrait to be a trait of objects: see [`dyn_object!`](crate::dyn_object).
///
/// Every sized `Trace` type that has a name under every brand has it.
///
/// # Safety
///
/// Only the one impl in this crate: **D2** rests on `identity` being that of the type.
///
/// # Example: the supertrait of a trait
///
/// ```
/// use mudlark::{DynTrace, Gc, Heap, Trace, dyn_object};
///
/// trait Animal<'gc>: DynTrace<'gc> {
///     fn legs(&self) -> u32;
/// }
/// dyn_object!(for<'gc> dyn Animal<'gc>);
///
/// #[derive(Trace)]
/// struct Lark;
///
/// impl<'gc> Animal<'gc> for Lark {
///     fn legs(&self) -> u32 {
///         2
///     }
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let animal: Gc<'_, dyn Animal<'_>> = cx.alloc_dyn(Lark);
///     assert_eq!(animal.legs(), 2);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be behind a trait in the heap of this scope",
    note = "a type: put `#[derive(Trace)]` on it, without `no_rebrand`; its brand is that of the trait",
    note = "a trait: give it the supertrait `DynTrace<'gc>`"
)]
pub unsafe trait DynTrace<'gc> {
    /// Passes every `Gc` in the value to `visitor`.
    #[doc(hidden)]
    fn dyn_trace(&self, visitor: &mut DynVisitor);

    /// The identity of the value's type.
    #[doc(hidden)]
    fn dyn_identity(&self) -> TypeId;
}

// SAFETY: D2: the type is its own name under the brand, and tells whose name it is.
unsafe impl<'gc, T> DynTrace<'gc> for T
where
    T: Trace<'gc> + Rebrand<With<'gc> = T>,
{
    fn dyn_trace(&self, visitor: &mut DynVisitor) {
        if T::NEEDS_TRACE {
            self.trace(visitor);
        }
    }

    fn dyn_identity(&self) -> TypeId {
        identity::of_named::<T>()
    }
}

/// A `dyn Trait` type to which a reference to a `T` can be coerced: written by [`dyn_object!`](crate::dyn_object).
///
/// # Safety
///
/// `coerce` returns its argument as a trait object.
///
/// # Example: a function for whatever can stand behind a trait
///
/// ```
/// use mudlark::{AnyObject, DynObject, Gc, Heap, Scope, Trace};
///
/// fn put<'gc, T: Trace<'gc>>(cx: &Scope<'gc>, list: &mut Vec<Gc<'gc, dyn AnyObject<'gc> + 'gc>>, value: T)
/// where
///     dyn AnyObject<'gc> + 'gc: DynObject<T>,
/// {
///     list.push(cx.alloc_dyn(value));
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let mut list = Vec::new();
///     put(cx, &mut list, 7_u64);
///     put(cx, &mut list, "lark");
///     assert_eq!(Gc::downcast_ref::<&str>(list[1]), Some(&"lark"));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be allocated as a `{Self}`",
    note = "the type must implement the trait, for the brand of the scope; and `mudlark::dyn_object!` must name the trait once",
    note = "the trait object is written with the brand at its end: `dyn Shape<'gc> + 'gc`"
)]
pub unsafe trait DynObject<T>: Referent {
    #[doc(hidden)]
    fn coerce(value: &T) -> &Self;
}

/// Any visitor, for tracers that are called through a trait object. Programs have no use for it: [`DynTrace`] has an example without.
#[derive(Debug)]
pub struct DynVisitor {
    visitor: NonNull<dyn AnyVisitor>,
}

trait AnyVisitor {
    /// # Safety
    ///
    /// That of [`Visitor::edge`].
    unsafe fn edge(&mut self, cell: NonNull<u8>);
    /// # Safety
    ///
    /// That of [`Visitor::leaf`].
    unsafe fn leaf(&mut self, cell: NonNull<u8>, cell_bytes: usize);
    /// # Safety
    ///
    /// That of [`Visitor::ephemeron`].
    unsafe fn ephemeron(&mut self, slot: &EphemeronSlot);
    /// # Safety
    ///
    /// That of [`Visitor::guard`].
    unsafe fn guard(&mut self, slot: &EphemeronSlot);
    fn guarded(&mut self, lock: &MarkLock, contents: &mut dyn FnMut(&mut DynVisitor));
    fn guarded_pieces(
        &mut self,
        lock: &PieceLock,
        piece: &mut dyn FnMut(&mut DynVisitor, usize) -> Option<usize>,
    );
}

impl<V: Visitor> AnyVisitor for V {
    unsafe fn edge(&mut self, cell: NonNull<u8>) {
        // SAFETY: promised by the caller.
        unsafe { Visitor::edge(self, cell) };
    }

    unsafe fn leaf(&mut self, cell: NonNull<u8>, cell_bytes: usize) {
        // SAFETY: promised by the caller.
        unsafe { Visitor::leaf(self, cell, cell_bytes) };
    }

    unsafe fn ephemeron(&mut self, slot: &EphemeronSlot) {
        // SAFETY: promised by the caller.
        unsafe { Visitor::ephemeron(self, slot) };
    }

    unsafe fn guard(&mut self, slot: &EphemeronSlot) {
        // SAFETY: promised by the caller.
        unsafe { Visitor::guard(self, slot) };
    }

    fn guarded(&mut self, lock: &MarkLock, contents: &mut dyn FnMut(&mut DynVisitor)) {
        Visitor::guarded(self, lock, |visitor| with(visitor, contents));
    }

    fn guarded_pieces(
        &mut self,
        lock: &PieceLock,
        piece: &mut dyn FnMut(&mut DynVisitor, usize) -> Option<usize>,
    ) {
        Visitor::guarded_pieces(self, lock, |visitor, first| {
            let mut next = None;
            with(visitor, &mut |visitor| next = piece(visitor, first));
            next
        });
    }
}

/// Lends a visitor to `each` in a form that has no parameters.
fn with<V: Visitor>(visitor: &mut V, each: &mut dyn FnMut(&mut DynVisitor)) {
    let visitor: NonNull<dyn AnyVisitor + '_> = NonNull::from(visitor);
    // SAFETY: T2: tracers do nothing with it but to trace, so it is used during this call only, while the visitor is borrowed.
    let visitor = unsafe { mem::transmute::<NonNull<dyn AnyVisitor + '_>, NonNull<dyn AnyVisitor>>(visitor) };
    each(&mut DynVisitor { visitor });
}

/// Traces an object that is owned behind a trait: for [`dyn_object!`](crate::dyn_object).
///
/// The lifetimes are written `'a: 'a`, so that the code can name the brand.
pub fn trace_object<'gc, 'a: 'a, D: ?Sized + DynTrace<'gc>, V: Visitor + 'a>(
    object: &'a D,
    visitor: &'a mut V,
) {
    with(visitor, &mut |visitor| object.dyn_trace(visitor));
}

impl DynVisitor {
    fn inner(&mut self) -> &mut dyn AnyVisitor {
        // SAFETY: T2: see `with`.
        unsafe { self.visitor.as_mut() }
    }
}

// SAFETY: the visitor behind it promises the same.
unsafe impl Visitor for DynVisitor {
    unsafe fn edge(&mut self, cell: NonNull<u8>) {
        // SAFETY: promised by the caller.
        unsafe { self.inner().edge(cell) };
    }

    unsafe fn leaf(&mut self, cell: NonNull<u8>, cell_bytes: usize) {
        // SAFETY: promised by the caller.
        unsafe { self.inner().leaf(cell, cell_bytes) };
    }

    unsafe fn ephemeron(&mut self, slot: &EphemeronSlot) {
        // SAFETY: promised by the caller.
        unsafe { self.inner().ephemeron(slot) };
    }

    unsafe fn guard(&mut self, slot: &EphemeronSlot) {
        // SAFETY: promised by the caller.
        unsafe { self.inner().guard(slot) };
    }

    fn guarded(&mut self, lock: &MarkLock, contents: impl FnOnce(&mut Self)) {
        let mut contents = Some(contents);
        self.inner().guarded(lock, &mut |visitor| {
            if let Some(contents) = contents.take() {
                contents(visitor);
            }
        });
    }

    fn guarded_pieces(&mut self, lock: &PieceLock, mut piece: impl FnMut(&mut Self, usize) -> Option<usize>) {
        self.inner().guarded_pieces(lock, &mut piece);
    }
}

/// How an object behind a trait lies in its cell.
#[repr(C)]
struct Headed<T> {
    metadata: *const (),
    value: T,
}

/// From the start of the cell to the value.
const VALUE_OFFSET: usize = size_of::<*const ()>();

// SAFETY: T1: the value is traced, and there are no other pointers into a heap.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Headed<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.value.trace(visitor);
    }
}

/// The descriptor of objects of type `T` behind the trait of `D`. It is asked for the type of the pointer, which is `D`.
fn headed_descriptor<'gc, D: ?Sized, T: Trace<'gc>>() -> &'static Descriptor {
    const {
        &Descriptor {
            identity: identity::of::<D>,
            name: std::any::type_name::<T>,
            layout: Layout::new::<Headed<T>>(),
            ..*descriptor::<Headed<T>>()
        }
    }
}

/// The two words of a reference to a trait object.
type Words = [*const (); 2];

/// The second word of a reference to a trait object.
#[inline(always)]
fn metadata<D: ?Sized>(object: &D) -> *const () {
    const { assert!(size_of::<&D>() == size_of::<Words>(), "a reference to a `dyn` is two words") };
    let object = ptr::from_ref(object);
    // SAFETY: D1: as large as asserted, and pointers are initialized bytes.
    let [address, metadata] = unsafe { mem::transmute_copy::<*const D, Words>(&object) };
    assert!(address == object.cast(), "the address is the first word of a reference to a `dyn`");
    metadata
}

/// What is behind the trait in a cell: for [`dyn_object!`](crate::dyn_object).
///
/// # Safety
///
/// [`Scope::alloc_dyn`] filled the cell as a `D`, which is a `dyn` type.
#[inline(always)]
pub unsafe fn object_in<D: ?Sized>(cell: NonNull<u8>) -> NonNull<D> {
    // SAFETY: D1: the object begins with its metadata.
    let metadata = unsafe { cell.cast::<*const ()>().read() };
    // SAFETY: D1: the value follows.
    let value = unsafe { cell.add(VALUE_OFFSET) };
    let words: Words = [value.as_ptr().cast_const().cast(), metadata];
    // SAFETY: D1: these are the words of a reference to the value, as it was asserted when the object was made.
    unsafe { mem::transmute_copy::<Words, NonNull<D>>(&words) }
}

impl<'gc> Scope<'gc> {
    /// Moves a value into the heap, as an object behind a trait. The trait is named once by [`dyn_object!`](crate::dyn_object).
    ///
    /// The object takes a word more than the value. Its alignment is a word at most: a type that wants more does not compile here.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`Scope::try_alloc_dyn`] gives the value back instead.
    ///
    /// # Example: shapes of two kinds
    ///
    /// ```
    /// use mudlark::{DynTrace, Gc, GcCell, Heap, Trace, dyn_object};
    ///
    /// trait Shape<'gc>: DynTrace<'gc> {
    ///     fn area(&self) -> f64;
    /// }
    /// dyn_object!(for<'gc> dyn Shape<'gc>);
    ///
    /// #[derive(Trace)]
    /// struct Square(f64);
    ///
    /// impl<'gc> Shape<'gc> for Square {
    ///     fn area(&self) -> f64 {
    ///         self.0 * self.0
    ///     }
    /// }
    ///
    /// #[derive(Trace)]
    /// struct Group<'gc>(Vec<Gc<'gc, dyn Shape<'gc> + 'gc>>);
    ///
    /// impl<'gc> Shape<'gc> for Group<'gc> {
    ///     fn area(&self) -> f64 {
    ///         self.0.iter().map(|shape| shape.area()).sum()
    ///     }
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let pair = Group(vec![cx.alloc_dyn(Square(3.0)), cx.alloc_dyn(Square(4.0))]);
    ///     let shape: Gc<'_, dyn Shape<'_>> = cx.alloc_dyn(pair);
    ///     assert_eq!(shape.area(), 25.0);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn alloc_dyn<D, T>(&self, value: T) -> Gc<'gc, D>
    where
        D: ?Sized + DynObject<T> + Trace<'gc>,
        T: Trace<'gc>,
    {
        match self.try_alloc_dyn(value) {
            Ok(gc) => gc,
            Err(error) => error.panic(),
        }
    }

    /// Moves a value into the heap, as an object behind a trait.
    ///
    /// # Errors
    ///
    /// When the heap is full. The value comes back, and nothing has happened.
    ///
    /// # Example: a value whose alignment is larger than a word
    ///
    /// ```compile_fail
    /// # use mudlark::{AnyObject, Heap};
    /// # let heap = Heap::builder().build().unwrap();
    /// heap.attach().enter(|cx| _ = cx.try_alloc_dyn::<dyn AnyObject<'_>, _>(7_u128));
    /// ```
    ///
    /// # Example: as `alloc_dyn`, for scripts that may hit their limit
    ///
    /// ```
    /// use mudlark::{AnyObject, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| assert!(cx.try_alloc_dyn::<dyn AnyObject<'_>, _>(7_u64).is_ok()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_alloc_dyn<D, T>(&self, value: T) -> Result<Gc<'gc, D>, AllocError<T>>
    where
        D: ?Sized + DynObject<T> + Trace<'gc>,
        T: Trace<'gc>,
    {
        const {
            assert!(
                align_of::<T>() <= VALUE_OFFSET,
                "the alignment of an object behind a trait is a word at most; put what needs more into a `Box` or a `Gc`"
            );
        }
        let metadata = metadata(D::coerce(&value));
        let descriptor = headed_descriptor::<D, T>();
        // Not among the pointer-free cells that types share, for the sake of its identity.
        let place = const { Place::new(Layout::new::<Headed<T>>(), false) };
        let headed = Headed { metadata, value };
        match self.place(place, descriptor, headed) {
            // SAFETY: D1: the cell begins with the metadata of a `D`, and its value follows; made in this scope.
            Ok(cell) => Ok(unsafe { Gc::from_cell(cell) }),
            Err(error) => Err(AllocError { value: error.value.value, full: error.full }),
        }
    }
}

impl<'gc, D: ?Sized + Referent + DynTrace<'gc> + 'gc> Gc<'gc, D> {
    /// The value behind the trait, if it is a `T`. Any type can be asked for, pointer-free ones too.
    ///
    /// A reference and not a pointer, as the value lies inside of its object. What is to be stored is the trait object.
    ///
    /// # Example: numbers among strings
    ///
    /// ```
    /// use mudlark::{AnyObject, Gc, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let list: [Gc<'_, dyn AnyObject<'_>>; 2] = [cx.alloc_dyn(7_u64), cx.alloc_dyn("seven")];
    ///     let numbers = list.iter().filter_map(|&any| Gc::downcast_ref::<u64>(any));
    ///     assert_eq!(numbers.sum::<u64>(), 7);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn downcast_ref<T>(this: Self) -> Option<&'gc T>
    where
        T: Rebrand<With<'gc> = T> + 'gc,
    {
        let object = this.into_ref();
        let value = ptr::from_ref(object).cast::<T>();
        // SAFETY: D2: the value is a `T`, and the reference to it is shortened by nothing.
        (object.dyn_identity() == identity::of_named::<T>()).then(|| unsafe { &*value })
    }
}

/// Objects of any type, which can be asked for it: `Gc<'gc, dyn AnyObject<'gc> + 'gc>`.
///
/// In place of `std`'s `dyn Any`, whose types are `'static`. [`Scope::alloc_dyn`] makes them, [`Gc::downcast_ref`] asks.
///
/// # Example: a list of values of different types
///
/// ```
/// use mudlark::{AnyObject, Gc, Heap};
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let values: [Gc<'_, dyn AnyObject<'_>>; 2] = [cx.alloc_dyn(7_u64), cx.alloc_dyn('x')];
///     assert_eq!(Gc::downcast_ref::<u64>(values[0]), Some(&7));
///     assert_eq!(Gc::downcast_ref::<u64>(values[1]), None);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait AnyObject<'gc>: DynTrace<'gc> {}

impl<'gc, T: DynTrace<'gc>> AnyObject<'gc> for T {}

crate::dyn_object!(for<'gc> dyn AnyObject<'gc>);

/// Makes a trait one whose objects can live in a heap, as `Gc<'gc, dyn Trait<'gc> + 'gc>` and in a `Box`. To be written once per trait.
///
/// The trait has the brand as a parameter, and [`DynTrace`](crate::DynTrace) under this brand as a supertrait. Where a
/// [`Root`](crate::Root) names the type it is `dyn Trait<'static>`. For objects that threads share, `Send` and `Sync` are
/// supertraits too.
///
/// Further parameters of the trait stand behind the brand, each with at most one bound; they are `'static`.
///
/// # Example: a trait with a parameter
///
/// ```
/// use mudlark::{DynTrace, Gc, Heap, Root, Trace, dyn_object};
/// use std::fmt::Display;
///
/// trait Writer<'gc, T>: DynTrace<'gc> {
///     fn write(&self, value: T) -> String;
/// }
/// dyn_object!(for<'gc, T: Display> dyn Writer<'gc, T>);
///
/// #[derive(Trace)]
/// struct Prefix<'gc>(Gc<'gc, str>);
///
/// impl<'gc, T: Display> Writer<'gc, T> for Prefix<'gc> {
///     fn write(&self, value: T) -> String {
///         format!("{}{value}", self.0)
///     }
/// }
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let writer: Root<dyn Writer<'static, u64>> = mutator.enter(|cx| {
///     let writer: Gc<'_, dyn Writer<'_, u64>> = cx.alloc_dyn(Prefix(cx.alloc_str("n = ")));
///     cx.root(writer)
/// });
/// mutator.collect();
/// assert_eq!(mutator.enter(|cx| writer.get(cx).write(7)), "n = 7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! dyn_object {
    (for<$brand:lifetime $(, $param:ident $(: $bound:path)?)* $(,)?> dyn $object:path) => {
        const _: () = {
            type __MudlarkObject<$brand $(, $param)*> = dyn $object + $brand;

            // SAFETY: D1: a `dyn` type, for the alias says `dyn`; such objects are made by `alloc_dyn` alone.
            unsafe impl<$brand $(, $param: $($bound +)? 'static)*> $crate::Referent
                for __MudlarkObject<$brand $(, $param)*>
            {
                #[inline(always)]
                unsafe fn from_cell(cell: ::core::ptr::NonNull<u8>) -> ::core::ptr::NonNull<Self> {
                    // SAFETY: D1: promised by the caller.
                    unsafe { $crate::__private::object_in(cell) }
                }
            }

            // SAFETY: a coercion that the compiler checks.
            unsafe impl<$brand $(, $param: $($bound +)? 'static)*, __MudlarkValue> $crate::DynObject<__MudlarkValue>
                for __MudlarkObject<$brand $(, $param)*>
            where
                __MudlarkValue: $object + $brand,
            {
                #[inline(always)]
                fn coerce(value: &__MudlarkValue) -> &Self {
                    value
                }
            }

            // SAFETY: T1-T6: the value traces itself; T7: the alias ends with the brand, so the type has it.
            unsafe impl<$brand $(, $param: $($bound +)? 'static)*> $crate::Trace<$brand>
                for __MudlarkObject<$brand $(, $param)*>
            {
                const NEEDS_TRACE: bool = true;

                fn trace<__MudlarkVisitor: $crate::trace::Visitor>(&self, visitor: &mut __MudlarkVisitor) {
                    $crate::__private::trace_object::<$brand, '_, Self, __MudlarkVisitor>(self, visitor);
                }
            }

            // SAFETY: B1: the alias under another brand; what is behind it has a name under every brand.
            unsafe impl<$brand $(, $param: $($bound +)? 'static)*> $crate::Rebrand
                for __MudlarkObject<$brand $(, $param)*>
            {
                type With<'__mudlark> = __MudlarkObject<'__mudlark $(, $param)*>;
            }
        };
    };
}
