//! Processes that a plugin left behind: its process group, and orphans that orch has adopted.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Children that do not come from a plugin: those of a shell that replaced itself with orch, and
/// those that builds left in the background.
static SPARED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Time within which a killed process disappears, unless it is stuck in the kernel.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes orch the parent of orphaned descendants, so that the daemons of a plugin become children
/// of orch and not of init. The caller must not have started a worker yet.
pub(crate) fn become_subreaper() -> std::io::Result<()> {
    spare_children();
    // SAFETY: with this option, prctl only sets a flag of the calling process.
    match unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Excludes the present children of orch from [`kill_leftovers`]. No worker may be running.
pub(crate) fn spare_children() {
    SPARED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(list_children());
}

/// Kills the remaining processes of a dead worker: its group and its orphans. Returns the number of
/// orphans.
pub(crate) fn kill_leftovers(group: Pid) -> usize {
    // The group's leader is dead and reaped. The call fails if the group is empty.
    let _ = kill_process_group(group, Signal::KILL);
    let mut ended = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = find_adopted();
        if left.is_empty() || Instant::now() > deadline {
            return ended.len();
        }
        for pid in left {
            let gone = waitpid(Some(pid), WaitOptions::NOHANG).ok().flatten();
            // A process that ended by itself was only waiting to be reaped.
            let by_itself = gone.is_some_and(|(_, status)| {
                status.terminating_signal() != Some(Signal::KILL.as_raw())
            });
            if !by_itself && !ended.contains(&pid) {
                ended.push(pid);
            }
            // After a process has been reaped, its id may belong to another process.
            if gone.is_none() {
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Finds the children that are not spared. While measuring, orch starts only workers, and it reaps
/// a worker before it calls this function. The other children therefore come from plugins, whatever
/// their environment says.
fn find_adopted() -> Vec<Pid> {
    let spared = SPARED.lock().unwrap_or_else(PoisonError::into_inner);
    list_children()
        .into_iter()
        .filter(|pid| !spared.contains(pid))
        .collect()
}

fn list_children() -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<i32>>()
        })
        .filter_map(Pid::from_raw)
        .collect()
}
