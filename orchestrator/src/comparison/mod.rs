//! The comparison: verdicts on one workload after the other, as one immutable JSON file. Field
//! names are an interface.

pub(crate) mod claimed;
pub(crate) mod counted;
#[cfg(test)]
mod counted_tests;
pub(crate) mod entries;
pub(crate) mod head;
pub(crate) mod imported;
pub(crate) mod scopes;
pub(crate) mod shown;
pub(crate) mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use crate::calibration::FalseAlarms;
use crate::git::GitState;
use crate::machine::Machine;
use crate::machine::load::MachineLoad;
use crate::model::metric::Metric;
use crate::model::reason::{Reason, ReasonKind};
use crate::model::warning::SidedKind;
use crate::plugin::catalog::CounterBasis;
use crate::plugin::code::CodeChange;
pub(crate) use crate::record::Verdict;
use crate::record::{Contradiction, PluginFile, ScenarioRecord};
use crate::runner::pair_series::PairRecord;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The value of a comparison's `schema`.
pub(crate) const SCHEMA: &str = "orch/comparison/1";

/// Two builds, variants or records against each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) schema: String,
    /// Name of the folder that the comparison lies in.
    pub(crate) id: String,
    /// When it began and ended, UTC.
    pub(crate) started: String,
    pub(crate) ended: String,
    /// The worst of all verdicts.
    pub(crate) verdict: Verdict,
    /// The user stopped it: what is open might have been decided.
    pub(crate) interrupted: bool,
    /// Version of orch.
    pub(crate) orch: String,
    /// The command that repeats the comparison.
    pub(crate) command: String,
    /// From which all coins were drawn; none where nothing was measured by orch.
    pub(crate) seed: Option<u64>,
    /// Level of the verdicts.
    pub(crate) alpha: f64,
    pub(crate) scenario: Option<ScenarioRecord>,
    /// Machine of a live comparison, or of record A. Unknown for an imported table.
    pub(crate) machine: Option<Machine>,
    pub(crate) toolchain: Option<String>,
    pub(crate) a: ComparedSide,
    pub(crate) b: ComparedSide,
    /// Workloads per verdict, the worst verdict of each.
    pub(crate) counts: IndexMap<Verdict, usize>,
    pub(crate) totals: Option<head::ComparisonTotals>,
    /// One entry per workload and metric.
    pub(crate) jobs: Vec<MetricEntry>,
    /// One entry per workload: what was compared, and everything that was measured.
    pub(crate) workloads: Vec<ComparedWorkload>,
    /// What a gate said of it, where one was asked.
    #[serde(default)]
    pub(crate) gate: Option<Value>,
    pub(crate) wall_ns: u64,
    /// Of that, building and describing plugins.
    #[serde(default)]
    pub(crate) building_ns: u64,
    /// Of that, waiting for measurements of others to end.
    #[serde(default)]
    pub(crate) waiting_ns: u64,
    /// How often this machine's class called the same code changed; null where that was not
    /// calibrated.
    #[serde(default)]
    pub(crate) false_alarms: Option<FalseAlarms>,
    /// How busy the machine was while it measured; null where nothing was measured, and in older
    /// comparisons.
    #[serde(default)]
    pub(crate) load: Option<MachineLoad>,
    /// The table that this was read from, where orch measured nothing.
    #[serde(default)]
    pub(crate) imported: Option<imported::ImportedTable>,
    /// What cannot be true, or says something else than it seems to.
    #[serde(default)]
    pub(crate) contradictions: Vec<Contradiction>,
}

/// One side of a comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ComparedSide {
    /// As the user named it.
    pub(crate) name: String,
    pub(crate) kind: SideKind,
    pub(crate) git: Option<GitState>,
    /// What `--set` gave this side.
    pub(crate) set: Map<String, Value>,
    /// The plugins' files, by the scenario's key.
    pub(crate) plugins: IndexMap<String, PluginFile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SideKind {
    Revision,
    WorkingTree,
    Library,
    Record,
    /// A column of somebody's table.
    Imported,
}

/// What is known of one metric of one workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricEntry {
    /// The workload's id.
    pub(crate) id: String,
    /// time, allocations, bytes, peak_bytes, digest, or the id of a plugin's metric.
    pub(crate) metric: Metric,
    pub(crate) unit: String,
    pub(crate) verdict: Verdict,
    /// The values of both sides; time in nanoseconds.
    pub(crate) a: Value,
    pub(crate) b: Value,
    /// Relative: b / a - 1; none where a is 0, or nothing was measured.
    pub(crate) change: Option<RelativeChange>,
    /// The change (relative) that these pairs would just have told from none.
    pub(crate) minimum_detectable: Option<f64>,
    /// Evidence against "no change".
    pub(crate) e_value: Option<f64>,
    pub(crate) pairs: usize,
    /// The relative difference that matters.
    pub(crate) margin: f64,
    /// Why the verdict is what it is, and why measuring ended.
    pub(crate) reason: String,
    /// Kind of that reason; null in older comparisons.
    #[serde(default)]
    pub(crate) reason_kind: Option<ReasonKind>,
    /// Another metric of the workload went the other way.
    pub(crate) trade_off: bool,
    /// Of a plugin's metric: what its counter is divided by.
    #[serde(default)]
    pub(crate) per: Option<CounterBasis>,
    /// Smallest and largest value of each side's processes, where what was counted is not exact.
    #[serde(default)]
    pub(crate) a_range: Option<[f64; 2]>,
    #[serde(default)]
    pub(crate) b_range: Option<[f64; 2]>,
    /// Values of both sides that belong to the estimate over pairs: b / a - 1 is the estimate.
    /// Typical values (`a`, `b`) are summed up over each side by itself, and divide to something
    /// else.
    #[serde(default)]
    pub(crate) fitted: Option<[f64; 2]>,
    /// How far rounding may have moved the values of both sides together: what lies closer is
    /// equal. 0 where they are exact.
    #[serde(default)]
    pub(crate) rounding: f64,
}

impl MetricEntry {
    /// Sets the reason of the verdict: its kind, and its words.
    pub(crate) fn explain(&mut self, reason: &Reason) {
        self.reason = reason.to_string();
        self.reason_kind = Some(reason.kind());
    }

    fn with_reason(mut self, reason: &Reason) -> Self {
        self.explain(reason);
        self
    }

    /// Takes the reason over from an entry that this one follows from.
    fn take_reason(&mut self, other: &Self) {
        self.reason.clone_from(&other.reason);
        self.reason_kind = other.reason_kind;
    }

    /// Whether an inconclusive entry is a question that has to be answered. Of what threads share
    /// out, only ranges that lie apart are one: where they overlap, nothing is claimed. A rate is
    /// as open as the time that it is made of. Counters and outputs are facts about the work, so
    /// they are open as soon as a side does not agree with itself.
    pub(crate) fn is_open(&self) -> bool {
        let apart = match (self.a_range, self.b_range) {
            (Some(a), Some(b)) => a[1] < b[0] || b[1] < a[0],
            _ => false,
        };
        let open = match (&self.metric, self.per) {
            (Metric::Time | Metric::Digest, _) | (_, Some(CounterBasis::Iteration)) => true,
            (_, Some(CounterBasis::Second | CounterBasis::Unit)) => false,
            _ => apart,
        };
        self.verdict == Verdict::Inconclusive && open
    }
}

/// A relative change with the interval that holds it; an end that is not known is null.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RelativeChange {
    pub(crate) estimate: f64,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

/// One workload of a comparison, whatever its metrics say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ComparedWorkload {
    pub(crate) id: String,
    /// PLUGIN/WORKLOAD, with the scenario's key of the plugin.
    pub(crate) workload: String,
    pub(crate) params: Map<String, Value>,
    /// Unknown for an imported row.
    pub(crate) threads: Option<usize>,
    /// The worst verdict of its metrics.
    pub(crate) verdict: Verdict,
    pub(crate) trade_off: bool,
    pub(crate) code: CodeRelation,
    /// What kept a side from being measured.
    pub(crate) missing: Option<String>,
    /// Whether B was measured by itself and A was not.
    #[serde(default)]
    pub(crate) only_b: bool,
    pub(crate) warnings: Vec<String>,
    /// Kind and side of each warning, in their order; none in older comparisons.
    #[serde(default)]
    pub(crate) warning_kinds: Vec<SidedKind>,
    /// Where the change is, where there is one.
    pub(crate) scopes: Vec<scopes::ScopeChange>,
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) wall_ns: u64,
}

/// Whether both sides run the same code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CodeRelation {
    /// The same file, with the same libraries and input files.
    Identical,
    /// Different files, but the machine code that the workload can reach is the same.
    OnlyLayout,
    Different,
    /// Different, and these functions and data are.
    Changed(Vec<CodeChange>),
    /// Not compared, and why.
    Unknown(String),
}

/// The name of a comparison in its folder.
pub(crate) const FILE: &str = "comparison.json";

/// What a comparison is made of.
pub(crate) struct ComparisonOutcome {
    pub(crate) entries: Vec<MetricEntry>,
    pub(crate) workloads: Vec<ComparedWorkload>,
    pub(crate) interrupted: bool,
}
