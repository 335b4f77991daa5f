//! The type under another brand: `Ty<'gc, T>` becomes `Ty<'r, T::With<'r>>`, and so do the bounds on it.
//!
//! `Rebrand` must name the type under every brand, so the bounds that the user put on the type must hold
//! under every brand. The generated impl asks for that: next to each bound stands a copy of it `for<'r>`, in
//! which `'r` replaces the brand and `<T as Rebrand>::With<'r>` replaces each type parameter `T`. Parameters
//! that a skipped field names stay as they are: they are `'static`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    GenericParam, Lifetime, Path, PredicateType, Result, Token, TraitBoundModifier, Type, TypeParamBound,
    TypePath, WherePredicate, parse_quote,
    punctuated::Punctuated,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use crate::{
    options::Errors,
    target::{Param, Target},
};

/// A type in the words of its own parameters, and how to say it under the brand `brand`.
pub(crate) struct Rebranding<'a> {
    target: &'a Target<'a>,
    brand: Lifetime,
    /// The type under the other brand.
    with: Type,
}

type Bounds = Punctuated<TypeParamBound, Token![+]>;

impl<'a> Rebranding<'a> {
    pub(crate) fn new(target: &'a Target<'a>) -> Rebranding<'a> {
        let brand = target.names.lifetime("'r");
        let arguments = target.generics.params.iter().map(|param| match param {
            GenericParam::Lifetime(_) => brand.to_token_stream(),
            GenericParam::Const(param) => param.ident.to_token_stream(),
            GenericParam::Type(param) => match target.params.iter().find(|known| *known.ident == param.ident)
            {
                Some(known) if !known.in_skipped => other_brand_of(target, known, &brand).to_token_stream(),
                _ => param.ident.to_token_stream(),
            },
        });
        let ident = &target.ident;
        let with = parse_quote!(#ident<#(#arguments),*>);
        Rebranding { target, brand, with }
    }

    /// `type With<'r> = …`, without the keyword.
    pub(crate) fn definition(&self) -> TokenStream {
        let (brand, with) = (&self.brand, &self.with);
        quote!(With<#brand> = #with)
    }

    /// The bounds that the impl of `Rebrand` adds to those of the type.
    pub(crate) fn bounds(&self) -> Result<Vec<WherePredicate>> {
        let mut bounds = self.bounds_of_params();
        let mut errors = Errors::default();
        for predicate in self.predicates_of_user() {
            bounds.extend(errors.note(self.under_other_brand(predicate)).flatten());
        }
        errors.finish().map(|()| bounds)
    }

    fn bounds_of_params(&self) -> Vec<WherePredicate> {
        let (krate, brand) = (&self.target.options.krate, &self.brand);
        let mut bounds = Vec::new();
        for param in &self.target.params {
            let ident = param.ident;
            if !param.in_skipped {
                bounds.push(parse_quote!(#ident: #krate::Rebrand));
                if !self.may_be_unsized(param) {
                    let with = other_brand_of(self.target, param, brand);
                    bounds.push(parse_quote!(for<#brand> #with: ::core::marker::Sized));
                }
                continue;
            }
            bounds.push(parse_quote!(#ident: ::core::marker::Send + 'static));
            if param.in_traced {
                bounds.push(parse_quote!(for<#brand> #ident: #krate::Trace<#brand>));
            }
        }
        bounds
    }

    fn may_be_unsized(&self, param: &Param<'_>) -> bool {
        self.predicates_of_user().any(|predicate| {
            is_named(&predicate.bounded_ty, param) && predicate.bounds.iter().any(is_relaxed)
        })
    }

    /// All bounds on types, whether they stand at the parameter or after `where`.
    ///
    /// Bounds on lifetimes are none of our business: `'gc: 'gc` holds under every brand, and a type whose
    /// brand must outlive `'static` lives under no brand.
    fn predicates_of_user(&self) -> impl Iterator<Item = PredicateType> {
        let generics = self.target.generics;
        let at_params = generics.type_params().map(|param| PredicateType {
            lifetimes: None,
            bounded_ty: type_named(&param.ident),
            colon_token: Token![:](Span::mixed_site()),
            bounds: param.bounds.clone(),
        });
        let after_where = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
        let after_where = after_where.filter_map(|predicate| match predicate {
            WherePredicate::Type(predicate) => Some(predicate.clone()),
            _ => None,
        });
        at_params.chain(after_where)
    }

    /// The bound for all brands; `None` where this says nothing new.
    fn under_other_brand(&self, mut predicate: PredicateType) -> Result<Option<WherePredicate>> {
        predicate.bounds =
            predicate.bounds.into_iter().filter(|bound| !is_relaxed(bound)).collect::<Bounds>();
        let mut replace = Replace { to: self, replaced: false, errors: Errors::default() };
        replace.visit_predicate_type_mut(&mut predicate);
        replace.errors.finish()?;
        if !replace.replaced || predicate.bounds.is_empty() {
            return Ok(None);
        }
        let brand = &self.brand;
        let binder = predicate.lifetimes.get_or_insert_with(|| parse_quote!(for<>));
        binder.lifetimes.insert(0, parse_quote!(#brand));
        Ok(Some(WherePredicate::Type(predicate)))
    }
}

/// Puts the other brand in place of the type's own.
struct Replace<'a> {
    to: &'a Rebranding<'a>,
    replaced: bool,
    errors: Errors,
}

impl Replace<'_> {
    /// What replaces the type that `path` starts with.
    fn replacement(&self, path: &Path) -> Option<Type> {
        let first = path.segments.first().filter(|_| path.leading_colon.is_none())?;
        if first.ident == "Self" {
            return Some(self.to.with.clone());
        }
        let target = self.to.target;
        let param = target.params.iter().find(|param| !param.in_skipped && *param.ident == first.ident)?;
        Some(other_brand_of(target, param, &self.to.brand))
    }
}

impl VisitMut for Replace<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        let target = self.to.target;
        if target.has_brand && *lifetime == target.brand {
            *lifetime = self.to.brand.clone();
            self.replaced = true;
        }
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        let Type::Path(path) = ty else { return visit_mut::visit_type_mut(self, ty) };
        if path.qself.is_some() {
            return visit_mut::visit_type_mut(self, ty);
        }
        match self.replacement(&path.path) {
            None => visit_mut::visit_type_mut(self, ty),
            Some(replacement) if path.path.segments.len() == 1 => {
                *ty = replacement;
                self.replaced = true;
            }
            Some(_) => self.errors.push(
                path.span(),
                "cannot tell which trait this name belongs to under another brand: write it as \
                 `<Type as Trait>::Name`, or give up `Root`s of this type with `#[trace(no_rebrand)]`",
            ),
        }
    }
}

/// `<T as Rebrand>::With<'r>`.
fn other_brand_of(target: &Target<'_>, param: &Param<'_>, brand: &Lifetime) -> Type {
    let (krate, ident) = (&target.options.krate, param.ident);
    parse_quote!(<#ident as #krate::Rebrand>::With<#brand>)
}

fn type_named(ident: &Ident) -> Type {
    Type::Path(TypePath { qself: None, path: ident.clone().into() })
}

fn is_named(ty: &Type, param: &Param<'_>) -> bool {
    matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident(param.ident))
}

/// `?Sized`.
fn is_relaxed(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(bound) if matches!(bound.modifier, TraitBoundModifier::Maybe(_)))
}
