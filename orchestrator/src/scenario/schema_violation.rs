//! Checks a value against a JSON Schema, with messages for users. It serves scenario files and
//! workload parameters.

use super::problem::nearest_name;
use super::yaml::{PathStep, parse_path};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

/// A violation: the place in the value, the key if a key of that object is wrong, the message, and
/// a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaViolation {
    pub(crate) path: Vec<PathStep>,
    /// The wrong key inside the object at `path`.
    pub(crate) key: Option<String>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Lists all violations of `schema` in `value`. An invalid schema allows everything.
pub(crate) fn find_violations(schema: &Value, value: &Value) -> Vec<SchemaViolation> {
    let Ok(validator) = jsonschema::validator_for(schema) else {
        return Vec::new();
    };
    let errors: Vec<_> = validator.iter_errors(value).collect();
    // A value of the wrong type breaks other rules too, but that is one mistake.
    let wrong_type: Vec<&str> = errors
        .iter()
        .filter(|error| matches!(error.kind(), ValidationErrorKind::Type { .. }))
        .map(|error| error.instance_path().as_str())
        .collect();
    let is_first = |error: &&jsonschema::ValidationError| {
        matches!(error.kind(), ValidationErrorKind::Type { .. })
            || !wrong_type.contains(&error.instance_path().as_str())
    };
    errors
        .iter()
        .filter(is_first)
        .flat_map(|error| describe_error(schema, value, error))
        .collect()
}

fn describe_error(
    schema: &Value,
    root: &Value,
    error: &jsonschema::ValidationError,
) -> Vec<SchemaViolation> {
    let pointer = error.instance_path().as_str();
    let path = parse_path(pointer);
    let name = path.iter().rev().find_map(|step| match step {
        PathStep::Key(name) => Some(name.as_str()),
        PathStep::Index(_) => None,
    });
    let subject = name.map_or_else(|| "the document".to_owned(), |name| format!("`{name}`"));
    let value = shown(root.pointer(pointer).unwrap_or(root));
    let plain = |message: String| {
        vec![SchemaViolation {
            path: path.clone(),
            key: None,
            message,
            hint: None,
        }]
    };
    // Schemas of orch describe the expected value in words.
    let expected = sibling_keyword(schema, error, "x-expected").and_then(Value::as_str);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = list_properties(schema, error);
            unexpected
                .iter()
                .map(|key| SchemaViolation {
                    path: path.clone(),
                    key: Some(key.clone()),
                    message: format!("unknown field `{key}`"),
                    hint: Some(match nearest_name(key, known.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if known.is_empty() => "it takes no fields".to_owned(),
                        None => format!("known: {}", orch_core::format::listed(&known)),
                    }),
                })
                .collect()
        }
        ValidationErrorKind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            plain(format!("`{property}` is missing"))
        }
        ValidationErrorKind::Type { kind } => {
            let expected = expected.map_or_else(|| name_types(kind), str::to_owned);
            let is_text = matches!(kind, TypeKind::Single(jsonschema::JsonType::String));
            let found = root
                .pointer(pointer)
                .filter(|found| is_text && (found.is_number() || found.is_boolean()));
            let hint = found.map(|_| format!("write '{value}', with quotes, for a text"));
            let message = format!("{subject} is {value}, but must be {expected}");
            vec![SchemaViolation {
                path,
                key: None,
                message,
                hint,
            }]
        }
        ValidationErrorKind::Enum { options } => {
            let words: Vec<String> = options
                .as_array()
                .into_iter()
                .flatten()
                .map(shown)
                .collect();
            let near = root
                .pointer(pointer)
                .and_then(Value::as_str)
                .and_then(|text| {
                    nearest_name(
                        text,
                        options
                            .as_array()
                            .into_iter()
                            .flatten()
                            .filter_map(Value::as_str),
                    )
                });
            vec![SchemaViolation {
                path,
                key: None,
                message: format!(
                    "{subject} is {value}, but must be one of {}",
                    orch_core::format::listed(&words)
                ),
                hint: near.map(|near| format!("did you mean `{near}`?")),
            }]
        }
        ValidationErrorKind::Minimum { limit } => plain(format!(
            "{subject} is {value}, but must be at least {limit}"
        )),
        ValidationErrorKind::Maximum { limit } => {
            plain(format!("{subject} is {value}, but must be at most {limit}"))
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => plain(format!(
            "{subject} is {value}, but must be more than {limit}"
        )),
        ValidationErrorKind::ExclusiveMaximum { limit } => plain(format!(
            "{subject} is {value}, but must be less than {limit}"
        )),
        ValidationErrorKind::MinItems { limit } | ValidationErrorKind::MinProperties { limit } => {
            plain(format!(
                "{subject} needs at least {limit} entr{}",
                if *limit == 1 { "y" } else { "ies" }
            ))
        }
        ValidationErrorKind::Pattern { pattern } => plain(match expected {
            Some(expected) => format!("{subject} is {value}, but must be {expected}"),
            None => format!("{subject} is {value}, which does not match {pattern}"),
        }),
        _ => plain(format!("{subject}: {error}")),
    }
}

/// Returns the field names that the object of an error may have.
fn list_properties(schema: &Value, error: &jsonschema::ValidationError) -> Vec<String> {
    let fields = sibling_keyword(schema, error, "properties").and_then(Value::as_object);
    fields
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default()
}

/// Returns the value under `name` beside the keyword of an error.
fn sibling_keyword<'a>(
    schema: &'a Value,
    error: &jsonschema::ValidationError,
    name: &str,
) -> Option<&'a Value> {
    let sibling = |keyword: &str| {
        let parent = keyword.rsplit_once('/').map_or("", |(parent, _)| parent);
        schema.pointer(&format!("{parent}/{name}"))
    };
    sibling(error.schema_path().as_str()).or_else(|| sibling(error.evaluation_path().as_str()))
}

fn name_types(kind: &TypeKind) -> String {
    let name = |kind: &jsonschema::JsonType| match kind {
        jsonschema::JsonType::String => "text",
        jsonschema::JsonType::Integer => "a whole number",
        jsonschema::JsonType::Number => "a number",
        jsonschema::JsonType::Boolean => "true or false",
        jsonschema::JsonType::Array => "a list",
        jsonschema::JsonType::Object => "a map",
        jsonschema::JsonType::Null => "absent",
    };
    match kind {
        TypeKind::Single(kind) => name(kind).to_owned(),
        TypeKind::Multiple(kinds) => {
            // "or absent" does not help: an absent field is no error.
            let names: Vec<&str> = kinds
                .iter()
                .map(|kind| name(&kind))
                .filter(|name| *name != "absent")
                .collect();
            names.join(" or ")
        }
    }
}

/// Formats a value as a quotation in a message.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "a map".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Null => "empty".to_owned(),
        other => {
            let text = other.to_string();
            if text.chars().count() > 60 {
                format!("{}...", text.chars().take(57).collect::<String>())
            } else {
                text
            }
        }
    }
}
