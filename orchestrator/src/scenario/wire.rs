//! A scenario exactly as people write it: the serde types, which also give the published JSON
//! Schema.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A benchmark scenario of orch: which workloads of which plugins are measured, and how.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "Scenario", deny_unknown_fields)]
pub(crate) struct WireScenario {
    /// Name of the scenario, part of the results folder's name; if absent, the file's name without
    /// its extension.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
        extend("x-expected" = "letters, digits, '.', '_' and '-', because it names a folder")
    )]
    pub(crate) name: Option<String>,
    /// Purpose of the scenario.
    pub(crate) about: Option<String>,
    /// Plugins, by the key that workloads use.
    #[schemars(extend("minProperties" = 1))]
    pub(crate) plugins: IndexMap<String, WirePlugin>,
    /// Settings of all workloads that have none of their own.
    #[serde(default)]
    pub(crate) defaults: WireSettings,
    /// Workloads to measure.
    #[schemars(length(min = 1))]
    pub(crate) workloads: Vec<WireWorkloadEntry>,
    /// Templates, and formats of other programs, whose texts are stored in the results folder.
    #[serde(default)]
    pub(crate) reports: Vec<String>,
    /// Notes that the reports repeat, such as a plan or the reason for a target.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub(crate) notes: Vec<String>,
    /// Revision with whose build each job of a run is paired, so that runs of different days can be
    /// compared.
    #[schemars(length(min = 1))]
    pub(crate) anchor: Option<String>,
    /// Time that `orch check` measures pairs of all jobs together, such as `10m`; spent on the jobs
    /// whose verdict is open.
    #[schemars(extend("x-expected" = "a duration, such as 10m"))]
    pub(crate) budget: Option<String>,
    /// Rules of `orch check`.
    #[serde(default)]
    pub(crate) gate: WireGate,
    /// Known changes for the worse that are accepted.
    #[serde(default)]
    pub(crate) accept: Vec<WireAcceptance>,
    /// Figures that jobs have to reach.
    #[serde(default)]
    pub(crate) targets: Vec<WireTarget>,
}

/// Rules of `orch check` in addition to regressions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename = "Gate", deny_unknown_fields)]
pub(crate) struct WireGate {
    /// Treatment of verdicts and targets that the noise leaves open.
    #[serde(default)]
    pub(crate) inconclusive: InconclusivePolicy,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "Inconclusive", rename_all = "snake_case")]
pub(crate) enum InconclusivePolicy {
    #[default]
    Pass,
    Fail,
}

/// A change that does not fail a check: of a metric, or of a whole job with `new` or `dropped`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "Accept", deny_unknown_fields)]
pub(crate) struct WireAcceptance {
    /// Id of the job; * stands for any text, ? for one character.
    pub(crate) job: String,
    /// Metric that got worse: time, allocations, bytes, peak_bytes, digest, or one of the plugin's;
    /// time if absent.
    pub(crate) metric: Option<String>,
    /// Largest accepted change, such as `10%` or `3x`; if this and `to` are absent, any change.
    #[schemars(extend("x-expected" = "a percentage, such as 10%, or a factor, such as 3x"))]
    pub(crate) up_to: Option<String>,
    /// Value that the metric may reach by the change, such as `1`, `64KiB` or `2ms`; also applies
    /// to changes from 0.
    #[schemars(extend("type" = ["number", "string"], "x-expected" = "a value of the metric, such \
        as 1, 64KiB or 2ms"))]
    pub(crate) to: Option<Value>,
    /// Whether the job may be missing at the baseline.
    #[serde(default)]
    pub(crate) new: bool,
    /// Whether a job of the baseline may be missing in the scenario.
    #[serde(default)]
    pub(crate) dropped: bool,
    /// Reason for the acceptance.
    #[schemars(length(min = 1))]
    pub(crate) reason: String,
    /// Last day of the acceptance.
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"), extend("x-expected" = "a day, such as \
        2026-12-31"))]
    pub(crate) until: String,
}

/// Figure that a job has to reach.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "Target", deny_unknown_fields)]
pub(crate) struct WireTarget {
    /// Id of the job; * stands for any text, ? for one character.
    pub(crate) job: String,
    /// Metric: time, allocations, bytes, peak_bytes, or one of the plugin's.
    pub(crate) metric: String,
    /// `>= 40`, `<= 2ms`, `10 to 20`, or `hold`: no worse than the baseline.
    #[schemars(extend("x-expected" = "such as '>= 40', '<= 2ms', '10 to 20' or 'hold'"))]
    pub(crate) is: String,
}

/// Source of a plugin: `crate`, `criterion`, `path`, `builtin`, or `dir` with `build`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "Plugin", deny_unknown_fields)]
pub(crate) struct WirePlugin {
    /// Folder of a plugin crate, which orch builds.
    #[serde(rename = "crate")]
    pub(crate) crate_folder: Option<String>,
    /// Bench file of a package that is written for criterion, such as `benches/parse.rs`. Each
    /// benchmark in it is a workload.
    pub(crate) criterion: Option<String>,
    /// Target CPU of the crate's build; `native` if absent.
    pub(crate) cpu: Option<String>,
    /// Shared library, used without building it.
    pub(crate) path: Option<String>,
    /// Plugin that is part of `orch`.
    pub(crate) builtin: Option<WireBuiltin>,
    /// Folder in which `build` runs.
    pub(crate) dir: Option<String>,
    /// Shell command that writes the shared library to "$ORCH_OUT". "$ORCH_INCLUDE" contains
    /// orch_plugin.h; $ORCH_CFLAGS contains the compiler flags that keep layout out of the times;
    /// "$ORCH_SOURCE" is the root of the code under test.
    pub(crate) build: Option<String>,
    /// Whether the plugin's present state is laid over every commit, for code under test that is
    /// older than its benchmark.
    #[serde(default)]
    pub(crate) overlay: bool,
    /// Variables in the environment of the plugin's worker processes.
    #[serde(default)]
    pub(crate) env: IndexMap<String, String>,
    /// Whether its worker processes are kept away from everything that the scenario does not name;
    /// `on` if absent here and in `defaults`.
    #[serde(default)]
    #[schemars(with = "WireSandbox")]
    pub(crate) sandbox: Option<WireSandbox>,
    /// Files and folders that its worker processes may read and execute, in addition to those in
    /// `params`.
    #[serde(default)]
    pub(crate) read: Vec<String>,
    /// Files and folders that its worker processes may also write.
    #[serde(default)]
    pub(crate) write: Vec<String>,
}

/// Plugins that are part of `orch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "Builtin", rename_all = "snake_case")]
pub(crate) enum WireBuiltin {
    /// Runs whole programs.
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "Sandbox", rename_all = "snake_case")]
pub(crate) enum WireSandbox {
    On,
    Off,
}

/// Budgets and limits of a job.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename = "Settings", deny_unknown_fields)]
pub(crate) struct WireSettings {
    /// Total time of the timed samples of a job over all rounds, such as `500ms`. It also limits
    /// the samples of a pair, if it is less than 300 ms.
    #[schemars(extend("x-expected" = "a duration, such as 500ms"))]
    pub(crate) time: Option<String>,
    /// Number of fresh processes in which a job is timed.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) rounds: Option<u32>,
    /// Limit of one worker process from spawn to result, such as `60s`.
    #[schemars(extend("x-expected" = "a duration, such as 60s"))]
    pub(crate) timeout: Option<String>,
    /// Memory of one worker process, and size of the largest file that it may write, such as
    /// `2GiB`.
    #[schemars(extend("x-expected" = "a size, such as 2GiB"))]
    pub(crate) memory: Option<String>,
    /// CPUs of a worker process.
    #[schemars(range(min = 1, max = 4096))]
    pub(crate) threads: Option<u32>,
    /// Relative difference below which a change does not matter, such as `1%`.
    #[schemars(extend("x-expected" = "a percentage, such as 1%"))]
    pub(crate) tolerance: Option<String>,
    /// Maximum number of allocations of one iteration that `orch check` accepts.
    pub(crate) max_allocations: Option<u64>,
    /// `sandbox` of the plugins that have none of their own.
    #[serde(default)]
    #[schemars(with = "WireSandbox")]
    pub(crate) sandbox: Option<WireSandbox>,
}

/// One workload, or with `matrix` one for each combination of the listed values.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "Workload", deny_unknown_fields)]
pub(crate) struct WireWorkloadEntry {
    /// Workload as PLUGIN/WORKLOAD.
    #[schemars(
        regex(pattern = r"^[^/\s]+/[^/\s]+$"),
        extend("x-expected" = "PLUGIN/WORKLOAD, such as kernels/matmul")
    )]
    pub(crate) workload: String,
    /// Name of the job; derived from the workload and its matrix values if absent.
    #[schemars(
        regex(pattern = r"^[^\s/\[\]]+$"),
        extend("x-expected" = "a word without spaces, '/', '[' and ']'")
    )]
    pub(crate) id: Option<String>,
    /// Parameters of the workload.
    #[serde(default)]
    pub(crate) params: Map<String, Value>,
    /// Parameters with lists of values: each combination is a job.
    #[serde(default)]
    pub(crate) matrix: IndexMap<String, Vec<Value>>,
    /// Words to select and group jobs by.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Total time of the timed samples of each job over all rounds, such as `500ms`. It also
    /// limits the samples of a pair, if it is less than 300 ms.
    #[schemars(extend("x-expected" = "a duration, such as 500ms"))]
    pub(crate) time: Option<String>,
    /// Number of fresh processes in which each job is timed.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) rounds: Option<u32>,
    /// Limit of one worker process from spawn to result, such as `60s`.
    #[schemars(extend("x-expected" = "a duration, such as 60s"))]
    pub(crate) timeout: Option<String>,
    /// Memory of one worker process, and size of the largest file that it may write, such as
    /// `2GiB`.
    #[schemars(extend("x-expected" = "a size, such as 2GiB"))]
    pub(crate) memory: Option<String>,
    /// CPUs of a worker process.
    #[schemars(range(min = 1, max = 4096))]
    pub(crate) threads: Option<u32>,
    /// Relative difference below which a change does not matter, such as `1%`.
    #[schemars(extend("x-expected" = "a percentage, such as 1%"))]
    pub(crate) tolerance: Option<String>,
    /// Maximum number of allocations of one iteration that `orch check` accepts.
    pub(crate) max_allocations: Option<u64>,
}

/// Returns the JSON Schema of a scenario file.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(WireScenario).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "orch scenario".into());
    }
    schema
}
