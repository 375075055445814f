//! The two sides of a live comparison, each with its plugins built and its jobs expanded.

use super::target::CompareTarget;
use crate::error::CommandError;
use crate::git::Revision;
use crate::plugin::PluginSpec;
use crate::plugin::build::{self, PluginFailure, PreparedPlugin};
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::catalog::PluginDescription;
use crate::plugin::{PluginSource, revision};
use crate::project::{self, BuildWait, LoadedScenario, PluginSet};
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::scenario::problem::FileProblem;
use crate::scenario::{self, Job, Scenario};
use orch_core::format;
use orch_core::protocol::Phase;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// A parameter that has another value on each side.
pub(crate) struct ParameterVariation {
    /// As it was written.
    text: String,
    pub(crate) param: String,
    pub(crate) values: [Value; 2],
}

impl ParameterVariation {
    /// Reads `PARAM=A,B`. Values are what they would be in a scenario.
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        let wrong = || {
            CommandError::input(format!("--set '{text}' is not of the form PARAM=A,B")).with_hint(
                "write for example --set kv_cache=true,false: A gets the first value, B the second",
            )
        };
        let (param, values) = text.split_once('=').ok_or_else(wrong)?;
        let (a, b) = values.split_once(',').ok_or_else(wrong)?;
        if param.is_empty() || a.is_empty() || b.is_empty() || b.contains(',') {
            return Err(wrong());
        }
        let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        Ok(Self {
            text: text.to_owned(),
            param: param.to_owned(),
            values: [value(a), value(b)],
        })
    }

    /// Refuses the option because of the first problem that its values cause. The scenario without
    /// the option has no problem.
    fn refuse(&self, problems: &[FileProblem]) -> CommandError {
        let Some(problem) = problems.first() else {
            return CommandError::input(format!("--set {}", self.text));
        };
        let error = CommandError::input(format!("--set {}: {}", self.text, problem.message));
        match &problem.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Inputs of one side.
    pub(crate) fn of_side(&self, side: usize) -> Map<String, Value> {
        self.values
            .get(side)
            .map(|value| (self.param.clone(), value.clone()))
            .into_iter()
            .collect()
    }
}

/// Returns the scenario with one side's value of the varied parameter.
fn vary(scenario: &Scenario, variation: Option<&ParameterVariation>, side: usize) -> Scenario {
    let mut varied = scenario.clone();
    if let Some(variation) = variation {
        for entry in &mut varied.entries {
            // As a dimension of the matrix, the parameter would have both values on both sides.
            entry.matrix.retain(|(name, _)| *name != variation.param);
            entry.params.extend(variation.of_side(side));
        }
    }
    varied
}

/// Inputs that both sides have in common.
pub(crate) struct SideContext<'a> {
    pub(crate) loaded: &'a LoadedScenario,
    pub(crate) variation: Option<&'a ParameterVariation>,
    /// Key of the plugin that a library replaces.
    pub(crate) replaced: Option<&'a str>,
    pub(crate) filter: Option<&'a str>,
    /// Only jobs with these ids.
    pub(crate) only: Option<&'a [String]>,
    pub(crate) mark: &'a str,
    pub(crate) interrupt: &'a Interrupt,
}

/// Builds the plugins of one side.
pub(crate) fn build_plugins(
    target: &CompareTarget,
    common: &SideContext,
    observer: &mut dyn ProgressObserver,
) -> Result<PluginSet, CommandError> {
    let scenario = &common.loaded.scenario;
    // A plugin compared with itself is equivalent, whatever was changed elsewhere. Two values of a
    // parameter can still be compared.
    let same = |key: &str, spec: &PluginSpec, at: &Revision| {
        let asked = common.variation.is_some() || common.replaced == Some(key);
        let why =
            revision::explain_independence(spec, &common.loaded.root, at).filter(|_| !asked)?;
        Some(format!(
            "the plugin {why}, so its commits cannot be compared; use `crate:`, or `dir:` with \
             `build:`, or name another repository with --repo"
        ))
    };
    let build = |key: &str,
                 spec: &PluginSpec,
                 watch: &mut BuildWatcher|
     -> Result<PreparedPlugin, PluginFailure> {
        match target {
            CompareTarget::Library(path) if common.replaced == Some(key) => {
                let file = PluginSpec {
                    source: PluginSource::File(path.clone()),
                    ..spec.clone()
                };
                build::prepare_kept_plugin(key, &file, watch)
            }
            CompareTarget::Revision(at) => match same(key, spec, at) {
                Some(why) => Err(PluginFailure::new(Phase::Build, why)),
                None => revision::prepare_at_commit(key, spec, &common.loaded.root, at, watch),
            },
            _ => build::prepare_kept_plugin(key, spec, watch),
        }
    };
    let has_work = |key: &str, spec: &PluginSpec| match target {
        CompareTarget::Revision(at) => !revision::is_kept(key, spec, &common.loaded.root, at),
        _ => !build::is_current(spec),
    };
    project::prepare(
        scenario,
        |key| may_use_plugin(scenario, key, common.filter),
        &build,
        BuildWait::Where(&has_work),
        common.mark,
        common.interrupt,
        observer,
    )
}

/// Whether any workload of a plugin may pass the filter. Ids of matrix entries are derived later,
/// so those entries count as passing.
fn may_use_plugin(scenario: &Scenario, key: &str, filter: Option<&str>) -> bool {
    let pattern = filter.map(wildmatch::WildMatch::new);
    scenario
        .entries
        .iter()
        .filter(|entry| entry.plugin == key)
        .any(|entry| match (&pattern, entry.matrix.is_empty()) {
            (Some(pattern), true) => {
                pattern.matches(entry.id.as_deref().unwrap_or(&entry.workload))
            }
            _ => true,
        })
}

/// Finds the plugin that a library given as a side replaces.
pub(crate) fn find_replaced_plugin(
    scenario: &Scenario,
    asked: Option<&str>,
) -> Result<String, CommandError> {
    let keys: Vec<&str> = scenario
        .plugins
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    let hint = format!(
        "name the plugin to replace with --plugin KEY; the scenario has {}",
        format::listed(&keys)
    );
    match (asked, &keys[..]) {
        (Some(key), _) if keys.contains(&key) => Ok(key.to_owned()),
        (Some(key), _) => {
            Err(CommandError::input(format!("the scenario has no plugin '{key}'")).with_hint(hint))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(CommandError::input(
            "a library was given, but the scenario has several plugins",
        )
        .with_hint(hint)),
    }
}

/// Expands the jobs of both sides, in the order of the scenario. Workloads that do not have the
/// varied parameter are left out, and a note lists them.
pub(crate) fn expand_jobs(
    common: &SideContext,
    plugins: [&PluginSet; 2],
    observer: &mut dyn ProgressObserver,
) -> Result<Vec<SideJobs>, CommandError> {
    let mut expansion = JobExpansion {
        common,
        plugins,
        scenarios: [0, 1].map(|side| vary(&common.loaded.scenario, common.variation, side)),
        pattern: common.filter.map(wildmatch::WildMatch::new),
        only: common
            .only
            .map(|only| only.iter().map(String::as_str).collect()),
        found: Vec::new(),
        ids: Vec::new(),
        left_out: Vec::new(),
        wrong: Vec::new(),
        one_sided: Vec::new(),
    };
    for index in 0..common.loaded.scenario.entries.len() {
        expansion.add_entry(index)?;
    }
    expansion.refuse_misfits()?;
    if !expansion.left_out.is_empty() {
        let ids: Vec<&str> = expansion
            .left_out
            .iter()
            .map(|(id, _)| id.as_str())
            .collect();
        let text = format!(
            "left out, because --set does not fit them: {}",
            format::listed(&ids)
        );
        observer.see(ProgressEvent::Note { text: &text });
    }
    expansion.into_jobs()
}

/// The jobs of both sides found so far, and the problems of those that do not fit.
struct JobExpansion<'a> {
    common: &'a SideContext<'a>,
    plugins: [&'a PluginSet; 2],
    /// The scenario of each side, with its value of the varied parameter.
    scenarios: [Scenario; 2],
    pattern: Option<wildmatch::WildMatch>,
    /// Ids to which the comparison is restricted.
    only: Option<HashSet<&'a str>>,
    found: Vec<SideJobs>,
    /// Ids of all jobs, chosen or not.
    ids: Vec<String>,
    /// Jobs that do not have the varied parameter, with the problems that it would cause.
    left_out: Vec<(String, Vec<FileProblem>)>,
    /// Problems on both sides: mistakes in the scenario.
    wrong: Vec<FileProblem>,
    /// Problems of workloads that take only one of the values of the varied parameter.
    one_sided: Vec<FileProblem>,
}

impl JobExpansion<'_> {
    fn add_entry(&mut self, index: usize) -> Result<(), CommandError> {
        let [a, b] = match self
            .scenarios
            .each_ref()
            .map(|side| expand_entry(side, index, |_| None))
        {
            [Ok(a), Ok(b)] => [a, b],
            [Err(problems), _] | [_, Err(problems)] => {
                return Err(self.common.loaded.refuse(problems));
            }
        };
        self.ids.extend(a.iter().map(|job| job.id.clone()));
        let chosen: Vec<[Job; 2]> = a
            .into_iter()
            .zip(b)
            .filter(|(job, _)| self.is_chosen(job))
            .map(<[Job; 2]>::from)
            .collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let checked = [0, 1].map(|side| self.check_entry(&self.scenarios[side], index, side));
        let only_variation_misfits = self.common.variation.is_some()
            && (0..2).all(|side| {
                let unvaried = &self.common.loaded.scenario;
                self.check_entry(unvaried, index, side).is_ok()
            });
        match &checked {
            [Err(problems), Err(_)] if only_variation_misfits => {
                for [job, _] in chosen {
                    self.left_out.push((job.id, problems.clone()));
                }
                return Ok(());
            }
            // A name that neither side has is a mistake in the scenario. All of them are reported
            // at once.
            [Err(problems), Err(_)] => {
                for problem in problems {
                    if !self.wrong.contains(problem) {
                        self.wrong.push(problem.clone());
                    }
                }
                return Ok(());
            }
            [Err(problems), Ok(_)] | [Ok(_), Err(problems)] if only_variation_misfits => {
                self.one_sided.extend(problems.iter().cloned());
            }
            _ => {}
        }
        let unknown = checked.map(|result| {
            result
                .err()
                .and_then(|problems| problems.first().map(|problem| problem.message.clone()))
        });
        self.found.extend(chosen.into_iter().map(|jobs| SideJobs {
            jobs,
            unknown: unknown.clone(),
        }));
        Ok(())
    }

    fn is_chosen(&self, job: &Job) -> bool {
        let matches = |pattern: &wildmatch::WildMatch| pattern.matches(&job.id);
        let is_listed = |only: &HashSet<&str>| only.contains(job.id.as_str());
        self.pattern.as_ref().is_none_or(matches) && self.only.as_ref().is_none_or(is_listed)
    }

    /// Checks an entry against the workloads that a side's plugins offer.
    fn check_entry(
        &self,
        scenario: &Scenario,
        index: usize,
        side: usize,
    ) -> Result<Vec<Job>, Vec<FileProblem>> {
        let plugins = self.plugins[side];
        expand_entry(scenario, index, |key| plugins.described.get(key))
    }

    /// Fails if the scenario has mistakes, or if no job can be compared with the varied parameter.
    fn refuse_misfits(&mut self) -> Result<(), CommandError> {
        let is_lost = |job: &SideJobs| job.unknown.iter().any(Option::is_some);
        let none_fits = self.found.iter().all(is_lost);
        match (self.common.variation, self.left_out.first()) {
            (Some(variation), _) if none_fits && !self.one_sided.is_empty() => {
                Err(variation.refuse(&self.one_sided))
            }
            _ if !self.wrong.is_empty() => {
                Err(self.common.loaded.refuse(std::mem::take(&mut self.wrong)))
            }
            (Some(variation), Some((_, problems))) if self.found.is_empty() => {
                Err(variation.refuse(problems))
            }
            _ => Ok(()),
        }
    }

    fn into_jobs(self) -> Result<Vec<SideJobs>, CommandError> {
        if !self.found.is_empty() {
            return Ok(self.found);
        }
        Err(CommandError::input(format!(
            "no job of {} matches --filter '{}'",
            self.common.loaded.shown,
            self.common.filter.unwrap_or_default()
        ))
        .with_hint(format!("its jobs are {}", format::listed(&self.ids))))
    }
}

/// One job on both sides.
pub(crate) struct SideJobs {
    pub(crate) jobs: [Job; 2],
    /// Reason why a side lacks the job.
    pub(crate) unknown: [Option<String>; 2],
}

/// Expands the jobs of one entry.
pub(crate) fn expand_entry<'a>(
    scenario: &Scenario,
    index: usize,
    offer: impl Fn(&str) -> Option<&'a PluginDescription>,
) -> Result<Vec<Job>, Vec<FileProblem>> {
    scenario::expand_entries(
        scenario,
        scenario.entries.get(index..=index).unwrap_or_default(),
        offer,
    )
}
