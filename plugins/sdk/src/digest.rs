//! The checksum of an iteration's output.

use crate::{Error, Result};
use serde_json::{Map, Value};

/// A summary of the output. It changes when the output changes, so that `orch` notices a build that
/// is faster and wrong.
///
/// Two builds agree when their values `a` and `b` are equal. With a
/// [`tolerance`](Self::tolerance), two numbers also agree when `|a - b| <= tolerance * max(1, |a|,
/// |b|)`. With a [`score`](Self::score), the scores are compared in that way, and different values
/// with scores that agree are only a warning.
///
/// ```
/// use orch_sdk::prelude::*;
///
/// let output = [0.25_f64, 0.5];
/// // Sums of floats may differ in the last bits.
/// let sum = Digest::number(output.iter().sum()).tolerance(1e-9);
/// // The ids may differ as long as the score agrees.
/// let ids = Digest::text("17 4 9").score(-1.25).tolerance(1e-3);
/// // Must be exactly this.
/// let state = Digest::integer(0x5eed);
/// # let _ = (sum, ids, state);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Digest {
    value: DigestValue,
    score: Option<f64>,
    tolerance: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
enum DigestValue {
    Number(f64),
    Integer(u64),
    Text(String),
}

impl Digest {
    /// Creates a digest from a sum, norm or other number over the output. The number has to be
    /// finite: NaN and infinity fail the job.
    pub fn number(value: f64) -> Self {
        Self::new(DigestValue::Number(value))
    }

    /// Creates a digest from a count, a state or a hash, which is kept exactly.
    pub fn integer(value: u64) -> Self {
        Self::new(DigestValue::Integer(value))
    }

    /// Creates a digest from a text, such as the ids of generated tokens.
    pub fn text(value: impl Into<String>) -> Self {
        Self::new(DigestValue::Text(value.into()))
    }

    /// Adds a number that is compared instead of the value, for outputs whose value may differ
    /// legitimately.
    #[must_use]
    pub fn score(self, score: f64) -> Self {
        Self {
            score: Some(score),
            ..self
        }
    }

    /// Sets the tolerated difference between the numbers of two builds. It is relative to the
    /// greater number, and absolute if both numbers are below 1.
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self {
            tolerance: Some(tolerance),
            ..self
        }
    }

    /// Returns the document of extension `orch.digest/1`.
    pub(crate) fn to_json(&self) -> Result<Value> {
        let mut document = Map::new();
        let value = match &self.value {
            DigestValue::Number(number) => finite("value", *number)?,
            DigestValue::Integer(integer) => Value::from(*integer),
            DigestValue::Text(text) => Value::from(text.as_str()),
        };
        document.insert("value".to_owned(), value);
        for (key, number) in [("score", self.score), ("tolerance", self.tolerance)] {
            if let Some(number) = number {
                document.insert(key.to_owned(), finite(key, number)?);
            }
        }
        Ok(Value::Object(document))
    }

    fn new(value: DigestValue) -> Self {
        Self {
            value,
            score: None,
            tolerance: None,
        }
    }
}

fn finite(key: &str, number: f64) -> Result<Value> {
    if number.is_finite() {
        Ok(Value::from(number))
    } else {
        Err(Error::msg(format_args!(
            "the digest's {key} is {number}: the output holds a number that is not finite"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let json = |digest: Digest| digest.to_json().expect("finite").to_string();
        assert_eq!(
            json(Digest::number(0.5).tolerance(1e-3)),
            r#"{"value":0.5,"tolerance":0.001}"#
        );
        assert_eq!(
            json(Digest::integer(u64::MAX)),
            r#"{"value":18446744073709551615}"#
        );
        assert_eq!(
            json(Digest::text("7 8 9").score(-1.25)),
            r#"{"value":"7 8 9","score":-1.25}"#
        );
    }

    #[test]
    fn nan_is_an_error() {
        let error = Digest::number(f64::NAN)
            .to_json()
            .expect_err("NaN has no JSON");
        assert_eq!(
            error.to_string(),
            "the digest's value is NaN: the output holds a number that is not finite"
        );
    }
}
