//! Facts to standard output, everything else to standard error; and how a failure of the program is
//! told.

use super::exit::Exit;
use crate::runner::interrupt::Interrupt;
use std::io::{self, IsTerminal, Write};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Wrong input, already formatted with place and remedy.
    #[error("{0}")]
    Input(String),
    /// The system refused something.
    #[error("error: {0}")]
    System(String),
    /// The reader of our output went away: nobody is left to tell.
    #[error("")]
    NobodyReads,
}

impl Failure {
    /// Tells the user, and returns the exit code.
    pub(crate) fn report(&self) -> Exit {
        let code = match self {
            Self::Input(_) => Exit::BadInput,
            Self::System(_) => Exit::System,
            Self::NobodyReads => return Exit::Fine,
        };
        let _ = writeln!(io::stderr(), "{self}");
        code
    }

    /// A failure of the system while doing something.
    pub(crate) fn system(doing: &str, error: &dyn std::fmt::Display) -> Self {
        Self::System(format!("{doing}: {error}"))
    }
}

/// Listens to Ctrl-C and its like from now on, and says so when the first one comes.
pub(crate) fn listen_to_signals() -> Result<Interrupt, Failure> {
    let acknowledge =
        || note("stopping; what is done so far is kept. Another Ctrl-C ends orch at once");
    Interrupt::listen(acknowledge)
        .map_err(|error| Failure::system("cannot listen to signals", &error))
}

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::NobodyReads),
        Err(error) => Err(Failure::system("cannot write to standard output", &error)),
    }
}

/// Writes a line to standard error; a closed one is nobody's concern.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether messages may be coloured.
pub(crate) fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
