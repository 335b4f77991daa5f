//! `#[derive(Trace)]` for mudlark. Use it through the crate `mudlark`, which re-exports it.
//!
//! The generated code is the place where a user's type meets the `unsafe` contract of `Trace`, so this crate
//! has one goal above all: what compiles is sound. In order:
//!
//! 1. Nothing is missed. The tracer takes the type apart with patterns that name every field and type: a
//!    field that an attribute macro adds behind our back does not compile, and neither does a packed type.
//! 2. What is not traced cannot hold a pointer: a skipped field is `'static` and `Send`, by an assertion in
//!    the code.
//! 3. Nothing runs when a value dies but the drop glue of its fields: a `Drop` impl conflicts with a hidden
//!    trait.
//! 4. It costs nothing where there is nothing to trace: each visit stands behind a constant.
//! 5. Names cannot collide, and no lint fires in the user's code.
//!
//! The stops, in the order in which they happen: `options` reads the attributes, `target` checks the type and
//! sorts its fields, `rebrand` rewrites bounds for another brand, `expand` writes the code.

mod expand;
mod names;
mod options;
mod rebrand;
mod target;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `Trace` and `Rebrand` for a struct or an enum, and refuses `Drop` on it.
///
/// The type has at most one lifetime parameter, whatever its name: it is the brand. A type without one is
/// traced under every brand. Every field must be `Trace` itself, or be skipped.
///
/// # On the type
/// - `#[trace(no_rebrand)]` writes no `Rebrand`. For a type whose bounds hold under one brand only. It can
///   live in the heap, but no `Root` can name it.
/// - `#[trace(recursive)]` computes `NEEDS_TRACE` from the type parameters in place of the fields. For
///   generic types without a brand that own each other in a ring (`Expr<T>` owns `Vec<Stmt<T>>` and `Stmt<T>`
///   owns `Box<Expr<T>>`), where the compiler reports a cycle in evaluating `NEEDS_TRACE`; one type of the
///   ring suffices. Types with a brand never need it, nor do types that own only themselves.
/// - `#[trace(crate = path)]` says where the crate `mudlark` is, when it is not at `::mudlark`.
///
/// # On a field
/// - `#[trace(skip)]` does not trace the field. Its type must be `'static + Send`: it can hold no `Gc`, and
///   the collector may drop it on any thread. A type parameter that it names is bound to be `'static + Send`,
///   and a `Root` names the type with this parameter as it is.
///
/// # What it writes
/// ```text
/// #[derive(Trace)]
/// struct Pair<'gc, T> { key: T, next: Option<Gc<'gc, Pair<'gc, T>>>, #[trace(skip)] file: File }
///
/// unsafe impl<'gc, T> Trace<'gc> for Pair<'gc, T> where T: Trace<'gc> { … }
/// unsafe impl<'gc, T> Rebrand for Pair<'gc, T>
/// where
///     T: Rebrand,
///     for<'r> T::With<'r>: Sized,
/// {
///     type With<'r> = Pair<'r, T::With<'r>>;
/// }
/// ```
#[proc_macro_derive(Trace, attributes(trace))]
pub fn derive_trace(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
