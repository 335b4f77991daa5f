//! The type that the derive stands on: checked, with its fields sorted by what the tracer does with them.

use std::collections::HashSet;

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, Generics, Index, Lifetime, LifetimeParam, Macro,
    Member, Path, Result, Type,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    names::{Names, idents_of},
    options::{self, Errors, TypeOptions},
};

/// A type that can be traced.
pub(crate) struct Target<'a> {
    /// The name of the type, marked as generated: the use of a deprecated type by its own impls is no news.
    pub(crate) ident: Ident,
    pub(crate) generics: &'a Generics,
    /// What the user allows on the type: the impls repeat its parameters, and with them what lints say of
    /// them.
    pub(crate) allowed: Vec<&'a Attribute>,
    pub(crate) options: TypeOptions,
    /// The lifetime parameter of the type, or a fresh one.
    pub(crate) brand: Lifetime,
    pub(crate) has_brand: bool,
    pub(crate) params: Vec<Param<'a>>,
    pub(crate) body: Body<'a>,
    pub(crate) names: Names,
}

/// A type parameter.
pub(crate) struct Param<'a> {
    pub(crate) ident: &'a Ident,
    /// A skipped field names it: it is `'static + Send`, and has no brand to replace.
    pub(crate) in_skipped: bool,
    /// It is traced: a traced field names it, or no field does.
    pub(crate) in_traced: bool,
}

pub(crate) enum Body<'a> {
    Struct(Vec<TracedField<'a>>),
    Enum(Vec<(&'a Ident, Vec<TracedField<'a>>)>),
}

impl<'a> Body<'a> {
    pub(crate) fn fields(&self) -> impl Iterator<Item = &TracedField<'a>> {
        let (of_struct, of_enum) = match self {
            Body::Struct(fields) => (Some(fields), None),
            Body::Enum(variants) => (None, Some(variants)),
        };
        of_struct.into_iter().flatten().chain(of_enum.into_iter().flatten().flat_map(|(_, fields)| fields))
    }
}

pub(crate) struct TracedField<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    /// What the field is called in the tracer.
    pub(crate) binding: Ident,
    pub(crate) tracing: Tracing,
    mentions: Mentions,
}

/// What the tracer does with a field, judged by the names in its type.
///
/// `NEEDS_TRACE` must not be computed from types that are computed from this one: constants that need each
/// other do not compile. So the names decide where they can. Whether the field is visited is always decided
/// by the constant of its own type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tracing {
    /// `#[trace(skip)]`.
    Skipped,
    /// Names neither the brand nor a type parameter: it is `'static`, and no brand is.
    Unbranded,
    /// Names the brand: taken to need tracing.
    Branded,
    /// Names a type parameter: its own `NEEDS_TRACE` decides.
    Computed,
    /// Names a type parameter and leads back to the type itself: the parameters decide. It is asserted that
    /// they are right once all constants are known.
    Recursive,
}

impl<'a> Target<'a> {
    pub(crate) fn new(input: &'a DeriveInput) -> Result<Target<'a>> {
        let mut errors = Errors::default();
        errors.note(options::refuse_packed(&input.attrs));
        let options = errors.note(TypeOptions::parse(&input.attrs));

        let names = Names::of(input);
        let own_brand = errors.note(own_brand(&input.generics)).flatten();
        let brand = own_brand.map_or_else(|| names.lifetime("'gc"), |own| own.lifetime.clone());
        let recursive = options.as_ref().is_some_and(|options| options.recursive);
        let scope = Scope {
            recursive,
            ident: &input.ident,
            brand: own_brand.map(|own| &own.lifetime),
            generics: &input.generics,
        };
        let body = errors.note(scope.body(&input.data));
        errors.finish()?;

        let (Some(options), Some(body)) = (options, body) else {
            unreachable!("what is missing was noted as an error");
        };
        let params = input.generics.type_params().map(|param| Param::new(&param.ident, &body)).collect();
        let mut ident = input.ident.clone();
        ident.set_span(Span::call_site().located_at(ident.span()));
        let (generics, has_brand) = (&input.generics, own_brand.is_some());
        let allowed = input.attrs.iter().filter(|attribute| attribute.path().is_ident("allow")).collect();
        Ok(Target { ident, generics, allowed, options, brand, has_brand, params, body, names })
    }
}

/// The only lifetime parameter.
fn own_brand(generics: &Generics) -> Result<Option<&LifetimeParam>> {
    let mut lifetimes = generics.lifetimes();
    let Some(brand) = lifetimes.next() else { return Ok(None) };
    let mut errors = Errors::default();
    for other in lifetimes {
        let message = format!(
            "a traced type has one lifetime parameter at most, the brand of its `Gc`s; use `{}` in place of \
             `{}`, and `'static` or owned data for what is no `Gc`",
            brand.lifetime, other.lifetime
        );
        errors.push(other.lifetime.span(), message);
    }
    errors.finish().map(|()| Some(brand))
}

impl<'a> Param<'a> {
    fn new(ident: &'a Ident, body: &Body<'_>) -> Param<'a> {
        let named_by = |skipped: bool| {
            body.fields()
                .filter(|field| (field.tracing == Tracing::Skipped) == skipped)
                .any(|field| field.mentions.heads.contains(ident))
        };
        let in_skipped = named_by(true);
        Param { ident, in_skipped, in_traced: !in_skipped || named_by(false) }
    }
}

/// What the names in a field's type can mean.
struct Scope<'a> {
    /// All types lead back to the type itself, as far as one can know.
    recursive: bool,
    ident: &'a Ident,
    brand: Option<&'a Lifetime>,
    generics: &'a Generics,
}

impl Scope<'_> {
    fn body<'a>(&self, data: &'a Data) -> Result<Body<'a>> {
        match data {
            Data::Struct(data) => self.fields(&data.fields).map(Body::Struct),
            Data::Enum(data) => {
                let mut errors = Errors::default();
                let mut variants = Vec::new();
                for variant in &data.variants {
                    errors.note(options::refuse_on_variant(&variant.attrs));
                    let fields = errors.note(self.fields(&variant.fields));
                    variants.push((&variant.ident, fields.unwrap_or_default()));
                }
                errors.finish().map(|()| Body::Enum(variants))
            }
            Data::Union(data) => Err(Error::new(
                data.union_token.span,
                "cannot derive `Trace` for a union: nobody knows which of its fields is alive; use an enum",
            )),
        }
    }

    fn fields<'a>(&self, fields: &'a Fields) -> Result<Vec<TracedField<'a>>> {
        let mut errors = Errors::default();
        let mut traced = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let skip = errors.note(options::parse_field(&field.attrs)).unwrap_or(false);
            let mentions = Mentions::of(&field.ty);
            if skip && self.names_brand(&mentions) {
                errors.push(
                    field.ty.span(),
                    "cannot skip a field whose type names the brand: the collector would free what its `Gc`s \
                     point to; remove `skip`",
                );
            }
            traced.push(TracedField {
                member: member(field, index),
                ty: &field.ty,
                binding: format_ident!("__field{}", index, span = Span::mixed_site()),
                tracing: if skip { Tracing::Skipped } else { self.tracing(&field.ty, &mentions) },
                mentions,
            });
        }
        errors.finish().map(|()| traced)
    }

    fn tracing(&self, ty: &Type, mentions: &Mentions) -> Tracing {
        let itself = self.recursive || mentions.says_self() || mentions.segments.contains(self.ident);
        if is_phantom(ty) {
            Tracing::Computed
        } else if self.names_brand(mentions) {
            Tracing::Branded
        } else if self.names_param(mentions) || mentions.is_opaque {
            if itself { Tracing::Recursive } else { Tracing::Computed }
        } else {
            Tracing::Unbranded
        }
    }

    fn names_brand(&self, mentions: &Mentions) -> bool {
        self.brand.is_some_and(|brand| mentions.says_self() || mentions.lifetimes.contains(&brand.ident))
    }

    fn names_param(&self, mentions: &Mentions) -> bool {
        self.generics.type_params().any(|param| mentions.says_self() || mentions.heads.contains(&param.ident))
    }
}

fn member(field: &Field, index: usize) -> Member {
    field.ident.clone().map_or_else(|| Member::Unnamed(Index::from(index)), Member::Named)
}

/// `PhantomData` never needs tracing, whatever it names.
fn is_phantom(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_phantom(&group.elem),
        Type::Paren(paren) => is_phantom(&paren.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "PhantomData"),
        _ => false,
    }
}

/// The names in a type.
#[derive(Default)]
struct Mentions {
    /// The first names of paths: what can be a type parameter.
    heads: HashSet<Ident>,
    /// All names of paths.
    segments: HashSet<Ident>,
    lifetimes: HashSet<Ident>,
    /// There is a macro call in it. Its arguments count as names, what it expands to stays hidden.
    is_opaque: bool,
}

impl Mentions {
    fn of(ty: &Type) -> Mentions {
        let mut mentions = Mentions::default();
        mentions.visit_type(ty);
        mentions
    }

    /// `Self` names all that the type does.
    fn says_self(&self) -> bool {
        self.heads.iter().any(|name| name == "Self")
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            self.heads.extend(path.segments.first().map(|first| first.ident.clone()));
        }
        self.segments.extend(path.segments.iter().map(|segment| segment.ident.clone()));
        visit::visit_path(self, path);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.lifetimes.insert(lifetime.ident.clone());
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let names = idents_of(call.tokens.clone());
        self.heads.extend(names.iter().cloned());
        self.segments.extend(names.iter().cloned());
        self.lifetimes.extend(names);
        self.is_opaque = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no constant needs itself, and the names alone never call a field free of pointers that may hold
    /// some.
    #[test]
    fn fields_are_sorted_by_the_names_in_their_types() {
        use Tracing::{Branded, Computed, Recursive, Skipped, Unbranded};
        let cases: [(&str, &[Tracing]); 10] = [
            ("struct A<'a> { next: Option<Gc<'a, A<'a>>>, number: u8 }", &[Branded, Unbranded]),
            ("struct A<'a>(Option<Box<Self>>, PhantomData<&'a ()>);", &[Branded, Computed]),
            ("struct A(Vec<A>, Box<Self>);", &[Unbranded, Unbranded]),
            ("struct A<T>(T, Vec<A<T>>, Vec<Self>);", &[Computed, Recursive, Recursive]),
            ("#[trace(recursive)] struct A<T>(Vec<T>, u8);", &[Recursive, Unbranded]),
            ("struct A<T: Shape>(T::Out, <T as Shape>::Out);", &[Computed, Computed]),
            ("struct A<T>(::T, other::T, T);", &[Unbranded, Unbranded, Computed]),
            ("struct A(hidden!());", &[Computed]),
            ("struct A<'a>(hidden!(), named!('a));", &[Computed, Branded]),
            ("enum A<T> { B(u8), C { #[trace(skip)] field: T }, D }", &[Unbranded, Skipped]),
        ];
        for (input, expected) in cases {
            let parsed = syn::parse_str(input).unwrap();
            let target = Target::new(&parsed).unwrap();
            let tracing: Vec<_> = target.body.fields().map(|field| field.tracing).collect();
            assert_eq!(tracing, expected, "{input}");
        }
    }

    /// Goal: a parameter is held fixed where a skipped field names it, and traced everywhere else.
    #[test]
    fn parameters_of_skipped_fields_are_fixed() {
        let input = "struct A<S, T, U>(#[trace(skip)] Vec<(S, T)>, Option<T>, PhantomData<fn() -> U>);";
        let parsed = syn::parse_str(input).unwrap();
        let target = Target::new(&parsed).unwrap();
        let params: Vec<_> = target.params.iter().map(|param| (param.in_skipped, param.in_traced)).collect();
        assert_eq!(params, [(true, false), (true, true), (false, true)]);
    }
}
