//! Finding and ending what a plugin left behind: its process group, and orphans that came to orch.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Children that are none of a plugin's: those of a shell that became orch, and what builds left in
/// the background.
static SPARED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A process that was killed is gone within this time, or is stuck in the kernel.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes orch the parent of orphans below it, so that a plugin's daemons come to us and not to
/// init. To be called before the first worker is started.
pub(crate) fn become_subreaper() -> std::io::Result<()> {
    spare_present();
    // SAFETY: prctl with this option only sets a flag of the calling process.
    match unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Leaves the children that orch has now alone for ever. To be called while no worker is running.
pub(crate) fn spare_present() {
    SPARED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(children());
}

/// Ends all processes of a dead worker: its group, and orphans. Returns how many of those there
/// were.
pub(crate) fn kill_leftovers(group: Pid) -> usize {
    // The group's leader is dead and reaped; the call fails if nobody else is in it.
    let _ = kill_process_group(group, Signal::KILL);
    let mut ended = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = adopted();
        if left.is_empty() || Instant::now() > deadline {
            return ended.len();
        }
        for pid in left {
            let gone = waitpid(Some(pid), WaitOptions::NOHANG).ok().flatten();
            // One that ended by itself was only waiting to be noticed.
            let by_itself = gone.is_some_and(|(_, status)| {
                status.terminating_signal() != Some(Signal::KILL.as_raw())
            });
            if !by_itself && !ended.contains(&pid) {
                ended.push(pid);
            }
            // The number of one that was waited for may be another process's by now.
            if gone.is_none() {
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Our children but those that are spared. While measuring, orch starts nothing but workers, and a
/// worker's own end is waited for before this is asked: what is left came from plugins, whatever
/// its environment says.
fn adopted() -> Vec<Pid> {
    let spared = SPARED.lock().unwrap_or_else(PoisonError::into_inner);
    children()
        .into_iter()
        .filter(|pid| !spared.contains(pid))
        .collect()
}

fn children() -> Vec<Pid> {
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
