//! Errors that end a command: a kind, a message, hints and a place, and their printed form.

use crate::scenario::problem::{self, FileProblem};
use orch_core::format::clean;
use std::fmt::{self, Display, Write};

/// Most places that an error keeps. GitHub shows as many annotations of a level.
pub(crate) const MOST_PLACES: usize = 10;

/// Kinds of errors, which determine the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The command line, a scenario or another input is wrong.
    Input,
    /// The system refused something: a file, a process, memory.
    System,
    /// The user stopped the command.
    Interrupted,
    /// The reader of the output has gone away.
    OutputClosed,
    /// A defect of orch itself.
    Defect,
}

/// The message, before it is shown.
#[derive(Debug)]
enum ErrorText {
    /// A sentence without "error:".
    Sentence(String),
    /// Problems with their places in a file.
    Problems {
        file: String,
        text: String,
        problems: Vec<FileProblem>,
    },
    /// Lines that name a place each, ready to be shown.
    Lines(String),
}

/// A place in a file that the user can edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorPlace {
    /// Path as the user wrote it.
    pub(crate) file: String,
    /// Number of the line, from 1.
    pub(crate) line: usize,
    /// What is wrong there, as a sentence without "error:".
    pub(crate) message: String,
}

/// An obstacle that ends a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: ErrorKind,
    /// In a box, because functions return errors by value.
    text: Box<ErrorText>,
    hints: Vec<String>,
    places: Vec<ErrorPlace>,
}

impl CommandError {
    fn new(kind: ErrorKind, text: ErrorText) -> Self {
        Self {
            kind,
            text: Box::new(text),
            hints: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Returns an error about wrong input. The message is a sentence without "error:".
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, ErrorText::Sentence(message.into()))
    }

    /// Returns an error about wrong places in a file. `file` is its name in messages.
    pub(crate) fn problems(file: &str, text: &str, mut problems: Vec<FileProblem>) -> Self {
        problems.sort_by_key(|problem| problem.at.start);
        let place = |problem: &FileProblem| ErrorPlace {
            file: file.to_owned(),
            line: problem.find_line(text),
            message: problem.message.clone(),
        };
        let places = problems.iter().take(MOST_PLACES).map(place).collect();
        let text = ErrorText::Problems {
            file: file.to_owned(),
            text: text.to_owned(),
            problems,
        };
        Self {
            places,
            ..Self::new(ErrorKind::Input, text)
        }
    }

    /// Returns an error about wrong input whose message is already a list of lines with places.
    pub(crate) fn lines(lines: String, places: Vec<ErrorPlace>) -> Self {
        Self {
            places,
            ..Self::new(ErrorKind::Input, ErrorText::Lines(lines))
        }
    }

    /// Returns an error about a refusal of the system.
    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::System, ErrorText::Sentence(message.into()))
    }

    /// Returns an error about a refusal of the system. The message begins with the attempted
    /// action.
    pub(crate) fn system_while(action: &str, error: &dyn Display) -> Self {
        Self::system(format!("{action}: {error}"))
    }

    /// Returns the error of a command that the user stopped. It needs no message.
    pub(crate) fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, ErrorText::Lines(String::new()))
    }

    /// Returns the error of a closed standard output. There is nothing left to do or to print.
    pub(crate) fn output_closed() -> Self {
        Self::new(ErrorKind::OutputClosed, ErrorText::Lines(String::new()))
    }

    /// Returns an error about a state that orch's own code rules out.
    pub(crate) fn defect(what: &str) -> Self {
        let message = format!("defect of orch: {what}");
        Self::new(ErrorKind::Defect, ErrorText::Sentence(message))
            .with_hint("please report it, with the command and the results folder")
    }

    /// Adds a remedy for the user.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Lists the places in files that the error is about, at most ten; empty if it is about none.
    pub(crate) fn places(&self) -> &[ErrorPlace] {
        &self.places
    }

    /// Formats the whole text for a terminal, cleaned and without a line feed at the end; empty if
    /// nothing is shown.
    pub(crate) fn show(&self, colour: bool) -> String {
        let mut shown = match &*self.text {
            ErrorText::Sentence(message) => format!("error: {}", clean::clean_lines(message)),
            ErrorText::Problems {
                file,
                text,
                problems,
            } => problem::render_problems(file, text, problems, colour),
            ErrorText::Lines(lines) => clean::clean_lines(lines).into_owned(),
        };
        for hint in &self.hints {
            let _ = write!(shown, "\nhint: {}", clean::clean_lines(hint));
        }
        clean::part_commands(&shown).into_owned()
    }
}

impl Display for CommandError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.show(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_shows_its_message_and_then_its_hints() {
        let error = CommandError::input("no such job").with_hint("its jobs are a, b");
        assert_eq!(
            error.to_string(),
            "error: no such job\nhint: its jobs are a, b"
        );
        assert_eq!(error.kind(), ErrorKind::Input);
        let error = CommandError::system_while("cannot write", &"the disk is full");
        assert_eq!(error.to_string(), "error: cannot write: the disk is full");
        assert_eq!(CommandError::interrupted().to_string(), "");
    }

    #[test]
    fn problems_of_a_file_have_places() {
        let text = "a: 1\nb: 2\n";
        let problem = FileProblem::new(5..6, "unknown field `b`", None);
        let error = CommandError::problems("s.yaml", text, vec![problem.clone()]);
        let place = ErrorPlace {
            file: "s.yaml".to_owned(),
            line: 2,
            message: "unknown field `b`".to_owned(),
        };
        assert_eq!(error.places(), [place]);
        let many = CommandError::problems("s.yaml", text, vec![problem; 30]);
        assert_eq!(many.places().len(), MOST_PLACES);
        assert_eq!(CommandError::input("no such job").places(), []);
    }

    #[test]
    fn error_controls_no_terminal_and_no_log() {
        let error = CommandError::input("no job \x1b[2J\r\n::error::x").with_hint("\u{202e}y");
        assert_eq!(
            error.to_string(),
            "error: no job  [2J\n: :error::x\nhint:  y"
        );
        let lines = CommandError::lines("::stop-commands::t\u{9b}".to_owned(), Vec::new());
        assert_eq!(lines.to_string(), ": :stop-commands::t ");
        let problem = FileProblem {
            at: 3..4,
            message: "wrong \x07".to_owned(),
            hint: Some("\x1b]0;x".to_owned()),
        };
        let text = "a\u{9b}:b\u{2028}\x1b\n::error::x\n".to_owned();
        for colour in [false, true] {
            let shown =
                CommandError::problems("f\x07.yaml", &text, vec![problem.clone()]).show(colour);
            let plain = clean::remove_styles(&shown);
            assert!(
                !plain.chars().any(|c| clean::is_control(c) && c != '\n'),
                "{plain:?}"
            );
            assert!(
                plain.contains("a  :b"),
                "the line keeps its columns: {plain}"
            );
        }
    }
}
