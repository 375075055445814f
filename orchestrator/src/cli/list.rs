//! `orch list` and `orch schema`: prints the plugins' workloads, and the schema of a scenario.

use super::CommandResult;
use super::args::ListOptions;
use super::exit::Exit;
use super::output;
use super::progress::Progress;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::list::{self, ListRequest, ListedContent};
use crate::render::catalog::{
    describe_plugin, describe_workload, plugin_document, workload_document,
};

/// Prints the JSON Schema of scenarios.
pub(super) fn print_schema() -> CommandResult {
    let text = serde_json::to_string_pretty(&crate::scenario::wire::schema())
        .map_err(|error| CommandError::system_while("cannot write the schema as JSON", &error))?;
    output::print_json(&(text + "\n"))?;
    Ok(Exit::Fine)
}

/// Prints all plugins, the workloads of one plugin, or the details of one workload.
pub(super) fn run_list(options: &ListOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let subject = options.subject.as_deref();
    let (plugin, workload) = match subject.map(|subject| subject.split_once('/')) {
        Some(Some((plugin, workload))) => (Some(plugin), Some(workload)),
        _ => (subject, None),
    };
    let request = ListRequest {
        scenario: options.scenario.clone(),
        plugin: plugin.map(str::to_owned),
        workload: workload.map(str::to_owned),
    };
    let listed = list::list_plugins(&request, &context, &mut Progress::new())?;
    let mut text = String::new();
    let mut documents = serde_json::Map::new();
    let mut exit = Exit::Fine;
    for plugin in listed {
        let key = plugin.key;
        match &plugin.content {
            Ok(ListedContent::Plugin(description)) => {
                describe_plugin(&mut text, &key, description);
                for problem in &description.problems {
                    output::note(&format!("{key}: not listed: {problem}"));
                }
                documents.insert(key, plugin_document(description));
            }
            Ok(ListedContent::Workload(info)) => {
                describe_workload(&mut text, &key, info);
                documents.insert(key, workload_document(info));
            }
            Err(failure) => {
                let phase = failure.phase.name();
                output::note(&format!("{key}: failed in {phase}: {}", failure.message));
                exit = Exit::Incomplete;
            }
        }
    }
    if options.json {
        text = serde_json::to_string_pretty(&documents)
            .map_err(|error| CommandError::system_while("cannot write the list as JSON", &error))?
            + "\n";
        output::print_json(&text)?;
    } else {
        output::print_paragraphs(&text)?;
    }
    Ok(exit)
}
