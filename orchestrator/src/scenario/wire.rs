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
    /// Name of the scenario, part of the results folder's name; the file's name without ending if
    /// absent.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
        extend("x-expected" = "letters, digits, '.', '_' and '-', because it names a folder")
    )]
    pub(crate) name: Option<String>,
    /// What the scenario is for.
    pub(crate) about: Option<String>,
    /// The plugins, by the key that workloads name them with.
    #[schemars(extend("minProperties" = 1))]
    pub(crate) plugins: IndexMap<String, WirePlugin>,
    /// Settings of all workloads that do not say otherwise.
    #[serde(default)]
    pub(crate) defaults: WireSettings,
    /// What is measured.
    #[schemars(length(min = 1))]
    pub(crate) workloads: Vec<WireWorkloadEntry>,
    /// Templates that are rendered into the results folder.
    #[serde(default)]
    pub(crate) reports: Vec<String>,
    /// A revision whose build each job of a run is paired with, so that runs of different days can
    /// be compared.
    #[schemars(length(min = 1))]
    pub(crate) anchor: Option<String>,
    /// How long `orch check` measures in pairs, all jobs together, such as `10m`; where a verdict
    /// is open it goes on.
    #[schemars(extend("x-expected" = "a duration, such as 10m"))]
    pub(crate) budget: Option<String>,
    /// What makes `orch check` fail.
    #[serde(default)]
    pub(crate) gate: WireGate,
    /// Changes for the worse that are known and wanted.
    #[serde(default)]
    pub(crate) accept: Vec<WireAcceptance>,
    /// Figures that jobs have to reach.
    #[serde(default)]
    pub(crate) targets: Vec<WireTarget>,
}

/// What makes `orch check` fail besides regressions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename = "Gate", deny_unknown_fields)]
pub(crate) struct WireGate {
    /// What becomes of verdicts and targets that the noise leaves open.
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
    /// The metric that got worse: time, allocations, bytes, peak_bytes, digest, or one of the
    /// plugin; time if absent.
    pub(crate) metric: Option<String>,
    /// The largest change that is accepted, such as `10%` or `3x`; any if `to` is absent too.
    #[schemars(extend("x-expected" = "a percentage, such as 10%, or a factor, such as 3x"))]
    pub(crate) up_to: Option<String>,
    /// The value that the metric may reach by the change, such as `1`, `64KiB` or `2ms`; also where
    /// it was 0 before.
    #[schemars(extend("type" = ["number", "string"], "x-expected" = "a value of the metric, such \
        as 1, 64KiB or 2ms"))]
    pub(crate) to: Option<Value>,
    /// Whether the job may be one that the baseline lacks.
    #[serde(default)]
    pub(crate) new: bool,
    /// Whether the job may be one of the baseline that the scenario lacks now.
    #[serde(default)]
    pub(crate) dropped: bool,
    /// Why.
    #[schemars(length(min = 1))]
    pub(crate) reason: String,
    /// The last day on which it counts.
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"), extend("x-expected" = "a day, such as \
        2026-12-31"))]
    pub(crate) until: String,
}

/// A figure that a job has to reach.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "Target", deny_unknown_fields)]
pub(crate) struct WireTarget {
    /// Id of the job; * stands for any text, ? for one character.
    pub(crate) job: String,
    /// time, allocations, bytes, peak_bytes, or a metric of the plugin.
    pub(crate) metric: String,
    /// `>= 40`, `<= 2ms`, `10 to 20`, or `hold`: no worse than the baseline.
    #[schemars(extend("x-expected" = "such as '>= 40', '<= 2ms', '10 to 20' or 'hold'"))]
    pub(crate) is: String,
}

/// Where a plugin comes from: `crate`, `path`, or `dir` with `build`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "Plugin", deny_unknown_fields)]
pub(crate) struct WirePlugin {
    /// Folder of a plugin crate, which orch builds.
    #[serde(rename = "crate")]
    pub(crate) crate_folder: Option<String>,
    /// The target-cpu that a crate is built for; `native` if absent.
    pub(crate) cpu: Option<String>,
    /// A shared library, taken as it is.
    pub(crate) path: Option<String>,
    /// Folder in which `build` is run.
    pub(crate) dir: Option<String>,
    /// Shell command that writes the shared library to "$ORCH_OUT". "$ORCH_INCLUDE" holds
    /// orch_plugin.h; $ORCH_CFLAGS holds the compiler flags that keep layout out of the times;
    /// "$ORCH_SOURCE" is the root of the code under test.
    pub(crate) build: Option<String>,
    /// Whether the plugin as it is now is laid over every commit, for code under test that is older
    /// than its benchmark.
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
    /// Files and folders that its worker processes may read, and run programs from, besides those
    /// that `params` name.
    #[serde(default)]
    pub(crate) read: Vec<String>,
    /// Files and folders that its worker processes may also write.
    #[serde(default)]
    pub(crate) write: Vec<String>,
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
    /// Timed samples of a job over all rounds together, such as `500ms`.
    #[schemars(extend("x-expected" = "a duration, such as 500ms"))]
    pub(crate) time: Option<String>,
    /// Fresh processes that a job is timed in.
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
    /// The relative difference that does not matter, such as `1%`.
    #[schemars(extend("x-expected" = "a percentage, such as 1%"))]
    pub(crate) tolerance: Option<String>,
    /// Allocations of one iteration that `orch check` lets pass.
    pub(crate) max_allocations: Option<u64>,
    /// `sandbox` of the plugins that do not say otherwise.
    #[serde(default)]
    #[schemars(with = "WireSandbox")]
    pub(crate) sandbox: Option<WireSandbox>,
}

/// One workload, or with `matrix` one for each combination of the listed values.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "Workload", deny_unknown_fields)]
pub(crate) struct WireWorkloadEntry {
    /// The workload as PLUGIN/WORKLOAD.
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
    /// Timed samples of each job over all rounds together, such as `500ms`.
    #[schemars(extend("x-expected" = "a duration, such as 500ms"))]
    pub(crate) time: Option<String>,
    /// Fresh processes that each job is timed in.
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
    /// The relative difference that does not matter, such as `1%`.
    #[schemars(extend("x-expected" = "a percentage, such as 1%"))]
    pub(crate) tolerance: Option<String>,
    /// Allocations of one iteration that `orch check` lets pass.
    pub(crate) max_allocations: Option<u64>,
}

/// The JSON Schema of a scenario file.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(WireScenario).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "orch scenario".into());
    }
    schema
}
