//! The verb `list`: the plugins of a scenario with what they describe.

use crate::context::CommandContext;
use crate::error::CommandError;
use crate::plugin::build::{self, PluginFailure};
use crate::plugin::catalog::{PluginDescription, WorkloadInfo};
use crate::project::{self, BuildWait, LoadedScenario};
use crate::runner::event::ProgressObserver;
use crate::scenario::problem::nearest_name;
use std::path::PathBuf;

/// Request to list plugins or workloads.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListRequest {
    /// The scenario; the project's default one if it is `None`.
    pub(crate) scenario: Option<PathBuf>,
    /// The only plugin to list, by its key in the scenario.
    pub(crate) plugin: Option<String>,
    /// The only workload of that plugin to list, by its id.
    pub(crate) workload: Option<String>,
}

/// A plugin of the scenario.
#[derive(Debug)]
pub(crate) struct ListedPlugin {
    /// The plugin's key in the scenario.
    pub(crate) key: String,
    /// What is listed, or why the plugin cannot be loaded.
    pub(crate) content: Result<ListedContent, PluginFailure>,
}

/// What is listed of a plugin.
#[derive(Debug)]
pub(crate) enum ListedContent {
    Plugin(PluginDescription),
    Workload(WorkloadInfo),
}

/// Builds the requested plugins and reads what they describe, in the order of the scenario.
///
/// # Errors
/// The scenario cannot be read, or it has no plugin or workload of the requested name.
pub(crate) fn list_plugins(
    request: &ListRequest,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<Vec<ListedPlugin>, CommandError> {
    let file = project::named_or_default(
        request.scenario.as_deref(),
        "name a scenario: `--scenario FILE`",
    )?;
    let loaded = project::load(&file)?;
    let keys = find_keys(&loaded, request.plugin.as_deref())?;
    let mut plugins = project::prepare(
        &loaded.scenario,
        |key| keys.contains(&key),
        &build::prepare_plugin,
        BuildWait::Never,
        &context.mark,
        context.interrupt,
        observer,
    )?;
    let mut listed = Vec::new();
    for key in keys {
        let failure = plugins.prepared.remove(key).and_then(Result::err);
        let content = match (plugins.described.remove(key), failure) {
            (Some(description), _) => Ok(choose_content(key, description, request)?),
            (None, Some(failure)) => Err(failure),
            (None, None) => continue,
        };
        listed.push(ListedPlugin {
            key: key.to_owned(),
            content,
        });
    }
    Ok(listed)
}

/// Returns the keys of the requested plugins.
fn find_keys<'a>(
    loaded: &'a LoadedScenario,
    wanted: Option<&str>,
) -> Result<Vec<&'a str>, CommandError> {
    let keys = loaded.scenario.plugins.iter().map(|(key, _)| key.as_str());
    let mut keys: Vec<&str> = keys.collect();
    if let Some(wanted) = wanted {
        if !keys.contains(&wanted) {
            return Err(
                CommandError::input(format!("{} has no plugin `{wanted}`", loaded.shown))
                    .with_hint(hint_name(wanted, &keys, "")),
            );
        }
        keys.retain(|key| *key == wanted);
    }
    Ok(keys)
}

fn choose_content(
    key: &str,
    mut description: PluginDescription,
    request: &ListRequest,
) -> Result<ListedContent, CommandError> {
    let Some(wanted) = &request.workload else {
        return Ok(ListedContent::Plugin(description));
    };
    let workloads = &mut description.workloads;
    if let Some(found) = workloads.iter().position(|info| info.id == *wanted) {
        return Ok(ListedContent::Workload(workloads.swap_remove(found)));
    }
    let known: Vec<&str> = workloads.iter().map(|info| info.id.as_str()).collect();
    Err(
        CommandError::input(format!("plugin `{key}` has no workload `{wanted}`"))
            .with_hint(hint_name(wanted, &known, &format!("{key}/"))),
    )
}

/// Returns a hint for a name that does not exist: the nearest known one, or all of them.
fn hint_name(wanted: &str, known: &[&str], prefix: &str) -> String {
    match nearest_name(wanted, known.iter().copied()) {
        Some(near) => format!("did you mean `{prefix}{near}`?"),
        None => format!("it has {}", orch_core::format::listed(known)),
    }
}
