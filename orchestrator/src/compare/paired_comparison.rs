//! The engine of `orch compare` and `orch check`: builds both sides, counts exactly, measures in
//! pairs, and judges.

use super::sides::{self, ParameterVariation, SideContext};
use super::target::CompareTarget;
use super::workload_pairs::{build_effect, build_workload_pair, offered_job};
use crate::calibration::MachineCalibration;
use crate::comparison::{
    self, ComparedSide, Comparison, SideKind, Verdict, claims, stored, totals,
};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::git;
use crate::machine::load::{LoadReading, MachineLoad};
use crate::machine::{self, Machine};
use crate::plugin::build::PreparedPlugin;
use crate::plugin::cargo;
use crate::project::rules::{self, OfferedJob};
use crate::project::{self, LoadedScenario, PluginSet};
use crate::record::{PluginFile, Record, ScenarioRecord};
use crate::runner::event::ProgressObserver;
use crate::runner::lock::LockPurpose;
use crate::runner::paired_workloads::PairLimits;
use crate::scenario::gate::GateRules;
use crate::versus::{self, MeasureTerms, WorkloadPair};
use orch_core::judge::verdict::ALPHA;
use orch_core::random::SeededRandom;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wildmatch::WildMatch;

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A comparison of two sides, and what its verb asks of it.
pub(crate) struct PairedComparison<'a> {
    pub(crate) context: &'a CommandContext<'a>,
    /// Names of the sides, for the result.
    pub(crate) names: [String; 2],
    /// Folder of the repository whose commits are compared.
    pub(crate) repository: PathBuf,
    pub(crate) limits: PairLimits,
    /// Option that gives a workload more time, for reasons of open verdicts.
    pub(crate) more: &'static str,
    pub(crate) seed: u64,
    pub(crate) variation: Option<ParameterVariation>,
    /// Key of the plugin that a library replaces, if the user gave it.
    pub(crate) plugin: Option<String>,
    pub(crate) filter: Option<String>,
    /// Ids of the only jobs to measure.
    pub(crate) only: Option<Vec<String>>,
    /// Whether identical code is measured too.
    pub(crate) control: bool,
    /// Patterns of the jobs whose time is measured even if both sides are the same code.
    pub(crate) timed: Vec<String>,
    /// Rules of a check. The jobs and metrics that they name must exist.
    pub(crate) rules: Option<&'a GateRules>,
    /// Patterns of the jobs whose output may differ. Their costs are judged nevertheless.
    pub(crate) output_accepted: Vec<String>,
    /// Time spent on builds so far.
    pub(crate) building: Duration,
    /// Time spent waiting for measurements of others so far.
    pub(crate) waiting: Duration,
}

impl PairedComparison<'_> {
    /// Builds both sides and measures them.
    pub(crate) fn measure_builds(
        &mut self,
        loaded: &LoadedScenario,
        targets: &[CompareTarget; 2],
        observer: &mut dyn ProgressObserver,
    ) -> Result<Comparison, CommandError> {
        let plugins = self.build_sides(loaded, targets, observer)?;
        self.measure_sides(loaded, targets, &plugins, observer)
    }

    /// Builds the plugins of both sides.
    pub(crate) fn build_sides(
        &mut self,
        loaded: &LoadedScenario,
        targets: &[CompareTarget; 2],
        observer: &mut dyn ProgressObserver,
    ) -> Result<[PluginSet; 2], CommandError> {
        let a = self.build_side(loaded, targets, 0, observer)?;
        let b = self.build_side(loaded, targets, 1, observer)?;
        Ok([a, b])
    }

    /// Builds the plugins of one side.
    pub(crate) fn build_side(
        &mut self,
        loaded: &LoadedScenario,
        targets: &[CompareTarget; 2],
        side: usize,
        observer: &mut dyn ProgressObserver,
    ) -> Result<PluginSet, CommandError> {
        let begun = Instant::now();
        let build = |common: &SideContext| sides::build_plugins(&targets[side], common, observer);
        let built = self.with_side_context(loaded, targets, build)?;
        self.building += begun.elapsed().saturating_sub(built.waited);
        self.waiting += built.waited;
        Ok(built)
    }

    /// Calls `then` with the inputs that both sides have in common.
    fn with_side_context<T>(
        &self,
        loaded: &LoadedScenario,
        targets: &[CompareTarget; 2],
        then: impl FnOnce(&SideContext) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let is_library = |target: &CompareTarget| matches!(target, CompareTarget::Library(_));
        let replaced = if targets.iter().any(is_library) {
            let asked = self.plugin.as_deref();
            Some(sides::find_replaced_plugin(&loaded.scenario, asked)?)
        } else {
            None
        };
        then(&SideContext {
            loaded,
            variation: self.variation.as_ref(),
            replaced: replaced.as_deref(),
            filter: self.filter.as_deref(),
            only: self.only.as_deref(),
            mark: &self.context.mark,
            interrupt: self.context.interrupt,
        })
    }

    /// Measures both sides.
    pub(crate) fn measure_sides(
        &mut self,
        loaded: &LoadedScenario,
        targets: &[CompareTarget; 2],
        plugins: &[PluginSet; 2],
        observer: &mut dyn ProgressObserver,
    ) -> Result<Comparison, CommandError> {
        let plugins = [&plugins[0], &plugins[1]];
        let jobs = self.with_side_context(loaded, targets, |common| {
            sides::expand_jobs(common, plugins, observer)
        })?;
        let machine = Machine::read();
        let kept = MachineCalibration::load(&machine);
        let matches: Vec<WorkloadPair> = jobs
            .into_iter()
            .map(|job| {
                let tau = build_effect(loaded, &kept, &job.jobs[0]).unwrap_or(0.0);
                let id = job.jobs[0].id.clone();
                let named = |patterns: &[String]| {
                    patterns
                        .iter()
                        .any(|pattern| WildMatch::new(pattern).matches(&id))
                };
                let (timed, output_accepted) = (named(&self.timed), named(&self.output_accepted));
                WorkloadPair {
                    timed,
                    output_accepted,
                    ..build_workload_pair(job, tau, targets, plugins)
                }
            })
            .collect();
        // A selection of jobs does not show the metrics of the others.
        if let Some(gate) = self
            .rules
            .filter(|_| self.only.is_none() && self.filter.is_none())
        {
            let offered: Vec<OfferedJob> = matches.iter().map(offered_job).collect();
            rules::check_metrics(gate, &offered, &loaded.shown)?;
        }
        let held = project::take_lock(LockPurpose::Measuring, self.context.interrupt, observer)?;
        self.waiting += held.waited;
        let cpus = machine::usable_cpus();
        let terms = MeasureTerms {
            cpus: &cpus,
            clock: self.context.clock(),
            mark: &self.context.mark,
            limits: self.limits,
            more: self.more,
            control: self.control,
        };
        let mut random = SeededRandom::from_seed(self.seed);
        let before = LoadReading::read();
        let outcome = versus::measure(
            &matches,
            &terms,
            &mut random,
            self.context.interrupt,
            observer,
        )
        .map_err(|error| CommandError::system_while("the comparison ended early", &error))?;
        let load = before
            .zip(LoadReading::read())
            .map(|(before, after)| MachineLoad::between(before, after));
        let scenario = ScenarioRecord {
            name: loaded.scenario.name.clone(),
            about: loaded.scenario.about.clone(),
            hash: crate::hash::text(&loaded.text),
            path: loaded.shown.clone(),
            filter: self.filter.clone(),
            notes: loaded.scenario.notes.clone(),
            reports: Vec::new(),
        };
        let sides = [0, 1].map(|side| self.side(loaded, side, &targets[side], plugins[side]));
        let comparison = self.comparison(
            outcome,
            scenario,
            sides,
            machine,
            cargo::query_rustc_version(),
        );
        Ok(Comparison {
            false_alarms: kept.false_alarms(),
            load,
            ..comparison
        })
    }

    /// Compares two records.
    pub(crate) fn compare_records(
        &self,
        a: &Record,
        b: &Record,
    ) -> Result<Comparison, CommandError> {
        if self.variation.is_some() || self.control || self.plugin.is_some() {
            return Err(CommandError::input(
                "--set, --plugin and --control apply to builds, which are measured; records are \
                 compared without measuring",
            ));
        }
        let outcome = stored::compare_records(a, b, self.filter.as_deref());
        if outcome.workloads.is_empty() {
            let error = CommandError::input(format!("{} and {} have no job in common", a.id, b.id));
            return Err(match self.filter {
                Some(_) => error.with_hint("no job matches --filter"),
                None => error,
            });
        }
        let sides = [a, b].map(|record| ComparedSide {
            name: record.id.clone(),
            kind: SideKind::Record,
            git: Some(record.git.clone()),
            set: serde_json::Map::new(),
            plugins: record
                .plugins
                .iter()
                .filter_map(|plugin| Some((plugin.key.clone(), plugin.file.clone()?)))
                .collect(),
        });
        Ok(self.comparison(
            outcome,
            a.scenario.clone(),
            sides,
            a.machine.clone(),
            a.toolchain.clone(),
        ))
    }

    fn side(
        &self,
        loaded: &LoadedScenario,
        index: usize,
        target: &CompareTarget,
        plugins: &PluginSet,
    ) -> ComparedSide {
        let file = |prepared: &PreparedPlugin| PluginFile {
            path: prepared.path.display().to_string(),
            hash: Some(prepared.hash.clone()),
            git: Some(prepared.git.clone()),
            sandbox: Some(prepared.sandbox.describe()),
        };
        ComparedSide {
            name: self.names[index].clone(),
            kind: target.kind(),
            git: match target {
                CompareTarget::Revision(revision) => Some(git::GitState::from_revision(revision)),
                // A library file belongs to no commit.
                CompareTarget::Library(_) => None,
                _ => Some(git::read_state(&self.repository)),
            },
            set: self
                .variation
                .as_ref()
                .map(|variation| variation.of_side(index))
                .unwrap_or_default(),
            plugins: loaded
                .scenario
                .plugins
                .iter()
                .filter_map(|(key, _)| {
                    Some((key.clone(), file(plugins.prepared.get(key)?.as_ref().ok()?)))
                })
                .collect(),
        }
    }

    fn comparison(
        &self,
        outcome: comparison::ComparisonOutcome,
        scenario: ScenarioRecord,
        sides: [ComparedSide; 2],
        machine: Machine,
        toolchain: Option<String>,
    ) -> Comparison {
        let [a, b] = sides;
        let verdicts: Vec<Verdict> = outcome
            .workloads
            .iter()
            .map(|workload| workload.verdict)
            .collect();
        Comparison {
            schema: comparison::SCHEMA.to_owned(),
            id: String::new(),
            started: self.context.started.to_string(),
            ended: jiff::Timestamp::now().to_string(),
            verdict: totals::combine_verdicts(&verdicts),
            interrupted: outcome.interrupted,
            orch: env!("CARGO_PKG_VERSION").to_owned(),
            command: String::new(),
            seed: Some(self.seed),
            alpha: ALPHA,
            scenario: Some(scenario),
            machine: Some(machine),
            toolchain,
            a,
            b,
            counts: totals::counts(&outcome.workloads),
            totals: totals::totals(&outcome.entries),
            contradictions: claims::find_contradictions(&outcome.entries, &outcome.workloads),
            jobs: outcome.entries,
            workloads: outcome.workloads,
            gate: None,
            wall_ns: nanoseconds(self.context.elapsed()),
            building_ns: nanoseconds(self.building),
            waiting_ns: nanoseconds(self.waiting),
            false_alarms: None,
            load: None,
            imported: None,
        }
    }
}
