//! `orch run`: arguments to a request, a run to its stored and printed form.

use super::args::RunOptions;
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::model::run_outcome::RunOutcome;
use crate::report::stored_run::StoredRun;
use crate::run::{self, RunRequest, RunResult};

/// Measures a scenario, stores the record and its reports, and prints the summary.
pub(super) fn run_run(options: &RunOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = RunRequest {
        scenario: options.scenario.clone(),
        filter: options.filter.clone(),
        results: options.output.results.clone(),
        resume: options.resume,
        seed: options.seed,
    };
    let mut progress = Progress::new();
    if options.dry_run {
        let plan = run::plan_run(&request, &output::find_report, &context, &mut progress)?;
        output::print_paragraphs(&plan.text)?;
        return Ok(if plan.is_complete {
            Exit::Fine
        } else {
            Exit::Incomplete
        });
    }
    let found = run::run(&request, &output::find_report, &context, &mut progress)?;
    let stored = StoredRun::store(&found, output::place())?;
    print_run(stored, &found, options.output.json)?;
    Ok(match found.record.outcome {
        RunOutcome::Complete => Exit::Fine,
        RunOutcome::Incomplete => Exit::Incomplete,
        RunOutcome::Interrupted => {
            output::note(&format!("to resume: {} --resume", found.repeating_command));
            Exit::Interrupted
        }
    })
}

/// Prints the summary or the record, and then what could not be stored.
fn print_run(stored: StoredRun, found: &RunResult, json: bool) -> Result<(), CommandError> {
    if json {
        output::print_json(&stored.json)?;
    } else {
        output::print(&stored.show())?;
    }
    if let Some(message) = &stored.journal_left {
        output::note(&format!("warning: {message}"));
    }
    stored.finish(&found.repeating_command)
}
