//! A number of any parameter type, so that ranges are compared and printed in one place.

use serde_json::Value;
use std::fmt;

/// A whole number or a floating-point one. Two numbers of one parameter are of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Number {
    /// Represents every integer type up to 64 bits.
    Int(i128),
    /// Also represents an `f32`, as the `f64` with the same shortest decimal.
    Real(f64),
}

impl Number {
    /// Returns the JSON number.
    pub fn to_json(self) -> Value {
        match self {
            Self::Int(int) => match u64::try_from(int) {
                Ok(unsigned) => Value::from(unsigned),
                Err(_) => i64::try_from(int).map_or(Value::Null, Value::from),
            },
            Self::Real(real) => Value::from(real),
        }
    }

    /// Returns the whole number in a JSON value: `1e6` is one, `0.5` is not.
    pub fn whole(value: &Value) -> Option<i128> {
        /// Above this value, some whole numbers have no `f64`.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if let Some(int) = value.as_i64() {
            return Some(int.into());
        }
        if let Some(int) = value.as_u64() {
            return Some(int.into());
        }
        let real = value.as_f64()?;
        (real.fract() == 0.0 && real.abs() <= EXACT).then_some(real as i128)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => int.fmt(f),
            Self::Real(real) => real.fmt(f),
        }
    }
}

macro_rules! from_integers {
    ($($int:ty)*) => {$(
        impl From<$int> for Number {
            fn from(value: $int) -> Self {
                Self::Int(value.into())
            }
        }
    )*};
}
from_integers!(u8 u16 u32 u64 i8 i16 i32 i64);

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::Int(value as i128)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<f32> for Number {
    fn from(value: f32) -> Self {
        Self::Real(value.to_string().parse().unwrap_or_else(|_| value.into()))
    }
}
