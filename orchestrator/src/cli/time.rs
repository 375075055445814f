//! `orch time`: arguments to a request, times to their printed or exported form.

use super::args::{ShellChoice, TimeOptions};
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::export::{self, ExportedResult};
use crate::file;
use crate::model::export_format::ExportFormat;
use crate::render::ReportView;
use crate::time::measured::{LineShell, TimeResult};
use crate::time::program_list::{self, ProgramList};
use crate::time::{self, TimeRequest};
use std::path::Path;

/// The report that is printed.
const REPORT: &str = "times.txt";
/// A folder that does not exist. Programs are measured in any folder, whose `templates/` may have
/// nothing to do with orch.
const NO_TEMPLATES: &str = "/nonexistent";

/// Measures programs and prints their times.
pub(super) fn run_time(options: &TimeOptions) -> CommandResult {
    check_output(options)?;
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let result = time::time_programs(&build_request(options)?, &context, &mut Progress::new())?;
    print_times(&result, options)?;
    Ok(if result.interrupted {
        Exit::Interrupted
    } else if result.is_incomplete() {
        Exit::Incomplete
    } else {
        Exit::Fine
    })
}

fn build_request(options: &TimeOptions) -> Result<TimeRequest, CommandError> {
    let pairs = options.parameter_list.chunks_exact(2);
    let parameters = pairs.map(|pair| program_list::read_parameter(&pair[0], &pair[1]));
    Ok(TimeRequest {
        programs: ProgramList {
            lines: options.commands.clone(),
            names: options.name.clone(),
            prepare: options.prepare.clone(),
            setup: options.setup.clone(),
            cleanup: options.cleanup.clone(),
            parameters: parameters.collect::<Result<_, _>>()?,
        },
        shell: match options.shell {
            ShellChoice::None => LineShell::None,
            ShellChoice::Sh if options.no_shell => LineShell::None,
            ShellChoice::Sh => LineShell::Sh,
        },
        stdin: options.stdin.clone(),
        ignore_failure: options.ignore_failure,
        warm_up_runs: options.warmup,
        time: options.time,
        timeout: options.timeout,
        tolerance: options.tolerance,
        seed: options.seed,
    })
}

/// Refuses a place to which the export cannot be written, before anything is measured.
fn check_output(options: &TimeOptions) -> Result<(), CommandError> {
    let Some(path) = &options.output else {
        return Ok(());
    };
    let shown = path.display();
    if path.is_dir() {
        return Err(CommandError::input(format!("--output {shown} is a folder")));
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    match parent {
        Some(folder) if !folder.is_dir() => Err(CommandError::input(format!(
            "--output {shown}: there is no folder {}",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

fn print_times(result: &TimeResult, options: &TimeOptions) -> Result<(), CommandError> {
    let templates = Path::new(NO_TEMPLATES);
    let format = options.export.as_deref().and_then(ExportFormat::find);
    let exported = format
        .map(|format| export::export_result(&ExportedResult::Times(result), format, templates))
        .transpose()
        .map_err(|error| CommandError::input(error.to_string()))?;
    match (&exported, &options.output) {
        (Some(exported), None) => return output::print_as_is(exported),
        _ if options.json => {
            let text = serde_json::to_string_pretty(result).map_err(|error| {
                CommandError::system_while("cannot write the times as JSON", &error)
            })?;
            output::print_json(&(text + "\n"))?;
        }
        _ => {
            let text = ReportView::of_times(result)
                .render_for(output::place(), REPORT, templates)
                .map_err(|error| CommandError::input(error.to_string()))?;
            output::print(&text)?;
        }
    }
    if let (Some(exported), Some(path)) = (exported, &options.output) {
        file::write_named(path, exported.as_bytes()).map_err(|error| {
            CommandError::system_while(&format!("cannot write {}", path.display()), &error)
        })?;
    }
    Ok(())
}
