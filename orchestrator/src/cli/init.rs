//! `orch init`: prepares a folder for benchmarks and prints the next steps.

use super::CommandResult;
use super::args::InitOptions;
use super::exit::Exit;
use super::output;
use super::progress::Progress;
use crate::context::CommandContext;
use crate::init::{self, InitRequest};
use crate::render::init_report;

/// Prepares the folder, and prints what was found, what was written, and the next command.
pub(super) fn run_init(options: &InitOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = InitRequest {
        folder: options.folder.clone(),
    };
    let report = init::init_project(&request, &context, &mut Progress::new())?;
    output::print_paragraphs(&init_report::render(&report, &options.folder))?;
    Ok(Exit::Fine)
}
