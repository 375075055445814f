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

    /// Refuses the option for the first of the problems that its values make: the scenario by
    /// itself has none.
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

/// The scenario with the varied parameter as one side has it.
fn vary(scenario: &Scenario, variation: Option<&ParameterVariation>, side: usize) -> Scenario {
    let mut varied = scenario.clone();
    if let Some(variation) = variation {
        for entry in &mut varied.entries {
            // In a matrix both values would be in both sides.
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
    /// The plugin that a library takes the place of.
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
    // Compared with itself it would be called equivalent, whatever was changed. Two values of a
    // parameter can be compared.
    let same = |key: &str, spec: &PluginSpec, at: &Revision| {
        let asked = common.variation.is_some() || common.replaced == Some(key);
        let why = revision::same_everywhere(spec, &common.loaded.root, at).filter(|_| !asked)?;
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
                build::prepare_kept(key, &file, watch)
            }
            CompareTarget::Revision(at) => match same(key, spec, at) {
                Some(why) => Err(PluginFailure::new(Phase::Build, why)),
                None => revision::prepare_at(key, spec, &common.loaded.root, at, watch),
            },
            _ => build::prepare_kept(key, spec, watch),
        }
    };
    let has_work = |key: &str, spec: &PluginSpec| match target {
        CompareTarget::Revision(at) => !revision::is_kept(key, spec, &common.loaded.root, at),
        _ => !build::is_current(spec),
    };
    project::prepare(
        scenario,
        |key| used(scenario, key, common.filter),
        &build,
        BuildWait::Where(&has_work),
        common.mark,
        common.interrupt,
        observer,
    )
}

/// Whether any workload of a plugin may pass the filter. Ids are derived later, so only a plain one
/// is looked at.
fn used(scenario: &Scenario, key: &str, filter: Option<&str>) -> bool {
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

/// The plugin that a library given as a side stands for.
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

/// The jobs of both sides in the scenario's order; where a side does not know a job's workload or
/// parameters, why. Workloads that do not have the varied parameter are left out, with a note.
pub(crate) fn expand_jobs(
    common: &SideContext,
    plugins: [&PluginSet; 2],
    observer: &mut dyn ProgressObserver,
) -> Result<Vec<SideJobs>, CommandError> {
    let scenarios = [0, 1].map(|side| vary(&common.loaded.scenario, common.variation, side));
    let pattern = common.filter.map(wildmatch::WildMatch::new);
    let only: Option<HashSet<&str>> = common
        .only
        .map(|only| only.iter().map(String::as_str).collect());
    let mut found = Vec::new();
    let mut ids = Vec::new();
    let mut left_out: Vec<(String, Vec<FileProblem>)> = Vec::new();
    let mut wrong: Vec<FileProblem> = Vec::new();
    // Of workloads that take one of the option's values only.
    let mut half: Vec<FileProblem> = Vec::new();
    for index in 0..scenarios[0].entries.len() {
        let unchecked = [0, 1].map(|side| expand_entry(&scenarios[side], index, |_| None));
        let offer = |side: usize| move |key: &str| plugins[side].described.get(key);
        let checked = [0, 1].map(|side| expand_entry(&scenarios[side], index, offer(side)));
        let [Ok(a), Ok(b)] = unchecked else {
            let [a, b] = unchecked;
            return Err(common
                .loaded
                .refuse(a.err().or(b.err()).unwrap_or_default()));
        };
        ids.extend(a.iter().map(|job| job.id.clone()));
        let wanted = |job: &Job| {
            pattern
                .as_ref()
                .is_none_or(|pattern| pattern.matches(&job.id))
                && only
                    .as_ref()
                    .is_none_or(|only| only.contains(job.id.as_str()))
        };
        let chosen: Vec<(Job, Job)> = a
            .into_iter()
            .zip(b)
            .filter(|(job, _)| wanted(job))
            .collect();
        if chosen.is_empty() {
            continue;
        }
        if let [Err(problems), Err(_)] = &checked {
            let fits_without = (0..2)
                .all(|side| expand_entry(&common.loaded.scenario, index, offer(side)).is_ok());
            if common.variation.is_some() && fits_without {
                left_out.extend(
                    chosen
                        .into_iter()
                        .map(|(job, _)| (job.id, problems.clone())),
                );
                continue;
            }
            // A name that neither side has is a mistake in the scenario. All of them are reported
            // at once.
            wrong.extend(
                problems
                    .iter()
                    .filter(|problem| !wrong.contains(problem))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            continue;
        }
        let fits_without =
            |side: usize| expand_entry(&common.loaded.scenario, index, offer(side)).is_ok();
        if let ([Err(problems), Ok(_)], true) | ([Ok(_), Err(problems)], true) = (
            &checked,
            common.variation.is_some() && (0..2).all(fits_without),
        ) {
            half.extend(problems.iter().cloned());
        }
        let unknown = checked.map(|result| {
            result
                .err()
                .and_then(|problems| problems.first().map(|problem| problem.message.clone()))
        });
        found.extend(chosen.into_iter().map(|(a, b)| SideJobs {
            jobs: [a, b],
            unknown: unknown.clone(),
        }));
    }
    let none_fits = found
        .iter()
        .all(|job: &SideJobs| job.unknown.iter().any(Option::is_some));
    if let (true, false, Some(variation)) = (none_fits, half.is_empty(), common.variation) {
        return Err(variation.refuse(&half));
    }
    if !wrong.is_empty() {
        return Err(common.loaded.refuse(wrong));
    }
    if let (true, Some((_, problems)), Some(variation)) =
        (found.is_empty(), left_out.first(), common.variation)
    {
        return Err(variation.refuse(problems));
    }
    if !left_out.is_empty() {
        let ids: Vec<&str> = left_out.iter().map(|(id, _)| id.as_str()).collect();
        let text = format!(
            "left out, because --set does not fit them: {}",
            format::listed(&ids)
        );
        observer.see(ProgressEvent::Note { text: &text });
    }
    if found.is_empty() {
        return Err(CommandError::input(format!(
            "no job of {} matches --filter '{}'",
            common.loaded.shown,
            common.filter.unwrap_or_default()
        ))
        .with_hint(format!("its jobs are {}", format::listed(&ids))));
    }
    Ok(found)
}

/// One job on both sides.
pub(crate) struct SideJobs {
    pub(crate) jobs: [Job; 2],
    /// Reason why a side lacks it.
    pub(crate) unknown: [Option<String>; 2],
}

/// The jobs of one entry.
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
