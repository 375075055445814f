//! Commits that are known not to build: the compiler's message, stored beside the artefacts.

use super::super::advice;
use super::super::artefacts;
use super::super::cargo::BuildError;
use crate::cache;
use crate::file;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// Maximum length of a stored message, chosen so that reports show it in full with the commit's
/// name before it.
const MOST: usize = 1300;

/// Words in the output of a build that may have failed for a temporary reason. A superfluous word
/// costs a build, while a missing word hides a commit that could be built.
const PASSING: [&str; 15] = [
    "(signal: 9",
    "(signal: 15",
    "signal 9",
    "Killed",
    "No space left on device",
    "Disk quota exceeded",
    "out of memory",
    "Cannot allocate memory",
    "memory allocation of",
    "Too many open files",
    "command not found",
    ": not found",
    "linker `",
    "Could not resolve host",
    "failed to download",
];

/// A stored failure.
#[derive(Debug, Serialize, Deserialize)]
struct FailureNote {
    message: String,
    /// Time of the build, UTC.
    time: String,
}

/// Returns whether a build would fail again: the compiler ran and rejected the sources of the
/// commit.
pub(super) fn is_permanent(error: &BuildError) -> bool {
    let BuildError::Failed { status, output, .. } = error else {
        return false;
    };
    // Shells use these codes for a program that is missing or cannot be started. After a signal,
    // there is no code.
    let ran = status.code().is_some_and(|code| code != 126 && code != 127);
    let unstarted =
        |line: &str| line.starts_with("make") && line.ends_with("No such file or directory");
    let passing = PASSING.iter().any(|words| output.contains(words))
        || advice::lacks_toolchain(output)
        || output.lines().any(unstarted);
    ran && !passing
}

/// Stores the failure of a build with this key.
pub(super) fn store_failure(key: &str, message: &str) -> io::Result<()> {
    let note = FailureNote {
        message: shorten_message(message),
        time: jiff::Timestamp::now().to_string(),
    };
    file::write_whole(&locate_note(key)?, &serde_json::to_vec(&note)?)
}

/// Finds the message of the last build with this key, if that build failed.
pub(super) fn find_message(key: &str) -> Option<String> {
    let text = file::read_bytes(&locate_note(key).ok()?, file::MOST_TEXT_BYTES).ok()?;
    serde_json::from_slice::<FailureNote>(&text)
        .ok()
        .map(|note| note.message)
}

/// Removes a stored failure, if there is one.
pub(super) fn forget_failure(key: &str) -> io::Result<()> {
    match std::fs::remove_file(locate_note(key)?) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn locate_note(key: &str) -> io::Result<PathBuf> {
    Ok(cache::subfolder(artefacts::ENTRIES_FOLDER)?.join(format!("{key}.failed.json")))
}

fn shorten_message(message: &str) -> String {
    match message.char_indices().nth(MOST) {
        Some((end, _)) => format!(
            "{} [... build it again to see the rest]",
            message[..end].trim_end()
        ),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn check(status: i32, output: &str) -> bool {
        let (command, status) = ("cargo build".to_owned(), ExitStatus::from_raw(status));
        is_permanent(&BuildError::Failed {
            command,
            status,
            output: output.to_owned(),
        })
    }

    #[test]
    fn failure_is_permanent_only_if_the_compiler_refused_the_code() {
        let exit = |code: i32| code << 8;
        for output in [
            "error[E0425]: cannot find value `x`",
            "p.c:1:10: fatal error: x.h: No such file or directory",
            "p.c:1:10: fatal error: 'x.h' file not found",
            "",
        ] {
            assert!(check(exit(101), output), "{output}");
        }
        for output in [
            "process didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)",
            "cc: fatal error: Killed signal terminated program cc1",
            "error: linker `cc` not found",
            "sh: 1: cc: not found",
            "make: cc: No such file or directory",
            "error: toolchain 'x' is not installed",
            "warning: spurious network error: [6] Could not resolve host: x",
            "rustc-LLVM ERROR: No space left on device",
        ] {
            assert!(!check(exit(2), output), "{output}");
        }
        assert!(!check(exit(127), "x") && !check(9, ""));
        assert!(!is_permanent(&BuildError::Nothing("no file".to_owned())));
        assert!(!is_permanent(&io::Error::other("disk").into()));
    }

    #[test]
    fn long_output_is_cut_and_short_output_kept() {
        assert_eq!(shorten_message("ä b\nc"), "ä b\nc");
        let cut = shorten_message(&"ä".repeat(5000));
        assert!(
            cut.ends_with("ä [... build it again to see the rest]") && cut.chars().count() < 1400,
            "{cut}"
        );
    }
}
