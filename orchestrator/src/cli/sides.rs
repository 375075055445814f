//! The two sides of a live comparison: each with its plugins built and its jobs made.

use super::output;
use super::project::{self, BuildWait, Loaded, Plugins};
use super::subject::Subject;
use crate::error::CommandError;
use crate::format;
use crate::git::Revision;
use crate::plugin::PluginSpec;
use crate::plugin::build::{self, PluginFailure, PreparedPlugin};
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::catalog::PluginDescription;
use crate::plugin::{PluginSource, revision};
use crate::protocol::Phase;
use crate::runner::event::ProgressObserver;
use crate::runner::interrupt::Interrupt;
use crate::scenario::problem::FileProblem;
use crate::scenario::{self, Job, Scenario};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// A parameter that has another value on each side.
pub(super) struct Variation {
    /// As it was written.
    text: String,
    pub(super) param: String,
    pub(super) values: [Value; 2],
}

impl Variation {
    /// Reads `PARAM=A,B`. Values are what they would be in a scenario.
    pub(super) fn parse(text: &str) -> Result<Self, CommandError> {
        let wrong = || {
            CommandError::input(format!("--set '{text}' is not of the form PARAM=A,B"))
                .with_hint("--set kv_cache=true,false gives A the first value and B the second")
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
        let hint = problem
            .hint
            .as_ref()
            .map(|hint| format!("\nhint: {hint}"))
            .unwrap_or_default();
        CommandError::input(format!("--set {}: {}{hint}", self.text, problem.message))
    }

    /// What one side is given.
    pub(super) fn of_side(&self, side: usize) -> Map<String, Value> {
        self.values
            .get(side)
            .map(|value| (self.param.clone(), value.clone()))
            .into_iter()
            .collect()
    }
}

/// The scenario with the varied parameter as one side has it.
fn vary(scenario: &Scenario, variation: Option<&Variation>, side: usize) -> Scenario {
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

/// What both sides have in common.
pub(super) struct Common<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) variation: Option<&'a Variation>,
    /// The plugin that a library takes the place of.
    pub(super) replaced: Option<&'a str>,
    pub(super) filter: Option<&'a str>,
    /// Only jobs with these ids.
    pub(super) only: Option<&'a [String]>,
    pub(super) mark: &'a str,
    pub(super) interrupt: &'a Interrupt,
}

/// Builds the plugins of one side.
pub(super) fn plugins(
    subject: &Subject,
    common: &Common,
    observer: &mut dyn ProgressObserver,
) -> Result<Plugins, CommandError> {
    let scenario = &common.loaded.scenario;
    // Compared with itself it would be called equivalent, whatever was changed. Two values of a
    // parameter can be compared.
    let same = |key: &str, spec: &PluginSpec, at: &Revision| {
        let asked = common.variation.is_some() || common.replaced == Some(key);
        let why = revision::same_everywhere(spec, &common.loaded.root, at).filter(|_| !asked)?;
        Some(format!(
            "the plugin {why}: a commit cannot be compared in it; `crate:`, or `dir:` with \
             `build:`, can, and --repo names another repository"
        ))
    };
    let build = |key: &str,
                 spec: &PluginSpec,
                 watch: &mut BuildWatcher|
     -> Result<PreparedPlugin, PluginFailure> {
        match subject {
            Subject::Library(path) if common.replaced == Some(key) => {
                let file = PluginSpec {
                    source: PluginSource::File(path.clone()),
                    ..spec.clone()
                };
                build::prepare_kept(key, &file, watch)
            }
            Subject::Revision(at) => match same(key, spec, at) {
                Some(why) => Err(PluginFailure::new(Phase::Build, why)),
                None => revision::prepare_at(key, spec, &common.loaded.root, at, watch),
            },
            _ => build::prepare_kept(key, spec, watch),
        }
    };
    let has_work = |key: &str, spec: &PluginSpec| match subject {
        Subject::Revision(at) => !revision::is_kept(key, spec, &common.loaded.root, at),
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
pub(super) fn replaced(scenario: &Scenario, asked: Option<&str>) -> Result<String, CommandError> {
    let keys: Vec<&str> = scenario
        .plugins
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    let hint = format!(
        "hint: --plugin KEY says whose place it takes; the scenario has {}",
        format::listed(&keys)
    );
    match (asked, &keys[..]) {
        (Some(key), _) if keys.contains(&key) => Ok(key.to_owned()),
        (Some(key), _) => Err(CommandError::input(format!(
            "the scenario has no plugin '{key}'\n{hint}"
        ))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(CommandError::input(format!(
            "a library was given, and the scenario has several plugins\n{hint}"
        ))),
    }
}

/// The jobs of both sides in the scenario's order; where a side does not know a job's workload or
/// parameters, why. Workloads that do not have the varied parameter are left out, with a note.
pub(super) fn jobs(common: &Common, plugins: [&Plugins; 2]) -> Result<Vec<SideJobs>, CommandError> {
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
        let unchecked = [0, 1].map(|side| expanded(&scenarios[side], index, |_| None));
        let offer = |side: usize| move |key: &str| plugins[side].described.get(key);
        let checked = [0, 1].map(|side| expanded(&scenarios[side], index, offer(side)));
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
            let fits_without =
                (0..2).all(|side| expanded(&common.loaded.scenario, index, offer(side)).is_ok());
            if common.variation.is_some() && fits_without {
                left_out.extend(
                    chosen
                        .into_iter()
                        .map(|(job, _)| (job.id, problems.clone())),
                );
                continue;
            }
            // What neither side knows is wrong in the scenario. All of it is reported at once.
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
            |side: usize| expanded(&common.loaded.scenario, index, offer(side)).is_ok();
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
        output::note(&format!(
            "left out, because --set does not fit them: {}",
            format::listed(&ids)
        ));
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
pub(super) struct SideJobs {
    pub(super) jobs: [Job; 2],
    /// Why a side cannot have it.
    pub(super) unknown: [Option<String>; 2],
}

/// The jobs of one entry.
pub(super) fn expanded<'a>(
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
