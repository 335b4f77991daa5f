//! What the collector sees of a value: [`Trace`] finds the pointers in it, [`Rebrand`] names its type outside
//! of scopes.
//!
//! ```text
//!                     Trace<'gc>                                    Rebrand
//!   Node<'gc> ─────── trace(visitor) ──▶ each Gc<'gc, _> in it      Node<'gc> ── With<'static> ──▶ Node<'static>
//!   in a scope        on any thread, while mutators read            in a scope                     in a Root
//! ```
//!
//! `#[derive(Trace)]` writes both, and it is the only way that needs no `unsafe`. Here are the traits with
//! their contracts, and the impls for types of the standard library: `leaf` has those that never hold a
//! pointer into the heap, and the wrapper [`Static`] that makes any other type such a leaf; `containers` has
//! those that hold what they are given, and `foreign` some of other crates, behind features. [`Gc`](crate::Gc) and the cells implement the traits beside their
//! definitions. They alone call the visitor.
//!
//! What has no impl has none for a reason: `Rc` cannot be dropped on another thread,
//! `std::cell::RefCell<Gc<_>>` would change under the eyes of the collector, a `&'gc T` would keep nothing
//! alive, and nobody knows what is in a `dyn Any`.

mod containers;
mod foreign;
mod leaf;
#[cfg(test)]
mod tests;

pub use leaf::Static;
pub use mudlark_collector::Visitor;

/// A type whose values can live in the heap: it shows the collector every [`Gc`](crate::Gc) in them.
///
/// `'gc` is the brand of those pointers. A type that holds none implements `Trace<'gc>` for every `'gc`.
///
/// Derive it. The derive demands that each field is `Trace`, or is skipped with `#[trace(skip)]` and is
/// `'static + Send`, and it refuses a `Drop` impl.
///
/// # Safety
/// The collector frees what `trace` does not show it, and it calls `trace` and drops values from its own
/// threads. An impl promises:
///
/// - **T1** `trace` visits every `Gc` that the value owns, that is, every one that can be reached from it
///   without going through a `Gc`; one in a hasher or a comparator counts. Visiting one twice is allowed.
/// - **T2** `trace` does not look at what a `Gc` points to. It neither enters a scope nor allocates in a heap
///   nor collects one, and it does nothing with the visitor but to trace its parts. If it panics, the cycle
///   is given up and nothing is freed.
/// - **T3** What `trace` reads does not change behind a `&self`, except inside mudlark's cells: it runs on
///   one thread while another uses the value.
/// - **T4** All that the value owns is `Send`, except the `Gc`s: it may be dropped on any thread.
/// - **T5** Dropping the value reads nothing through a `Gc`: what it points to may be gone already.
/// - **T6** Every `Gc` in the value has the brand `'gc`, and all other data in it is `'static`.
/// - **T7** `NEEDS_TRACE` is `false` only if `trace` visits nothing, whatever the value. And it is `true`
///   only if the type has a brand, that is, implements `Trace<'gc>` for one `'gc` alone: a value without a
///   brand can be changed in a scope of any heap, behind the back of the collector that would read it.
///
/// # Example: two fields that are traced and one that is not
/// ```
/// use mudlark::{Gc, GcCell, Heap, Trace};
///
/// #[derive(Trace)]
/// struct File<'gc> {
///     name: Gc<'gc, str>,
///     next: GcCell<Option<Gc<'gc, File<'gc>>>>,
///     #[trace(skip)]
///     handle: Option<std::fs::File>,
/// }
///
/// let heap = Heap::builder().build()?;
/// let name_bytes = heap.attach().enter(|cx| {
///     let name = cx.alloc_str("log");
///     let file = cx.alloc(File { name, next: GcCell::new(None), handle: None });
///     file.next.set(cx, Some(file));
///     file.name.len()
/// });
/// assert_eq!(name_bytes, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot live in a garbage-collected heap",
    label = "not `Trace`",
    note = "a type of your own: put `#[derive(Trace)]` on it",
    note = "a type that holds no `Gc` and is `'static + Send`: skip the field with `#[trace(skip)]`, \
            or wrap the value in `Static`",
    note = "in place of `Rc` use `Gc`; in place of `Cell` and `RefCell` use `GcCell` and `GcRefCell`"
)]
pub unsafe trait Trace<'gc> {
    /// Whether values of this type can hold a `Gc`.
    ///
    /// Where it is `false`, the collector never reads the values, and containers of them are skipped as a
    /// whole.
    const NEEDS_TRACE: bool;

    /// Bytes that an object of this type takes in the heap if it needs no trace; 0 makes the marker look it up.
    #[doc(hidden)]
    const LEAF_BYTES: usize = 0;

    /// Passes every `Gc` in the value to `visitor`, by tracing the parts of the value.
    ///
    /// # Example: what the derive writes
    ///
    /// ```
    /// use mudlark::{Gc, Heap, Rebrand, Root, Trace, trace::Visitor};
    ///
    /// struct Entry<'gc> {
    ///     name: Gc<'gc, str>,
    ///     note: Gc<'gc, str>,
    /// }
    ///
    /// // SAFETY: T1: both pointers are visited, and there is nothing else.
    /// unsafe impl<'gc> Trace<'gc> for Entry<'gc> {
    ///     const NEEDS_TRACE: bool = true;
    ///
    ///     fn trace<V: Visitor>(&self, visitor: &mut V) {
    ///         self.name.trace(visitor);
    ///         self.note.trace(visitor);
    ///     }
    /// }
    ///
    /// // SAFETY: B1: the same type under another brand.
    /// unsafe impl Rebrand for Entry<'_> {
    ///     type With<'gc> = Entry<'gc>;
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let entry: Root<Entry<'static>> = mutator.enter(|cx| {
    ///     let (name, note) = (cx.alloc_str("lark"), cx.alloc_str("a bird"));
    ///     cx.root(cx.alloc(Entry { name, note }))
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!((&*entry.get(cx).name, &*entry.get(cx).note), ("lark", "a bird")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn trace<V: Visitor>(&self, visitor: &mut V);

    // What the derive asserts. Here, and not in what it writes, because names like `::core::marker::Send` mean there what the user's
    // crate makes of them; the trait that an impl is of is always this one.

    #[doc(hidden)]
    #[inline(always)]
    fn a_skipped_field_must_be_static_and_send<T: ?Sized + Send + 'static>(_: &T) {}

    #[doc(hidden)]
    #[inline(always)]
    fn a_field_without_the_brand_must_be_static<T: ?Sized + 'static>(_: &T) {}

    #[doc(hidden)]
    #[inline(always)]
    fn a_recursive_type_must_not_hide_a_gc<T: ?Sized + Trace<'gc>>(_: &T) {
        const {
            assert!(
                Self::NEEDS_TRACE || !T::NEEDS_TRACE,
                "a recursive type holds a `Gc` that its type parameters do not tell of; give it a brand",
            );
        }
    }

    #[doc(hidden)]
    #[inline(always)]
    fn a_derived_type_must_not_implement_drop<T: ?Sized + MustNotImplDrop>(_: &T) {
        const { assert!(T::IS_DERIVED, "a type that derives `Trace` implements `Drop`") }
    }
}

/// The derive implements it for its types, and every type with a `Drop` impl has it already: no type may have both.
///
/// Another trait in its place does not help; this is refused when the tracer is compiled:
///
/// ```compile_fail
/// mod hostile {
///     pub use mudlark::{Rebrand, Trace};
///
///     pub mod trace {
///         pub use mudlark::trace::Visitor;
///
///         pub trait MustNotImplDrop {
///             const IS_DERIVED: bool;
///         }
///     }
/// }
///
/// #[derive(mudlark::Trace)]
/// #[trace(crate = hostile)]
/// struct Dropped(u64);
///
/// impl Drop for Dropped {
///     fn drop(&mut self) {}
/// }
///
/// let heap = mudlark::Heap::builder().build().unwrap();
/// heap.attach().enter(|cx| cx.alloc(Dropped(1)).0);
/// ```
#[doc(hidden)]
pub trait MustNotImplDrop {
    #[doc(hidden)]
    const IS_DERIVED: bool;
}

#[allow(drop_bounds, reason = "it is about `Drop` impls, not about drop glue")]
impl<T: ?Sized + Drop> MustNotImplDrop for T {
    const IS_DERIVED: bool = false;
}

/// A type that has the same name under every brand: `Node<'gc>` in a scope is `Node<'static>` in a
/// [`Root`](crate::Root).
///
/// `#[derive(Trace)]` writes it too, unless it is told `#[trace(no_rebrand)]`.
///
/// # Safety
/// A root casts a pointer to a `Self` to a pointer to a `With<'r>` and back. An impl promises:
///
/// - **B1** `With<'r>` is `Self` with `'r` in place of the brand wherever a `Gc` has it, and is otherwise the
///   same type. So the two have the same layout, the same `NEEDS_TRACE` and the same drop glue, and a type
///   without a brand is its own `With<'r>`.
/// - **B2** A value of the one is a value of the other, if what its `Gc`s point to is alive throughout `'r`.
///
/// # Example: a function for roots of any type
///
/// ```
/// use mudlark::{Gc, Heap, Mutator, Rebrand, Root};
///
/// fn with<T: ?Sized + Rebrand, R>(
///     mutator: &mut Mutator,
///     root: &Root<T>,
///     look: impl for<'gc> FnOnce(Gc<'gc, T::With<'gc>>) -> R,
/// ) -> R {
///     mutator.enter(|cx| look(root.get(cx)))
/// }
///
/// let mut mutator = Heap::builder().build()?.attach();
/// let word: Root<str> = mutator.enter(|cx| cx.root(cx.alloc_str("lark")));
/// assert_eq!(with(&mut mutator, &word, |word| word.len()), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no name outside of a scope",
    label = "not `Rebrand`",
    note = "`#[derive(Trace)]` implements `Rebrand`, unless `#[trace(no_rebrand)]` is on the type"
)]
pub unsafe trait Rebrand {
    /// This type under the brand `'gc`.
    type With<'gc>: ?Sized + Trace<'gc> + 'gc;
}
