//! `orch report`: renders a stored result again.

use super::args::ReportOptions;
use super::exit::Exit;
use super::{CommandResult, output};
use crate::error::CommandError;
use crate::file;
use crate::report::{self, ReportRequest};

/// Renders a report, and prints it or writes it to a file.
pub(super) fn run_report(options: &ReportOptions) -> CommandResult {
    let request = ReportRequest {
        result: options.result.clone(),
        template: options.template.clone(),
        results: options.results.clone(),
    };
    let text = report::render_report(&request)?;
    match &options.output {
        None => output::print(&text)?,
        Some(path) => file::write_whole(path, text.as_bytes()).map_err(|error| {
            CommandError::system_while(&format!("cannot write {}", path.display()), &error)
        })?,
    }
    Ok(Exit::Fine)
}
