//! `orch run`: arguments to a request, a run to its stored and printed form.

use super::args::RunOptions;
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::project::{self, LoadedScenario};
use crate::record::{RunOutcome, store};
use crate::render;
use crate::run::{self, RunRequest, RunResult};
use crate::runner::journal;
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
    store_record(&found)?;
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

fn store_record(found: &RunResult) -> Result<(), CommandError> {
    store::store(&found.folder, &found.record, journal::FILE).map_err(|error| {
        // The results are printed even if they could not be stored.
        if let Ok(summary) =
            render::render(SUMMARY, &project::templates(&found.root), &found.record)
        {
            let _ = output::print(&summary);
        }
        let action = format!("cannot store the record in {}", found.folder.display());
        CommandError::system_while(&action, &error)
    })
}

/// Renders the reports into the folder, and prints the summary or the record.
fn report_run(found: &RunResult, json: bool) -> Result<(), CommandError> {
    let folder = &found.folder;
    let templates = project::templates(&found.root);
    let mut summary = String::new();
    let mut failed = None;
    let others = found.reports.iter().map(String::as_str);
    for name in [SUMMARY]
        .into_iter()
        .chain(others.filter(|name| *name != SUMMARY))
    {
        match write_report(found, name, &templates) {
            Ok(text) if name == SUMMARY => summary = text,
            Ok(_) => {}
            // The other reports may be right.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if json {
        let text = serde_json::to_string_pretty(&found.record)
            .map_err(|error| CommandError::system_while("the record", &error))?;
        output::print_as_is(&(text + "\n"))?;
    } else {
        let here = std::env::current_dir().unwrap_or_default();
        let shown = folder.strip_prefix(&here).unwrap_or(folder);
        let file = shown.join(store::FILE);
        output::print(&format!("{summary}record: {}\n", file.display()))?;
    }
    failed.map_or(Ok(()), Err)
}

/// Renders one report into the folder of the run.
fn write_report(found: &RunResult, name: &str, templates: &Path) -> Result<String, CommandError> {
    let folder = &found.folder;
    let text = render::render(name, templates, &found.record).map_err(|error| {
        let place = folder.display();
        CommandError::system(format!("the record is stored in {place}, but {error}"))
    })?;
    store::write_whole(&folder.join(name), text.as_bytes())
        .map_err(|error| CommandError::system_while(&format!("cannot write {name}"), &error))?;
    Ok(text)
}
