//! `orch`, a benchmark orchestrator. `docs/ARCHITECTURE.md` is a map of the code, and
//! `docs/design/` has the reasons.

mod bisect;
mod cache;
mod calibrate;
mod calibration;
mod check;
mod cli;
mod compare;
mod comparison;
mod context;
mod contradiction;
mod doctor;
mod error;
mod export;
mod file;
mod gate;
mod git;
mod hash;
mod import;
mod init;
mod journal;
mod json_schema;
mod list;
mod machine;
mod model;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod mutation_tests;
mod pass;
mod plan;
mod plugin;
mod plugin_check;
mod plugin_new;
mod project;
mod record;
mod render;
mod report;
mod run;
mod runner;
#[doc(hidden)]
pub mod scale;
mod scenario;
mod sentinel;
mod starter;
mod time;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod verb_tests;
mod verify;
mod versus;
mod vetting;

use std::process::ExitCode;

/// Runs the orchestrator, or the part of it for which the orchestrator started this process.
pub fn main() -> ExitCode {
    let argument = std::env::args_os().nth(1).unwrap_or_default();
    if argument == orch_core::worker::ARGUMENT {
        orch_core::worker::main();
    }
    if argument == render::confined::ARGUMENT {
        return cli::render_process::main();
    }
    // A panic is a defect of orch and has an exit code of its own. Its message is already on
    // standard error.
    std::panic::catch_unwind(cli::main)
        .unwrap_or(cli::exit::Exit::Bug)
        .into()
}
