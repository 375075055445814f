//! Functions whose machine code a culprit changed, with the differences in words.

use crate::comparison::CodeRelation;
use crate::plugin::code::{CodeChange, CodeChangeKind, CodeShape};
use orch_core::format;
use serde::Serialize;

/// Most functions that are listed as changed.
const FUNCTIONS: usize = 6;
/// Number of first functions among which a plain text names those with other code.
const NAMED: usize = 3;

/// A culprit's changes of the code that the workload can reach.
#[derive(Serialize)]
pub(super) struct ChangedCode<'a> {
    pub(super) functions: Vec<ChangedFunction<'a>>,
    /// Number of changed functions that are not listed.
    pub(super) more_functions: usize,
    /// Text that replaces the list if no function is listed.
    pub(super) code: String,
}

/// A changed function.
#[derive(Serialize)]
pub(super) struct ChangedFunction<'a> {
    name: &'a str,
    change: CodeChangeKind,
    /// Kind of the change, as a word.
    kind: &'static str,
    /// Whether only the data that it refers to changed.
    is_data: bool,
    /// Differences, such as sizes and the share of packed arithmetic.
    differences: Vec<String>,
    /// The change as a sentence.
    what: String,
}

impl<'a> ChangedCode<'a> {
    pub(super) fn of(relation: &'a CodeRelation) -> Self {
        let (changes, code): (&[CodeChange], String) = match relation {
            CodeRelation::Changed(changes) => (changes, String::new()),
            CodeRelation::Identical => (&[], "the library is the same file".to_owned()),
            CodeRelation::OnlyLayout => (
                &[],
                "the machine code that the workload can reach is the same".to_owned(),
            ),
            CodeRelation::Different => (&[], "the machine code was not compared".to_owned()),
            CodeRelation::Unknown(why) => (
                &[],
                format!("the machine code could not be compared: {why}"),
            ),
        };
        // Functions of which only the data changed come last. Their change is the weakest evidence,
        // because the end of data is not known and more than their own data is compared.
        let mut changes: Vec<&CodeChange> = changes.iter().collect();
        changes.sort_by_key(|change| change.kind == CodeChangeKind::Data);
        Self {
            functions: changes
                .iter()
                .take(FUNCTIONS)
                .map(|change| function(change))
                .collect(),
            more_functions: changes.len().saturating_sub(FUNCTIONS),
            code,
        }
    }

    /// Returns the same as lines: a few functions with other code, or else the first function, and
    /// the number of the others.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.code.is_empty() {
            lines.push(self.code.clone());
        }
        let first = self.functions.iter().take(NAMED);
        let mut named: Vec<&ChangedFunction> = first.filter(|one| !one.is_data).collect();
        if named.is_empty() {
            named.extend(self.functions.first());
        }
        lines.extend(named.iter().map(|one| {
            let prefix = if one.is_data { "" } else { "code " };
            let name = format::brief(one.name);
            format!("{prefix}{}: {name}: {}", one.kind, one.what)
        }));
        let hidden = self.functions.len() + self.more_functions - named.len();
        if hidden > 0 {
            lines.push(format!("and {hidden} more functions or data, in bisect.md"));
        }
        lines
    }
}

fn function(change: &CodeChange) -> ChangedFunction<'_> {
    let kind = match change.kind {
        CodeChangeKind::Added => "new",
        CodeChangeKind::Removed => "gone",
        CodeChangeKind::Different => "changed",
        CodeChangeKind::Data => "data changed",
    };
    let differences = match (&change.a, &change.b) {
        (Some(a), Some(b)) => differences(*a, *b),
        (Some(one), None) | (None, Some(one)) => vec![format!("{} bytes", one.bytes)],
        (None, None) => Vec::new(),
    };
    ChangedFunction {
        name: &change.function,
        change: change.kind,
        kind,
        is_data: change.kind == CodeChangeKind::Data,
        what: if differences.is_empty() {
            "same size, other instructions or constants".to_owned()
        } else {
            differences.join(", ")
        },
        differences,
    }
}

fn differences(a: CodeShape, b: CodeShape) -> Vec<String> {
    let packed = |shape: CodeShape| {
        let all = shape.packed_float.saturating_add(shape.scalar_float);
        (all > 0).then(|| format!("{:.0} %", 100.0 * shape.packed_float as f64 / all as f64))
    };
    let mut found = Vec::new();
    let mut note = |what: &str, a: String, b: String| {
        if a != b {
            found.push(format!("{what} {a} -> {b}"));
        }
    };
    note("bytes", a.bytes.to_string(), b.bytes.to_string());
    note(
        "instructions",
        a.instructions.to_string(),
        b.instructions.to_string(),
    );
    let none = || "none".to_owned();
    note(
        "packed float arithmetic",
        packed(a).unwrap_or_else(none),
        packed(b).unwrap_or_else(none),
    );
    note("widest vector", bits(a), bits(b));
    note(
        "calls in loops",
        a.calls_in_loops.to_string(),
        b.calls_in_loops.to_string(),
    );
    found
}

fn bits(shape: CodeShape) -> String {
    format!("{} bits", shape.widest_vector_bits)
}
