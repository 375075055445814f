//! The report of a bisect: the commit that changed a number, its probability, and its changes.
//! Field names are an interface.

use super::rest::{ChangeBounds, OpenReason, RangePart, StopCause};
use super::skip_reason::{SkipKind, SkipReason};
use crate::comparison::{ComparedWorkload, MetricEntry, RelativeChange};
use crate::git::Revision;
use crate::machine::Machine;
use crate::model::metric::Metric;
use crate::model::warning::SidedKind;
use crate::record::ScenarioRecord;
use crate::runner::pair_series::PairRecord;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The value of a report's `schema`.
pub(crate) const SCHEMA: &str = "orch/bisect/1";

/// File name of a report in its folder.
pub(crate) const FILE: &str = "bisect.json";

/// Report of a bisect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BisectReport {
    pub(crate) schema: String,
    /// Name of the folder that contains the report.
    pub(crate) id: String,
    /// Start and end of the bisect, UTC; for a resumed bisect, the pause lies between them.
    pub(crate) started: String,
    pub(crate) ended: String,
    pub(crate) outcome: BisectOutcome,
    /// Reason for the outcome.
    pub(crate) reason: String,
    /// Version of orch.
    pub(crate) orch: String,
    /// Command that repeats the bisect.
    pub(crate) command: String,
    /// Command to run next, if there is one.
    pub(crate) next: Option<String>,
    /// Seed of all coins.
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
    /// Relative change of time that matters.
    pub(crate) margin: f64,
    /// Measured build effect (relative), if there is one.
    pub(crate) tau: Option<f64>,
    pub(crate) good: ReportedCommit,
    pub(crate) bad: ReportedCommit,
    /// Whether all ancestors were candidates, not only first parents.
    pub(crate) all: bool,
    /// Comparison of the bad end with the good end.
    pub(crate) ends: ReportedEnds,
    /// Every commit after the good end up to the bad one, oldest first.
    pub(crate) commits: Vec<CommitState>,
    pub(crate) culprits: Vec<Culprit>,
    /// Parts of the range in which something certainly or possibly changed, and no commit could be
    /// named.
    pub(crate) undecided: Vec<OpenChangeReport>,
    pub(crate) skipped: Vec<SkippedCommit>,
    /// Number of commits that were built or failed to build, without those found in the cache.
    pub(crate) builds: usize,
    /// Number of pairs of processes, without those that confirm.
    pub(crate) pairs: usize,
    pub(crate) measured: Vec<EndMeasurement>,
    pub(crate) reverted: Option<RevertCheck>,
    pub(crate) warnings: Vec<String>,
    /// Kinds of `warnings`, in the same order.
    #[serde(default)]
    pub(crate) warning_kinds: Vec<SidedKind>,
    /// Whether the bisect was stopped and resumed. `wall_ns` then covers only the time since it was
    /// resumed.
    pub(crate) resumed: bool,
    pub(crate) wall_ns: u64,
    /// Cause of an early end; null for a bisect that is done.
    #[serde(default)]
    pub(crate) stopped: Option<StopCause>,
    /// Whether only the largest step was searched for.
    #[serde(default)]
    pub(crate) first: bool,
    /// Parts of the range beside the culprits, oldest first.
    #[serde(default)]
    pub(crate) rest: Vec<RangePart>,
    /// Bounds of all other changes in the range; null if a part of it is not known.
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
    /// Something certainly or possibly changed, and no commit was named.
    Undecided,
}

/// Direction of the searched change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BisectDirection {
    Worse,
    Better,
}

/// A commit with its author, date and title.
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

/// Comparison of the bad end with the good end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReportedEnds {
    /// Values of both ends if the metric is counted; null for time.
    pub(crate) good: Value,
    pub(crate) bad: Value,
    pub(crate) change: Option<RelativeChange>,
}

/// Results for one commit of the range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CommitState {
    /// Full hash.
    pub(crate) commit: String,
    pub(crate) subject: String,
    pub(crate) author: String,
    /// Date of the commit, UTC.
    pub(crate) committed: String,
    pub(crate) state: ProbeState,
    /// Probability that the commit made the change, from the first search over the whole range.
    pub(crate) probability: f64,
    /// Pairs with the good end.
    pub(crate) pairs: usize,
    /// Relative change against the good end: the trimmed mean of its pairs, or the change of the
    /// count.
    pub(crate) change: Option<f64>,
    /// Value of a counted metric; null for time.
    pub(crate) value: Value,
    /// A commit that runs the same code, if one was found.
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
    /// The same commits with author, date and title.
    pub(crate) about: Vec<ReportedCommit>,
    /// The last commit before them that can be measured. It does not have the change.
    pub(crate) parent: ReportedCommit,
    pub(crate) probability: f64,
    /// Relative change with its interval, from the confirmation by fresh processes.
    pub(crate) change: Option<RelativeChange>,
    /// Values before and after if the metric is counted; null for time.
    pub(crate) before: Value,
    pub(crate) after: Value,
    /// Whether the change went the other way than the whole range: a fix, or a gain that was lost.
    pub(crate) other_way: bool,
    pub(crate) cause: super::cause::ChangeCause,
    /// Every metric of the culprit compared with the commit before it.
    pub(crate) entries: Vec<MetricEntry>,
    /// The same comparison, with scope tree, machine code and pairs.
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
    /// Kind of that reason.
    pub(crate) why: OpenReason,
}

/// A commit that could not be measured. It may still be the culprit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SkippedCommit {
    /// Full hash.
    pub(crate) commit: String,
    pub(crate) subject: String,
    /// Reason in one line.
    pub(crate) reason: String,
    /// Kind of that reason; null in older reports.
    #[serde(default)]
    pub(crate) reason_kind: Option<SkipKind>,
    /// The whole message, with a compiler's output.
    pub(crate) details: String,
}

impl SkippedCommit {
    pub(crate) fn new(revision: &Revision, reason: &SkipReason) -> Self {
        Self {
            commit: revision.commit.clone(),
            subject: revision.subject.clone(),
            reason: reason.in_one_line(),
            reason_kind: Some(reason.kind),
            details: reason.text.clone(),
        }
    }
}

/// The pairs of a commit with a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndMeasurement {
    pub(crate) reference: String,
    pub(crate) commit: String,
    pub(crate) pairs: Vec<PairRecord>,
}

/// Comparison of the bad end with a culprit undone against the bad end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RevertCheck {
    pub(crate) culprit: String,
    /// Reason why it could not be tried.
    pub(crate) failed: Option<String>,
    pub(crate) entries: Vec<MetricEntry>,
}
