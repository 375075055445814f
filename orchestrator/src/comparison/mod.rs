//! Owns the comparison: the verdicts on all workloads as one immutable JSON file. Field names are
//! an interface.

pub(crate) mod claims;
pub(crate) mod entries;
pub(crate) mod exact;
#[cfg(test)]
mod exact_tests;
pub(crate) mod imported;
pub(crate) mod scopes;
pub(crate) mod shown_change;
pub(crate) mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod totals;
pub(crate) mod verdict_words;

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

/// Comparison of two builds, variants or records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) schema: String,
    /// Name of the comparison's folder.
    pub(crate) id: String,
    /// Start and end, UTC.
    pub(crate) started: String,
    pub(crate) ended: String,
    /// The worst of all verdicts.
    pub(crate) verdict: Verdict,
    /// Whether the user stopped the comparison: more pairs might have decided what is open.
    pub(crate) interrupted: bool,
    /// Version of orch.
    pub(crate) orch: String,
    /// Command that repeats the comparison.
    pub(crate) command: String,
    /// Seed of all random choices; none if orch measured nothing.
    pub(crate) seed: Option<u64>,
    /// Level of the verdicts.
    pub(crate) alpha: f64,
    pub(crate) scenario: Option<ScenarioRecord>,
    /// Machine of a live comparison, or of record A. Unknown for an imported table.
    pub(crate) machine: Option<Machine>,
    pub(crate) toolchain: Option<String>,
    pub(crate) a: ComparedSide,
    pub(crate) b: ComparedSide,
    /// Number of workloads per verdict. The worst verdict of a workload counts.
    pub(crate) counts: IndexMap<Verdict, usize>,
    pub(crate) totals: Option<totals::ComparisonTotals>,
    /// One entry per workload and metric.
    pub(crate) jobs: Vec<MetricEntry>,
    /// One entry per workload, with everything that was measured.
    pub(crate) workloads: Vec<ComparedWorkload>,
    /// Result of the gate, if there was one.
    #[serde(default)]
    pub(crate) gate: Option<Value>,
    pub(crate) wall_ns: u64,
    /// Part of it that was spent on building and describing plugins.
    #[serde(default)]
    pub(crate) building_ns: u64,
    /// Part of it that was spent on waiting for other measurements to end.
    #[serde(default)]
    pub(crate) waiting_ns: u64,
    /// Frequency with which machines of this class called the same code changed; null without a
    /// calibration.
    #[serde(default)]
    pub(crate) false_alarms: Option<FalseAlarms>,
    /// Load of the machine during the measurement; null if nothing was measured, and in older
    /// comparisons.
    #[serde(default)]
    pub(crate) load: Option<MachineLoad>,
    /// Table that the comparison was read from, if orch measured nothing.
    #[serde(default)]
    pub(crate) imported: Option<imported::ImportedTable>,
    /// Figures that cannot be true, or that mean something else than they seem to.
    #[serde(default)]
    pub(crate) contradictions: Vec<Contradiction>,
}

/// One side of a comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ComparedSide {
    /// Name that the user gave.
    pub(crate) name: String,
    pub(crate) kind: SideKind,
    pub(crate) git: Option<GitState>,
    /// Parameters that `--set` gave this side.
    pub(crate) set: Map<String, Value>,
    /// Files of the plugins, by the scenario's key.
    pub(crate) plugins: IndexMap<String, PluginFile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SideKind {
    Revision,
    WorkingTree,
    Library,
    Record,
    /// A column of an imported table.
    Imported,
}

/// Facts about one metric of one workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricEntry {
    /// Id of the workload.
    pub(crate) id: String,
    /// time, allocations, bytes, peak_bytes, digest, or the id of a plugin's metric.
    pub(crate) metric: Metric,
    pub(crate) unit: String,
    pub(crate) verdict: Verdict,
    /// Values of both sides; times in nanoseconds.
    pub(crate) a: Value,
    pub(crate) b: Value,
    /// Relative change, b / a - 1; none if a is 0, or nothing was measured.
    pub(crate) change: Option<RelativeChange>,
    /// Smallest relative change that these pairs would have detected.
    pub(crate) minimum_detectable: Option<f64>,
    /// Evidence against "no change", as an e-value.
    pub(crate) e_value: Option<f64>,
    pub(crate) pairs: usize,
    /// Relative difference that matters.
    pub(crate) margin: f64,
    /// Reason for the verdict, and for the end of the measurement.
    pub(crate) reason: String,
    /// Kind of that reason; null in older comparisons.
    #[serde(default)]
    pub(crate) reason_kind: Option<ReasonKind>,
    /// Whether another metric of the workload changed in the other direction.
    pub(crate) trade_off: bool,
    /// Basis of a plugin's metric, by which its counter is divided.
    #[serde(default)]
    pub(crate) per: Option<CounterBasis>,
    /// Smallest and largest value over the processes of each side, if a count is not exact.
    #[serde(default)]
    pub(crate) a_range: Option<[f64; 2]>,
    #[serde(default)]
    pub(crate) b_range: Option<[f64; 2]>,
    /// Values of both sides that belong to the estimate over pairs: b / a - 1 is the estimate. The
    /// typical values (`a`, `b`) summarise each side alone, and their ratio differs from the
    /// estimate.
    #[serde(default)]
    pub(crate) fitted: Option<[f64; 2]>,
    /// Largest error of rounding of both values together. Values that are closer are equal. 0 if
    /// they are exact.
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

    /// Copies the reason of the entry from which this one follows.
    fn take_reason(&mut self, other: &Self) {
        self.reason.clone_from(&other.reason);
        self.reason_kind = other.reason_kind;
    }

    /// Returns whether an inconclusive entry has to be decided. Counts that threads share are open
    /// only if the ranges of both sides do not overlap. A rate is as open as the time that it is
    /// computed from. Counters and outputs are facts about the work, so they are open as soon as a
    /// side disagrees with itself.
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

/// A relative change with its interval. An unknown end is null.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RelativeChange {
    pub(crate) estimate: f64,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

/// One workload of a comparison, for all metrics together.
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
    /// Reason why a side was not measured.
    pub(crate) missing: Option<String>,
    /// Whether only B was measured.
    #[serde(default)]
    pub(crate) only_b: bool,
    pub(crate) warnings: Vec<String>,
    /// Kind and side of each warning, in their order; none in older comparisons.
    #[serde(default)]
    pub(crate) warning_kinds: Vec<SidedKind>,
    /// Places of the change, if there is one.
    pub(crate) scopes: Vec<scopes::ScopeChange>,
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) wall_ns: u64,
}

/// Relation between the code of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CodeRelation {
    /// The same file, with the same libraries and input files.
    Identical,
    /// Different files with the same machine code, as far as the workload can reach it.
    OnlyLayout,
    Different,
    /// Different in these functions and data.
    Changed(Vec<CodeChange>),
    /// Not compared, for this reason.
    Unknown(String),
}

/// File name of a comparison in its folder.
pub(crate) const FILE: &str = "comparison.json";

/// Entries and workloads of a comparison.
pub(crate) struct ComparisonOutcome {
    pub(crate) entries: Vec<MetricEntry>,
    pub(crate) workloads: Vec<ComparedWorkload>,
    pub(crate) interrupted: bool,
}
