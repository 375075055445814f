//! The types of parameters for which the SDK implements [`ParamValue`].

use super::{Number, ParamValue, of_type, shown};
use serde_json::{Value, json};
use std::path::PathBuf;

macro_rules! integers {
    ($($int:ty: $schema:expr;)*) => {$(
        impl ParamValue for $int {
            fn schema() -> Value {
                $schema
            }

            fn from_json(value: &Value) -> Result<Self, String> {
                let int = Number::whole(value).ok_or_else(|| expected("an integer", value))?;
                Self::try_from(int).map_err(|_| {
                    expected(&format!("an integer from {} to {}", Self::MIN, Self::MAX), value)
                })
            }

            fn to_json(&self) -> Value {
                Value::from(*self)
            }
        }
    )*};
}

macro_rules! small_integers {
    ($($int:ty)*) => { integers! { $(
        $int: json!({ "type": "integer", "minimum": <$int>::MIN, "maximum": <$int>::MAX });
    )* } };
}
small_integers!(u8 u16 u32 i8 i16 i32);

// The bounds of 64-bit types are left out, because many tools that read schemas represent numbers
// as f64.
integers! {
    u64: json!({ "type": "integer", "minimum": 0 });
    usize: json!({ "type": "integer", "minimum": 0 });
    i64: of_type("integer");
}

impl ParamValue for f64 {
    fn schema() -> Value {
        of_type("number")
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        value.as_f64().ok_or_else(|| expected("a number", value))
    }

    fn to_json(&self) -> Value {
        Value::from(*self)
    }
}

impl ParamValue for f32 {
    fn schema() -> Value {
        of_type("number")
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let wide = f64::from_json(value)?;
        let narrow = wide as f32;
        if narrow.is_finite() {
            Ok(narrow)
        } else {
            Err(expected("a number in the range of f32", value))
        }
    }

    fn to_json(&self) -> Value {
        Number::from(*self).to_json()
    }
}

impl ParamValue for bool {
    fn schema() -> Value {
        of_type("boolean")
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        value
            .as_bool()
            .ok_or_else(|| expected("true or false", value))
    }

    fn to_json(&self) -> Value {
        Value::from(*self)
    }
}

impl ParamValue for String {
    fn schema() -> Value {
        of_type("string")
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| expected("a text", value))
    }

    fn to_json(&self) -> Value {
        Value::from(self.as_str())
    }
}

/// A file or folder. Because of `format: path`, the host lets the workload read it.
impl ParamValue for PathBuf {
    fn schema() -> Value {
        json!({ "type": "string", "format": "path" })
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        value
            .as_str()
            .map(PathBuf::from)
            .ok_or_else(|| expected("a path", value))
    }

    fn to_json(&self) -> Value {
        Value::from(self.to_string_lossy())
    }
}

impl<T: ParamValue> ParamValue for Vec<T> {
    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let items = value.as_array().ok_or_else(|| expected("a list", value))?;
        let read =
            |(index, item)| T::from_json(item).map_err(|error| format!("element {index}: {error}"));
        items.iter().enumerate().map(read).collect()
    }

    fn to_json(&self) -> Value {
        self.iter().map(T::to_json).collect()
    }
}

/// A value that may be absent or null.
impl<T: ParamValue> ParamValue for Option<T> {
    fn schema() -> Value {
        T::schema()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        if value.is_null() {
            Ok(None)
        } else {
            T::from_json(value).map(Some)
        }
    }

    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_json)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

fn expected(what: &str, value: &Value) -> String {
    format!("expected {what}, got {}", shown(value))
}
