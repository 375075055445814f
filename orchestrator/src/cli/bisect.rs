//! `orch bisect`: arguments to a request, a bisect to its stored and printed form.

use super::args::BisectOptions;
use super::bisect_progress::BisectProgress;
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::bisect::state::BisectState;
use crate::bisect::{self, BisectDirection, BisectEnd, BisectReport, BisectRequest, BisectResult};
use crate::context::CommandContext;
use crate::error::{CommandError, ErrorKind};
use crate::model::metric::Metric;
use crate::project;
use crate::record::store;
use crate::render;
use std::path::Path;

/// The report that every bisect prints and stores.
const TABLE: &str = "bisect.txt";
/// The report for an issue or a mail.
const REPORT: &str = "bisect.md";

/// Finds the commit that changed a workload, stores the report and prints it.
pub(super) fn run_bisect(options: &BisectOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = BisectRequest {
        scenario: options.scenario.clone(),
        workload: options.workload.clone(),
        good: options.good.clone(),
        bad: options.bad.clone(),
        metric: options.metric.as_deref().map(Metric::from),
        direction: match options.direction.as_str() {
            "better" => BisectDirection::Better,
            _ => BisectDirection::Worse,
        },
        all: options.all,
        first: options.first,
        verify_revert: options.verify_revert,
        resume: options.resume,
        retry_failed: options.retry_failed,
        pairs: options.pairs,
        repo: options.repo.clone(),
        results: options.output.results.clone(),
        seed: options.seed,
    };
    if options.dry_run {
        output::print(&bisect::plan_bisect(
            &request,
            &context,
            &mut Progress::new(),
        )?)?;
        return Ok(Exit::Fine);
    }
    let found = bisect::bisect(&request, &context, &mut BisectProgress::new())?;
    finish(found, options.output.json)
}

/// Stores and prints the report, removes or keeps the state for resuming, and chooses the exit
/// code.
fn finish(found: BisectResult, json: bool) -> CommandResult {
    let BisectResult {
        end,
        report,
        state,
        root,
        results,
    } = found;
    let print = if json {
        output::print_as_is
    } else {
        output::print
    };
    let mut exit = Exit::Fine;
    let mut printed = String::new();
    if let Some(mut report) = report {
        printed = store_report(&root, &results, &mut report, json)?;
        exit = match report.outcome {
            bisect::BisectOutcome::First | bisect::BisectOutcome::Range => Exit::Regressed,
            bisect::BisectOutcome::None => Exit::Fine,
            bisect::BisectOutcome::Undecided => Exit::Undecided,
        };
    }
    match end {
        BisectEnd::Done => {
            remove_state(state)?;
            print(&printed)?;
            Ok(exit)
        }
        BisectEnd::Stopped(error) => {
            print(&printed)?;
            match error.kind() {
                ErrorKind::Input => remove_state(state)?,
                ErrorKind::Interrupted => {
                    output::note("stopped; `orch bisect --resume` continues this bisect");
                }
                _ => output::note("`orch bisect --resume` continues this bisect"),
            }
            Err(error)
        }
        BisectEnd::Unmeasurable(message) => {
            print(&printed)?;
            remove_state(state)?;
            output::note(&format!("error: {message}"));
            Ok(Exit::Incomplete)
        }
    }
}

fn remove_state(kept: BisectState) -> Result<(), CommandError> {
    kept.remove()
        .map_err(|error| CommandError::system_while("cannot remove the bisect's state", &error))
}

/// Stores a report with its texts in a folder of its own, and returns the printed part.
fn store_report(
    root: &Path,
    results: &Path,
    report: &mut BisectReport,
    json: bool,
) -> Result<String, CommandError> {
    let stamp = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let name = format!("{}-bisect", report.scenario.name);
    let short: String = report.bad.commit.chars().take(10).collect();
    let (id, folder) = store::new_folder(results, &stamp, &name, &short).map_err(|error| {
        CommandError::system_while(
            &format!("cannot make a folder in {}", results.display()),
            &error,
        )
    })?;
    report.id = id;
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| CommandError::system_while("the report", &error))?
        + "\n";
    write(&folder.join(bisect::FILE), &text)?;
    let templates = project::templates(root);
    let mut table = String::new();
    for name in [TABLE, REPORT] {
        let rendered = render::bisect(name, &templates, report).map_err(|error| {
            CommandError::system(format!(
                "the report is stored in {}, but {error}",
                folder.display()
            ))
        })?;
        write(&folder.join(name), &rendered)?;
        if name == TABLE {
            table = rendered;
        }
    }
    if json {
        return Ok(text);
    }
    let here = std::env::current_dir().unwrap_or_default();
    let shown = folder.strip_prefix(&here).unwrap_or(&folder);
    Ok(format!("{table}report: {}\n", shown.join(REPORT).display()))
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    store::write_whole(path, text.as_bytes()).map_err(|error| {
        CommandError::system_while(&format!("cannot write {}", path.display()), &error)
    })
}
