//! The record: all results of one `orch run` in one JSON file, replaced only when an interrupted
//! run resumes. Field names are an interface.
//!
//! A missing value is null and its field is never absent, so that templates can test it. Only
//! digests stay as plugins wrote them.

pub(crate) mod anchored;
pub(crate) mod assemble;
mod contradiction;
mod metrics;
pub(crate) mod result_folder;
pub(crate) mod samples;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub(crate) use contradiction::{Contradiction, Severity};

use crate::git::GitState;
use crate::machine::Machine;
use crate::machine::load::MachineLoad;
use crate::model::metric::Metric;
use crate::model::run_outcome::RunOutcome;
use crate::model::warning::WarningKind;
use crate::plugin::catalog::{BetterDirection, CounterBasis};
use crate::sentinel::SentinelResult;
use anchored::{AnchorRecord, AnchoredJob};
use indexmap::IndexMap;
use orch_core::protocol::{Phase, ResourceUsage, WarmUp};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// The value of a record's `schema`.
pub(crate) const SCHEMA: &str = "orch/record/1";

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) schema: String,
    /// Name of the record's folder.
    pub(crate) id: String,
    /// Start and end of the run, UTC.
    pub(crate) started: String,
    pub(crate) ended: String,
    pub(crate) outcome: RunOutcome,
    /// Version of orch.
    pub(crate) orch: String,
    /// Command that repeats the run.
    pub(crate) command: String,
    pub(crate) seed: u64,
    pub(crate) scenario: ScenarioRecord,
    pub(crate) git: GitState,
    pub(crate) machine: Machine,
    /// Output of `rustc -vV`; null without a compiler.
    pub(crate) toolchain: Option<String>,
    pub(crate) plugins: Vec<PluginRecord>,
    pub(crate) jobs: Vec<JobRecord>,
    /// Builds that the jobs were paired with.
    #[serde(default)]
    pub(crate) anchors: Vec<AnchorRecord>,
    /// Result of the sentinel: whether the machine is unchanged; null in records from before the
    /// sentinel.
    #[serde(default)]
    pub(crate) sentinel: Option<SentinelResult>,
    /// Load of the machine during the measurement; null if the system does not report it, and in
    /// older records.
    #[serde(default)]
    pub(crate) load: Option<MachineLoad>,
    pub(crate) wall: RunWall,
    /// Figures that cannot be true.
    #[serde(default)]
    pub(crate) contradictions: Vec<Contradiction>,
    /// Figures that jobs have to reach, from the scenario.
    #[serde(default)]
    pub(crate) targets: Vec<TargetRecord>,
}

/// A figure that jobs have to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TargetRecord {
    /// Pattern of job ids.
    pub(crate) job: String,
    pub(crate) metric: Metric,
    /// Text in the scenario, such as `<= 2ms`.
    pub(crate) is: String,
    /// Bounds in the metric's own unit: nanoseconds, bytes, or plain numbers. Both are null for
    /// `hold`.
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

/// The verdicts, from the worst to the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Both sides computed different outputs, so nothing else is comparable.
    OutputDiffers,
    Regressed,
    /// Not measured on one side or both.
    Missing,
    Inconclusive,
    Equivalent,
    Improved,
}

impl Verdict {
    /// Returns the word that all reports use.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::OutputDiffers => "output differs",
            Self::Regressed => "regressed",
            Self::Missing => "missing",
            Self::Inconclusive => "inconclusive",
            Self::Equivalent => "equivalent",
            Self::Improved => "improved",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScenarioRecord {
    pub(crate) name: String,
    pub(crate) about: Option<String>,
    /// SHA-256 of the file.
    pub(crate) hash: String,
    /// Path of the file, relative to the project's root if the file is inside.
    pub(crate) path: String,
    /// The `--filter` that selected its jobs.
    pub(crate) filter: Option<String>,
    /// Notes for the reports.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    /// Reports of a run beside its summary; empty for other results.
    #[serde(default)]
    pub(crate) reports: Vec<String>,
}

/// A plugin of the scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PluginRecord {
    pub(crate) key: String,
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) sdk: Option<String>,
    /// Information of the plugin about its own build.
    pub(crate) build: Value,
    /// Compiler flags or build command from orch.
    pub(crate) flags: Vec<String>,
    pub(crate) cpu_features: Option<Vec<String>>,
    pub(crate) file: Option<PluginFile>,
}

/// File that contains the workload of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PluginFile {
    pub(crate) path: String,
    /// SHA-256 of the file; null if there was no file to load.
    pub(crate) hash: Option<String>,
    pub(crate) git: Option<GitState>,
    /// Sandbox of its workers, such as `landlock 7 and seccomp`, or `off`.
    #[serde(default)]
    pub(crate) sandbox: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub(crate) id: String,
    /// PLUGIN/WORKLOAD, with the scenario's key of the plugin.
    pub(crate) workload: String,
    pub(crate) about: Option<String>,
    pub(crate) iteration: Option<String>,
    pub(crate) params: Map<String, Value>,
    pub(crate) tags: Vec<String>,
    pub(crate) settings: SettingsRecord,
    pub(crate) plugin: PluginFile,
    pub(crate) outcome: JobOutcome,
    /// Phase in which it failed or was skipped.
    pub(crate) phase: Option<Phase>,
    pub(crate) message: Option<String>,
    pub(crate) warnings: Vec<String>,
    /// Kind of each warning, in their order; in older records only of some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warning_kinds: Vec<WarningKind>,
    pub(crate) digest: Option<Digest>,
    /// Digests of two processes that disagree, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest_differs: Option<[Value; 2]>,
    pub(crate) time: Option<TimeSummary>,
    pub(crate) allocations: Option<AllocationSummary>,
    pub(crate) metrics: IndexMap<String, f64>,
    pub(crate) metrics_info: IndexMap<String, MetricRecord>,
    /// Smallest and largest value over the counting processes, for metrics without a time whose
    /// processes differ.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub(crate) metrics_range: IndexMap<String, [f64; 2]>,
    /// Largest error of rounding, for metrics without a time that are not exact.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub(crate) metrics_rounding: IndexMap<String, f64>,
    pub(crate) profile: Option<ProfileRecord>,
    pub(crate) scopes: Vec<ScopeRecord>,
    /// Files that its parameters name, with their SHA-256 from before the first pass, without files
    /// of more than 256 MiB and files that the plugin may write.
    #[serde(default)]
    pub(crate) inputs: IndexMap<String, String>,
    /// Result against each anchor of the run.
    #[serde(default)]
    pub(crate) anchored: Vec<AnchoredJob>,
    pub(crate) wall: JobWall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobOutcome {
    Measured,
    Failed,
    Skipped,
}

impl JobOutcome {
    /// Returns the word that reports use.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SettingsRecord {
    pub(crate) time_ns: u64,
    pub(crate) rounds: u32,
    pub(crate) timeout_ns: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) threads: usize,
    pub(crate) tolerance: f64,
}

/// Output of one iteration, as far as the plugin describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// A number or a text.
    pub(crate) value: Value,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) tolerance: Option<f64>,
}

/// Time of one iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimeSummary {
    /// Median over processes of the median over samples of sample / iterations.
    pub(crate) median_ns: f64,
    /// Confidence interval of the median over processes.
    pub(crate) low_ns: f64,
    pub(crate) high_ns: f64,
    /// Coverage of the interval.
    pub(crate) confidence: f64,
    pub(crate) processes: Vec<ProcessTimes>,
}

/// Samples of one worker process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcessTimes {
    pub(crate) round: u32,
    /// The run's seed, which ordered the jobs of the round.
    pub(crate) seed: u64,
    /// First of the CPUs that it was pinned to.
    pub(crate) cpu: usize,
    pub(crate) cpus: Vec<usize>,
    /// Iterations in each sample.
    pub(crate) iterations: u64,
    pub(crate) samples_ns: Vec<u64>,
    pub(crate) resolution_ns: u64,
    pub(crate) warm_up: WarmUp,
    /// Page faults and context switches while the samples were taken.
    pub(crate) usage: ResourceUsage,
    /// Time from the start of the process to its end.
    pub(crate) wall_ns: u64,
}

/// Allocations of one iteration. Whole numbers have no fraction in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AllocationSummary {
    /// Whether all allocations are on the driver thread and all processes agree.
    pub(crate) exact: bool,
    /// Median over the processes if it is not exact.
    #[serde(serialize_with = "whole")]
    pub(crate) count: f64,
    #[serde(serialize_with = "whole")]
    pub(crate) bytes: f64,
    /// The highest rise of live bytes within an iteration.
    #[serde(serialize_with = "whole")]
    pub(crate) peak_bytes: f64,
    /// Live bytes gained per iteration.
    #[serde(serialize_with = "whole")]
    pub(crate) leaked_bytes: f64,
    /// Smallest and largest count of a process; equal if the count is exact.
    #[serde(serialize_with = "whole_pair")]
    pub(crate) count_range: [f64; 2],
    #[serde(serialize_with = "whole_pair")]
    pub(crate) bytes_range: [f64; 2],
    #[serde(serialize_with = "whole_pair")]
    pub(crate) peak_bytes_range: [f64; 2],
    /// Allocations and frees of threads other than the driver, such as a thread pool's own: events
    /// of one iteration.
    #[serde(serialize_with = "whole", default)]
    pub(crate) other_threads_events: f64,
    /// Iterations that each process counted.
    pub(crate) iterations: u64,
    /// Processes that counted.
    pub(crate) processes: usize,
    /// Page faults of one iteration in the timing pass: median over processes.
    pub(crate) page_faults: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetricRecord {
    pub(crate) unit: String,
    pub(crate) better: Option<BetterDirection>,
    pub(crate) per: CounterBasis,
    pub(crate) about: String,
}

/// Recording of the scopes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProfileRecord {
    pub(crate) iterations: u64,
    /// Time inside `run` of those iterations, with scopes and counting on.
    pub(crate) run_ns: u64,
    /// Relative slowdown of an iteration against the timing pass; 0.05 is 5 %.
    pub(crate) overhead: Option<f64>,
}

/// The thread that opened a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScopeThread {
    /// The thread that runs the job's iterations.
    Driver,
    /// Another thread. Its scopes are part of no total.
    #[serde(other)]
    Pool,
}

/// A scope in the tree, summed over all iterations of the profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScopeRecord {
    pub(crate) name: String,
    pub(crate) thread: ScopeThread,
    pub(crate) calls: u64,
    pub(crate) total_ns: u64,
    pub(crate) self_ns: u64,
    pub(crate) min_ns: u64,
    pub(crate) max_ns: u64,
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
    /// Shortest duration of the first, second, ... call of an iteration over all iterations. Empty
    /// if a scope is called once, more often than 256 times, or not equally often in each
    /// iteration.
    #[serde(default)]
    pub(crate) series_min_ns: Vec<u64>,
    /// Sums of the counters that were added to in this scope itself.
    #[serde(default)]
    pub(crate) counters: IndexMap<String, f64>,
    /// Metrics over the work and the time of this scope and those inside it.
    #[serde(default)]
    pub(crate) metrics: IndexMap<String, f64>,
    pub(crate) children: Vec<ScopeRecord>,
}

impl ScopeRecord {
    /// Returns whether the thread that runs the job's iterations opened the scope.
    pub(crate) fn is_on_driver(&self) -> bool {
        self.thread == ScopeThread::Driver
    }
}

/// Wall time of a job by pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobWall {
    pub(crate) profile_ns: u64,
    pub(crate) count_ns: u64,
    pub(crate) time_ns: u64,
    /// Part of `time_ns` that was spent on samples.
    pub(crate) samples_ns: u64,
    /// Part of `time_ns` that was spent on warming up.
    pub(crate) warm_up_ns: u64,
}

/// Wall time of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunWall {
    pub(crate) total_ns: u64,
    /// Building and describing plugins.
    pub(crate) prepare_ns: u64,
    /// Waiting for other measurements to end.
    pub(crate) lock_ns: u64,
    pub(crate) profile_ns: u64,
    pub(crate) count_ns: u64,
    pub(crate) time_ns: u64,
    pub(crate) samples_ns: u64,
    /// Pairs with anchors.
    #[serde(default)]
    pub(crate) anchors_ns: u64,
    /// samples / total.
    pub(crate) samples_share: f64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn whole<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    number(*value).serialize(serializer)
}

fn whole_pair<S: Serializer>(pair: &[f64; 2], serializer: S) -> Result<S::Ok, S::Error> {
    pair.map(number).serialize(serializer)
}

/// Writes a JSON integer if the value is whole and exact, otherwise a float.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}
