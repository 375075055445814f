//! One parameter of a struct, and functions for reading and describing all of them, to which the
//! derive expands.

use super::limits::{Limits, Ranged};
use super::{Number, ParamValue, of_type, shown};
use crate::nearest::{hint, nearest, quoted};
use crate::{Error, Result};
use serde_json::{Map, Value};

/// One field of a struct of parameters.
///
/// The methods of its type are held as pointers, so that a type without [`ParamValue`] causes only
/// one error, at the field.
pub struct Field<T> {
    name: &'static str,
    about: &'static str,
    unit: Option<&'static str>,
    default: Option<T>,
    limits: Limits,
    schema: fn() -> Value,
    from_json: fn(&Value) -> Result<T, String>,
    to_json: fn(&T) -> Value,
    absent: fn() -> Option<T>,
    /// Set together with `limits`; these two check and describe a [`Ranged`] type.
    numbers: fn(&T) -> Vec<Number>,
    limited: fn(&mut Value) -> &mut Value,
}

impl<T> Field<T> {
    /// Creates a field that is required unless it gets a default.
    pub fn new(name: &'static str, about: &'static str) -> Self
    where
        T: ParamValue,
    {
        Self {
            name,
            about,
            unit: None,
            default: None,
            limits: Limits::default(),
            schema: T::schema,
            from_json: T::from_json,
            to_json: T::to_json,
            absent: T::absent,
            numbers: |_| Vec::new(),
            limited: |schema| schema,
        }
    }

    /// Sets the unit.
    pub fn unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// Sets the default.
    pub fn default(self, default: T) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    fn read(self, value: Option<&Value>) -> Result<T> {
        let allowed = self
            .limits
            .words()
            .map_or(String::new(), |words| format!(" (allowed: {words})"));
        let blame = |error: &str| {
            Error::params(format_args!("parameter '{}': {error}{allowed}", self.name))
        };
        let (read, which) = match value {
            Some(value) => ((self.from_json)(value).map_err(|error| blame(&error))?, ""),
            None => match self.default.or_else(self.absent) {
                Some(default) => (default, "the default "),
                None => {
                    return Err(Error::params(format_args!(
                        "parameter '{}' is required",
                        self.name
                    )));
                }
            },
        };
        match (self.numbers)(&read)
            .into_iter()
            .find(|number| !self.limits.contain(*number))
        {
            Some(outside) => Err(blame(&format!("{which}{outside} is out of range"))),
            None => Ok(read),
        }
    }

    fn describe(&self) -> Value {
        let mut schema = (self.schema)();
        self.limits.put((self.limited)(&mut schema));
        let mut described = Map::new();
        if !self.about.is_empty() {
            described.insert("description".to_owned(), Value::from(self.about));
        }
        if let Value::Object(keywords) = schema {
            described.extend(keywords);
        }
        if let Some(default) = &self.default {
            described.insert("default".to_owned(), (self.to_json)(default));
        }
        if let Some(unit) = self.unit {
            described.insert("x-unit".to_owned(), Value::from(unit));
        }
        Value::Object(described)
    }

    /// Refuses smaller numbers.
    pub fn at_least(self, bound: T::Scalar) -> Self
    where
        T: Ranged,
    {
        self.limit(|limits| limits.at_least = Some(bound.into()))
    }

    /// Refuses greater numbers.
    pub fn at_most(self, bound: T::Scalar) -> Self
    where
        T: Ranged,
    {
        self.limit(|limits| limits.at_most = Some(bound.into()))
    }

    /// Refuses this number and greater ones.
    pub fn below(self, bound: T::Scalar) -> Self
    where
        T: Ranged,
    {
        self.limit(|limits| limits.below = Some(bound.into()))
    }

    fn limit(mut self, set: impl FnOnce(&mut Limits)) -> Self
    where
        T: Ranged,
    {
        set(&mut self.limits);
        Self {
            numbers: T::numbers,
            limited: T::limited,
            ..self
        }
    }
}

/// The JSON object from which a struct of parameters is read.
pub struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// Checks that `params` is an object with known parameters only.
    pub fn new(params: &'a Value, known: &[&str]) -> Result<Self> {
        let Some(object) = params.as_object() else {
            return Err(Error::params(format_args!(
                "expected an object of parameters, got {}",
                shown(params)
            )));
        };
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(Error::params(format_args!(
                "unknown parameter '{unknown}': {}",
                hint(unknown, known)
            ))),
            None => Ok(Self(object)),
        }
    }

    /// Reads one field.
    pub fn read<T>(&self, field: Field<T>) -> Result<T> {
        let value = self.0.get(field.name);
        field.read(value)
    }
}

/// The JSON Schema of a struct of parameters, under construction.
#[derive(Default)]
pub struct Schema {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Schema {
    /// Creates the schema of an object without properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn field<T>(mut self, field: &Field<T>) -> Self {
        self.properties
            .insert(field.name.to_owned(), field.describe());
        if field.default.is_none() && (field.absent)().is_none() {
            self.required.push(Value::from(field.name));
        }
        self
    }

    /// Returns the whole document.
    pub fn finish(self) -> Value {
        let mut schema = of_type("object");
        schema["properties"] = Value::Object(self.properties);
        if !self.required.is_empty() {
            schema["required"] = Value::Array(self.required);
        }
        schema["additionalProperties"] = Value::Bool(false);
        schema
    }
}

/// Returns the schema of an enum: its texts, and their meanings under `x-values` if any has one.
pub fn choices(names: &[&str], abouts: &[&str]) -> Value {
    let mut schema = of_type("string");
    schema["enum"] = names.into();
    if abouts.iter().any(|about| !about.is_empty()) {
        let described = names
            .iter()
            .zip(abouts)
            .filter(|(_, about)| !about.is_empty());
        schema["x-values"] = described
            .map(|(name, about)| ((*name).to_owned(), Value::from(*about)))
            .collect();
    }
    schema
}

/// Finds a text among the names of an enum's variants.
pub fn one_of(names: &[&str], value: &Value) -> Result<usize, String> {
    let expected = || format!("expected one of {}, got {}", quoted(names), shown(value));
    let Some(text) = value.as_str() else {
        return Err(expected());
    };
    names
        .iter()
        .position(|name| *name == text)
        .ok_or_else(|| match nearest(text, names) {
            Some(name) => format!("{}; did you mean '{name}'?", expected()),
            None => expected(),
        })
}
