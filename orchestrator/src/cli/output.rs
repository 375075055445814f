//! Standard output for results, standard error for everything else. Every text for people is
//! cleaned here, whatever came into it on the way.

use super::exit::Exit;
use crate::error::{CommandError, ErrorKind};
use crate::project::report_names::ReportMatch;
use crate::project::{self, LoadedScenario};
use crate::render::github;
use crate::render::place::ReportPlace;
use crate::render::tone::show_tones;
use crate::report;
use crate::report::stored_comparison::StoredComparison;
use crate::runner::interrupt::Interrupt;
use clap::ValueEnum;
use orch_core::format::{self, clean};
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

/// Most columns of a line of text, because longer ones are hard to read.
const MOST_COLUMNS: usize = 100;

/// Choice of when texts are coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColourChoice {
    /// On a terminal, unless the environment variable NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

impl From<ColourChoice> for clap::ColorChoice {
    fn from(choice: ColourChoice) -> Self {
        match choice {
            ColourChoice::Auto => Self::Auto,
            ColourChoice::Always => Self::Always,
            ColourChoice::Never => Self::Never,
        }
    }
}

/// Finds the value of `--color` before the arguments are parsed, because the parser prints too.
pub(super) fn find_colour_choice() -> ColourChoice {
    let arguments: Vec<String> = std::env::args_os()
        .map(|one| one.to_string_lossy().into_owned())
        .collect();
    let following = arguments.iter().skip_while(|one| *one != "--color").nth(1);
    let attached = arguments
        .iter()
        .find_map(|one| one.strip_prefix("--color="));
    let word = attached.or(following.map(String::as_str));
    word.and_then(|word| ColourChoice::from_str(word, false).ok())
        .unwrap_or_default()
}

/// The value of `--color`.
static COLOUR: OnceLock<ColourChoice> = OnceLock::new();

/// Stores the value of `--color`.
pub(super) fn set_colour(choice: ColourChoice) {
    let _ = COLOUR.set(choice);
}

/// Returns whether texts on a stream may be coloured.
fn use_colour(stream: &impl IsTerminal) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = || std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    match COLOUR.get().copied().unwrap_or_default() {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto => stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb(),
    }
}

/// Returns the place for which reports on standard output are rendered.
pub(super) fn place() -> ReportPlace {
    let out = io::stdout();
    let size = rustix::termios::tcgetwinsize(&out).ok();
    // A terminal of unknown width reports 0.
    let columns = size
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0);
    ReportPlace::standard_output(columns, use_colour(&out))
}

/// Returns whether the command is a step of a workflow of GitHub, which reads its log.
pub(super) fn is_github() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some()
}

/// Prints the error that ended a command, and returns its exit code.
pub(super) fn report_error(error: &CommandError) -> Exit {
    // The error cleans its parts, because its colours are control characters too.
    let text = error.show(use_colour(&io::stderr()));
    if !text.is_empty() {
        note_as_is(&text);
    }
    if is_github() {
        for place in error.places() {
            note_as_is(&github::annotate_place(place));
        }
    }
    match error.kind() {
        ErrorKind::Input => Exit::BadInput,
        ErrorKind::System => Exit::System,
        ErrorKind::Interrupted => Exit::Interrupted,
        ErrorKind::OutputClosed => Exit::Fine,
        ErrorKind::Defect => Exit::Bug,
    }
}

/// Handles Ctrl-C and similar signals from now on, and acknowledges the first one.
pub(crate) fn listen_to_signals() -> Result<Interrupt, CommandError> {
    let acknowledge = || {
        note("stopping; completed measurements are kept. Press Ctrl-C again to end orch at once")
    };
    Interrupt::listen(acknowledge)
        .map_err(|error| CommandError::system_while("cannot listen to signals", &error))
}

/// Looks up the name of a report that a scenario lists.
pub(super) fn find_report(loaded: &LoadedScenario, name: &str) -> ReportMatch {
    report::find_name(name, &project::templates(&loaded.root))
}

/// Writes a text for people to standard output. Marks of tones become colours.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    print_as_is(&show_tones(text, use_colour(&io::stdout()), clean_text))
}

/// Writes a text for people whose lines are paragraphs to standard output. On a terminal, they are
/// wrapped.
pub(super) fn print_paragraphs(text: &str) -> Result<(), CommandError> {
    print(&fit_lines(&clean::clean_lines(text)))
}

/// Wraps the lines of a text that are longer than those of the terminal, if there is one.
pub(super) fn fit_lines(text: &str) -> Cow<'_, str> {
    match place().columns() {
        Some(columns) => Cow::Owned(format::wrap_lines(text, columns.min(MOST_COLUMNS))),
        None => Cow::Borrowed(text),
    }
}

/// Writes JSON to standard output.
pub(crate) fn print_json(document: &str) -> Result<(), CommandError> {
    print_as_is(&clean::escape_json(document))
}

/// Writes an export, or a workflow command of orch itself, to standard output.
pub(crate) fn print_as_is(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(CommandError::output_closed())
        }
        Err(error) => Err(CommandError::system_while(
            "cannot write to standard output",
            &error,
        )),
    }
}

/// Writes a line for people to standard error. If that is closed, the line is lost.
pub(crate) fn note(line: &str) {
    note_as_is(&clean_text(line));
}

/// Writes a line that is clean, or a workflow command of orch itself, to standard error.
pub(crate) fn note_as_is(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints the first report of a comparison with its path, or the comparison itself, and then what
/// could not be stored.
pub(super) fn print_comparison(stored: StoredComparison, json: bool) -> Result<(), CommandError> {
    if json {
        print_json(&stored.json)?;
    } else {
        print(&stored.show(&stored.table, "comparison"))?;
    }
    stored.finish()
}

/// Cleans a text for a terminal, and for the log of a CI job.
fn clean_text(text: &str) -> Cow<'_, str> {
    match clean::clean_lines(text) {
        Cow::Borrowed(text) => clean::part_commands(text),
        Cow::Owned(text) => Cow::Owned(clean::part_commands(&text).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_for_people_controls_no_terminal_and_no_log() {
        assert_eq!(clean_text("a\n  b: c\n"), "a\n  b: c\n");
        assert_eq!(
            clean_text("\x1b[2J\r\n \t::error::x\n##[group]\u{202e}y\n"),
            " [2J\n \t: :error::x\n## [group] y\n"
        );
    }
}
