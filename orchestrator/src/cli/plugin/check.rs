//! `orch plugin check`: which plugins are meant, and how what was found is told.

use super::examine::{Examined, Examiner};
use crate::cli::Outcome;
use crate::cli::args::PluginCheckOptions;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::error::CommandError;
use crate::format;
use crate::plugin::{PluginSource, PluginSpec, SandboxSpec};
use crate::project::{self, BENCH};
use crate::vetting::{FindingLevel, PluginFinding};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::Path;

/// The value of `schema` in the JSON.
const SCHEMA: &str = "orch/plugin-check/1";
const COLUMNS: usize = 80;
/// What the longest level needs, and a gap.
const LEVEL_COLUMNS: usize = 9;

/// Examines the plugins and shows what was found.
pub(super) fn check(options: &PluginCheckOptions) -> Outcome {
    let subjects = subjects(&options.subject)?;
    let mut examiner = Examiner::new(options.workload.as_deref())?;
    let mut examined = Vec::new();
    for subject in &subjects {
        examined.push(examiner.examine(subject)?);
    }
    if let Some(glob) = &options.workload
        && examined
            .iter()
            .all(|plugin| plugin.workloads.is_empty() && plugin.described)
    {
        let known: Vec<&str> = examined
            .iter()
            .flat_map(|plugin| &plugin.offered)
            .map(String::as_str)
            .collect();
        return Err(
            CommandError::input(format!("no workload matches --workload '{glob}'"))
                .with_hint(format!("there are {}", crate::format::listed(&known))),
        );
    }
    if options.json {
        let text = serde_json::to_string_pretty(&document(&examined))
            .map_err(|error| CommandError::system_while("the findings", &error))?;
        output::print(&(text + "\n"))?;
    } else {
        output::print(&shown(&examined))?;
    }
    let errors = examined
        .iter()
        .flat_map(|plugin| &plugin.findings)
        .any(|finding| finding.level == FindingLevel::Error);
    Ok(if errors { Exit::Incomplete } else { Exit::Fine })
}

/// A plugin that is examined.
pub(super) struct Subject {
    pub(super) key: String,
    pub(super) spec: PluginSpec,
    /// By workload: the parameters of its first job, where a scenario has one.
    pub(super) given: HashMap<String, Map<String, Value>>,
}

/// The plugins that a path means.
fn subjects(subject: &Path) -> Result<Vec<Subject>, CommandError> {
    let shown = subject.display();
    let path = subject.canonicalize().map_err(|error| {
        CommandError::input(format!("{shown}: {error}")).with_hint(format!(
            "a shared library, a crate's folder, a scenario, or a folder with {BENCH}"
        ))
    })?;
    let stem = |path: &Path| {
        path.file_stem().map_or_else(
            || "plugin".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    };
    let is_scenario = |path: &Path| {
        path.extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml")
    };
    let folder = std::env::current_dir().unwrap_or_default();
    let one = |source| {
        let sandbox = SandboxSpec::default();
        let spec = PluginSpec {
            source,
            env: Vec::new(),
            sandbox,
            overlay: None,
            folder: folder.clone(),
        };
        vec![Subject {
            key: stem(&path),
            spec,
            given: HashMap::new(),
        }]
    };
    if path.is_file() && !is_scenario(&path) {
        return Ok(one(PluginSource::File(path.clone())));
    }
    if path.join("Cargo.toml").is_file() {
        // What its own scenario says of it holds here too: what it may read, for example.
        let mut own = if path.join(BENCH).is_file() {
            of_scenario(&subject.join(BENCH))?
        } else {
            Vec::new()
        };
        own.retain(|each| {
            each.spec
                .source
                .folder()
                .canonicalize()
                .is_ok_and(|folder| folder == path)
        });
        if !own.is_empty() {
            return Ok(own);
        }
        return Ok(one(PluginSource::Crate {
            folder: path.clone(),
            cpu: "native".to_owned(),
        }));
    }
    let scenario = if path.is_dir() {
        subject.join(BENCH)
    } else {
        subject.to_owned()
    };
    if !scenario.is_file() {
        return Err(CommandError::input(format!(
            "the folder {shown} holds neither Cargo.toml nor {BENCH}"
        ))
        .with_hint("name the library, or a scenario that says how the plugin is built"));
    }
    of_scenario(&scenario)
}

/// The plugins of a scenario, with the parameters that it gives.
fn of_scenario(path: &Path) -> Result<Vec<Subject>, CommandError> {
    let scenario = project::load(path)?.scenario;
    let given = |key: &str| {
        let mut given = HashMap::new();
        for entry in scenario.entries.iter().filter(|entry| entry.plugin == key) {
            let mut params = entry.params.clone();
            let first = entry
                .matrix
                .iter()
                .filter_map(|(name, values)| Some((name.clone(), values.first()?.clone())));
            params.extend(first);
            given.entry(entry.workload.clone()).or_insert(params);
        }
        given
    };
    Ok(scenario
        .plugins
        .iter()
        .map(|(key, spec)| Subject {
            key: key.clone(),
            spec: spec.clone(),
            given: given(key),
        })
        .collect())
}

fn document(examined: &[Examined]) -> Value {
    let count = |level| {
        examined
            .iter()
            .flat_map(|plugin| &plugin.findings)
            .filter(|each| each.level == level)
            .count()
    };
    let plugin = |plugin: &Examined| {
        let workloads = plugin.workloads.iter().map(| workload | { json!({ "id": workload.id, "trials": workload.trials, "setup_ns": workload.setup_ns, "iteration_ns": workload.iteration_ns, }) });
        json!({ "key": plugin.key, "path": plugin.path, "workloads": workloads.collect::< Vec< _ > >(), "findings": plugin.findings, })
    };
    json!({ "schema": SCHEMA, "errors": count(FindingLevel::Error), "warnings": count(FindingLevel::Warning), "notes": count(FindingLevel::Note), "plugins": examined.iter().map(plugin).collect::< Vec< _ > >(), })
}

/// Each plugin's findings, what asks for action first, then what was tried.
fn shown(examined: &[Examined]) -> String {
    let mut text = String::new();
    for plugin in examined {
        text.push_str(&format!("{} ({})\n\n", plugin.key, plugin.path));
        for finding in &plugin.findings {
            text.push_str(&told(finding));
        }
        for workload in &plugin.workloads {
            let times = match (workload.setup_ns, workload.iteration_ns) {
                (Some(setup), Some(iteration)) => {
                    format!(
                        ", setup {}, iteration {}",
                        format::time(setup as f64),
                        format::time(iteration as f64)
                    )
                }
                _ => String::new(),
            };
            let sets = if workload.trials == 1 { "set" } else { "sets" };
            text.push_str(&line(
                "tried",
                &format!("{}: {} {sets}{times}", workload.id, workload.trials),
            ));
        }
        text.push('\n');
    }
    let count = |level: FindingLevel, name: &str| {
        let count = examined
            .iter()
            .flat_map(|plugin| &plugin.findings)
            .filter(|each| each.level == level)
            .count();
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    };
    let counts = [
        count(FindingLevel::Error, "error"),
        count(FindingLevel::Warning, "warning"),
        count(FindingLevel::Note, "note"),
    ];
    text + &counts.join(", ") + "; each set of parameters in a process of its own\n"
}

fn told(finding: &PluginFinding) -> String {
    let margin = " ".repeat(LEVEL_COLUMNS);
    let mut text = line(
        finding.level.name(),
        &format!("{}: {}", finding.place, finding.what),
    );
    for line in format::wrap(
        &finding.remedy,
        COLUMNS - LEVEL_COLUMNS - "fix: ".len(),
        "fix: ".len(),
    )
    .lines()
    .enumerate()
    {
        let (index, line) = line;
        text.push_str(&format!(
            "{margin}{}{line}\n",
            if index == 0 { "fix: " } else { "" }
        ));
    }
    text
}

/// A word and a text of perhaps several lines beside it.
fn line(word: &str, text: &str) -> String {
    let margin = " ".repeat(LEVEL_COLUMNS);
    let mut lines = String::new();
    for (index, part) in text.lines().enumerate() {
        let first = if index == 0 {
            format!("{word:LEVEL_COLUMNS$}")
        } else {
            margin.clone()
        };
        lines.push_str(&first);
        let wrapped = format::wrap(part, COLUMNS - LEVEL_COLUMNS, 0);
        lines.push_str(&wrapped.replace('\n', &format!("\n{margin}")));
        lines.push('\n');
    }
    lines
}
