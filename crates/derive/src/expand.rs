//! Writes the impls.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Generics, Ident, Result, WherePredicate, parse_quote, spanned::Spanned};

use crate::{
    rebrand::Rebranding,
    target::{Body, Target, TracedField, Tracing},
};

/// All that the derive writes.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let target = Target::new(input)?;
    let rebrand = if target.options.no_rebrand { TokenStream::new() } else { rebrand_impl(&target)? };
    let trace = trace_impl(&target);
    let no_drop = drop_refusal(&target);
    Ok(quote!(#trace #rebrand #no_drop))
}

fn trace_impl(target: &Target<'_>) -> TokenStream {
    let Target { ident, brand, allowed, .. } = target;
    let krate = &target.options.krate;

    let mut generics = target.generics.clone();
    if !target.has_brand {
        generics.params.insert(0, parse_quote!(#brand));
    }
    add_bounds(&mut generics, trace_bounds(target));
    let (params, _, bounds) = generics.split_for_impl();
    let (_, arguments, _) = target.generics.split_for_impl();

    let needs_trace = needs_trace(target);
    let visitor_type = target.names.ident("__V");
    let visitor = Ident::new("__visitor", Span::mixed_site());
    let visits = visits(target, &visitor);
    quote! {
        #[automatically_derived]
        #(#allowed)*
        unsafe impl #params #krate::Trace<#brand> for #ident #arguments #bounds {
            const NEEDS_TRACE: ::core::primitive::bool = #needs_trace;

            #[inline]
            fn trace<#visitor_type: #krate::trace::Visitor>(&self, #visitor: &mut #visitor_type) {
                <Self as #krate::Trace<#brand>>::a_derived_type_must_not_implement_drop(self);
                #visits
            }
        }
    }
}

fn trace_bounds(target: &Target<'_>) -> Vec<WherePredicate> {
    let (krate, brand) = (&target.options.krate, &target.brand);
    let mut bounds = Vec::new();
    for param in &target.params {
        let ident = param.ident;
        if param.in_traced {
            bounds.push(parse_quote!(#ident: #krate::Trace<#brand>));
        }
        if param.in_skipped {
            bounds.push(parse_quote!(#ident: ::core::marker::Send + 'static));
        }
    }
    bounds
}

fn rebrand_impl(target: &Target<'_>) -> Result<TokenStream> {
    let Target { ident, allowed, .. } = target;
    let krate = &target.options.krate;
    let rebranding = Rebranding::new(target);
    let mut generics = target.generics.clone();
    add_bounds(&mut generics, rebranding.bounds()?);
    let (params, arguments, bounds) = generics.split_for_impl();
    let definition = rebranding.definition();
    Ok(quote! {
        #[automatically_derived]
        #(#allowed)*
        unsafe impl #params #krate::Rebrand for #ident #arguments #bounds {
            type #definition;
        }
    })
}

/// An impl of a hidden trait for the type, which all types with a `Drop` impl have already: no type may have both.
fn drop_refusal(target: &Target<'_>) -> TokenStream {
    let Target { ident, allowed, .. } = target;
    let krate = &target.options.krate;
    let (params, arguments, bounds) = target.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #(#allowed)*
        impl #params #krate::trace::MustNotImplDrop for #ident #arguments #bounds {
            const IS_DERIVED: ::core::primitive::bool = true;
        }
    }
}

/// The value of `NEEDS_TRACE`: without the brand it is `false`, or the cells could not rely on it (T7).
fn needs_trace(target: &Target<'_>) -> TokenStream {
    let any_is = |tracing| target.body.fields().any(|field| field.tracing == tracing);
    if any_is(Tracing::Branded) {
        return quote!(true);
    }
    let computed = target.body.fields().filter(|field| field.tracing == Tracing::Computed);
    let mut parts: Vec<_> = computed.map(|field| field_needs_trace(target, field)).collect();
    if any_is(Tracing::Recursive) {
        let (krate, brand) = (&target.options.krate, &target.brand);
        let params = target.params.iter().filter(|param| param.in_traced).map(|param| param.ident);
        parts.extend(params.map(|param| quote!(<#param as #krate::Trace<#brand>>::NEEDS_TRACE)));
    }
    if parts.is_empty() { quote!(false) } else { quote!(#(#parts)||*) }
}

fn field_needs_trace(target: &Target<'_>, field: &TracedField<'_>) -> TokenStream {
    let (krate, brand, ty) = (&target.options.krate, &target.brand, field.ty);
    quote_spanned!(at(field)=> <#ty as #krate::Trace<#brand>>::NEEDS_TRACE)
}

/// The function whose bounds hold for a field that is not traced.
///
/// It is one of the trait's own, like the other assertions: whoever passes a crate of their own off as `core`, or as mudlark, and takes the
/// bounds away there, has no impl of the trait either.
fn assertion(tracing: Tracing, span: Span) -> Ident {
    let name = match tracing {
        Tracing::Skipped => "a_skipped_field_must_be_static_and_send",
        _ => "a_field_without_the_brand_must_be_static",
    };
    Ident::new(name, span)
}

/// Takes the value apart and visits its fields.
///
/// The patterns have no `..`: were a field missing here, the code would not compile.
fn visits(target: &Target<'_>, visitor: &Ident) -> TokenStream {
    let visits = |fields: &[TracedField<'_>]| {
        fields.iter().map(|field| visit(target, field, visitor)).collect::<TokenStream>()
    };
    match &target.body {
        Body::Struct(fields) => {
            let pattern = pattern(fields);
            let visits = visits(fields);
            quote! {
                let Self #pattern = self;
                #visits
            }
        }
        Body::Enum(variants) if variants.is_empty() => quote!(match *self {}),
        Body::Enum(variants) => {
            let arms = variants.iter().map(|(ident, fields)| {
                let pattern = pattern(fields);
                let visits = visits(fields);
                quote!(Self::#ident #pattern => { #visits })
            });
            quote!(match self { #(#arms)* })
        }
    }
}

/// `{ a: __field0, b: __field1 }`, which fits fields with names, fields with numbers and no fields.
fn pattern(fields: &[TracedField<'_>]) -> TokenStream {
    let members = fields.iter().map(|field| &field.member);
    let bindings = fields.iter().map(|field| &field.binding);
    quote!({ #(#members: #bindings),* })
}

fn visit(target: &Target<'_>, field: &TracedField<'_>, visitor: &Ident) -> TokenStream {
    let (krate, brand) = (&target.options.krate, &target.brand);
    let TracedField { ty, binding, tracing, .. } = field;
    let span = at(field);
    // A coercion to a raw pointer does not go through `Deref`: this is the type of the field, and not of what
    // it leads to.
    let mut code = quote_spanned!(span=> let _: *const (#ty) = #binding;);
    if matches!(tracing, Tracing::Skipped | Tracing::Unbranded) {
        let assertion = assertion(*tracing, span);
        code.extend(quote_spanned!(span=> <Self as #krate::Trace<#brand>>::#assertion::<#ty>(#binding);));
    }
    let needs_trace = field_needs_trace(target, field);
    if *tracing == Tracing::Recursive {
        code.extend(quote_spanned! {span=>
            <Self as #krate::Trace<#brand>>::a_recursive_type_must_not_hide_a_gc::<#ty>(#binding);
        });
    }
    if *tracing != Tracing::Skipped {
        code.extend(quote_spanned! {span=>
            if #needs_trace {
                <#ty as #krate::Trace<#brand>>::trace(#binding, #visitor);
            }
        });
    }
    code
}

/// Where errors about a field show, with the hygiene of the macro.
fn at(field: &TracedField<'_>) -> Span {
    Span::mixed_site().located_at(field.ty.span())
}

fn add_bounds(generics: &mut Generics, bounds: Vec<WherePredicate>) {
    if !bounds.is_empty() {
        generics.make_where_clause().predicates.extend(bounds);
    }
}
