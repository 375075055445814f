//! Checks a value against a JSON Schema, with messages for users. It serves scenario files and
//! workload parameters.

use super::problem::nearest_name;
use super::yaml::PathStep;
use crate::json_schema::{ADDRESS, CompiledSchema};
use boon::{ErrorKind, InstanceToken, Type, Types, ValidationError};
use orch_core::format;
use serde_json::Value;

/// Most alternatives that are searched for possible values.
const MOST_ALTERNATIVES: usize = 100;

/// A violation: its place in the value, the wrong key of that object if there is one, the message
/// and a hint.
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
    let Ok(compiled) = CompiledSchema::compile(schema) else {
        return Vec::new();
    };
    compiled
        .find_errors(value)
        .iter()
        .flat_map(|error| describe_error(schema, value, error))
        .collect()
}

fn describe_error(schema: &Value, root: &Value, error: &ValidationError) -> Vec<SchemaViolation> {
    let path = list_steps(error);
    let name = path.iter().rev().find_map(|step| match step {
        PathStep::Key(name) => Some(name.as_str()),
        PathStep::Index(_) => None,
    });
    let subject = name.map_or_else(|| "the document".to_owned(), |name| format!("`{name}`"));
    let found = path.iter().try_fold(root, |value, step| match step {
        PathStep::Key(name) => value.get(name),
        PathStep::Index(index) => value.get(index),
    });
    let found = found.unwrap_or(root);
    let value = shown(found);
    let described = |message: String, hint: Option<String>| {
        vec![SchemaViolation {
            path: path.clone(),
            key: None,
            message,
            hint,
        }]
    };
    let must_be =
        |what: String| described(format!("{subject} is {value}, but must be {what}"), None);
    let needs = |bound: &str, count: usize| {
        let entries = if count == 1 { "entry" } else { "entries" };
        described(format!("{subject} needs {bound} {count} {entries}"), None)
    };
    // Schemas of orch contain the expected value in words.
    let expected = sibling_keyword(schema, error, "x-expected").and_then(Value::as_str);
    match &error.kind {
        ErrorKind::AdditionalProperties { got } => {
            let known = list_properties(schema, error);
            got.iter()
                .map(|key| SchemaViolation {
                    path: path.clone(),
                    key: Some(key.to_string()),
                    message: format!("unknown field `{key}`"),
                    hint: Some(match nearest_name(key, known.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if known.is_empty() => "it takes no fields".to_owned(),
                        None => format!("known: {}", format::listed(&known)),
                    }),
                })
                .collect()
        }
        ErrorKind::Required { want } => want
            .iter()
            .flat_map(|field| described(format!("`{field}` is missing"), None))
            .collect(),
        ErrorKind::Type { want, .. } => {
            let is_text = want.iter().eq([Type::String]);
            let hint = (is_text && (found.is_number() || found.is_boolean()))
                .then(|| format!("write '{value}', with quotes, for a text"));
            let expected = expected.map_or_else(|| name_types(want), str::to_owned);
            let message = format!("{subject} is {value}, but must be {expected}");
            described(message, hint)
        }
        ErrorKind::Enum { want } => {
            let (message, hint) = refuse_choice(&subject, found, want);
            described(message, hint)
        }
        ErrorKind::Const { want } => must_be(shown(want)),
        ErrorKind::Minimum { want, .. } => must_be(format!("at least {want}")),
        ErrorKind::Maximum { want, .. } => must_be(format!("at most {want}")),
        ErrorKind::ExclusiveMinimum { want, .. } => must_be(format!("more than {want}")),
        ErrorKind::ExclusiveMaximum { want, .. } => must_be(format!("less than {want}")),
        ErrorKind::MultipleOf { want, .. } => must_be(format!("a multiple of {want}")),
        ErrorKind::MinLength { want, .. } => must_be(format!("at least {want} characters long")),
        ErrorKind::MaxLength { want, .. } => must_be(format!("at most {want} characters long")),
        ErrorKind::MinItems { want, .. } | ErrorKind::MinProperties { want, .. } => {
            needs("at least", *want)
        }
        ErrorKind::MaxItems { want, .. } | ErrorKind::MaxProperties { want, .. } => {
            needs("at most", *want)
        }
        ErrorKind::Pattern { want, .. } => match expected {
            Some(expected) => must_be(expected.to_owned()),
            None => described(
                format!("{subject} is {value}, which does not match {want}"),
                None,
            ),
        },
        ErrorKind::AnyOf | ErrorKind::OneOf(_) => match expected {
            Some(expected) => must_be(expected.to_owned()),
            None => {
                let choices = list_choices(schema, error);
                let (message, hint) = refuse_choice(&subject, found, &choices);
                described(message, hint)
            }
        },
        kind => described(format!("{subject}: {kind}"), None),
    }
}

/// Returns the message and the hint about a value that is none of the possible ones, as far as they
/// are known.
fn refuse_choice(subject: &str, found: &Value, choices: &[Value]) -> (String, Option<String>) {
    let value = shown(found);
    let names = choices.iter().filter_map(Value::as_str);
    let near = found.as_str().and_then(|text| nearest_name(text, names));
    let words: Vec<String> = choices.iter().map(shown).collect();
    let message = match &words[..] {
        [] => format!("{subject} is {value}, which is not allowed"),
        [only] => format!("{subject} is {value}, but must be {only}"),
        _ => format!(
            "{subject} is {value}, but must be one of {}",
            format::listed(&words)
        ),
    };
    (message, near.map(|near| format!("did you mean `{near}`?")))
}

/// Returns the values that the alternatives of a violated `anyOf` or `oneOf` name. Alternatives may
/// refer to definitions.
fn list_choices(schema: &Value, error: &ValidationError) -> Vec<Value> {
    let keywords = ["anyOf", "oneOf"];
    let alternatives = |one: &Value| -> Vec<Value> {
        let lists = keywords.iter().filter_map(|name| one.get(name)?.as_array());
        lists.flatten().cloned().collect()
    };
    let mut open: Vec<Value> = keywords
        .iter()
        .filter_map(|name| sibling_keyword(schema, error, name)?.as_array())
        .flatten()
        .cloned()
        .collect();
    let mut choices = Vec::new();
    // A definition that refers to itself ends here too.
    for _ in 0..MOST_ALTERNATIVES {
        let Some(one) = open.pop() else { break };
        choices.extend(one.get("const").cloned());
        let words = one.get("enum").and_then(Value::as_array);
        choices.extend(words.into_iter().flatten().cloned());
        open.extend(alternatives(&one));
        let definition = one.get("$ref").and_then(Value::as_str);
        let definition = definition.and_then(|place| schema.pointer(place.strip_prefix('#')?));
        open.extend(definition.cloned());
    }
    choices.reverse();
    choices
}

/// Returns the steps from the checked value to the place of an error.
fn list_steps(error: &ValidationError) -> Vec<PathStep> {
    let steps = error.instance_location.tokens.iter();
    steps
        .map(|token| match token {
            InstanceToken::Prop(name) => PathStep::Key(name.to_string()),
            InstanceToken::Item(index) => PathStep::Index(*index),
        })
        .collect()
}

/// Returns the field names that the object of an error may have.
fn list_properties(schema: &Value, error: &ValidationError) -> Vec<String> {
    let fields = sibling_keyword(schema, error, "properties").and_then(Value::as_object);
    fields
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default()
}

/// Returns the value under `name` beside the violated keyword; `None` in a part of the schema that
/// has an address of its own.
fn sibling_keyword<'a>(
    schema: &'a Value,
    error: &ValidationError,
    name: &str,
) -> Option<&'a Value> {
    let (address, pointer) = error.schema_url.split_once('#')?;
    if schema.get("$id").and_then(Value::as_str).unwrap_or(ADDRESS) != address {
        return None;
    }
    let pointer = percent_encoding::percent_decode_str(pointer)
        .decode_utf8()
        .ok()?;
    schema.pointer(&pointer)?.get(name)
}

fn name_types(types: &Types) -> String {
    // "or absent" does not help: an absent field is no error.
    let names: Vec<&str> = types
        .iter()
        .filter_map(|kind| match kind {
            Type::String => Some("text"),
            Type::Integer => Some("a whole number"),
            Type::Number => Some("a number"),
            Type::Boolean => Some("true or false"),
            Type::Array => Some("a list"),
            Type::Object => Some("a map"),
            Type::Null => None,
        })
        .collect();
    names.join(" or ")
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
