//! The command line: arguments, output, exit codes. Only this module prints.

mod args;
mod bisect;
mod bisect_progress;
mod check;
mod compare;
mod completions;
mod doctor;
pub(crate) mod exit;
mod help_ends;
mod import;
mod init;
mod list;
pub(crate) mod output;
mod plugin;
mod progress;
pub(crate) mod render_process;
mod report;
mod run;
mod time;
mod verify;

use crate::error::CommandError;
use crate::render::help_topics;
use crate::runner::{lock, shell_limits};
use args::{Arguments, Command};
use clap::{CommandFactory, FromArgMatches};
use exit::Exit;
use orch_core::format::clean;

/// Runs the program and returns its exit code.
pub(crate) fn main() -> Exit {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(topic) = help_topics::find_topic(&words) {
        let printed = output::print_paragraphs(&topic);
        return printed.map_or_else(|error| output::report_error(&error), |()| Exit::Fine);
    }
    let command = help_ends::add_ends(Arguments::command());
    let command = command.color(output::find_colour_choice().into());
    let parsed = command
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // The parser also returns help and version as errors.
            let code = if error.use_stderr() {
                Exit::BadInput
            } else {
                Exit::Fine
            };
            // The parser quotes arguments as they are, and colours them.
            let is_nasty =
                |one: std::ffi::OsString| one.to_string_lossy().chars().any(clean::is_control);
            if std::env::args_os().any(is_nasty) {
                output::note(error.to_string().trim_end());
            } else {
                let _ = error.print();
            }
            return code;
        }
    };
    output::set_colour(arguments.color);
    let wait = match &arguments.command {
        Command::Run(options) => options.wait.limit(),
        Command::Compare(options) => options.wait.limit(),
        Command::Check(options) => options.wait.limit(),
        Command::Bisect(options) => options.wait.limit(),
        Command::Time(options) => options.wait.limit(),
        _ => None,
    };
    if let Some(limit) = wait {
        lock::set_patience(limit);
    }
    // Commands that only read and print start no worker.
    let starts_workers = match &arguments.command {
        Command::Doctor(options) => options.calibrate || options.rebuilds.is_some(),
        Command::Import(_)
        | Command::Report(_)
        | Command::Verify(_)
        | Command::Schema
        | Command::Completions(_) => false,
        _ => true,
    };
    if let (true, Err(message)) = (starts_workers, shell_limits::check_limits()) {
        return output::report_error(&CommandError::system(message));
    }
    let result = match &arguments.command {
        Command::Run(options) => run::run_run(options),
        Command::Compare(options) => compare::run_compare(options),
        Command::Check(options) => check::run_check(options),
        Command::Bisect(options) => bisect::run_bisect(options),
        Command::Doctor(options) => doctor::run_doctor(options),
        Command::Import(options) => import::run_import(options),
        Command::Report(options) => report::run_report(options),
        Command::Time(options) => time::run_time(options),
        Command::Verify(options) => verify::run_verify(options),
        Command::List(options) => list::run_list(options),
        Command::Init(options) => init::run_init(options),
        Command::Plugin(command) => plugin::plugin(command),
        Command::Schema => list::print_schema(),
        Command::Completions(options) => completions::print_completions(options),
    };
    match result {
        Ok(exit) => exit,
        Err(error) => output::report_error(&error),
    }
}

/// A command's result.
type CommandResult = Result<Exit, CommandError>;
