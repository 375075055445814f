//! The two sides of a live comparison: each with its plugins built and its jobs made.

use super::output::Failure;
use super::project::{self, Loaded, Plugins};
use super::subject::Subject;
use crate::plugin::PluginSpec;
use crate::plugin::build::{self, PluginFailure, Prepared};
use crate::plugin::cargo::Watcher;
use crate::plugin::catalog::Description;
use crate::plugin::{PluginSource, revision};
use crate::runner::event::Observer;
use crate::runner::interrupt::Interrupt;
use crate::scenario::problem::Problem;
use crate::scenario::{self, Job, Scenario};
use serde_json::{Map, Value};

/// A parameter that has another value on each side.
pub(super) struct Variation {
    pub(super) param: String,
    pub(super) values: [Value; 2],
}

impl Variation {
    /// Reads `PARAM=A,B`. Values are what they would be in a scenario.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::Input(format!(
                "error: --set '{text}' is not of the form PARAM=A,B\nhint: --set kv_cache=true,false gives A the first \
                 value and B the second"
            ))
        };
        let (param, values) = text.split_once('=').ok_or_else(wrong)?;
        let (a, b) = values.split_once(',').ok_or_else(wrong)?;
        if param.is_empty() || a.is_empty() || b.is_empty() || b.contains(',') {
            return Err(wrong());
        }
        let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        Ok(Self { param: param.to_owned(), values: [value(a), value(b)] })
    }

    /// What one side is given.
    pub(super) fn of_side(&self, side: usize) -> Map<String, Value> {
        self.values.get(side).map(|value| (self.param.clone(), value.clone())).into_iter().collect()
    }
}

/// The scenario with the varied parameter as one side has it.
pub(super) fn vary(scenario: &Scenario, variation: Option<&Variation>, side: usize) -> Result<Scenario, Failure> {
    let mut varied = scenario.clone();
    let Some(variation) = variation else { return Ok(varied) };
    for entry in &mut varied.entries {
        if entry.matrix.iter().any(|(name, _)| *name == variation.param) {
            return Err(Failure::Input(format!(
                "error: --set {}: the scenario already varies it in the matrix of {}/{}\nhint: --filter leaves that \
                 workload out",
                variation.param, entry.plugin, entry.workload
            )));
        }
        entry.params.extend(variation.of_side(side));
    }
    Ok(varied)
}

/// What both sides have in common.
pub(super) struct Common<'a> {
    pub(super) loaded: &'a Loaded,
    /// The plugin that a library takes the place of.
    pub(super) replaced: Option<&'a str>,
    pub(super) filter: Option<&'a str>,
    pub(super) mark: &'a str,
    pub(super) interrupt: &'a Interrupt,
}

/// Builds the plugins of one side. `None`: the user stopped it.
pub(super) fn plugins(
    subject: &Subject,
    scenario: &Scenario,
    common: &Common,
    observer: &mut dyn Observer,
) -> Result<Option<Plugins>, Failure> {
    let build = |key: &str, spec: &PluginSpec, watch: &mut Watcher| -> Result<Prepared, PluginFailure> {
        match subject {
            Subject::Library(path) if common.replaced == Some(key) => {
                let file = PluginSpec { source: PluginSource::File(path.clone()), env: spec.env.clone() };
                build::prepare_kept(key, &file, watch)
            }
            Subject::Revision(at) => revision::prepare_at(key, spec, &common.loaded.root, at, watch),
            _ => build::prepare_kept(key, spec, watch),
        }
    };
    project::prepare(
        scenario,
        |key| used(scenario, key, common.filter),
        &build,
        common.mark,
        common.interrupt,
        observer,
    )
}

/// Whether any workload of a plugin may pass the filter. Ids are derived later, so only a plain one is looked at.
fn used(scenario: &Scenario, key: &str, filter: Option<&str>) -> bool {
    let pattern = filter.map(wildmatch::WildMatch::new);
    scenario.entries.iter().filter(|entry| entry.plugin == key).any(|entry| match (&pattern, entry.matrix.is_empty()) {
        (Some(pattern), true) => pattern.matches(entry.id.as_deref().unwrap_or(&entry.workload)),
        _ => true,
    })
}

/// The plugin that a library given as a side stands for.
pub(super) fn replaced(scenario: &Scenario, asked: Option<&str>) -> Result<String, Failure> {
    let keys: Vec<&str> = scenario.plugins.iter().map(|(key, _)| key.as_str()).collect();
    let hint = format!("hint: --plugin KEY says whose place it takes; the scenario has {}", keys.join(", "));
    match (asked, &keys[..]) {
        (Some(key), _) if keys.contains(&key) => Ok(key.to_owned()),
        (Some(key), _) => Err(Failure::Input(format!("error: the scenario has no plugin '{key}'\n{hint}"))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => {
            Err(Failure::Input(format!("error: a library was given, and the scenario has several plugins\n{hint}")))
        }
    }
}

/// The jobs of both sides in the scenario's order; where a side does not know a job's workload or parameters, why.
pub(super) fn jobs(
    common: &Common,
    scenarios: [&Scenario; 2],
    plugins: [&Plugins; 2],
) -> Result<Vec<SideJobs>, Failure> {
    let pattern = common.filter.map(wildmatch::WildMatch::new);
    let mut found = Vec::new();
    let mut ids = Vec::new();
    for index in 0..scenarios[0].entries.len() {
        let unchecked = [0, 1].map(|side| expanded(scenarios[side], index, |_| None));
        let checked = [0, 1].map(|side| expanded(scenarios[side], index, |key| plugins[side].described.get(key)));
        let [Ok(a), Ok(b)] = unchecked else {
            let [a, b] = unchecked;
            return Err(common.loaded.refuse(&a.err().or(b.err()).unwrap_or_default()));
        };
        ids.extend(a.iter().map(|job| job.id.clone()));
        let wanted = |job: &Job| pattern.as_ref().is_none_or(|pattern| pattern.matches(&job.id));
        let chosen: Vec<(Job, Job)> = a.into_iter().zip(b).filter(|(job, _)| wanted(job)).collect();
        if chosen.is_empty() {
            continue;
        }
        // What neither side knows is wrong in the scenario, or in --set.
        if let [Err(problems), Err(_)] = &checked {
            return Err(common.loaded.refuse(problems));
        }
        let unknown = checked
            .map(|result| result.err().and_then(|problems| problems.first().map(|problem| problem.message.clone())));
        found.extend(chosen.into_iter().map(|(a, b)| SideJobs { jobs: [a, b], unknown: unknown.clone() }));
    }
    if found.is_empty() {
        return Err(Failure::Input(format!(
            "error: no job of {} matches --filter '{}'\nhint: its jobs are {}",
            common.loaded.shown,
            common.filter.unwrap_or_default(),
            ids.join(", ")
        )));
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
fn expanded<'a>(
    scenario: &Scenario,
    index: usize,
    offer: impl Fn(&str) -> Option<&'a Description>,
) -> Result<Vec<Job>, Vec<Problem>> {
    let mut one = scenario.clone();
    one.entries = scenario.entries.get(index).cloned().into_iter().collect();
    scenario::jobs(&one, offer)
}
