//! `orch doctor` without arguments: prints the findings about the machine. They are advice, and
//! change no exit code.

use crate::cli::CommandResult;
use crate::cli::args::DoctorOptions;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::doctor::diagnosis::{self, DoctorRequest};
use crate::error::CommandError;
use crate::project;
use crate::render::machine_findings;

/// Examines the machine and prints the findings.
pub(super) fn print_findings(options: &DoctorOptions) -> CommandResult {
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    let request = DoctorRequest {
        root: project::root_of(&here.join("x")),
    };
    let found = diagnosis::diagnose_machine(&request)?;
    if options.json {
        let text = serde_json::to_string_pretty(&found).map_err(|error| {
            CommandError::system_while("cannot write the findings as JSON", &error)
        })?;
        output::print_json(&(text + "\n"))?;
    } else {
        let text = machine_findings::describe_findings(&found, output::place());
        output::print(&text)?;
    }
    Ok(Exit::Fine)
}
