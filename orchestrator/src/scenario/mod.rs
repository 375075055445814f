//! Scenarios: the checked description of a measurement. Reading finds all problems of a file at
//! once, each with its place.
//!
//! [`read_scenario`] checks the file by itself; [`expand_jobs`] checks it against the plugins'
//! descriptions.

pub(crate) mod accepted_level;
mod check;
pub(crate) mod gate;
mod job_matrix;
mod printable_names;
pub(crate) mod problem;
pub(crate) mod quantity;
pub(crate) mod schema_violation;
#[cfg(test)]
mod tests;
pub(crate) mod wire;
pub(crate) mod yaml;

pub(crate) use check::{ScenarioContext, read_scenario};
pub(crate) use job_matrix::{expand_entries, expand_jobs};

use crate::plugin::PluginSpec;
use gate::GateRules;
use problem::FileProblem;
use serde_json::{Map, Value};
use std::time::Duration;

/// A scenario that is valid by itself.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) about: Option<String>,
    pub(crate) plugins: Vec<(String, PluginSpec)>,
    pub(crate) entries: Vec<WorkloadEntry>,
    pub(crate) reports: Vec<String>,
    /// Notes for the reports: facts that no measurement has.
    pub(crate) notes: Vec<String>,
    pub(crate) gate: GateRules,
    /// Revision whose build each job of a run is paired with.
    pub(crate) anchor: Option<String>,
    /// Text and places of the file, for problems that are found later.
    pub(crate) source: YamlSource,
}

/// One item of `workloads:`, before its matrix is expanded.
#[derive(Debug, Clone)]
pub(crate) struct WorkloadEntry {
    /// Index in the list, from 0.
    pub(crate) index: usize,
    pub(crate) plugin: String,
    pub(crate) workload: String,
    pub(crate) id: Option<String>,
    pub(crate) params: Map<String, Value>,
    pub(crate) matrix: Vec<(String, Vec<Value>)>,
    pub(crate) tags: Vec<String>,
    pub(crate) settings: JobSettings,
}

/// Budgets and limits of a job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobSettings {
    /// Time of the timed samples over all rounds together, and the most that the samples of one
    /// pair take.
    pub(crate) time: Duration,
    pub(crate) rounds: u32,
    /// Limit of one worker process, from spawn to result.
    pub(crate) timeout: Duration,
    /// Memory limit of one worker process, in bytes.
    pub(crate) memory: u64,
    pub(crate) threads: usize,
    /// Relative difference that does not matter, 0.01 = 1 %.
    pub(crate) tolerance: f64,
    /// Allocations of one iteration that a gate allows.
    pub(crate) max_allocations: Option<u64>,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            time: Duration::from_millis(500),
            rounds: 5,
            timeout: Duration::from_secs(60),
            memory: 2 << 30,
            threads: 1,
            tolerance: 0.01,
            max_allocations: None,
        }
    }
}

/// One workload with parameters, measured in fresh worker processes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    pub(crate) id: String,
    /// Key of the plugin in the scenario.
    pub(crate) plugin: String,
    /// The workload's id inside the plugin.
    pub(crate) workload: String,
    pub(crate) params: Map<String, Value>,
    pub(crate) tags: Vec<String>,
    pub(crate) settings: JobSettings,
}

/// The values of a file with their places.
#[derive(Debug, Clone)]
pub(crate) struct YamlSource {
    pub(crate) root: yaml::YamlNode,
    /// Option that names the file to a command, quoted for a shell: ` --scenario s.yaml`; empty for
    /// a text without a file.
    pub(crate) option: String,
}

impl YamlSource {
    fn problem(
        &self,
        path: &[yaml::PathStep],
        message: impl Into<String>,
        hint: Option<String>,
    ) -> FileProblem {
        FileProblem::new(self.root.walk(path).at.clone(), message, hint)
    }

    /// Returns a problem of a key instead of its value.
    fn key_problem(
        &self,
        path: &[yaml::PathStep],
        key: &str,
        message: String,
        hint: Option<String>,
    ) -> FileProblem {
        let at = self
            .root
            .key_range(path, key)
            .unwrap_or_else(|| self.root.walk(path).at.clone());
        FileProblem::new(at, message, hint)
    }
}

impl Scenario {
    /// Returns whether any workload uses the plugin.
    pub(crate) fn uses_plugin(&self, plugin: &str) -> bool {
        self.entries.iter().any(|entry| entry.plugin == plugin)
    }

    /// Returns a problem of the anchor.
    pub(crate) fn anchor_problem(&self, message: String, hint: Option<String>) -> FileProblem {
        self.source
            .problem(&[yaml::PathStep::Key("anchor".to_owned())], message, hint)
    }

    /// Returns a problem of the report with this index.
    pub(crate) fn report_problem(
        &self,
        index: usize,
        message: String,
        hint: String,
    ) -> FileProblem {
        let path = [
            yaml::PathStep::Key("reports".to_owned()),
            yaml::PathStep::Index(index),
        ];
        self.source.problem(&path, message, Some(hint))
    }
}
