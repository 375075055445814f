//! The report of a bisect: the commit that changed a number, its probability, and its changes.
//! Field names are an interface.

use super::rest::{ChangeBounds, OpenReason, RangePart, StopCause};
use crate::comparison::{ComparedWorkload, MetricEntry, RelativeChange};
use crate::git::Revision;
use crate::machine::Machine;
use crate::model::metric::Metric;
use crate::record::ScenarioRecord;
use crate::runner::pair_series::PairRecord;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The value of a report's `schema`.
pub(crate) const SCHEMA: &str = "orch/bisect/1";

/// The name of a report in its folder.
pub(crate) const FILE: &str = "bisect.json";

/// Report of a bisect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BisectReport {
    pub(crate) schema: String,
    /// Name of the folder that the report lies in.
    pub(crate) id: String,
    /// When it began and ended, UTC; with the time between where it was resumed.
    pub(crate) started: String,
    pub(crate) ended: String,
    pub(crate) outcome: BisectOutcome,
    /// Reason for the outcome.
    pub(crate) reason: String,
    /// Version of orch.
    pub(crate) orch: String,
    /// The command that repeats it.
    pub(crate) command: String,
    /// Command to run next, if there is one.
    pub(crate) next: Option<String>,
    /// From which all coins were drawn.
    pub(crate) seed: u64,
    pub(crate) scenario: ScenarioRecord,
    pub(crate) machine: Machine,
    pub(crate) toolchain: Option<String>,
    /// Id of the job in the scenario.
    pub(crate) workload: String,
    pub(crate) params: Map<String, Value>,
    pub(crate) threads: usize,
    /// time, allocations, bytes, peak_bytes, digest, or the id of a plugin's metric.
    pub(crate) metric: Metric,
    pub(crate) direction: BisectDirection,
    /// The relative change of time that matters.
    pub(crate) margin: f64,
    /// The measured build effect, where there is one (relative).
    pub(crate) tau: Option<f64>,
    pub(crate) good: ReportedCommit,
    pub(crate) bad: ReportedCommit,
    /// All ancestors were candidates, not only first parents.
    pub(crate) all: bool,
    /// The bad end against the good one.
    pub(crate) ends: ReportedEnds,
    /// Every commit after the good end up to the bad one, oldest first.
    pub(crate) commits: Vec<CommitState>,
    pub(crate) culprits: Vec<Culprit>,
    /// Parts of the range in which something changed, or may have, and no commit could be named.
    pub(crate) undecided: Vec<OpenChangeReport>,
    pub(crate) skipped: Vec<SkippedCommit>,
    /// Commits that were built, those that failed to included; what was found in the cache is not.
    pub(crate) builds: usize,
    /// Pairs of processes, without those that confirm.
    pub(crate) pairs: usize,
    pub(crate) measured: Vec<EndMeasurement>,
    pub(crate) reverted: Option<RevertCheck>,
    pub(crate) warnings: Vec<String>,
    /// It was stopped before its end, and went on: `wall_ns` is only what it took since.
    pub(crate) resumed: bool,
    pub(crate) wall_ns: u64,
    /// Cause of its end before it was done; null for a bisect that is done.
    #[serde(default)]
    pub(crate) stopped: Option<StopCause>,
    /// Only the largest step was asked for.
    #[serde(default)]
    pub(crate) first: bool,
    /// Parts of the range beside the culprits, oldest first.
    #[serde(default)]
    pub(crate) rest: Vec<RangePart>,
    /// Bounds of whatever else happened in the range; null where some part of it is not known.
    #[serde(default)]
    pub(crate) nothing_else_beyond: Option<ChangeBounds>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BisectOutcome {
    /// Each culprit is one commit.
    First,
    /// A culprit is one of several indistinguishable commits.
    Range,
    /// No commit made a change.
    None,
    /// Something changed, or may have, and no commit was named.
    Undecided,
}

/// Direction of the searched change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BisectDirection {
    Worse,
    Better,
}

/// A commit as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReportedCommit {
    /// Full hash.
    pub(crate) commit: String,
    pub(crate) subject: String,
    pub(crate) author: String,
    /// Date of the commit, UTC.
    pub(crate) committed: String,
}

impl ReportedCommit {
    pub(crate) fn of(revision: &Revision) -> Self {
        Self {
            commit: revision.commit.clone(),
            subject: revision.subject.clone(),
            author: revision.author.clone(),
            committed: revision.committed.clone(),
        }
    }
}

/// The bad end against the good one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReportedEnds {
    /// Values of both, where the metric is counted; null for time.
    pub(crate) good: Value,
    pub(crate) bad: Value,
    pub(crate) change: Option<RelativeChange>,
}

/// Knowledge about one commit of the range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CommitState {
    /// Full hash.
    pub(crate) commit: String,
    pub(crate) subject: String,
    pub(crate) author: String,
    /// Date of the commit, UTC.
    pub(crate) committed: String,
    pub(crate) state: ProbeState,
    /// Probability of having made the change that the whole range was searched for first.
    pub(crate) probability: f64,
    /// Pairs with the good end.
    pub(crate) pairs: usize,
    /// Against the good end: the trimmed mean of its pairs, or of what is counted.
    pub(crate) change: Option<f64>,
    /// Value of the metric, if it is a counted one.
    pub(crate) value: Value,
    /// The commit whose code it runs, where one was found.
    pub(crate) same_code_as: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProbeState {
    /// The search did not need it.
    Untouched,
    /// Built, and measured or found to be the same code as another one.
    Looked,
    Skipped,
}

/// A commit, or several indistinguishable ones, with the change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Culprit {
    /// Full hashes; the last one can be measured and has the change.
    pub(crate) commits: Vec<String>,
    /// The same commits as people know them.
    pub(crate) about: Vec<ReportedCommit>,
    /// The last commit before them that can be measured: it does not have the change.
    pub(crate) parent: ReportedCommit,
    pub(crate) probability: f64,
    /// Relative, with its interval, from the confirmation by fresh processes.
    pub(crate) change: Option<RelativeChange>,
    /// Values before and after, where the metric is counted; null for time.
    pub(crate) before: Value,
    pub(crate) after: Value,
    /// It went the other way than the whole range: a fix, or a gain that was lost.
    pub(crate) other_way: bool,
    pub(crate) cause: super::cause::ChangeCause,
    /// The culprit against the commit before it: every metric.
    pub(crate) entries: Vec<MetricEntry>,
    /// The same, with scope tree, machine code and pairs.
    pub(crate) comparison: ComparedWorkload,
}

/// A part of the range that stays open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenChangeReport {
    /// Commits, oldest first; one of them made the change, with this probability.
    pub(crate) commits: Vec<ReportedCommit>,
    pub(crate) probability: f64,
    pub(crate) reference: ReportedCommit,
    pub(crate) end: ReportedCommit,
    pub(crate) reason: String,
    /// The same as a fact.
    pub(crate) why: OpenReason,
}

/// A commit that could not be measured. It may still be the culprit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SkippedCommit {
    /// Full hash.
    pub(crate) commit: String,
    pub(crate) subject: String,
    /// In one line.
    pub(crate) reason: String,
    /// All that was said, a compiler's output included.
    pub(crate) details: String,
}

impl SkippedCommit {
    pub(crate) fn new(revision: &Revision, details: &str) -> Self {
        Self {
            commit: revision.commit.clone(),
            subject: revision.subject.clone(),
            reason: in_one_line(details),
            details: details.to_owned(),
        }
    }
}

/// The line that says most: a compiler's first error, else the first line.
pub(crate) fn in_one_line(text: &str) -> String {
    let error = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("error") || line.contains(": error:"));
    match error {
        Some(error) => format!("does not build: {error}"),
        None => text.lines().next().unwrap_or_default().to_owned(),
    }
}

/// The pairs of a commit with a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndMeasurement {
    pub(crate) reference: String,
    pub(crate) commit: String,
    pub(crate) pairs: Vec<PairRecord>,
}

/// The bad end with a culprit undone, against the bad end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RevertCheck {
    pub(crate) culprit: String,
    /// Reason why it could not be tried.
    pub(crate) failed: Option<String>,
    pub(crate) entries: Vec<MetricEntry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_in_one_line_is_the_compilers_first_error() {
        let cargo = "x at 1f (y): `cargo build` failed (exit status: 101)\n   Compiling x\nerror: \
            this is wrong\n --> src/x.rs";
        assert_eq!(in_one_line(cargo), "does not build: error: this is wrong");
        let gcc = "x at 1f: `make` failed\nx.c: In function 'f':\nx.c:3:1: error: expected ';'";
        assert_eq!(
            in_one_line(gcc),
            "does not build: x.c:3:1: error: expected ';'"
        );
        assert_eq!(
            in_one_line("the workload is missing: no `x`\nmore"),
            "the workload is missing: no `x`"
        );
    }
}
