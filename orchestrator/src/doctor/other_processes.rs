//! Competition for the CPUs: load, busy processes, the host, another orch, and limits on the own
//! share.

use super::system_reading::{BusyProcess, CgroupLimit};
use super::{MachineCheck, MachineFinding};
use crate::machine::CpuTimes;
use orch_core::format;

const LOAD: MachineCheck = MachineCheck {
    name: "load",
    why: "Other running tasks take CPU time, caches and memory bandwidth.",
};
const BUSY: MachineCheck = MachineCheck {
    name: "busy processes",
    why: "They disturb pairs; end them or wait.",
};
const STEAL: MachineCheck = MachineCheck {
    name: "steal",
    why: "The host took CPU time away; the affected samples are too long.",
};
const LOCK: MachineCheck = MachineCheck {
    name: "measuring lock",
    why: "The process that measures is alone; others wait until the lock is free.",
};
const PRIORITY: MachineCheck = MachineCheck {
    name: "priority",
    why: "Workers inherit it: a worker with a high nice value waits for every other task.",
};
const QUOTA: MachineCheck = MachineCheck {
    name: "CPU quota",
    why: "When the quota is used up, all processes stop until the next period begins.",
};

/// Waiting and running tasks per CPU above which they are likely to disturb a worker.
const LOADED: f64 = 0.25;
/// Share of one CPU below which a process is normal background.
const NOTABLE: f64 = 0.05;
/// Number of processes that are named.
const NAMED: usize = 3;
/// Share of stolen time above which several samples of a pair are affected.
const STOLEN: f64 = 0.005;

pub(super) fn check_load(loadavg: Option<&str>, cpus: usize) -> MachineFinding {
    let minute = loadavg.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    let Some(minute) = minute else {
        return LOAD.cannot_tell("/proc/loadavg cannot be read");
    };
    let value = format!(
        "{minute:.2} in the last minute, on {}",
        format::counted(cpus, "usable CPU")
    );
    if minute > LOADED * cpus.max(1) as f64 {
        LOAD.attention(value)
    } else {
        LOAD.ok(value)
    }
}

pub(super) fn check_busy(processes: &Option<Vec<BusyProcess>>) -> MachineFinding {
    let Some(processes) = processes else {
        return BUSY.cannot_tell("/proc shows no processes");
    };
    let notable: Vec<&BusyProcess> = processes
        .iter()
        .filter(|process| process.share >= NOTABLE)
        .collect();
    let shown = |process: &&BusyProcess| {
        format!(
            "{} ({}) {:.0} %",
            process.name,
            process.pid,
            100.0 * process.share
        )
    };
    match notable.len() {
        0 => BUSY.ok(format!("none has {:.0} % of a CPU", 100.0 * NOTABLE)),
        count => {
            let mut named: Vec<String> = notable.iter().take(NAMED).map(shown).collect();
            if count > NAMED {
                named.push(format!("{} more", count - NAMED));
            }
            let pids: Vec<String> = notable
                .iter()
                .take(NAMED)
                .map(|process| process.pid.to_string())
                .collect();
            BUSY.attention(named.join(", ")).with_fix(format!(
                "ps -o pid,ppid,user,etime,args -p {}",
                pids.join(",")
            ))
        }
    }
}

pub(super) fn check_steal(stat: [Option<&str>; 2]) -> MachineFinding {
    let [Some(first), Some(later)] = stat.map(|text| text.and_then(CpuTimes::parse)) else {
        return STEAL.cannot_tell("/proc/stat cannot be read");
    };
    let now = later.stolen_since(first);
    let ever = later.stolen_since(CpuTimes::default());
    let value = format!(
        "{:.2} % during this check, {:.2} % since boot",
        100.0 * now,
        100.0 * ever
    );
    // One second of observation may fall between two active times of a neighbour.
    if now > STOLEN || ever > STOLEN {
        STEAL.attention(value)
    } else {
        STEAL.ok(value)
    }
}

pub(super) fn check_lock(taken: Option<bool>) -> MachineFinding {
    match taken {
        None => LOCK.cannot_tell("the lock file cannot be opened"),
        Some(true) => LOCK.attention("another orch is measuring or building"),
        Some(false) => LOCK.ok("free"),
    }
}

pub(super) fn check_priority(own_stat: Option<&str>) -> MachineFinding {
    let nice = own_stat
        .and_then(|stat| stat.rsplit_once(')'))
        .and_then(|(_, rest)| rest.split_whitespace().nth(16)?.parse::<i32>().ok());
    match nice {
        None => PRIORITY.cannot_tell("/proc/self/stat cannot be read"),
        Some(nice) if nice > 0 => PRIORITY
            .attention(format!("nice {nice}"))
            .with_fix("sudo renice -n 0 -p $$"),
        Some(nice) => PRIORITY.ok(format!("nice {nice}")),
    }
}

pub(super) fn check_quota(groups: &Option<Vec<CgroupLimit>>) -> MachineFinding {
    let Some(groups) = groups else {
        return QUOTA.cannot_tell("the control group's files cannot be read");
    };
    let smallest = groups
        .iter()
        .filter_map(|limit| Some((cpus(limit)?, limit)))
        .min_by(|(one, _), (other, _)| one.total_cmp(other));
    match smallest {
        None => QUOTA.ok("none"),
        Some((cpus, limit)) => {
            let found = QUOTA.attention(format!(
                "{} CPUs, set by /{}",
                format::number(cpus),
                limit.file
            ));
            let none = if limit.file.ends_with("cpu.max") {
                "max"
            } else {
                "-1"
            };
            found.with_fix(format!("echo {none} | sudo tee /{}", limit.file))
        }
    }
}

/// Returns the CPUs that a limit allows. The limit is `QUOTA PERIOD` in version 2; in version 1 it
/// is the quota alone, which is negative if there is no limit.
fn cpus(limit: &CgroupLimit) -> Option<f64> {
    let mut words = limit.text.split_whitespace();
    let quota: f64 = words.next()?.parse().ok()?;
    let period: f64 = words
        .next()
        .or(limit.period.as_deref().map(str::trim))?
        .parse()
        .ok()?;
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}
