//! Converts entries to jobs: expands matrices, derives ids, and checks parameters against the
//! plugins' schemas.

use super::problem::{FileProblem, nearest_name};
use super::yaml::PathStep;
use super::{Job, Scenario, WorkloadEntry, schema_violation};
use crate::plugin::catalog::{PluginDescription, WorkloadInfo};
use indexmap::IndexSet;
use orch_core::format;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Most jobs of a scenario. More would run for weeks, and a typing error in a matrix can produce
/// any number.
const MOST_JOBS: usize = 10_000;

/// A plugin's description, when jobs are made; `None` if the plugin failed before it returned one.
type PluginOffer<'a> = Option<&'a PluginDescription>;

/// Returns all jobs of a scenario. `offer` returns a plugin's description by key. The jobs of a
/// plugin without a description have unchecked parameters and will fail.
pub(crate) fn expand_jobs<'a>(
    scenario: &Scenario,
    offer: impl Fn(&str) -> PluginOffer<'a>,
) -> Result<Vec<Job>, Vec<FileProblem>> {
    expand_entries(scenario, &scenario.entries, offer)
}

/// Returns the jobs of some entries, which may be varied copies of the scenario's own. Problems are
/// shown in the scenario's text.
pub(crate) fn expand_entries<'a>(
    scenario: &Scenario,
    entries: &[WorkloadEntry],
    offer: impl Fn(&str) -> PluginOffer<'a>,
) -> Result<Vec<Job>, Vec<FileProblem>> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut ids = HashSet::new();
    let mut problems = Vec::new();
    for entry in entries {
        let info = match offer(&entry.plugin) {
            None => None,
            Some(description) => match description.find_workload(&entry.workload) {
                Some(info) => Some(info),
                None => {
                    problems.push(unknown_workload(scenario, entry, description));
                    continue;
                }
            },
        };
        let size = entry.matrix.iter().fold(1usize, |product, (_, values)| {
            product.saturating_mul(values.len())
        });
        if jobs.len().saturating_add(size) > MOST_JOBS {
            let message = format!("the matrix makes {size} jobs; the maximum is {MOST_JOBS}");
            problems.push(scenario.source.problem(
                &path_in_entry(entry, &[PathStep::Key("matrix".to_owned())]),
                message,
                None,
            ));
            continue;
        }
        for cell in list_cells(entry) {
            if let Some(info) = info {
                problems.extend(check_params(scenario, entry, info, &cell));
            }
            let id = cell.id(entry);
            if !ids.insert(id.clone()) {
                let message = format!("two jobs have the id `{id}`");
                let hint = Some("set `id` on one of them".to_owned());
                problems.push(
                    scenario
                        .source
                        .problem(&path_in_entry(entry, &[]), message, hint),
                );
            }
            jobs.push(Job {
                id,
                plugin: entry.plugin.clone(),
                workload: entry.workload.clone(),
                params: cell.params,
                tags: entry.tags.clone(),
                settings: entry.settings.clone(),
            });
        }
    }
    // A bad parameter of an entry with a matrix is found in each of its combinations.
    let unique: IndexSet<FileProblem> = problems.into_iter().collect();
    if unique.is_empty() {
        Ok(jobs)
    } else {
        Err(unique.into_iter().collect())
    }
}

/// One combination of an entry's matrix.
struct MatrixCell {
    params: Map<String, Value>,
    /// Values chosen from the matrix: name, index in its list, value.
    chosen: Vec<(String, usize, Value)>,
}

impl MatrixCell {
    fn id(&self, entry: &WorkloadEntry) -> String {
        let base = entry.id.as_deref().unwrap_or(&entry.workload);
        if self.chosen.is_empty() {
            return base.to_owned();
        }
        let parts: Vec<String> = self
            .chosen
            .iter()
            .map(|(name, _, value)| match value {
                Value::String(text) => format!("{name}={text}"),
                other => format!("{name}={other}"),
            })
            .collect();
        format!("{base}[{}]", parts.join(","))
    }
}

fn list_cells(entry: &WorkloadEntry) -> Vec<MatrixCell> {
    let mut cells = vec![MatrixCell {
        params: entry.params.clone(),
        chosen: Vec::new(),
    }];
    for (name, values) in &entry.matrix {
        cells = cells
            .iter()
            .flat_map(|cell| {
                values.iter().enumerate().map(|(index, value)| {
                    let mut params = cell.params.clone();
                    params.insert(name.clone(), value.clone());
                    let mut chosen = cell.chosen.clone();
                    chosen.push((name.clone(), index, value.clone()));
                    MatrixCell { params, chosen }
                })
            })
            .collect();
    }
    cells
}

fn check_params(
    scenario: &Scenario,
    entry: &WorkloadEntry,
    info: &WorkloadInfo,
    cell: &MatrixCell,
) -> Vec<FileProblem> {
    let Some(schema) = &info.params else {
        return Vec::new();
    };
    let subject = format!("workload `{}/{}`", entry.plugin, entry.workload);
    schema_violation::find_violations(schema, &Value::Object(cell.params.clone()))
        .into_iter()
        .map(|violation| {
            let message = match &violation.key {
                Some(key) if violation.path.is_empty() => {
                    format!("{subject}: unknown parameter `{key}`")
                }
                _ => format!("{subject}: {}", violation.message),
            };
            let more = format!(
                "`orch list {}/{}{}` shows all parameters",
                entry.plugin, entry.workload, scenario.source.option
            );
            let hint = Some(match violation.hint {
                // A question already has an end mark.
                Some(hint) if hint.ends_with('?') => format!("{hint} {more}"),
                Some(hint) => format!("{hint}; {more}"),
                None => more,
            });
            let first = match violation.path.first() {
                Some(PathStep::Key(name)) => Some(name.as_str()),
                _ => violation.key.as_deref(),
            };
            let chosen = cell
                .chosen
                .iter()
                .find(|(name, _, _)| Some(name.as_str()) == first);
            match (chosen, &violation.key) {
                // A value from the matrix has its place in the matrix.
                (Some((name, index, _)), None) => {
                    let inside = [
                        PathStep::Key("matrix".to_owned()),
                        PathStep::Key(name.clone()),
                        PathStep::Index(*index),
                    ];
                    let path = path_in_entry(
                        entry,
                        &[&inside[..], violation.path.get(1..).unwrap_or_default()].concat(),
                    );
                    scenario.source.problem(&path, message, hint)
                }
                (Some((name, _, _)), Some(_)) => scenario.source.key_problem(
                    &path_in_entry(entry, &[PathStep::Key("matrix".to_owned())]),
                    name,
                    message,
                    hint,
                ),
                (None, Some(key)) => {
                    let path = path_in_entry(
                        entry,
                        &[&[PathStep::Key("params".to_owned())], &violation.path[..]].concat(),
                    );
                    scenario.source.key_problem(&path, key, message, hint)
                }
                (None, None) => {
                    let path = path_in_entry(
                        entry,
                        &[&[PathStep::Key("params".to_owned())], &violation.path[..]].concat(),
                    );
                    scenario.source.problem(&path, message, hint)
                }
            }
        })
        .collect()
}

fn path_in_entry(entry: &WorkloadEntry, inside: &[PathStep]) -> Vec<PathStep> {
    [
        &[
            PathStep::Key("workloads".to_owned()),
            PathStep::Index(entry.index),
        ],
        inside,
    ]
    .concat()
}

fn unknown_workload(
    scenario: &Scenario,
    entry: &WorkloadEntry,
    description: &PluginDescription,
) -> FileProblem {
    let known: Vec<&str> = description
        .workloads
        .iter()
        .map(|workload| workload.id.as_str())
        .collect();
    let hint = match nearest_name(&entry.workload, known.iter().copied()) {
        Some(near) => format!("did you mean `{}/{near}`?", entry.plugin),
        None => format!("the plugin's workloads are {}", format::listed(&known)),
    };
    let message = format!(
        "plugin `{}` has no workload `{}`",
        entry.plugin, entry.workload
    );
    scenario.source.problem(
        &path_in_entry(entry, &[PathStep::Key("workload".to_owned())]),
        message,
        Some(hint),
    )
}
