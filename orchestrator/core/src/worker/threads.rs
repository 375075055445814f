//! Assignment of the worker's threads to CPUs.

use rustix::thread::{CpuSet, Pid, sched_setaffinity};
use std::io;

/// Pins the process to its CPUs, before any thread pool counts them.
pub(super) fn pin_process(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    Ok(sched_setaffinity(None, &cpu_set(cpus))?)
}

/// Gives each of the plugin's threads its own CPU if there are as many threads as CPUs, with or
/// without the driver. The kernel may leave a new thread beside its creator for longer than a whole
/// process of orch lasts. Products on two threads were then measured at the speed of one in about
/// half of the processes.
pub(super) fn spread_threads(cpus: &[usize]) {
    if cpus.len() < 2 {
        return;
    }
    let mut threads: Vec<i32> = std::fs::read_dir("/proc/self/task")
        .map(|entries| {
            entries
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .collect()
        })
        .unwrap_or_default();
    // Threads are sorted in the order of their creation, so the driver is first.
    threads.sort_unstable();
    let own = match threads.len().checked_sub(cpus.len()) {
        Some(0) => &threads[..],
        Some(1) => &threads[1..],
        _ => return,
    };
    for (thread, cpu) in own.iter().zip(cpus) {
        // A thread that has ended in the meantime needs no CPU.
        let _ = sched_setaffinity(Pid::from_raw(*thread), &cpu_set(&[*cpu]));
    }
}

fn cpu_set(cpus: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    set
}
