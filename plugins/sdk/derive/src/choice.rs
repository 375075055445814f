//! The derive on an enum: one variant, one text.

use crate::attr;
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::BTreeMap;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DataEnum, Error, Fields, Ident, Result, Variant};

pub(crate) fn expand(name: &Ident, data: &DataEnum) -> Result<TokenStream> {
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            name,
            "Params needs at least one variant",
        ));
    }
    let choices = data
        .variants
        .iter()
        .map(EnumVariant::of)
        .collect::<Result<Vec<_>>>()?;
    refuse_duplicates(&choices)?;
    let variants: Vec<&Ident> = choices.iter().map(|choice| choice.variant).collect();
    let texts: Vec<&String> = choices.iter().map(|choice| &choice.text).collect();
    let abouts = choices.iter().map(|choice| &choice.about);
    let indices = 0..choices.len();
    Ok(quote! {
        const _: () = {
            const NAMES: &[&str] = &[#(#texts),*];

            impl ::orch_sdk::params::ParamValue for #name {
                fn schema() -> ::orch_sdk::serde_json::Value {
                    ::orch_sdk::params::choices(NAMES, &[#(#abouts),*])
                }

                fn from_json(
                    value: &::orch_sdk::serde_json::Value,
                ) -> ::core::result::Result<Self, ::std::string::String> {
                    ::core::result::Result::Ok(match ::orch_sdk::params::one_of(NAMES, value)? {
                        #(#indices => Self::#variants,)*
                        _ => ::core::unreachable!("one_of returns an index of NAMES"),
                    })
                }

                fn to_json(&self) -> ::orch_sdk::serde_json::Value {
                    ::orch_sdk::serde_json::Value::from(match self {
                        #(Self::#variants => #texts,)*
                    })
                }
            }
        };
    })
}

struct EnumVariant<'a> {
    variant: &'a Ident,
    text: String,
    about: String,
}

impl<'a> EnumVariant<'a> {
    fn of(variant: &'a Variant) -> Result<Self> {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new(
                variant.fields.span(),
                "Params needs variants without fields; implement `orch_sdk::ParamValue` by hand \
                 for a value of several shapes",
            ));
        }
        let text = match attr::of_variant(&variant.attrs)? {
            Some(name) => name.value(),
            None => snake_case(&variant.ident.unraw().to_string()),
        };
        Ok(Self {
            variant: &variant.ident,
            text,
            about: attr::doc(&variant.attrs),
        })
    }
}

fn refuse_duplicates(choices: &[EnumVariant<'_>]) -> Result<()> {
    let mut seen = BTreeMap::new();
    for choice in choices {
        if let Some(first) = seen.insert(&choice.text, choice.variant) {
            let text = &choice.text;
            return Err(Error::new_spanned(
                choice.variant,
                format!("`{first}` already has the name \"{text}\""),
            ));
        }
    }
    Ok(())
}

/// Converts `GeluTanh` to `gelu_tanh`, `Int8` to `int8`, `KVCache` to `kv_cache`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::new();
    for (i, letter) in letters.iter().enumerate() {
        if letter.is_uppercase() && i > 0 {
            let after_small = !letters[i - 1].is_uppercase() && letters[i - 1] != '_';
            let before_small = letters[i - 1].is_uppercase()
                && letters.get(i + 1).is_some_and(|next| next.is_lowercase());
            if after_small || before_small {
                text.push('_');
            }
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn names_of_variants() {
        let cases = [
            ("Host", "host"),
            ("GeluTanh", "gelu_tanh"),
            ("Int8", "int8"),
            ("KVCache", "kv_cache"),
            ("A", "a"),
            ("StackOverflow", "stack_overflow"),
        ];
        for (variant, expected) in cases {
            assert_eq!(snake_case(variant), expected);
        }
    }
}
