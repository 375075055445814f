//! The process group of a build in the build worktree, stored on disk while the build runs. If orch
//! is killed, the build continues and would overwrite the files of the next build.

use crate::file;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "building";
/// Interval and number of the checks for the end of a killed group.
const POLL: Duration = Duration::from_millis(5);
const POLLS: u32 = 400;

/// Note of a running build, removed after the build has ended.
pub(super) struct BuildGroup {
    file: PathBuf,
}

impl BuildGroup {
    /// Stores the leader of a build's process group.
    pub(super) fn create(place: &Path, pid: u32) -> io::Result<Self> {
        let file = place.join(FILE);
        if let Some(born) = read_start_time(pid) {
            std::fs::write(&file, format!("{pid} {born}"))?;
        }
        Ok(Self { file })
    }
}

impl Drop for BuildGroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Ends the build that a killed orch left behind. The caller holds the lock of the worktree. If the
/// leader is gone, the function does not search for other processes: those that a build starts in
/// the background do not belong to orch.
pub(super) fn end_leftover_build(place: &Path) {
    let file = place.join(FILE);
    let Ok(text) = file::read_text(&file, file::MOST_TEXT_BYTES) else {
        return;
    };
    let parts = text
        .split_once(' ')
        .and_then(|(pid, born)| Some((pid.parse::<u32>().ok()?, born.to_owned())));
    if let Some((pid, then)) = parts {
        // Another process may have got the same id since then. Such a process began later.
        let group = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .filter(|_| read_start_time(pid).as_ref() == Some(&then));
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
            for _ in 0..POLLS {
                if rustix::process::test_kill_process_group(group).is_err() {
                    break;
                }
                std::thread::sleep(POLL);
            }
        }
    }
    let _ = std::fs::remove_file(&file);
}

/// Reads the start time of a process in kernel ticks since boot; `None` if there is no such process
/// or it has ended.
fn read_start_time(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before this field may contain any character.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn leftover_build_is_ended_and_other_processes_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut build = Command::new("sleep")
            .arg("600")
            .process_group(0)
            .spawn()
            .expect("sleep");
        let noted = BuildGroup::create(folder.path(), build.id()).expect("written");
        std::mem::forget(noted);
        let file = folder.path().join(FILE);
        let text = std::fs::read_to_string(&file).expect("there");
        // The note has the same id, but the start time of another process.
        std::fs::write(&file, format!("{text}1")).expect("written");
        end_leftover_build(folder.path());
        assert!(
            build.try_wait().expect("asked").is_none(),
            "another process was ended"
        );
        std::fs::write(&file, text).expect("written");
        let waiter = std::thread::spawn(move || build.wait().expect("ended"));
        end_leftover_build(folder.path());
        assert!(!waiter.join().expect("joined").success());
        assert!(!file.exists());
    }
}
