//! All exit codes and their meanings.

use std::process::ExitCode;

/// Exit codes of the program. The numbers are an interface: git bisect, CI systems and scripts rely
/// on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The request was carried out.
    Fine = 0,
    /// A metric got worse, a target is missed, an output differs, a bisect named a commit, or a
    /// stored figure differs from the computed one.
    Regressed = 1,
    /// A bisect or a check is undecided. git bisect skips a commit with this code.
    Undecided = 125,
    /// The user stopped the command.
    Interrupted = 130,
    /// The command line, a scenario or another input is wrong; nothing was measured.
    BadInput = 200,
    /// A workload failed, was skipped, is missing or cannot be compared, or a plugin has errors.
    Incomplete = 201,
    /// The system refused something: a file, a process, memory.
    System = 202,
    /// A defect of orch itself.
    Bug = 203,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
