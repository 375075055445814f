//! `orch report`: renders a stored result again, or exports it.

use super::args::ReportOptions;
use super::exit::Exit;
use super::{CommandResult, output};
use crate::error::CommandError;
use crate::file;
use crate::model::export_format::ExportFormat;
use crate::render::place::ReportPlace;
use crate::report::{self, ReportRequest};

/// Renders a report, and prints it or writes it to a file.
pub(super) fn run_report(options: &ReportOptions) -> CommandResult {
    let request = ReportRequest {
        result: options.result.clone(),
        template: options.template.clone(),
        results: options.results.clone(),
    };
    let format = options.format.as_deref().and_then(ExportFormat::find);
    let text = match format {
        Some(format) => report::export_report(&request, format)?,
        None if options.output.is_none() => report::render_report(&request, output::place())?,
        None => report::render_report(&request, ReportPlace::FILE)?,
    };
    match &options.output {
        // An export is for programs. Its texts are clean.
        None if format.is_some() => output::print_as_is(&text)?,
        None => output::print(&text)?,
        Some(path) => file::write_named(path, text.as_bytes()).map_err(|error| {
            CommandError::system_while(&format!("cannot write {}", path.display()), &error)
        })?,
    }
    Ok(Exit::Fine)
}
