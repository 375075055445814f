//! `orch completions`: prints a script that completes the arguments of `orch` in a shell.

use super::args::{Arguments, CompletionsOptions};
use super::exit::Exit;
use super::{CommandResult, output};
use clap::CommandFactory;

/// Prints the script for a shell.
pub(super) fn print_completions(options: &CompletionsOptions) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(
        options.shell,
        &mut Arguments::command(),
        "orch",
        &mut script,
    );
    output::print_as_is(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
