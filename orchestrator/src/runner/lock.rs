//! The machine-wide measuring lock: who measures is alone, and nobody builds beside.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

/// The same file for every user and project of a machine.
const FILE: &str = "/tmp/orch-measuring.lock";

/// What the lock is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Excludes everybody.
    Measuring,
    /// Excludes those who measure.
    Building,
}

/// Held until dropped; released by the kernel even if the process is killed.
pub(crate) struct Held {
    _file: File,
}

/// Takes the lock, calling `waiting` once if somebody else has it. `stop` is asked while waiting.
pub(crate) fn take(purpose: Purpose, mut waiting: impl FnMut(), stop: impl Fn() -> bool) -> io::Result<Option<Held>> {
    let file = open()?;
    let mut said = false;
    loop {
        let taken = match purpose {
            Purpose::Measuring => file.try_lock(),
            Purpose::Building => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => return Ok(Some(Held { _file: file })),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if stop() => return Ok(None),
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut said, true) {
                    waiting();
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// Opens the lock file, making it writable for everybody if it is new. Descriptors of Rust's are close-on-exec.
fn open() -> io::Result<File> {
    let path = std::env::var_os("ORCH_LOCK_FILE").map_or_else(|| PathBuf::from(FILE), PathBuf::from);
    let explain =
        |error: io::Error| io::Error::new(error.kind(), format!("measuring lock {}: {error}", path.display()));
    // Without O_CREAT first: the kernel forbids that on other users' files in a sticky folder.
    match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(explain),
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(explain)?;
    // The umask may have taken away what other users need; whoever does not own the file need not change it.
    let _ = file.set_permissions(std::fs::Permissions::from_mode(0o666));
    Ok(file)
}
