//! The CPU: its speed, the sharing of its cores below the system, and the clock.

use super::system_reading::parse_cpu_list;
use super::{MachineCheck, MachineFinding};
use orch_core::format;
use std::time::Duration;

const GOVERNOR: MachineCheck = MachineCheck {
    name: "governor",
    why: "A clock rate that follows the load makes the same code slower after a pause.",
};
const TURBO: MachineCheck = MachineCheck {
    name: "turbo",
    why: "Turbo depends on heat and on the other cores, so the speed depends on more than the \
        code.",
};
const SIBLINGS: MachineCheck = MachineCheck {
    name: "SMT siblings",
    why: "Two usable CPUs of one core share its units and caches: work on one slows down the \
        other.",
};
const HYPERVISOR: MachineCheck = MachineCheck {
    name: "hypervisor",
    why: "Other virtual machines on the host share caches and memory, and cannot be seen from \
        here.",
};
const CLOCK_SOURCE: MachineCheck = MachineCheck {
    name: "clock source",
    why: "Every other clock source costs a system call per reading.",
};
const TIMER: MachineCheck = MachineCheck {
    name: "timer",
    why: "A sample has to be much longer than one step and one reading of the clock.",
};

/// Resolution above which a clock makes samples of 1 ms uncertain by 0.1 %.
const COARSE: Duration = Duration::from_micros(1);
/// Time of a reading above which the clock makes a system call. Without one, a reading takes about
/// 20 ns.
const SLOW: Duration = Duration::from_nanos(200);

/// Returns whether /proc/cpuinfo belongs to a virtual machine.
pub(super) fn is_virtual(info: &str) -> bool {
    let flags = info
        .lines()
        .find(|line| line.starts_with("flags"))
        .unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == "hypervisor")
}

pub(super) fn check_governor(
    governors: &[(usize, String)],
    virtual_machine: bool,
) -> MachineFinding {
    let mut names: Vec<&str> = governors.iter().map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match names[..] {
        [] => GOVERNOR.cannot_tell(explain_unseen(virtual_machine)),
        ["performance"] => GOVERNOR.ok("performance"),
        _ => GOVERNOR.attention(names.join(", ")).with_fix(
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        ),
    }
}

fn explain_unseen(virtual_machine: bool) -> &'static str {
    if virtual_machine {
        "decided by the host, and not reported"
    } else {
        "not reported by the kernel"
    }
}

/// Checks whether the boost of the clock rate is off. `no_turbo` of Intel's driver has the opposite
/// meaning of `boost` of other drivers.
pub(super) fn check_turbo(
    no_turbo: Option<&str>,
    boost: Option<&str>,
    virtual_machine: bool,
) -> MachineFinding {
    let tee =
        |value: u8, file: &str| format!("echo {value} | sudo tee /sys/devices/system/cpu/{file}");
    match (no_turbo, boost) {
        (Some("1"), _) | (None, Some("0")) => TURBO.ok("off"),
        (Some(_), _) => TURBO
            .attention("on")
            .with_fix(tee(1, "intel_pstate/no_turbo")),
        (None, Some(_)) => TURBO.attention("on").with_fix(tee(0, "cpufreq/boost")),
        (None, None) => TURBO.cannot_tell(explain_unseen(virtual_machine)),
    }
}

pub(super) fn check_siblings(
    lists: &[(usize, String)],
    usable: &[usize],
    virtual_machine: bool,
) -> MachineFinding {
    if lists.is_empty() {
        return SIBLINGS.cannot_tell("the kernel does not report which CPUs share a core");
    }
    let own = |list: &str| {
        parse_cpu_list(list)
            .into_iter()
            .filter(|cpu| usable.contains(cpu))
            .collect::<Vec<usize>>()
    };
    let mut cores: Vec<Vec<usize>> = lists
        .iter()
        .map(|(_, list)| own(list))
        .filter(|core| core.len() > 1)
        .collect();
    cores.sort();
    cores.dedup();
    let shown = |core: &Vec<usize>| {
        core.iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join("+")
    };
    match cores.len() {
        // Most hypervisors show threads of the host's cores as separate cores.
        0 if virtual_machine => {
            SIBLINGS.cannot_tell("none visible, but a hypervisor may hide them")
        }
        0 => SIBLINGS.ok(format!("none among {} usable CPUs", usable.len())),
        count => {
            let shown: Vec<String> = cores.iter().take(4).map(shown).collect();
            let more = if count > 4 {
                format!(" and {} more", count - 4)
            } else {
                String::new()
            };
            let value = format!("{}{more}", shown.join(", "));
            SIBLINGS
                .attention(value)
                .with_fix("echo off | sudo tee /sys/devices/system/cpu/smt/control")
        }
    }
}

/// Checks for a hypervisor. `name` is the name that the CPU reports for it.
pub(super) fn check_hypervisor(info: Option<&str>, name: Option<&str>) -> MachineFinding {
    match info {
        None => HYPERVISOR.cannot_tell("/proc/cpuinfo cannot be read"),
        Some(info) if is_virtual(info) => HYPERVISOR.attention(name.unwrap_or("unknown")),
        Some(_) => HYPERVISOR.ok("none"),
    }
}

pub(super) fn check_clock_source(current: Option<&str>, available: Option<&str>) -> MachineFinding {
    const COUNTERS: [&str; 2] = ["tsc", "arch_sys_counter"];
    let Some(current) = current else {
        return CLOCK_SOURCE.cannot_tell("not reported by the kernel");
    };
    if COUNTERS.contains(&current) {
        return CLOCK_SOURCE.ok(current);
    }
    let found = CLOCK_SOURCE.attention(current);
    let better = |name: &&&str| {
        available.is_some_and(|all| all.split_whitespace().any(|word| word == **name))
    };
    match COUNTERS.iter().find(better) {
        Some(name) => found.with_fix(format!(
            "echo {name} | sudo tee /{}/current_clocksource",
            super::CLOCK_SOURCES
        )),
        None => found,
    }
}

pub(super) fn check_timer(resolution: Duration, overhead: Duration) -> MachineFinding {
    let shown = |time: Duration| format::time(time.as_nanos() as f64);
    let value = format!(
        "steps of {}, a reading takes {}",
        shown(resolution),
        shown(overhead)
    );
    if resolution > COARSE || overhead > SLOW {
        TIMER.attention(value)
    } else {
        TIMER.ok(value)
    }
}
