//! Values against JSON Schemas: of scenario files, and of the parameters of any plugin.

mod limits;

pub(crate) use limits::{SchemaExcess, SchemaSizes};

use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, SchemeUrlLoader, ValidationError};
use serde_json::Value;

/// Address of a schema without an `$id` of its own. It has the form of a file's address, so that
/// references inside the schema resolve.
pub(crate) const ADDRESS: &str = "orch:///schema";

/// Reason why a schema is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaFault {
    /// The validator's description of the defect.
    #[error("not a JSON Schema: {0}")]
    Invalid(String),
    #[error("too large a schema: {0}")]
    Excess(#[from] SchemaExcess),
}

/// A schema, ready to check values.
pub(crate) struct CompiledSchema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl CompiledSchema {
    /// Compiles a schema of any draft; a schema that names no draft is read as the newest.
    /// References to files and other hosts are not followed.
    pub(crate) fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        Self::compile_next(schema, &mut SchemaSizes::default())
    }

    /// Compiles one of several schemas of a document, whose sizes count together.
    pub(crate) fn compile_next(
        schema: &Value,
        sizes: &mut SchemaSizes,
    ) -> Result<Self, SchemaFault> {
        limits::check_limits(schema, sizes)?;
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(SchemeUrlLoader::new()));
        let mut schemas = Schemas::new();
        compiler
            .add_resource(ADDRESS, schema.clone())
            .map_err(|error| SchemaFault::Invalid(error.to_string()))?;
        let index = compiler
            .compile(ADDRESS, &mut schemas)
            .map_err(|error| SchemaFault::Invalid(error.to_string()))?;
        Ok(Self { schemas, index })
    }

    /// Lists all violations in a value. A violation of a combination such as `anyOf` is one
    /// violation.
    pub(crate) fn find_errors<'a>(&'a self, value: &'a Value) -> Vec<ValidationError<'a, 'a>> {
        let mut leaves = Vec::new();
        if let Err(error) = self.schemas.validate(value, self.index) {
            collect_leaves(error, &mut leaves);
        }
        leaves
    }
}

/// Moves the violations of a tree into a list. Groups, references and `allOf` only hold other
/// violations. A schema that refers to itself without an end is no mistake in the value.
fn collect_leaves<'a>(error: ValidationError<'a, 'a>, leaves: &mut Vec<ValidationError<'a, 'a>>) {
    let is_branch = matches!(
        error.kind,
        ErrorKind::Group
            | ErrorKind::Schema { .. }
            | ErrorKind::Reference { .. }
            | ErrorKind::AllOf
    );
    if is_branch {
        for cause in error.causes {
            collect_leaves(cause, leaves);
        }
    } else if !is_harmless(&error.kind) {
        leaves.push(error);
    }
}

/// Returns whether an error is no fault of the value: an endless reference of the schema, or a
/// remainder that only comes from rounding decimal fractions, such as that of 0.3 and a multiple of
/// 0.1.
fn is_harmless(kind: &ErrorKind) -> bool {
    const ROUNDING: f64 = 1e-9;
    match kind {
        ErrorKind::RefCycle { .. } => true,
        ErrorKind::MultipleOf { got, want } => match (got.as_f64(), want.as_f64()) {
            (Some(got), Some(want)) => {
                let times = got / want;
                (times - times.round()).abs() <= ROUNDING * times.abs()
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn count_errors(schema: &Value, value: &Value) -> usize {
        let compiled = CompiledSchema::compile(schema).expect("the schema is valid");
        compiled.find_errors(value).len()
    }

    #[test]
    fn multiples_are_compared_within_rounding() {
        let schema = json!({ "multipleOf": 0.1 });
        assert_eq!(count_errors(&schema, &json!(0.3)), 0);
        assert_eq!(count_errors(&schema, &json!(0.35)), 1);
        assert_eq!(count_errors(&json!({ "multipleOf": 3 }), &json!(9)), 0);
        assert_eq!(count_errors(&json!({ "multipleOf": 3 }), &json!(10)), 1);
    }

    #[test]
    fn violations_are_all_listed_and_combinations_count_once() {
        let schema = json!({
            "properties": {
                "a": { "type": "string" },
                "b": { "anyOf": [{ "const": 1 }, { "const": 2 }] }
            },
            "required": ["c"],
            "additionalProperties": false
        });
        let value = json!({ "a": 1, "b": 3, "d": 4 });
        assert_eq!(count_errors(&schema, &value), 4);
    }

    #[test]
    fn schema_that_names_another_place_is_refused() {
        for reference in ["file:///etc/passwd", "https://example.com/schema"] {
            assert!(CompiledSchema::compile(&json!({ "$ref": reference })).is_err());
        }
    }

    #[test]
    fn schema_that_refers_to_itself_without_end_allows_everything() {
        assert_eq!(count_errors(&json!({ "$ref": "#" }), &json!({ "a": 1 })), 0);
    }
}
