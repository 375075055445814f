//! The derive on a struct: one field of the struct, one parameter.

use crate::attr::{self, FieldAttr};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DataStruct, Error, Expr, Field, Fields, Ident, Lit, RangeLimits, Result};

pub(crate) fn expand(name: &Ident, data: &DataStruct) -> Result<TokenStream> {
    let fields = match &data.fields {
        Fields::Named(fields) => &fields.named,
        Fields::Unnamed(fields) => {
            return Err(Error::new_spanned(
                fields,
                "Params needs named fields, because they name the parameters",
            ));
        }
        Fields::Unit => {
            return Err(Error::new_spanned(
                name,
                "Params needs a struct with named fields; for a workload without parameters, write \
                 `type Params = ()`",
            ));
        }
    };
    let fields = fields
        .iter()
        .map(StructField::of)
        .collect::<Result<Vec<_>>>()?;
    let functions = fields.iter().map(|field| &field.function);
    let makers: Vec<&Ident> = fields.iter().map(|field| &field.maker).collect();
    let members = fields.iter().map(|field| &field.member);
    let names = fields.iter().map(|field| &field.name);
    Ok(quote! {
        const _: () = {
            #(#functions)*

            impl ::orch_sdk::params::Params for #name {
                fn schema() -> ::orch_sdk::serde_json::Value {
                    ::orch_sdk::params::Schema::new()#(.field(&#makers()))*.finish()
                }

                fn from_json(params: &::orch_sdk::serde_json::Value) -> ::orch_sdk::Result<Self> {
                    let _fields = ::orch_sdk::params::Fields::new(params, &[#(#names),*])?;
                    ::core::result::Result::Ok(Self { #(#members: _fields.read(#makers())?),* })
                }
            }
        };
    })
}

/// The parts of one field that the expansion needs.
struct StructField<'a> {
    member: &'a Ident,
    name: String,
    maker: Ident,
    /// Defines `maker`, which returns an `orch_sdk::params::Field`.
    function: TokenStream,
}

impl<'a> StructField<'a> {
    fn of(field: &'a Field) -> Result<Self> {
        let member = field
            .ident
            .as_ref()
            .ok_or_else(|| Error::new_spanned(field, "expected a named field"))?;
        let attr = attr::of_field(&field.attrs)?;
        let name = member.unraw().to_string();
        let maker = format_ident!("param_{name}");
        let (ty, about) = (&field.ty, attr::doc(&field.attrs));
        let calls = calls(&attr);
        // Because of the spans, an error about an unsupported type or range points at the type
        // itself.
        let function = quote_spanned! { ty.span() =>
            fn #maker() -> ::orch_sdk::params::Field<#ty> {
                ::orch_sdk::params::Field::<#ty>::new(#name, #about)#calls
            }
        };
        Ok(Self {
            member,
            name,
            maker,
            function,
        })
    }
}

/// Returns the calls that give a field its unit, range and default.
fn calls(attr: &FieldAttr) -> TokenStream {
    let mut calls = TokenStream::new();
    if let Some(unit) = &attr.unit {
        calls.extend(quote!(.unit(#unit)));
    }
    if let Some(range) = &attr.range {
        if let Some(start) = &range.start {
            calls.extend(quote_spanned!(start.span() => .at_least(#start)));
        }
        if let Some(end) = &range.end {
            calls.extend(match range.limits {
                RangeLimits::Closed(_) => quote_spanned!(end.span() => .at_most(#end)),
                RangeLimits::HalfOpen(_) => quote_spanned!(end.span() => .below(#end)),
            });
        }
    }
    if let Some(default) = &attr.default {
        calls.extend(match default {
            // This allows a literal for a `String` or a `PathBuf`.
            Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)) => {
                quote_spanned!(default.span() => .default(::core::convert::Into::into(#default)))
            }
            _ => quote_spanned!(default.span() => .default(#default)),
        });
    }
    calls
}
