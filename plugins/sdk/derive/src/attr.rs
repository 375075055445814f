//! Reading `#[param(..)]` and doc comments.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Expr, ExprRange, Lit, LitStr, Meta, Result};

/// Contents of `#[param(..)]` on a field.
#[derive(Default)]
pub(crate) struct FieldAttr {
    pub(crate) default: Option<Expr>,
    pub(crate) range: Option<ExprRange>,
    pub(crate) unit: Option<LitStr>,
}

pub(crate) fn of_field(attrs: &[Attribute]) -> Result<FieldAttr> {
    let mut found = FieldAttr::default();
    each(attrs, |meta| match name(&meta).as_str() {
        "default" => set(&mut found.default, &meta, meta.value()?.parse()?),
        "range" => set(&mut found.range, &meta, range(meta.value()?.parse()?)?),
        "unit" => set(&mut found.unit, &meta, meta.value()?.parse()?),
        _ => Err(meta.error(
            "unknown attribute of a parameter; the known ones are `default`, `range` and `unit`",
        )),
    })?;
    Ok(found)
}

/// Returns the name that `#[param(name = "..")]` gives to a variant.
pub(crate) fn of_variant(attrs: &[Attribute]) -> Result<Option<LitStr>> {
    let mut found = None;
    each(attrs, |meta| match name(&meta).as_str() {
        "name" => set(&mut found, &meta, meta.value()?.parse()?),
        _ => Err(meta.error("unknown attribute of a variant; the only known one is `name`")),
    })?;
    Ok(found)
}

/// Returns an error at the first `#[param(..)]`, for places where it has no meaning.
pub(crate) fn refuse(attrs: &[Attribute], why: &str) -> Result<()> {
    match attrs.iter().find(|attr| attr.path().is_ident("param")) {
        Some(attr) => Err(Error::new_spanned(attr, why)),
        None => Ok(()),
    }
}

/// Returns the text of a doc comment: its lines joined, without the final full stop.
pub(crate) fn doc(attrs: &[Attribute]) -> String {
    let lines: Vec<String> = attrs.iter().filter_map(doc_line).collect();
    let text = lines
        .join("\n")
        .trim()
        .replace("\n\n", "\u{0}")
        .replace('\n', " ")
        .replace('\u{0}', "\n\n");
    text.strip_suffix('.').map(str::to_owned).unwrap_or(text)
}

fn doc_line(attr: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attr.meta else {
        return None;
    };
    match &meta.value {
        Expr::Lit(value) if meta.path.is_ident("doc") => match &value.lit {
            Lit::Str(line) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    }
}

fn each(
    attrs: &[Attribute],
    mut read: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("param"))
        .try_for_each(|attr| attr.parse_nested_meta(&mut read))
}

fn name(meta: &ParseNestedMeta<'_>) -> String {
    meta.path
        .get_ident()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn set<T>(place: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(meta.error("this attribute is given twice")),
    }
}

fn range(value: Expr) -> Result<ExprRange> {
    match value {
        Expr::Range(range) if range.start.is_some() || range.end.is_some() => Ok(range),
        other => Err(Error::new_spanned(
            other,
            "expected a range with a bound: `1..=9`, `1..10`, `1..` or `..=9`",
        )),
    }
}
