//! The record of a run: the measurements, and everything that they belong to.

use super::PreparedRun;
use super::input_files::InputFiles;
use crate::machine::CpuTimes;
use crate::model::run_outcome::RunOutcome;
use crate::pass::{self, PassEnd, PassResult};
use crate::plugin::cargo;
use crate::project;
use crate::record::assemble::{self, JobFacts};
use crate::record::{
    self, JobOutcome, PluginFile, PluginRecord, Record, ScenarioRecord, TargetRecord,
};
use crate::runner::journal::RunIdentity;
use crate::runner::plan_execution::ExecutionResult;
use crate::scenario::Job;
use crate::scenario::gate::{JobTarget, TargetBounds};
use crate::sentinel::SentinelResult;
use orch_core::protocol::WorkerReply;
use std::path::Path;

impl PreparedRun {
    /// Judgement of the machine from the sentinel readings of the run.
    pub(super) fn sentinel(
        &self,
        executed: &ExecutionResult,
        begun: Option<CpuTimes>,
    ) -> SentinelResult {
        let readings = executed.ends.iter().filter_map(|end| match &end.result {
            PassResult::Reply(reply) => match &**reply {
                WorkerReply::Sentinel(reading) => Some(reading.clone()),
                _ => None,
            },
            _ => None,
        });
        let steal = begun.and_then(|begun| Some(CpuTimes::read()?.stolen_since(begun)));
        let mut sentinel = SentinelResult {
            kernel: self.orch.clone(),
            readings: readings.collect(),
            steal,
            ..SentinelResult::default()
        };
        if let Some(levels) = &self.levels {
            sentinel.compare_with(levels.clone());
        }
        sentinel
    }

    pub(super) fn identity(&self, inputs: &InputFiles) -> RunIdentity {
        let hash = |key: &String| Some(self.plugins.prepared.get(key)?.as_ref().ok()?.hash.clone());
        RunIdentity {
            orch: self.orch.clone(),
            scenario: crate::hash::text(&self.loaded.text),
            filter: self.request.filter.clone(),
            commit: self.git.commit.clone(),
            diff_hash: self.git.diff_hash.clone(),
            machine_class: self.machine.class.clone(),
            anchors: self
                .anchors
                .iter()
                .map(|anchor| anchor.record.commit.clone())
                .collect(),
            plugins: self
                .plugins
                .prepared
                .keys()
                .map(|key| (key.clone(), hash(key)))
                .collect(),
            inputs: inputs.all(),
        }
    }

    pub(super) fn assemble(
        &self,
        id: String,
        executed: &ExecutionResult,
        at: jiff::Timestamp,
        seed: u64,
    ) -> Record {
        let by_job = pass::group_by_job(&executed.ends);
        let ends = |job: &Job| by_job.get(job.id.as_str()).cloned().unwrap_or_default();
        let mut jobs: Vec<record::JobRecord> = self
            .jobs
            .iter()
            .map(|job| self.job_record(job, ends(job), executed.interrupted, seed))
            .collect();
        self.warn_of_sandbox(&mut jobs);
        let complete = jobs.iter().all(|job| job.outcome == JobOutcome::Measured);
        Record {
            schema: record::SCHEMA.to_owned(),
            id,
            started: at.to_string(),
            ended: jiff::Timestamp::now().to_string(),
            outcome: match (executed.interrupted, complete) {
                (true, _) => RunOutcome::Interrupted,
                (false, true) => RunOutcome::Complete,
                (false, false) => RunOutcome::Incomplete,
            },
            orch: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command(seed),
            seed,
            scenario: ScenarioRecord {
                name: self.loaded.scenario.name.clone(),
                about: self.loaded.scenario.about.clone(),
                hash: crate::hash::text(&self.loaded.text),
                path: self.shown(&self.loaded.file),
                filter: self.request.filter.clone(),
                notes: self.loaded.scenario.notes.clone(),
                reports: self.loaded.scenario.reports.clone(),
            },
            git: self.git.clone(),
            machine: self.machine.clone(),
            toolchain: cargo::query_rustc_version(),
            plugins: self
                .loaded
                .scenario
                .plugins
                .iter()
                .map(|(key, _)| self.plugin_record(key))
                .collect(),
            jobs,
            anchors: self
                .anchors
                .iter()
                .map(|anchor| anchor.record.clone())
                .collect(),
            sentinel: None,
            load: None,
            wall: record::RunWall::default(),
            contradictions: Vec::new(),
            targets: self
                .loaded
                .scenario
                .gate
                .targets
                .iter()
                .map(record_target)
                .collect(),
        }
    }

    fn job_record(
        &self,
        job: &Job,
        ends: Vec<&PassEnd>,
        is_interrupted: bool,
        seed: u64,
    ) -> record::JobRecord {
        assemble::assemble_job(JobFacts {
            job,
            info: self
                .plugins
                .described
                .get(&job.plugin)
                .and_then(|description| description.find_workload(&job.workload)),
            plugin: self.plugin_file(&job.plugin),
            own_allocator: self.own_allocator(&job.plugin),
            ends,
            seed,
            iteration_ns: None,
            interrupted: is_interrupted,
        })
    }

    fn own_allocator(&self, key: &str) -> Option<&str> {
        self.plugins
            .prepared
            .get(key)?
            .as_ref()
            .ok()?
            .own_allocator
            .as_deref()
    }

    /// Adds a warning to the first job of each plugin whose sandbox is incomplete on this machine.
    fn warn_of_sandbox(&self, jobs: &mut [record::JobRecord]) {
        for (key, prepared) in &self.plugins.prepared {
            let first = self.jobs.iter().position(|job| job.plugin == *key);
            if let (Ok(prepared), Some(record)) =
                (prepared, first.and_then(|index| jobs.get_mut(index)))
            {
                let missing = prepared.sandbox.missing_protections();
                record.warnings.extend(
                    missing
                        .iter()
                        .map(|words| format!("the sandbox is incomplete: {words}")),
                );
            }
        }
    }

    /// Builds the command that repeats the run in the same order.
    fn command(&self, seed: u64) -> String {
        format!("{} --seed {seed}", self.repeating_command())
    }

    /// Builds the command that measures the same jobs.
    pub(super) fn repeating_command(&self) -> String {
        let mut command = format!("orch run {}", project::quoted(&self.loaded.shown));
        if let Some(filter) = &self.request.filter {
            command.push_str(&format!(" --filter {}", project::quoted(filter)));
        }
        if let Some(results) = &self.request.results {
            command.push_str(&format!(
                " --results {}",
                project::quoted(&results.display().to_string())
            ));
        }
        command
    }

    fn plugin_file(&self, key: &str) -> PluginFile {
        match self.plugins.prepared.get(key) {
            Some(Ok(prepared)) => PluginFile {
                path: self.shown(&prepared.path),
                hash: Some(prepared.hash.clone()),
                git: Some(prepared.git.clone()),
                sandbox: Some(prepared.sandbox.describe()),
            },
            _ => PluginFile {
                path: key.to_owned(),
                hash: None,
                git: None,
                sandbox: None,
            },
        }
    }

    fn plugin_record(&self, key: &str) -> PluginRecord {
        let described = self.plugins.described.get(key);
        let prepared = self
            .plugins
            .prepared
            .get(key)
            .and_then(|prepared| prepared.as_ref().ok());
        PluginRecord {
            key: key.to_owned(),
            name: described.map(|description| description.plugin.clone()),
            version: described.and_then(|description| description.version.clone()),
            sdk: described.and_then(|description| description.sdk.clone()),
            build: described
                .map(|description| description.build.clone())
                .unwrap_or_default(),
            flags: prepared
                .map(|prepared| prepared.flags.clone())
                .unwrap_or_default(),
            cpu_features: prepared.and_then(|prepared| prepared.cpu_features.clone()),
            file: prepared.is_some().then(|| self.plugin_file(key)),
        }
    }

    /// Returns a path as records show it: relative to the project's root if it lies inside.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.loaded.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

fn record_target(target: &JobTarget) -> TargetRecord {
    let (low, high) = match target.wanted {
        TargetBounds::AtLeast(low) => (Some(low), None),
        TargetBounds::AtMost(high) => (None, Some(high)),
        TargetBounds::Between(low, high) => (Some(low), Some(high)),
        TargetBounds::Hold => (None, None),
    };
    TargetRecord {
        job: target.job.clone(),
        metric: target.metric.clone(),
        is: target.text.clone(),
        low,
        high,
    }
}
