//! Limits on schemas that others wrote. A small schema may stand for endless work: its references
//! may name each other again and again, and its patterns may repeat.

use super::ADDRESS;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::HashMap;

/// Most values in all schemas of a document: objects, lists and everything in them.
const MOST_VALUES: usize = 200_000;
/// Most steps of a walk that follows every reference wherever it occurs.
const MOST_STEPS: usize = 200_000;
/// Most levels of nesting, with every reference replaced by what it names.
const MOST_LEVELS: usize = 500;
/// Most references of a schema some of whose references only the validator can follow, such as
/// those to an address.
const MOST_UNFOLLOWED: usize = 16;
/// Most regular expressions in all schemas of a document. The validator refuses one that needs more
/// than 10 MB.
const MOST_PATTERNS: usize = 100;

/// Limit that a schema exceeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaExcess {
    #[error("the plugin's schemas have more than {MOST_VALUES} values in all")]
    Values,
    #[error(
        "its references stand for more than {MOST_STEPS} values; let fewer of them name the same \
         definition"
    )]
    Steps,
    #[error("it is nested deeper than {MOST_LEVELS} levels, with what its references name")]
    Levels,
    #[error(
        "it has more than {MOST_UNFOLLOWED} references, and not all of them have the form `#/...`"
    )]
    Unfollowed,
    #[error("the plugin's schemas have more than {MOST_PATTERNS} regular expressions in all")]
    Patterns,
}

/// Sizes of the schemas of a document that were checked so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SchemaSizes {
    values: usize,
    patterns: usize,
}

/// Refuses a schema whose compilation or use could take too long, and adds its sizes to those of
/// the document.
pub(super) fn check_limits(schema: &Value, sizes: &mut SchemaSizes) -> Result<(), SchemaExcess> {
    let mut survey = SchemaSurvey {
        sizes: *sizes,
        ..SchemaSurvey::default()
    };
    let surveyed = survey.add_value(schema, true);
    *sizes = survey.sizes;
    surveyed?;
    let all_followed = survey
        .references
        .iter()
        .all(|each| survey.is_followable(each));
    if !all_followed {
        return if survey.references.len() > MOST_UNFOLLOWED {
            Err(SchemaExcess::Unfollowed)
        } else {
            Ok(())
        };
    }
    let mut walk = SchemaWalk {
        root: schema,
        survey: &survey,
        open: Vec::new(),
        steps: 0,
        level: 0,
    };
    walk.visit(schema)
}

/// Facts about the text of a schema, without following references.
#[derive(Default)]
struct SchemaSurvey<'a> {
    sizes: SchemaSizes,
    references: Vec<&'a str>,
    anchors: HashMap<&'a str, &'a Value>,
    /// Whether a part has an address of its own, against which its references are resolved.
    has_inner_address: bool,
}

impl<'a> SchemaSurvey<'a> {
    fn add_value(&mut self, value: &'a Value, is_root: bool) -> Result<(), SchemaExcess> {
        self.sizes.values += 1;
        if self.sizes.values > MOST_VALUES {
            return Err(SchemaExcess::Values);
        }
        match value {
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.add_value(item, false)),
            Value::Object(fields) => {
                for (key, field) in fields {
                    match (key.as_str(), field) {
                        ("$anchor", Value::String(name)) => {
                            self.anchors.insert(name, value);
                        }
                        ("$id" | "id", Value::String(_)) if !is_root => {
                            self.has_inner_address = true;
                        }
                        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                            self.references.push(reference);
                        }
                        ("pattern", Value::String(_)) => self.add_patterns(1)?,
                        ("patternProperties", Value::Object(patterns)) => {
                            self.add_patterns(patterns.len())?;
                        }
                        _ => {}
                    }
                    self.add_value(field, false)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a reference names a part of the schema by its place or its anchor.
    fn is_followable(&self, reference: &str) -> bool {
        !self.has_inner_address
            && find_fragment(reference).is_some_and(|fragment| {
                fragment.is_empty()
                    || fragment.starts_with('/')
                    || self.anchors.contains_key(fragment.as_str())
            })
    }

    fn add_patterns(&mut self, count: usize) -> Result<(), SchemaExcess> {
        self.sizes.patterns += count;
        if self.sizes.patterns > MOST_PATTERNS {
            return Err(SchemaExcess::Patterns);
        }
        Ok(())
    }
}

/// A walk that visits what a reference names wherever the reference occurs.
struct SchemaWalk<'a> {
    root: &'a Value,
    survey: &'a SchemaSurvey<'a>,
    /// Targets of the references on the way to the present value.
    open: Vec<*const Value>,
    steps: usize,
    level: usize,
}

impl<'a> SchemaWalk<'a> {
    fn visit(&mut self, value: &'a Value) -> Result<(), SchemaExcess> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(SchemaExcess::Steps);
        }
        self.level += 1;
        if self.level > MOST_LEVELS {
            return Err(SchemaExcess::Levels);
        }
        let visited = self.visit_parts(value);
        self.level -= 1;
        visited
    }

    fn visit_parts(&mut self, value: &'a Value) -> Result<(), SchemaExcess> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.visit(item)),
            Value::Object(fields) => {
                for (key, field) in fields {
                    match (key.as_str(), field) {
                        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                            self.follow(reference)?;
                        }
                        // These are visited where a reference names them.
                        ("$defs" | "definitions", Value::Object(_)) => {}
                        _ => self.visit(field)?,
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Visits the target of a reference. A target inside itself is not visited again: the validator
    /// goes deeper there only as far as the value does.
    fn follow(&mut self, reference: &str) -> Result<(), SchemaExcess> {
        // The validator explains references that name nothing.
        let Some(target) = self.find_target(reference) else {
            return Ok(());
        };
        let place = std::ptr::from_ref(target);
        if self.open.contains(&place) {
            return Ok(());
        }
        self.open.push(place);
        let visited = self.visit(target);
        self.open.pop();
        visited
    }

    fn find_target(&self, reference: &str) -> Option<&'a Value> {
        let fragment = find_fragment(reference)?;
        match self.survey.anchors.get(fragment.as_str()) {
            Some(target) => Some(*target),
            // The pointer of the whole schema is empty.
            None => self.root.pointer(&fragment),
        }
    }
}

/// Returns the part of a reference behind `#`, if the reference is to the schema itself.
fn find_fragment(reference: &str) -> Option<String> {
    let own = reference.strip_prefix(ADDRESS).unwrap_or(reference);
    let fragment = percent_decode_str(own.strip_prefix('#')?);
    Some(fragment.decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn check(schema: &Value) -> Result<(), SchemaExcess> {
        check_limits(schema, &mut SchemaSizes::default())
    }

    /// `count` definitions, each of which names the next one `times` times.
    fn chain(count: usize, times: usize) -> Value {
        let mut definitions = Map::new();
        for index in 0..count {
            let next = json!({ "$ref": format!("#/$defs/d{}", index + 1) });
            definitions.insert(format!("d{index}"), json!({ "allOf": vec![next; times] }));
        }
        definitions.insert(format!("d{count}"), json!({ "type": "integer" }));
        json!({ "$defs": definitions, "properties": { "n": { "$ref": "#/$defs/d0" } } })
    }

    #[test]
    fn usual_schemas_are_within_the_limits() {
        let recursive = json!({
            "$defs": {
                "tree": {
                    "type": "object",
                    "properties": {
                        "left": { "$ref": "#/$defs/tree" },
                        "right": { "$ref": "#/$defs/tree" },
                        "size": { "$ref": "#size" }
                    }
                },
                "size": { "$anchor": "size", "type": "integer", "minimum": 1 }
            },
            "$ref": "#/$defs/tree"
        });
        let patterns = json!({ "properties": { "name": { "pattern": r"^[\w.-]{1,100}$" } } });
        for schema in [
            json!(true),
            json!({}),
            recursive,
            patterns,
            chain(20, 1),
            chain(5, 3),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn references_that_stand_for_endless_work_are_refused() {
        assert_eq!(check(&chain(40, 2)), Err(SchemaExcess::Steps));
        assert_eq!(check(&chain(2_000, 1)), Err(SchemaExcess::Levels));
        assert_eq!(check(&chain(200_000, 1)), Err(SchemaExcess::Values));
        let dynamic: Vec<Value> = (0..20)
            .map(|index| json!({ "$dynamicRef": format!("#d{index}") }))
            .collect();
        let dynamic = json!({ "allOf": dynamic });
        assert_eq!(check(&dynamic), Err(SchemaExcess::Unfollowed));
        // The parts have addresses of their own, so the references cannot be followed here.
        let mut named = chain(40, 2);
        named["$defs"]["d0"]["$id"] = json!("other");
        assert_eq!(check(&named), Err(SchemaExcess::Unfollowed));
        assert_eq!(check(&json!({ "$ref": "https://example.com/s" })), Ok(()));
    }

    #[test]
    fn many_patterns_are_refused() {
        let many: Map<String, Value> = (0..101)
            .map(|index| (format!("^p{index}"), json!(true)))
            .collect();
        let many = json!({ "patternProperties": many });
        assert_eq!(check(&many), Err(SchemaExcess::Patterns));
    }

    #[test]
    fn sizes_of_all_schemas_of_a_document_count() {
        let schema = json!({ "pattern": "a", "enum": vec![0; 50_000] });
        let mut sizes = SchemaSizes::default();
        for _ in 0..3 {
            assert_eq!(check_limits(&schema, &mut sizes), Ok(()));
        }
        assert_eq!(check_limits(&schema, &mut sizes), Err(SchemaExcess::Values));
    }
}
