//! Memory: the source of pages and addresses, and the amount that is left.

use super::system_reading::CgroupLimit;
use super::{MachineCheck, MachineFinding};
use orch_core::format;

const HUGE_PAGES: MachineCheck = MachineCheck {
    name: "huge pages",
    why: "With `always` the kernel merges pages when it can, so the number of TLB misses of the \
        same code varies by chance.",
};
const ADDRESSES: MachineCheck = MachineCheck {
    name: "addresses",
    why: "Both workers of a pair get the same addresses; random addresses increase the scatter of \
        pairs up to 35 times.",
};
const SWAP: MachineCheck = MachineCheck {
    name: "swap",
    why: "A page that was swapped out is read back in the middle of a sample.",
};
const PRESSURE: MachineCheck = MachineCheck {
    name: "memory pressure",
    why: "Tasks stop while the kernel searches for memory.",
};
const LIMIT: MachineCheck = MachineCheck {
    name: "memory limit",
    why: "Near its limit a control group reclaims its own pages; at the limit, the kernel kills \
        a worker.",
};

/// Share of the last ten seconds that counts as pressure.
const PRESSED: f64 = 0.1;

pub(super) fn check_huge_pages(enabled: Option<&str>) -> MachineFinding {
    let chosen = enabled.and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0));
    match chosen {
        None => HUGE_PAGES.cannot_tell("not reported by the kernel"),
        Some("always") => HUGE_PAGES
            .attention("always")
            .with_fix("echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"),
        Some(mode) => HUGE_PAGES.ok(mode),
    }
}

/// Checks whether addresses are fixed. `fixed` states whether a worker can run without random
/// addresses.
pub(super) fn check_addresses(randomize: Option<&str>, fixed: Option<bool>) -> MachineFinding {
    match (randomize, fixed) {
        (Some("0"), _) => ADDRESSES.ok("not random on this system"),
        (_, Some(true)) => ADDRESSES.ok("random, but not for workers"),
        // Containers often filter this system call.
        (_, Some(false)) => ADDRESSES
            .attention("random, and the system does not let workers disable that")
            .with_fix("docker run --security-opt seccomp=unconfined ..."),
        (_, None) => ADDRESSES.cannot_tell("/proc does not show the kernel's setting"),
    }
}

pub(super) fn check_swap(swaps: Option<&str>) -> MachineFinding {
    let Some(swaps) = swaps else {
        return SWAP.cannot_tell("/proc/swaps cannot be read");
    };
    // The columns are filename, type, size, used and priority, with sizes in KiB.
    let column = |line: &str, index: usize| line.split_whitespace().nth(index)?.parse::<f64>().ok();
    let sum = |index: usize| {
        swaps
            .lines()
            .skip(1)
            .filter_map(|line| column(line, index))
            .sum::<f64>()
    };
    let (size, used) = (sum(2), sum(3));
    let shown = |kib: f64| format::bytes(kib * 1024.0);
    match (size, used) {
        (0.0, _) => SWAP.ok("none"),
        (_, 0.0) => SWAP.ok(format!("{}, unused", shown(size))),
        _ => SWAP
            .attention(format!("{} of {} in use", shown(used), shown(size)))
            .with_fix("sudo swapoff -a"),
    }
}

pub(super) fn check_pressure(text: Option<&str>) -> MachineFinding {
    let Some(text) = text else {
        return PRESSURE.cannot_tell("the kernel does not record it (boot it with psi=1)");
    };
    let average = text
        .lines()
        .find_map(|line| line.strip_prefix("some "))
        .and_then(|line| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix("avg10="))
        })
        .and_then(|number| number.parse::<f64>().ok());
    match average {
        None => PRESSURE.cannot_tell("/proc/pressure/memory has no such line"),
        Some(share) => {
            let value = format!("tasks waited for {share:.2} % of the last 10 s");
            if share > PRESSED {
                PRESSURE.attention(value)
            } else {
                PRESSURE.ok(value)
            }
        }
    }
}

pub(super) fn check_limit(
    groups: &Option<Vec<CgroupLimit>>,
    meminfo: Option<&str>,
) -> MachineFinding {
    let Some(groups) = groups else {
        return LIMIT.cannot_tell("the control group's files cannot be read");
    };
    let total = meminfo
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("MemTotal:")))
        .and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let Some(total) = total else {
        return LIMIT.cannot_tell("/proc/meminfo cannot be read");
    };
    let total = total * 1024;
    // The absence of a limit is a word in version 2 and a very large number in version 1.
    let bytes = |limit: &CgroupLimit| {
        limit
            .text
            .parse::<u64>()
            .ok()
            .filter(|bytes| *bytes < total)
    };
    let smallest = groups
        .iter()
        .filter_map(|limit| Some((bytes(limit)?, limit)))
        .min_by_key(|(bytes, _)| *bytes);
    match smallest {
        None => LIMIT.ok(format!(
            "none below the machine's {}",
            format::bytes(total as f64)
        )),
        Some((bytes, limit)) => {
            let none = if limit.file.ends_with("memory.max") {
                "max"
            } else {
                "-1"
            };
            LIMIT
                .attention(format!(
                    "{}, set by /{}",
                    format::bytes(bytes as f64),
                    limit.file
                ))
                .with_fix(format!("echo {none} | sudo tee /{}", limit.file))
        }
    }
}
