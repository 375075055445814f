//! `orch plugin check`: arguments to a request, and the findings to their printed form.

use crate::cli::CommandResult;
use crate::cli::args::PluginCheckOptions;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::plugin_check::{self, PluginCheckRequest};
use crate::render::plugin_findings;
use crate::vetting::FindingLevel;

/// Examines the plugins and prints the findings.
pub(super) fn check(options: &PluginCheckOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = PluginCheckRequest {
        path: options.subject.clone(),
        workload: options.workload.clone(),
    };
    let examined = plugin_check::check_plugins(&request, &context, &mut Progress::new())?;
    if options.json {
        let text = serde_json::to_string_pretty(&plugin_findings::build_document(&examined))
            .map_err(|error| {
                CommandError::system_while("cannot write the findings as JSON", &error)
            })?;
        output::print_json(&(text + "\n"))?;
    } else {
        output::print(&plugin_findings::describe_plugins(
            &examined,
            output::place(),
        ))?;
    }
    let has_errors = examined
        .iter()
        .flat_map(|plugin| &plugin.findings)
        .any(|finding| finding.level == FindingLevel::Error);
    Ok(if has_errors {
        Exit::Incomplete
    } else {
        Exit::Fine
    })
}
