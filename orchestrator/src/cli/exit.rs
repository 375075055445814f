//! All exit codes and their meanings.

use std::process::ExitCode;

/// Exit codes of the program. The numbers are an interface: git bisect, CI systems and scripts rely
/// on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The whole request was carried out.
    Fine = 0,
    /// Something got worse, or computes something else.
    Regressed = 1,
    /// The pairs did not decide. git bisect skips a commit with this code.
    Undecided = 125,
    /// The user stopped the command.
    Interrupted = 130,
    /// The command line or a scenario is wrong; nothing was measured.
    BadInput = 200,
    /// Some workload failed, was skipped or is missing, or a checked plugin has errors.
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
