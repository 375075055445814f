//! `orch plugin`: commands for authors of plugins.

mod check;
mod new;

use super::CommandResult;
use super::args::PluginCommand;

/// Runs a command of `orch plugin`.
pub(super) fn plugin(command: &PluginCommand) -> CommandResult {
    match command {
        PluginCommand::New(options) => new::new(options),
        PluginCommand::Check(options) => check::check(options),
    }
}
