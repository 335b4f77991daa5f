//! Names that no name in the user's type can collide with.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{DeriveInput, Lifetime};

/// The names that the user's type uses, wherever they come from.
///
/// Hygiene alone does not help: it covers local variables and lifetimes, but neither type parameters nor
/// traits.
pub(crate) struct Names {
    taken: HashSet<Ident>,
}

impl Names {
    pub(crate) fn of(input: &DeriveInput) -> Names {
        Names { taken: idents_of(input.to_token_stream()) }
    }

    /// A lifetime called `name` (with its `'`), or nearly so.
    pub(crate) fn lifetime(&self, name: &str) -> Lifetime {
        let ident = self.ident(name.trim_start_matches('\''));
        Lifetime::new(&format!("'{ident}"), Span::mixed_site())
    }

    /// An identifier called `name`, or nearly so.
    pub(crate) fn ident(&self, name: &str) -> Ident {
        let mut ident = Ident::new(name, Span::mixed_site());
        while self.taken.contains(&ident) {
            ident = Ident::new(&format!("{ident}_"), Span::mixed_site());
        }
        ident
    }
}

/// All identifiers in `tokens`, the names of lifetimes among them.
pub(crate) fn idents_of(tokens: TokenStream) -> HashSet<Ident> {
    let mut idents = HashSet::new();
    let mut streams = vec![tokens];
    while let Some(stream) = streams.pop() {
        for token in stream {
            match token {
                TokenTree::Ident(ident) => drop(idents.insert(ident)),
                TokenTree::Group(group) => streams.push(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
    idents
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    /// Goal: a fresh name differs from every name in the type, in bounds, in lifetimes and in macro calls.
    #[test]
    fn fresh_names_differ_from_all_names_of_the_type() {
        let names = Names::of(&parse_quote!(
            struct A<'r, V: Shape<r_>> {
                a: ty!(__V, [gc]),
                b: V,
            }
        ));
        assert_eq!(names.lifetime("'r").to_string(), "'r__");
        assert_eq!(names.lifetime("'gc").to_string(), "'gc_");
        assert_eq!(names.ident("__V").to_string(), "__V_");
        assert_eq!(names.ident("W").to_string(), "W");
    }
}
