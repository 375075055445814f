//! `orch run`: arguments to a request, a run to its stored and printed form.

use super::args::RunOptions;
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::project::{self, LoadedScenario};
use crate::record::result_folder::ResultFolder;
use crate::record::{RunOutcome, store};
use crate::render;
use crate::run::{self, RunRequest, RunResult};
use crate::runner::journal;
use std::io;
use std::path::Path;

/// The report that every run prints and stores.
const SUMMARY: &str = "summary.txt";

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
    let has_report = |loaded: &LoadedScenario, name: &str| {
        render::exists(name, &project::templates(&loaded.root))
    };
    let mut progress = Progress::new();
    if options.dry_run {
        let plan = run::plan_run(&request, &has_report, &context, &mut progress)?;
        output::print(&plan.text)?;
        return Ok(if plan.is_complete {
            Exit::Fine
        } else {
            Exit::Incomplete
        });
    }
    let found = run::run(&request, &has_report, &context, &mut progress)?;
    report_run(&found, options.output.json)?;
    Ok(match found.record.outcome {
        RunOutcome::Complete => Exit::Fine,
        RunOutcome::Incomplete => Exit::Incomplete,
        RunOutcome::Interrupted => {
            output::note(&format!("to resume: {} --resume", found.repeating_command));
            Exit::Interrupted
        }
    })
}

/// Renders the reports, stores them and the record, and prints the summary or the record. The
/// record is the last file: a run that is killed before it has one is open, and `--resume` writes
/// all of them.
fn report_run(found: &RunResult, json: bool) -> Result<(), CommandError> {
    let mut folder = ResultFolder::open(found.folder.clone());
    let templates = project::templates(&found.root);
    let mut summary = String::new();
    let others = found.reports.iter().map(String::as_str);
    for name in [SUMMARY]
        .into_iter()
        .chain(others.filter(|name| *name != SUMMARY))
    {
        match render::render(name, &templates, &found.record) {
            Ok(text) => {
                folder.store_report(name, &text);
                if name == SUMMARY {
                    summary = text;
                }
            }
            // The other reports may be right.
            Err(error) => folder.refuse_report(&error),
        }
    }
    folder.store_result(store::FILE, |_| store::store(&found.folder, &found.record));
    if json {
        let text = serde_json::to_string_pretty(&found.record)
            .map_err(|error| CommandError::system_while("the record", &error))?;
        output::print_as_is(&(text + "\n"))?;
    } else {
        let place = folder.show_file(store::FILE);
        let place = place.map_or_else(String::new, |file| format!("record: {}\n", file.display()));
        output::print(&format!("{summary}{place}"))?;
    }
    let is_over = found.record.outcome != RunOutcome::Interrupted;
    if folder.path().is_some() && is_over {
        remove_journal(&found.folder);
    }
    folder.finish(&format!(
        "every measurement is in the journal beside it; once the disk has space, this stores them: \
         {} --resume",
        found.repeating_command
    ))
}

/// Removes the journal of a stored run. If it stays, it costs space and nothing else.
fn remove_journal(folder: &Path) {
    let journal = folder.join(journal::FILE);
    match std::fs::remove_file(&journal) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => output::note(&format!(
            "warning: cannot remove {}: {error}",
            journal.display()
        )),
        _ => {}
    }
}
