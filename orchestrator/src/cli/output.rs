//! Standard output for results, standard error for everything else.

use super::exit::Exit;
use crate::error::{CommandError, ErrorKind};
use crate::runner::interrupt::Interrupt;
use std::io::{self, IsTerminal, Write};

/// Prints the error that ended a command, and returns its exit code.
pub(super) fn report_error(error: &CommandError) -> Exit {
    let text = error.show(use_colour());
    if !text.is_empty() {
        note(&text);
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

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
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

/// Writes a line to standard error. If that is closed, the line is lost.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Returns whether messages may be coloured.
fn use_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
