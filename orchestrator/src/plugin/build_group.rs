//! The process group of a build that runs in the build worktree, on disk while it does: if orch is
//! killed the build goes on, and would write over what the next one builds.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "building";
/// How often, and how many times, it is looked whether a group that was killed is gone.
const POLL: Duration = Duration::from_millis(5);
const POLLS: u32 = 400;

/// A note of a running build; taken away when the build has ended.
pub(super) struct BuildGroup {
    file: PathBuf,
}

impl BuildGroup {
    /// Notes the leader of a build's group.
    pub(super) fn create(place: &Path, pid: u32) -> io::Result<Self> {
        let file = place.join(FILE);
        if let Some(born) = start_time(pid) {
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

/// Ends the build that an orch left behind when it was killed. The caller holds the worktree's
/// lock. A leader that is gone leaves nothing that is looked for: what a build starts in the
/// background is not orch's.
pub(super) fn end_leftover_build(place: &Path) {
    let file = place.join(FILE);
    let Ok(text) = std::fs::read_to_string(&file) else {
        return;
    };
    let parts = text
        .split_once(' ')
        .and_then(|(pid, born)| Some((pid.parse::<u32>().ok()?, born.to_owned())));
    if let Some((pid, then)) = parts {
        // Another process may have got the number since: it began later.
        let group = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .filter(|_| start_time(pid).as_ref() == Some(&then));
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

/// When a process began, in the kernel's ticks since the machine did; nothing if there is none or
/// it has ended.
fn start_time(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
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
    fn a_build_that_was_left_behind_is_ended_and_another_process_is_not() {
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
        // The same number, but a process that began at another time.
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
