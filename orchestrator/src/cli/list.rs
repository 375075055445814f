//! `orch list` and `orch schema`: prints the plugins' workloads, and the schema of a scenario.

use super::CommandResult;
use super::args::ListOptions;
use super::exit::Exit;
use super::output;
use super::progress::Progress;
use crate::error::CommandError;
use crate::plugin::catalog::PluginDescription;
use crate::project;
use crate::render::catalog::{
    describe_plugin, describe_workload, plugin_document, workload_document,
};
use crate::scenario::problem::nearest_name;

/// Prints the JSON Schema of scenarios.
pub(super) fn schema() -> CommandResult {
    let text = serde_json::to_string_pretty(&crate::scenario::wire::schema())
        .map_err(|error| CommandError::system_while("the schema", &error))?;
    output::print_json(&(text + "\n"))?;
    Ok(Exit::Fine)
}

/// Prints all plugins, the workloads of one plugin, or the details of one workload.
pub(super) fn list(options: &ListOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let file = project::named_or_default(options.scenario.as_deref(), "--scenario FILE")?;
    let loaded = project::load(&file)?;
    let (wanted, workload) = match options
        .subject
        .as_deref()
        .map(|subject| subject.split_once('/'))
    {
        None => (None, None),
        Some(Some((plugin, workload))) => (Some(plugin), Some(workload)),
        Some(None) => (options.subject.as_deref(), None),
    };
    let keys: Vec<&str> = loaded
        .scenario
        .plugins
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    if let Some(plugin) = wanted
        && !keys.contains(&plugin)
    {
        let hint = match nearest_name(plugin, keys.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", orch_core::format::listed(&keys)),
        };
        return Err(
            CommandError::input(format!("{} has no plugin `{plugin}`", loaded.shown))
                .with_hint(hint),
        );
    }
    let is_wanted = |key: &str| wanted.is_none_or(|wanted| wanted == key);
    let mark = format!("list-{}", std::process::id());
    let plugins = project::prepare(
        &loaded.scenario,
        is_wanted,
        &crate::plugin::build::prepare_plugin,
        project::BuildWait::Never,
        &mark,
        &interrupt,
        &mut Progress::new(),
    )?;
    let mut text = String::new();
    let mut documents = serde_json::Map::new();
    let mut exit = Exit::Fine;
    for key in keys.into_iter().filter(|key| is_wanted(key)) {
        match (
            plugins.described.get(key),
            plugins.prepared.get(key),
            workload,
        ) {
            (Some(description), _, None) => {
                documents.insert(key.to_owned(), plugin_document(description));
                describe_plugin(&mut text, key, description);
            }
            (Some(description), _, Some(id)) => {
                let info = description
                    .find_workload(id)
                    .ok_or_else(|| unknown(key, id, description))?;
                documents.insert(key.to_owned(), workload_document(info));
                describe_workload(&mut text, key, info);
            }
            (None, Some(Err(failure)), _) => {
                output::note(&format!(
                    "{key}: failed in {}: {}",
                    failure.phase.name(),
                    failure.message
                ));
                exit = Exit::Incomplete;
            }
            (None, _, _) => {}
        }
    }
    if options.json {
        text = serde_json::to_string_pretty(&documents)
            .map_err(|error| CommandError::system_while("the list", &error))?
            + "\n";
        output::print_json(&text)?;
    } else {
        output::print_paragraphs(&text)?;
    }
    Ok(exit)
}

fn unknown(key: &str, id: &str, description: &PluginDescription) -> CommandError {
    let known: Vec<&str> = description
        .workloads
        .iter()
        .map(|workload| workload.id.as_str())
        .collect();
    let hint = match nearest_name(id, known.iter().copied()) {
        Some(near) => format!("did you mean `{key}/{near}`?"),
        None => format!("it has {}", orch_core::format::listed(&known)),
    };
    CommandError::input(format!("plugin `{key}` has no workload `{id}`")).with_hint(hint)
}
