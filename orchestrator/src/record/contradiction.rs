//! A contradiction as records and comparisons store it; `contradiction` finds them.

use serde::{Deserialize, Serialize};

/// Figures that exclude each other, or that do not say what they seem to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contradiction {
    /// The rule that was broken.
    pub(crate) id: String,
    pub(crate) severity: Severity,
    /// The rows, jobs or scopes that it is about.
    pub(crate) rows: Vec<String>,
    pub(crate) message: String,
}

/// Kinds of contradictions. They do not state how serious one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// Cannot be true.
    Impossible,
    /// May be true, but says something else.
    Misleading,
    /// The figures cannot carry the claim.
    Unresolved,
}
