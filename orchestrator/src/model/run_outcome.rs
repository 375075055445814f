//! How a run ended.

use serde::{Deserialize, Serialize};

/// Outcome of a run; `outcome` of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunOutcome {
    /// Every job was measured.
    Complete,
    /// Some jobs were not measured.
    Incomplete,
    /// The user stopped the run.
    Interrupted,
}
