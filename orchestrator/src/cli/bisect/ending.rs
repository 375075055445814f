//! How a bisect ends: its report on disk and on the terminal, what becomes of its state, the exit
//! code.

use super::answers::Answers;
use super::commits::{Ground, Stop};
use super::outcome::Found;
use super::task::Task;
use crate::bisect::rest::StopCause;
use crate::bisect::state::Kept;
use crate::bisect::{self, Report};
use crate::cli::Outcome;
use crate::cli::args::BisectOptions;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::error::{CommandError, ErrorKind};
use crate::project;
use crate::record::store;
use crate::render;
use std::path::Path;

/// The report that every bisect prints and stores.
const TABLE: &str = "bisect.txt";
/// The report for an issue or a mail.
const REPORT: &str = "bisect.md";

/// Stores and prints the report of a bisect that is done, and picks the exit code.
pub(super) fn finish(
    options: &BisectOptions,
    task: &Task,
    mut report: Report,
    kept: Kept,
) -> Outcome {
    let printed = store_report(options, task, &mut report)?;
    remove(kept)?;
    output::print(&printed)?;
    Ok(match report.outcome {
        bisect::Outcome::First | bisect::Outcome::Range => Exit::Regressed,
        bisect::Outcome::None => Exit::Fine,
        bisect::Outcome::Undecided => Exit::Undecided,
    })
}

/// Cause of an end before the bisect is done.
pub(super) fn cause(stop: &Stop) -> StopCause {
    match stop {
        Stop::Failed(error) if error.kind() == ErrorKind::Interrupted => StopCause::Interrupted,
        Stop::Failed(_) => StopCause::Failed,
        Stop::Unmeasurable { .. } => StopCause::Unmeasurable,
    }
}

/// Whether a stopped bisect deserves a report: some commit was looked at, or, where resuming cannot
/// help, a culprit is known.
pub(super) fn deserves_report(stop: &Stop, found: &Found, answers: &Answers) -> bool {
    match stop {
        Stop::Failed(error) if error.kind() == ErrorKind::Input => false,
        Stop::Failed(_) => !answers.looks.is_empty(),
        Stop::Unmeasurable { .. } => found.culprits() > 0,
    }
}

/// Prints why a bisect ended early, and its results by then. The state stays where resuming may
/// help.
pub(super) fn stop_early(
    options: &BisectOptions,
    task: &Task,
    ground: &Ground,
    stop: Stop,
    known: Option<Report>,
    kept: Kept,
) -> Outcome {
    if let Some(mut report) = known {
        output::print(&store_report(options, task, &mut report)?)?;
    }
    match stop {
        Stop::Failed(error) if error.kind() == ErrorKind::Interrupted => {
            output::note("stopped; `orch bisect --resume` continues it");
            Err(error)
        }
        Stop::Failed(failure) if failure.kind() == ErrorKind::Input => {
            remove(kept)?;
            Err(failure)
        }
        Stop::Failed(failure) => {
            output::note("`orch bisect --resume` continues from here");
            Err(failure)
        }
        Stop::Unmeasurable { position, reason } => {
            remove(kept)?;
            output::note(&format!(
                "error: {} cannot be measured: {reason}",
                name(ground, position, &reason)
            ));
            Ok(Exit::Incomplete)
        }
    }
}

fn name(ground: &Ground, position: usize, reason: &str) -> String {
    let revision = ground.revision(position);
    let name = match position {
        0 => "the good end",
        position if position == ground.history.candidates.len() => "the bad end",
        _ => "the reference",
    };
    // The message of a failed build names its commit.
    match reason.contains(revision.short()) {
        true => name.to_owned(),
        false => format!("{name} {} ({})", revision.short(), revision.subject),
    }
}

fn remove(kept: Kept) -> Result<(), CommandError> {
    kept.remove()
        .map_err(|error| CommandError::system_while("cannot remove the bisect's state", &error))
}

/// Stores a report with its texts in a folder of its own, and returns what is printed of it.
fn store_report(
    options: &BisectOptions,
    task: &Task,
    report: &mut Report,
) -> Result<String, CommandError> {
    let stamp = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let name = format!("{}-bisect", report.scenario.name);
    let short: String = report.bad.commit.chars().take(10).collect();
    let (id, folder) =
        store::new_folder(&task.results, &stamp, &name, &short).map_err(|error| {
            CommandError::system_while(
                &format!("cannot make a folder in {}", task.results.display()),
                &error,
            )
        })?;
    report.id = id;
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| CommandError::system_while("the report", &error))?
        + "\n";
    write(&folder.join(bisect::FILE), &text)?;
    let templates = project::templates(&task.loaded.root);
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
    if options.output.json {
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
