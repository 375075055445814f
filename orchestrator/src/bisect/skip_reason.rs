//! Why a commit cannot be measured: the kind decides, the text explains.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Kind of a reason to skip a commit; `reason_kind` in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SkipKind {
    /// The plugin cannot be built. The text contains the compiler's output.
    BuildFailed,
    /// The plugin was built, but it cannot be loaded, or it describes nothing.
    LoadFailed,
    WorkloadMissing,
    /// The workload failed in a pass or in a pair.
    RunFailed,
    /// The commit lacks the metric, or the metric differs between processes of one build.
    MetricUnusable,
    OutputDiffers,
    /// Too few iterations fit into a pass for an exact comparison.
    IterationTooLong,
    /// A merge that only joins commits of the range.
    Merge,
}

/// Reason why a commit cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SkipReason {
    pub(crate) kind: SkipKind,
    /// The whole text, with a compiler's output.
    pub(crate) text: String,
}

impl SkipReason {
    pub(crate) fn new(kind: SkipKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Returns the most informative line: the compiler's first error after a failed build, or else
    /// the first line.
    pub(crate) fn in_one_line(&self) -> String {
        let first = self.text.lines().next().unwrap_or_default();
        if self.kind != SkipKind::BuildFailed {
            return first.to_owned();
        }
        let mut lines = self.text.lines().map(str::trim);
        match lines.find(|line| line.starts_with("error") || line.contains(": error:")) {
            Some(error) => format!("does not build: {error}"),
            None => first.to_owned(),
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_in_one_line_is_the_compilers_first_error() {
        let show = |kind, text: &str| SkipReason::new(kind, text).in_one_line();
        let cargo = "x at 1f (y): `cargo build` failed (exit status: 101)\n   Compiling x\nerror: \
            this is wrong\n --> src/x.rs";
        assert_eq!(
            show(SkipKind::BuildFailed, cargo),
            "does not build: error: this is wrong"
        );
        let gcc = "x at 1f: `make` failed\nx.c: In function 'f':\nx.c:3:1: error: expected ';'";
        assert_eq!(
            show(SkipKind::BuildFailed, gcc),
            "does not build: x.c:3:1: error: expected ';'"
        );
        assert_eq!(
            show(
                SkipKind::WorkloadMissing,
                "the workload is missing: no `x`\nmore"
            ),
            "the workload is missing: no `x`"
        );
    }

    #[test]
    fn error_of_a_run_is_no_failed_build() {
        let text = "it failed in run: parse: error: line 3\nmore";
        let reason = SkipReason::new(SkipKind::RunFailed, text);
        assert_eq!(
            reason.in_one_line(),
            "it failed in run: parse: error: line 3"
        );
    }
}
