//! The range of a parameter: its check, its wording, its keywords in the schema.

use super::{Number, ParamValue};
use serde_json::Value;

/// A parameter type that can have a `range`: a number, or an `Option` or `Vec` of numbers, of which
/// each is checked.
#[diagnostic::on_unimplemented(
    message = "a parameter of type `{Self}` cannot have a range",
    note = "a range is allowed on numbers, and on `Option`s and `Vec`s of numbers"
)]
pub trait Ranged: ParamValue {
    /// Type of the bounds.
    type Scalar: Into<Number>;

    /// Returns the numbers to check.
    fn numbers(&self) -> Vec<Number>;

    /// Returns the place in the schema of this type to which the limits belong.
    fn limited(schema: &mut Value) -> &mut Value {
        schema
    }
}

macro_rules! ranged_numbers {
    ($($number:ty)*) => {$(
        impl Ranged for $number {
            type Scalar = Self;

            fn numbers(&self) -> Vec<Number> {
                vec![(*self).into()]
            }
        }
    )*};
}
ranged_numbers!(u8 u16 u32 u64 usize i8 i16 i32 i64 f32 f64);

impl<T: Ranged> Ranged for Option<T> {
    type Scalar = T::Scalar;

    fn numbers(&self) -> Vec<Number> {
        self.as_ref().map(T::numbers).unwrap_or_default()
    }

    fn limited(schema: &mut Value) -> &mut Value {
        T::limited(schema)
    }
}

impl<T: Ranged> Ranged for Vec<T> {
    type Scalar = T::Scalar;

    fn numbers(&self) -> Vec<Number> {
        self.iter().flat_map(T::numbers).collect()
    }

    fn limited(schema: &mut Value) -> &mut Value {
        T::limited(&mut schema["items"])
    }
}

/// Bounds of a `range`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Limits {
    pub(super) at_least: Option<Number>,
    pub(super) at_most: Option<Number>,
    pub(super) below: Option<Number>,
}

impl Limits {
    pub(super) fn contain(&self, number: Number) -> bool {
        self.at_least.is_none_or(|least| number >= least)
            && self.at_most.is_none_or(|most| number <= most)
            && self.below.is_none_or(|end| number < end)
    }

    /// Formats the bounds as `1 to 9`, `at least 1`, or `at least 0 and below 1`; `None` without a
    /// bound.
    pub(super) fn words(&self) -> Option<String> {
        if let (Some(least), Some(most)) = (self.at_least, self.at_most) {
            return Some(format!("{least} to {most}"));
        }
        let bounds = [
            ("at least", self.at_least),
            ("at most", self.at_most),
            ("below", self.below),
        ];
        let words: Vec<String> = bounds
            .iter()
            .filter_map(|(word, bound)| bound.map(|bound| format!("{word} {bound}")))
            .collect();
        (!words.is_empty()).then(|| words.join(" and "))
    }

    /// Overwrites the bounds of the type in a schema.
    pub(super) fn put(&self, schema: &mut Value) {
        let Some(schema) = schema.as_object_mut() else {
            return;
        };
        if self.below.is_some() {
            schema.shift_remove("maximum");
        }
        let bounds = [
            ("minimum", self.at_least),
            ("maximum", self.at_most),
            ("exclusiveMaximum", self.below),
        ];
        schema.extend(
            bounds
                .iter()
                .filter_map(|(key, bound)| bound.map(|bound| ((*key).to_owned(), bound.to_json()))),
        );
    }
}
