//! Finding and ending what a plugin left behind: only processes that carry the run's mark in their environment.

use crate::worker::MARK;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use std::time::{Duration, Instant};

/// A process that was killed is gone within this time, or is stuck in the kernel.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes orch the parent of orphans below it, so that a plugin's daemons come to us and not to init.
pub(crate) fn become_subreaper() -> std::io::Result<()> {
    // SAFETY: prctl with this option only sets a flag of the calling process.
    match unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Ends all processes of a dead worker: its group, and adopted descendants that carry `mark`. Returns how many there
/// were.
pub(crate) fn sweep(group: Pid, mark: &str) -> usize {
    // The group's leader is dead and reaped; the call fails if nobody else is in it.
    let _ = kill_process_group(group, Signal::KILL);
    let mut ended = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = adopted(mark);
        if left.is_empty() || Instant::now() > deadline {
            return ended.len();
        }
        for pid in left {
            if !ended.contains(&pid) {
                ended.push(pid);
            }
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Our children that carry the mark.
fn adopted(mark: &str) -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
        .filter_map(Pid::from_raw)
        .filter(|pid| is_marked(*pid, mark))
        .collect()
}

fn is_marked(pid: Pid, mark: &str) -> bool {
    let entry = format!("{MARK}={mark}");
    match std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())) {
        Ok(environment) if !environment.is_empty() => {
            environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
        }
        // A zombie has no environment left; as our child it can only be reaped, which harms nobody.
        _ => {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            false
        }
    }
}
