//! YAML with a place for every key and value, so that any later problem can point at the user's
//! text.

use super::problem::FileProblem;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_yaml::{Location, Spanned};
use std::fmt;
use std::ops::Range;

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct YamlNode {
    /// Range in the file, in characters; for a map or a list, only its beginning.
    pub(crate) at: Range<usize>,
    pub(crate) kind: YamlValue,
}

/// A YAML value, with text keys only.
#[derive(Debug, Clone)]
pub(crate) enum YamlValue {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<YamlNode>),
    Map(Vec<(YamlKey, YamlNode)>),
}

/// A key with its place.
#[derive(Debug, Clone)]
pub(crate) struct YamlKey {
    pub(crate) at: Range<usize>,
    pub(crate) name: String,
}

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathStep {
    Key(String),
    Index(usize),
}

impl YamlNode {
    /// Parses a whole file. The parser refuses duplicate keys, alias bombs and loose booleans.
    pub(crate) fn parse(text: &str) -> Result<Self, FileProblem> {
        if let Some(problem) = second_document(text) {
            return Err(problem);
        }
        let options = serde_yaml::options! { strict_booleans: true };
        serde_yaml::from_str_with_options::<Self>(text, options)
            .map_err(|error| from_parser(&error))
    }

    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            YamlValue::Null => Value::Null,
            YamlValue::Bool(value) => Value::Bool(*value),
            YamlValue::Number(value) => Value::Number(value.clone()),
            YamlValue::Text(value) => Value::String(value.clone()),
            YamlValue::List(items) => items.iter().map(Self::to_value).collect(),
            YamlValue::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.name.clone(), node.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Returns the value at a path, or the innermost existing one on the way.
    pub(crate) fn walk(&self, path: &[PathStep]) -> &Self {
        let Some((first, rest)) = path.split_first() else {
            return self;
        };
        let next = match (first, &self.kind) {
            (PathStep::Key(name), YamlValue::Map(entries)) => entries
                .iter()
                .find(|(key, _)| key.name == *name)
                .map(|(_, node)| node),
            (PathStep::Index(index), YamlValue::List(items)) => items.get(*index),
            _ => None,
        };
        next.map_or(self, |next| next.walk(rest))
    }

    /// Returns the place of the key `name` in the map at a path.
    pub(crate) fn key_range(&self, path: &[PathStep], name: &str) -> Option<Range<usize>> {
        match &self.walk(path).kind {
            YamlValue::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.name == name)
                .map(|(key, _)| key.at.clone()),
            _ => None,
        }
    }
}

/// Parses `workloads/0/params/n` into steps; numbers are indices.
pub(crate) fn parse_path(path: &str) -> Vec<PathStep> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse().map_or_else(
                |_| PathStep::Key(part.replace("~1", "/").replace("~0", "~")),
                PathStep::Index,
            )
        })
        .collect()
}

fn range(location: Location) -> Range<usize> {
    let span = location.span();
    let start = usize::try_from(span.offset()).unwrap_or(0);
    start..start + usize::try_from(span.len()).unwrap_or(0)
}

/// Returns a problem at the beginning of a second document with content, because a scenario is one
/// document. In YAML, a line begins with `---` only there, even inside a text of several lines.
fn second_document(text: &str) -> Option<FileProblem> {
    let is_mark = |line: &str, mark: &str| {
        line.strip_prefix(mark)
            .is_some_and(|rest| rest.trim_start().len() < rest.len() || rest.is_empty())
    };
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let (mut has_content, mut mark) = (false, None);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let (place, line_text) = (start, line.trim_end_matches(['\n', '\r']));
        start += line.chars().count();
        let rest = if is_mark(line_text, "---") {
            &line_text[3..]
        } else {
            line_text
        };
        if (is_mark(line_text, "---") || is_mark(line_text, "...")) && has_content {
            mark = mark.or(Some(place));
        }
        let counts = !is_mark(line_text, "...") && !line_text.starts_with('%') && is_content(rest);
        if let (Some(place), true) = (mark, counts) {
            let hint = "move it to a file of its own, and run orch on that file";
            let message = "a second YAML document begins here, but a scenario is one document";
            return Some(FileProblem::new(
                place..place + 3,
                message,
                Some(hint.to_owned()),
            ));
        }
        has_content |= counts;
    }
    None
}

fn from_parser(error: &serde_yaml::Error) -> FileProblem {
    let at = error.location().map_or(0..0, range);
    let plain = error.without_snippet().to_string();
    // The parser's text begins with the place, which is shown separately.
    let first = plain.lines().next().unwrap_or_default();
    let message = match first
        .strip_prefix("error: line ")
        .and_then(|rest| rest.split_once(": "))
    {
        Some((_, message)) => message,
        None => first.strip_prefix("error: ").unwrap_or(first),
    };
    let (message, hint) = explain_message(message);
    FileProblem::new(at, message, hint)
}

/// Rewords a message of the parser, which is meant for programmers, and adds a remedy.
fn explain_message(message: &str) -> (String, Option<String>) {
    if let Some(rest) = message.strip_prefix("duplicate mapping key: ") {
        let key = rest.split(',').next().unwrap_or(rest);
        return (
            format!("duplicate key `{key}`"),
            Some("a key may appear only once in a map; remove one of them".into()),
        );
    }
    if message.starts_with("budget breached") {
        return (
            "the file is too large, too deeply nested, or its aliases expand too far".to_owned(),
            Some("write out the repeated parts, or use `matrix`".to_owned()),
        );
    }
    // The place is shown separately.
    let message = message.split(" at line ").next().unwrap_or(message);
    (message.to_owned(), None)
}

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<YamlValue>::deserialize(deserializer)?;
        Ok(Self {
            at: range(spanned.referenced),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for YamlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlValueVisitor)
    }
}

struct YamlValueVisitor;

impl<'de> Visitor<'de> for YamlValueVisitor {
    type Value = YamlValue;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_none<E>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<YamlValue, D::Error> {
        YamlValue::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<YamlValue, E> {
        Ok(YamlValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<YamlValue, E> {
        Ok(YamlValue::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<YamlValue, E> {
        Ok(YamlValue::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<YamlValue, E> {
        // The parser refuses NaN and infinities.
        Ok(Number::from_f64(value).map_or(YamlValue::Null, YamlValue::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<YamlValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(YamlValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<YamlValue, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry::<Spanned<String>, YamlNode>()? {
            entries.push((
                YamlKey {
                    at: range(key.referenced),
                    name: key.value,
                },
                node,
            ));
        }
        Ok(YamlValue::Map(entries))
    }
}
