//! A contradiction in the form that records and comparisons store. The module `contradiction` finds
//! them.

use serde::{Deserialize, Serialize};

/// Figures that exclude each other, or that mean something else than they seem to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contradiction {
    /// The rule that was broken.
    pub(crate) id: String,
    pub(crate) severity: Severity,
    /// The rows, jobs or scopes concerned.
    pub(crate) rows: Vec<String>,
    pub(crate) message: String,
}

/// Kinds of contradictions. They do not state how serious one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// Cannot be true.
    Impossible,
    /// May be true, but means something else.
    Misleading,
    /// The figures are too coarse for the claim.
    Unresolved,
}
