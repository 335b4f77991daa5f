//! What `#[trace(…)]` says, and where it may say it.

use proc_macro2::{Span, TokenStream};
use syn::{
    Attribute, Error, Path, Result, Token, meta::ParseNestedMeta, parenthesized, parse_quote, token::Paren,
};

/// The options of a type.
pub(crate) struct TypeOptions {
    /// Where the generated code finds the crate `mudlark`.
    pub(crate) krate: Path,
    /// The type owns itself through other types, so `NEEDS_TRACE` cannot be computed from its fields.
    pub(crate) recursive: bool,
    /// There is no `Rebrand`: the type lives in the heap but has no name in a `Root`.
    pub(crate) no_rebrand: bool,
}

impl TypeOptions {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<TypeOptions> {
        let mut krate = None;
        let mut recursive = None;
        let mut no_rebrand = None;
        each_option(attributes, |meta| {
            if meta.path.is_ident("crate") {
                let path = meta.value()?.call(Path::parse_mod_style)?;
                set_once(&mut krate, path, &meta)
            } else if meta.path.is_ident("recursive") {
                set_flag(&mut recursive, &meta)
            } else if meta.path.is_ident("no_rebrand") {
                set_flag(&mut no_rebrand, &meta)
            } else if meta.path.is_ident("skip") {
                Err(meta.error("`skip` goes on a field; a type that holds no `Gc` at all needs no option"))
            } else {
                Err(meta.error("a type has the options `crate = path`, `no_rebrand` and `recursive`"))
            }
        })?;
        Ok(TypeOptions {
            krate: krate.unwrap_or_else(|| parse_quote!(::mudlark)),
            recursive: recursive.is_some(),
            no_rebrand: no_rebrand.is_some(),
        })
    }
}

/// Whether a field is skipped.
pub(crate) fn parse_field(attributes: &[Attribute]) -> Result<bool> {
    let mut skip = None;
    each_option(attributes, |meta| {
        if meta.path.is_ident("skip") {
            set_flag(&mut skip, &meta)
        } else {
            Err(meta.error("a field has the option `skip` only"))
        }
    })?;
    Ok(skip.is_some())
}

/// Refuses every option: a variant has none.
pub(crate) fn refuse_on_variant(attributes: &[Attribute]) -> Result<()> {
    each_option(attributes, |meta| Err(meta.error("a variant has no options; put `skip` on its fields")))
}

/// Refuses `#[repr(packed)]`: the tracer needs references to the fields.
pub(crate) fn refuse_packed(attributes: &[Attribute]) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("packed") {
                return Err(meta.error(
                    "cannot derive `Trace` for a packed type: the collector needs references to its fields; \
                     remove `packed`",
                ));
            }
            // `align(16)` and the like: the compiler judges them.
            if meta.input.peek(Paren) {
                let content;
                parenthesized!(content in meta.input);
                content.parse::<TokenStream>()?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn each_option(
    attributes: &[Attribute],
    mut option: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    let mut errors = Errors::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("trace")) {
        errors.note(attribute.parse_nested_meta(&mut option));
    }
    errors.finish()
}

fn set_flag(slot: &mut Option<()>, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.is_empty() || meta.input.peek(Token![,]) {
        set_once(slot, (), meta)
    } else {
        Err(meta.input.error("this option has no value"))
    }
}

fn set_once<T>(slot: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(meta.error("this option is given twice")),
    }
}

/// Collects errors, so that the user sees all of them at once.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, span: Span, message: impl std::fmt::Display) {
        self.add(Error::new(span, message));
    }

    pub(crate) fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }

    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::DeriveInput;

    fn error_of(input: &str) -> String {
        let input: DeriveInput = syn::parse_str(input).unwrap();
        let fields = match input.data {
            syn::Data::Struct(data) => data.fields.into_iter().collect(),
            _ => Vec::new(),
        };
        let of_fields = fields.iter().map(|field| parse_field(&field.attrs).map(drop));
        [TypeOptions::parse(&input.attrs).map(drop), refuse_packed(&input.attrs)]
            .into_iter()
            .chain(of_fields)
            .filter_map(Result::err)
            .map(|error| error.to_string())
            .collect()
    }

    /// Goal: an option that is misspelled, misplaced or given twice is an error, never ignored.
    #[test]
    fn options_that_make_no_sense_are_errors() {
        let cases = [
            ("#[trace(rebrand)] struct A;", "a type has the options"),
            ("#[trace(skip)] struct A;", "goes on a field"),
            ("#[trace(no_rebrand)] #[trace(no_rebrand)] struct A;", "twice"),
            ("#[trace(crate = a, crate = b)] struct A;", "twice"),
            ("struct A { #[trace(skipped)] a: u8 }", "`skip` only"),
            ("struct A { #[trace(skip = true)] a: u8 }", "no value"),
            ("struct A { #[trace] a: u8 }", "expected attribute arguments"),
            ("#[repr(C, packed(2))] struct A;", "packed"),
        ];
        for (input, expected) in cases {
            let error = error_of(input);
            assert!(error.contains(expected), "{input}: {error:?} should contain {expected:?}");
        }
    }

    /// Goal: what is right is let through. Method: all options, and a `repr` with arguments.
    #[test]
    fn options_that_make_sense_are_read() {
        let input: DeriveInput = parse_quote! {
            #[repr(C, align(16))]
            #[trace(crate = crate::gc, no_rebrand)]
            #[trace(recursive)]
            struct A;
        };
        refuse_packed(&input.attrs).unwrap();
        let options = TypeOptions::parse(&input.attrs).unwrap();
        assert!(options.no_rebrand && options.recursive);
        assert_eq!(options.krate.to_token_stream().to_string(), "crate :: gc");
        assert_eq!(error_of("#[trace()] struct A(#[trace(skip,)] u8);"), "");
    }
}
