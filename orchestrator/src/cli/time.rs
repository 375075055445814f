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
use crate::project;
use crate::render::ReportView;
use crate::time::measured::{LineShell, TimeResult};
use crate::time::program_list::{self, ProgramList};
use crate::time::{self, TimeRequest};

/// The report that is printed.
const REPORT: &str = "times.txt";

/// Measures programs and prints their times.
pub(super) fn run_time(options: &TimeOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let result = time::time_programs(&build_request(options)?, &context, &mut Progress::new())?;
    print_times(&result, options)?;
    Ok(if result.interrupted {
        Exit::Interrupted
    } else if result.programs.iter().any(|one| one.failure.is_some()) {
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

fn print_times(result: &TimeResult, options: &TimeOptions) -> Result<(), CommandError> {
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    let templates = project::templates(&project::root_of(&here.join("x")));
    let format = options.export.as_deref().and_then(ExportFormat::find);
    if let Some(format) = format {
        let exported = export::export_result(&ExportedResult::Times(result), format, &templates)
            .map_err(|error| CommandError::input(error.to_string()))?;
        if let Some(path) = &options.output {
            file::write_whole(path, exported.as_bytes()).map_err(|error| {
                CommandError::system_while(&format!("cannot write {}", path.display()), &error)
            })?;
        } else {
            return output::print_as_is(&exported);
        }
    }
    if options.json {
        let text = serde_json::to_string_pretty(result).map_err(|error| {
            CommandError::system_while("cannot write the times as JSON", &error)
        })?;
        return output::print_json(&(text + "\n"));
    }
    let text = ReportView::of_times(result)
        .render_for(output::place(), REPORT, &templates)
        .map_err(|error| CommandError::input(error.to_string()))?;
    output::print(&text)
}
