//! `#[derive(Params)]` of orch-sdk. The documentation is at `orch_sdk::Params`.

mod attr;
mod choice;
mod record;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, Error, Result, parse_macro_input};

/// Implements `orch_sdk::Params` for a struct with named fields, or `orch_sdk::ParamValue` for an
/// enum without fields.
#[proc_macro_derive(Params, attributes(param))]
pub fn derive_params(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand(input: &DeriveInput) -> Result<proc_macro2::TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "Params cannot be derived for a generic type",
        ));
    }
    attr::refuse(
        &input.attrs,
        "`#[param(..)]` belongs on a field or a variant",
    )?;
    match &input.data {
        Data::Struct(data) => record::expand(&input.ident, data),
        Data::Enum(data) => choice::expand(&input.ident, data),
        Data::Union(data) => Err(Error::new(
            data.union_token.span,
            "Params cannot be derived for a union",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    /// Returns the derive's message about an item, and the piece of source at which it points.
    fn refusal(item: &str) -> (String, String) {
        let input = syn::parse_str(item).expect("the item is valid Rust");
        let error = expand(&input).expect_err(item);
        (
            error.to_string(),
            error.span().source_text().unwrap_or_default(),
        )
    }

    #[test]
    fn items_that_cannot_be_parameters() {
        #[rustfmt::skip]
        let cases = [
            ("struct P(u32);", "(u32)", "Params needs named fields, because they name the \
                parameters"),
            ("struct P;", "P", "Params needs a struct with named fields; for a workload \
                without parameters, write `type Params = ()`"),
            ("struct P<T> { t: T }", "<T>", "Params cannot be derived for a generic type"),
            ("struct P<'a> { t: &'a str }", "<'a>", "Params cannot be derived for a generic type"),
            ("union P { a: u32 }", "union", "Params cannot be derived for a union"),
            ("enum P {}", "P", "Params needs at least one variant"),
            ("enum P { A, B(u32) }", "(u32)", "Params needs variants without fields; implement \
                `orch_sdk::ParamValue` by hand for a value of several shapes"),
            ("enum P { OneTwo, #[param(name = \"one_two\")] B }", "B", "`OneTwo` already has the \
                name \"one_two\""),
        ];
        for (item, place, message) in cases {
            assert_eq!(
                refusal(item),
                (message.to_owned(), place.to_owned()),
                "{item}"
            );
        }
    }

    #[test]
    fn attributes_that_mean_nothing() {
        let field =
            "unknown attribute of a parameter; the known ones are `default`, `range` and `unit`";
        let range = "expected a range with a bound: `1..=9`, `1..10`, `1..` or `..=9`";
        #[rustfmt::skip]
        let cases = [
            ("struct P { #[param(defualt = 1)] a: u32 }", "defualt", field),
            ("struct P { #[param(name = \"b\")] a: u32 }", "name", field),
            ("struct P { #[param(unit = \"s\", unit = \"ms\")] a: u32 }", "unit = \"ms\"", "this \
                attribute is given twice"),
            ("struct P { #[param(range = 5)] a: u32 }", "5", range),
            ("struct P { #[param(range = ..)] a: u32 }", "..", range),
            ("struct P { #[param(unit = 3)] a: u32 }", "3", "expected string literal"),
            ("struct P { #[param(default)] a: u32 }", "", "expected `=`"),
            ("enum P { #[param(default = 1)] A }", "default", "unknown attribute of a variant; \
                the only known one is `name`"),
            ("#[param(unit = \"s\")] struct P { a: u32 }", "#[param(unit = \"s\")]",
                "`#[param(..)]` belongs on a field or a variant"),
        ];
        for (item, place, message) in cases {
            let (actual, at) = refusal(item);
            assert_eq!(actual, message, "{item}");
            assert!(place.is_empty() || at == place, "{item}: points at `{at}`");
        }
    }

    #[test]
    fn doc_comments_become_descriptions() {
        let cases = [
            ("/// One line.", "One line"),
            ("/// Two\n/// lines", "Two lines"),
            ("/// A head.\n///\n/// A body.", "A head.\n\nA body"),
            ("", ""),
        ];
        for (comment, expected) in cases {
            let input: syn::DeriveInput =
                syn::parse_str(&format!("{comment}\nstruct P {{}}")).expect("valid");
            assert_eq!(super::attr::doc(&input.attrs), expected);
        }
    }
}
