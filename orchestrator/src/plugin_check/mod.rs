//! The verb `plugin check`: finds the plugins below a path and examines each of them.

mod examiner;

pub(crate) use examiner::ExaminedPlugin;

use crate::context::CommandContext;
use crate::error::CommandError;
use crate::plugin::{PluginSource, PluginSpec, SandboxSpec};
use crate::project::{self, BENCH};
use crate::runner::event::ProgressObserver;
use examiner::PluginExaminer;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Request to examine plugins.
#[derive(Debug, Clone)]
pub(crate) struct PluginCheckRequest {
    /// A library, a crate, a scenario or a project.
    pub(crate) path: PathBuf,
    /// Pattern of the workloads to try; `None` tries all.
    pub(crate) workload: Option<String>,
}

/// Examines the plugins at a path.
///
/// # Errors
/// There is no plugin at the path, or no workload matches the pattern.
pub(crate) fn check_plugins(
    request: &PluginCheckRequest,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<Vec<ExaminedPlugin>, CommandError> {
    let workload = request.workload.as_deref();
    let plugins = find_plugins(&request.path)?;
    let mut examiner = PluginExaminer::new(workload, context)?;
    let mut examined = Vec::new();
    for plugin in &plugins {
        examined.push(examiner.examine(plugin, observer)?);
    }
    let is_untried = |plugin: &ExaminedPlugin| plugin.workloads.is_empty() && plugin.described;
    if let Some(glob) = workload
        && examined.iter().all(is_untried)
    {
        let known: Vec<&str> = examined
            .iter()
            .flat_map(|plugin| &plugin.offered)
            .map(String::as_str)
            .collect();
        return Err(
            CommandError::input(format!("no workload matches --workload '{glob}'")).with_hint(
                format!(
                    "the plugin's workloads are {}",
                    orch_core::format::listed(&known)
                ),
            ),
        );
    }
    Ok(examined)
}

/// A plugin that is examined.
pub(super) struct PluginUnderTest {
    pub(super) key: String,
    pub(super) spec: PluginSpec,
    /// Parameters of the first job of each workload, for workloads in a scenario.
    pub(super) given: HashMap<String, Map<String, Value>>,
}

/// Returns the plugins at a path.
fn find_plugins(subject: &Path) -> Result<Vec<PluginUnderTest>, CommandError> {
    let shown = subject.display();
    let path = subject.canonicalize().map_err(|error| {
        CommandError::input(format!("{shown}: {error}")).with_hint(format!(
            "name a shared library, the folder of a crate, a scenario, or a folder with {BENCH}"
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
        vec![PluginUnderTest {
            key: stem(&path),
            spec,
            given: HashMap::new(),
        }]
    };
    if path.is_file() && !is_scenario(&path) {
        return Ok(one(PluginSource::File(path.clone())));
    }
    if path.join("Cargo.toml").is_file() {
        // The permissions in the plugin's own scenario apply here too, such as files that it may
        // read.
        let mut own = if path.join(BENCH).is_file() {
            find_scenario_plugins(&subject.join(BENCH))?
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
            bench: None,
        }));
    }
    let scenario = if path.is_dir() {
        subject.join(BENCH)
    } else {
        subject.to_owned()
    };
    if !scenario.is_file() {
        return Err(CommandError::input(format!(
            "the folder {shown} contains neither Cargo.toml nor {BENCH}"
        ))
        .with_hint("name the library, or a scenario that declares how to build the plugin"));
    }
    find_scenario_plugins(&scenario)
}

/// Returns the plugins of a scenario, with the parameters that the scenario gives.
fn find_scenario_plugins(path: &Path) -> Result<Vec<PluginUnderTest>, CommandError> {
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
        .map(|(key, spec)| PluginUnderTest {
            key: key.clone(),
            spec: spec.clone(),
            given: given(key),
        })
        .collect())
}
