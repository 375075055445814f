//! The lock of a place where libraries are built: one process at a time builds there, and the
//! library stays as it is until that process has copied it.
//!
//! Without the lock, two processes that build one crate for the first time disturb each other. The
//! second one finds libraries in whose sources its own record has no proof, and removes them while
//! the first one reads them.

use super::cargo::{BuildError, BuildWatcher};
use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Time between two attempts to take a lock that another process holds.
const POLL: Duration = Duration::from_millis(20);

/// The lock, held until this is dropped. The kernel releases it even if the process is killed.
#[derive(Debug)]
pub(crate) struct BuildLock {
    /// None where the file system has no locks.
    _file: Option<File>,
}

impl BuildLock {
    /// Takes the lock in the file at `path`, whose folder exists. If another process holds it, one
    /// line is shown.
    ///
    /// # Errors
    /// The file cannot be opened, or the user stops the command while it waits.
    pub(super) fn take(path: &Path, watch: &mut BuildWatcher) -> Result<Self, BuildError> {
        // No other user can open the file, so none can keep the lock.
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)?;
        let mut is_shown = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: Some(file) }),
                Err(TryLockError::Error(_)) => return Ok(Self { _file: None }),
                Err(TryLockError::WouldBlock) => {}
            }
            if (watch.stop)() {
                return Err(BuildError::Nothing("the build was stopped".to_owned()));
            }
            if !std::mem::replace(&mut is_shown, true) {
                let folder = path.parent().unwrap_or(path).display();
                (watch.show)(&format!("waiting: another orch builds in {folder}"));
            }
            std::thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn lock_waits_for_its_holder_and_ends_with_the_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("build.lock");
        let mut lines = Vec::new();
        let mut show = |line: &str| lines.push(line.to_owned());
        let held = BuildLock::take(&path, &mut BuildWatcher::silent(&mut show)).expect("taken");
        let looks = Cell::new(0);
        let mut watch = BuildWatcher {
            show: &mut show,
            stop: &|| looks.replace(looks.get() + 1) == 3,
            note: None,
        };
        let stopped = BuildLock::take(&path, &mut watch).expect_err("it is held");
        assert_eq!(stopped.to_string(), "the build was stopped");
        drop(held);
        BuildLock::take(&path, &mut watch).expect("free again");
        let folder = folder.path().display();
        assert_eq!(lines, [format!("waiting: another orch builds in {folder}")]);
    }
}
