//! The machine-wide measuring lock: a process that measures is alone on its machine, and builds
//! wait for it to end.

use crate::file::{self, LinkRule};
use orch_core::format::clean;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Lock file, the same for every user and project of a machine.
const FILE: &str = "/tmp/orch-measuring.lock";
/// Variable that names another lock file.
const VARIABLE: &str = "ORCH_LOCK_FILE";
/// Time between two attempts to take a lock that another process holds.
const POLL: Duration = Duration::from_millis(100);
/// Maximum length of a holder's command in a message, in characters.
const MOST_SHOWN: usize = 120;

/// Purpose for which the lock is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockPurpose {
    /// Excludes all other processes.
    Measuring,
    /// Excludes measurements; other builds share the lock.
    Building,
}

/// The lock, held until this is dropped. The kernel releases it even if the process is killed.
pub(crate) struct LockGuard {
    _file: File,
    /// Time spent waiting for the lock.
    pub(crate) waited: Duration,
}

/// Maximum time that this program waits for the lock; unlimited if it is not set.
static PATIENCE: OnceLock<Duration> = OnceLock::new();

/// Sets the maximum time that this program waits for the lock. Only the first call has an effect.
pub(crate) fn set_patience(limit: Duration) {
    let _ = PATIENCE.set(limit);
}

/// Takes the lock. If another process has it, `waiting` is called once with a description of the
/// holder. While waiting, `stop` is polled; returns `None` if it ends the waiting.
///
/// # Errors
/// The lock file cannot be opened, or the holder kept the lock for longer than this program waits
/// (`TimedOut`).
pub(crate) fn take_lock(
    purpose: LockPurpose,
    mut waiting: impl FnMut(&str),
    stop: impl Fn() -> bool,
) -> io::Result<Option<LockGuard>> {
    let file = open_lock_file()?;
    let begun = Instant::now();
    let mut reported = false;
    loop {
        let taken = match purpose {
            LockPurpose::Measuring => file.try_lock(),
            LockPurpose::Building => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => {
                if purpose == LockPurpose::Measuring {
                    // The file's modification time shows other processes since when this one
                    // measures. orch may not change the time of another user's file, and such a
                    // file keeps its time.
                    let _ = rustix::fs::futimens(&file, &make_current_times());
                }
                return Ok(Some(LockGuard {
                    _file: file,
                    waited: begun.elapsed(),
                }));
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if stop() => return Ok(None),
            Err(TryLockError::WouldBlock) => {
                if PATIENCE
                    .get()
                    .is_some_and(|limit| begun.elapsed() >= *limit)
                {
                    let message = format!(
                        "gave up after {:.0?}: {}",
                        begun.elapsed(),
                        describe_holder(&file)
                    );
                    return Err(io::Error::new(io::ErrorKind::TimedOut, message));
                }
                if !std::mem::replace(&mut reported, true) {
                    waiting(&describe_holder(&file));
                }
                std::thread::sleep(POLL);
            }
        }
    }
}

/// Returns whether another process measures on this machine now.
pub(crate) fn is_measuring() -> io::Result<bool> {
    match open_lock_file()?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn make_current_times() -> rustix::fs::Timestamps {
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    }
}

/// Describes the process that holds the lock: its activity, its command, its id, and since when it
/// measures.
fn describe_holder(file: &File) -> String {
    let Ok(about) = file.metadata() else {
        return "another process holds the lock".to_owned();
    };
    let holders = find_holders(about.ino());
    let Some(holder) = holders
        .iter()
        .find(|holder| holder.exclusive)
        .or(holders.first())
    else {
        // The holder may be a process in another container that mounts the same folder.
        return "a process that is not visible from here holds the lock".to_owned();
    };
    let command = read_command(holder.pid).unwrap_or_else(|| "another process".to_owned());
    if !holder.exclusive {
        return format!("{command} (process {}) is building", holder.pid);
    }
    let since = jiff::Timestamp::from_second(about.mtime())
        .ok()
        .map(|since| {
            let minutes = (jiff::Timestamp::now().as_second() - since.as_second()).max(0) / 60;
            format!(" since {} ({minutes} min)", since.strftime("%H:%M:%S UTC"))
        });
    format!(
        "{command} (process {}) has been measuring on this machine{}",
        holder.pid,
        since.unwrap_or_default()
    )
}

struct LockHolder {
    pid: u32,
    exclusive: bool,
}

/// Finds the processes that hold a lock on the file with this inode in the kernel's list.
fn find_holders(inode: u64) -> Vec<LockHolder> {
    read_holders(
        &std::fs::read_to_string("/proc/locks").unwrap_or_default(),
        inode,
    )
}

/// Parses lines such as `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`. A line with an arrow is
/// a process that waits for the lock.
fn read_holders(text: &str, inode: u64) -> Vec<LockHolder> {
    let read = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, kind, pid, place, ..] = words[..] else {
            return None;
        };
        let own = place.rsplit(':').next()?.parse::<u64>().ok()? == inode;
        let pid = pid.parse().ok().filter(|pid| *pid != 0)?;
        own.then_some(LockHolder {
            pid,
            exclusive: kind == "WRITE",
        })
    };
    text.lines().filter_map(read).collect()
}

/// Reads the command line of a process, without control characters.
fn read_command(pid: u32) -> Option<String> {
    let text = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = text
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| clean::clean_line(&String::from_utf8_lossy(word)).into_owned())
        .collect();
    let (program, arguments) = words.split_first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let command = [&[name.to_owned()], arguments].concat().join(" ");
    Some(match command.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}...", &command[..end]),
        None => command,
    })
}

/// Opens the lock file, and makes a new one writable for all users. Every user of the machine may
/// have made it, so only its kind is checked.
fn open_lock_file() -> io::Result<File> {
    let path = std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from(FILE), PathBuf::from);
    open_lock_at(&path).map_err(|error| {
        let message = format!(
            "measuring lock {}: {error}; remove it, or set {VARIABLE} to another file, the same \
             for all users of this machine",
            path.display()
        );
        io::Error::new(error.kind(), message)
    })
}

fn open_lock_at(path: &Path) -> io::Result<File> {
    let open = || {
        let mut read = OpenOptions::new();
        file::open_regular_with(path, LinkRule::Refuse, read.read(true))
    };
    // The first attempt does without O_CREAT, because the kernel forbids O_CREAT on other users'
    // files in a sticky folder.
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let mut create = OpenOptions::new();
    create.read(true).write(true).create_new(true);
    match file::open_regular_with(path, LinkRule::Refuse, &mut create) {
        // Another process has created the file since.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(),
        Err(error) => Err(error),
        Ok(file) => {
            // The umask may have removed permissions that other users need.
            let _ = file.set_permissions(std::fs::Permissions::from_mode(0o666));
            Ok(file)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{FileRefusal, SpecialFile};

    #[test]
    fn holders_are_read_from_the_kernels_list() {
        let text = "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF\n1: -> FLOCK  ADVISORY  WRITE \
            99 fd:01:5678 0 EOF\n2: POSIX  ADVISORY  WRITE 5 fd:01:5678 0 EOF\n3: FLOCK  ADVISORY  \
            READ 7 fd:01:5679 0 EOF\n4: FLOCK  ADVISORY  WRITE 0 fd:01:5680 0 EOF\n";
        let found = |inode| {
            let holders = read_holders(text, inode).into_iter();
            holders
                .map(|holder| (holder.pid, holder.exclusive))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(5678), [(1234, true)]);
        assert_eq!(found(5679), [(7, false)]);
        assert_eq!(
            found(5680),
            [],
            "a process of another namespace has no id here"
        );
    }

    #[test]
    fn lock_file_is_created_once_and_is_a_regular_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for _ in 0..2 {
            let file = open_lock_at(&at("lock")).expect("opened");
            let mode = file.metadata().expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o666);
        }
        std::fs::create_dir(at("folder")).expect("a folder");
        std::os::unix::fs::symlink(at("lock"), at("link")).expect("a link");
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).expect("a pipe");
        for (name, kind) in [
            ("folder", SpecialFile::Folder),
            ("link", SpecialFile::Link),
            ("pipe", SpecialFile::NamedPipe),
        ] {
            let error = open_lock_at(&at(name)).expect_err(name);
            let expected = Some(FileRefusal::Special(kind));
            assert_eq!(FileRefusal::find(&error), expected, "{name}");
        }
        // Permissions of an existing file stay.
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(at("lock"), private).expect("set");
        let file = open_lock_at(&at("lock")).expect("opened");
        let mode = file.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn command_of_a_process_is_shown_without_its_folder() {
        let command = read_command(std::process::id()).expect("readable");
        assert!(
            !command.contains("target/") || !command.starts_with('/'),
            "{command}"
        );
        assert!(
            command.chars().count() <= MOST_SHOWN + 3 && !command.chars().any(char::is_control)
        );
    }
}
