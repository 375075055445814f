//! The kernel: its counters, its means to confine a plugin, and its handling of a crash.

use super::{MachineCheck, MachineFinding};
use orch_core::worker::sandbox::SandboxSupport;

const PERF: MachineCheck = MachineCheck {
    name: "perf events",
    why: "orch does not read hardware counters yet; `perf stat` beside it needs them.",
};
const LANDLOCK: MachineCheck = MachineCheck {
    name: "landlock",
    why: "The sandbox uses it to keep plugins away from files and other processes; no figure \
        depends on it.",
};
const SECCOMP: MachineCheck = MachineCheck {
    name: "seccomp",
    why: "The sandbox uses it to keep plugins away from the network; no figure depends on it.",
};
const CORE_DUMPS: MachineCheck = MachineCheck {
    name: "core dumps",
    why: "Workers write no core dumps, but a program that receives them starts anyway, and is busy \
        while other jobs are measured.",
};

/// Highest level at which a user may count events of the user's own processes.
const OWN_PROCESSES: i32 = 2;

pub(super) fn check_perf(
    paranoid: Option<&str>,
    hardware: bool,
    virtual_machine: bool,
) -> MachineFinding {
    if virtual_machine && !hardware {
        return PERF.ok("n/a: this virtual machine has no hardware counters");
    }
    match paranoid.map(|level| level.parse::<i32>()) {
        None => PERF.attention("this kernel has none"),
        Some(Err(_)) => PERF.cannot_tell("perf_event_paranoid is not a number"),
        Some(Ok(level)) if level > OWN_PROCESSES => PERF
            .attention(format!("perf_event_paranoid {level}"))
            .with_fix(format!(
                "sudo sysctl kernel.perf_event_paranoid={OWN_PROCESSES}"
            )),
        Some(Ok(level)) => PERF.ok(format!("perf_event_paranoid {level}")),
    }
}

pub(super) fn check_landlock(offered: SandboxSupport) -> MachineFinding {
    let missing = offered.missing_of_landlock();
    match offered.landlock {
        None => LANDLOCK.attention("none: plugins can read and write all of your files"),
        Some(version) if missing.is_empty() => LANDLOCK.ok(format!("version {version}")),
        Some(version) => LANDLOCK.attention(format!("version {version}: {}", missing.join("; "))),
    }
}

pub(super) fn check_seccomp(offered: SandboxSupport) -> MachineFinding {
    if offered.seccomp {
        SECCOMP.ok("filters available")
    } else {
        SECCOMP.attention("no filters: plugins can use the network and all system calls")
    }
}

/// Checks whether the kernel pipes core files to a program. Workers set their limit of core files
/// to 0, which applies to files but not to pipes.
pub(super) fn check_core_dumps(pattern: Option<&str>) -> MachineFinding {
    match pattern.map(str::trim) {
        None => CORE_DUMPS.cannot_tell("/proc/sys/kernel/core_pattern cannot be read"),
        Some(pattern) if pattern.starts_with('|') => {
            let program = pattern.split_whitespace().next().unwrap_or(pattern);
            CORE_DUMPS
                .attention(format!("piped to a program: {program}"))
                .with_fix("sudo sysctl kernel.core_pattern=core")
        }
        Some(pattern) => CORE_DUMPS.ok(format!(
            "written to files (`{pattern}`); workers disable them"
        )),
    }
}
