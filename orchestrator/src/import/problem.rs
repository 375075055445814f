//! Problems of an imported file, each with its line and a remedy, and the error that lists them.

use crate::error::{CommandError, ErrorPlace, MOST_PLACES};

/// Most problems that are shown; further ones are only counted.
const MOST_SHOWN: usize = 20;

/// A problem of the file.
#[derive(Debug)]
pub(super) struct ImportProblem {
    pub(super) line: u64,
    pub(super) message: String,
    pub(super) hint: String,
}

/// Converts all problems to the error that the user gets. `file` is the name in messages.
pub(super) fn refuse(file: &str, mut problems: Vec<ImportProblem>) -> CommandError {
    problems.sort_by_key(|problem| problem.line);
    let count = problems.len();
    let shown: Vec<String> = problems
        .iter()
        .take(MOST_SHOWN)
        .map(
            |ImportProblem {
                 line,
                 message,
                 hint,
             }| format!("error: {file}:{line}: {message}\nhint: {hint}"),
        )
        .collect();
    let more = if count > MOST_SHOWN {
        format!(", the first {MOST_SHOWN} of which are shown")
    } else {
        String::new()
    };
    let plural = if count == 1 { "" } else { "s" };
    let lines = format!(
        "{}\n{count} problem{plural} in {file}{more}; nothing was imported",
        shown.join("\n")
    );
    let place = |problem: &ImportProblem| ErrorPlace {
        file: file.to_owned(),
        line: usize::try_from(problem.line).unwrap_or(usize::MAX),
        message: problem.message.clone(),
    };
    CommandError::lines(
        lines,
        problems.iter().take(MOST_PLACES).map(place).collect(),
    )
}
