//! Owns the load of the machine while orch measured: the CPU time that other programs and the host
//! took.

use super::CpuTimes;
use orch_core::format;
use serde::{Deserialize, Serialize};
use std::fs;

/// Share of other programs above which times get a warning.
const BUSY: f64 = 0.05;
/// Share of the host above which times get a warning.
const STOLEN: f64 = 0.005;
/// Fewest ticks from which a share is computed, because a tick is coarse.
const FEWEST_TICKS: u64 = 10;

/// The CPUs' time up to a moment, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoadReading {
    cpus: CpuTimes,
    /// Ticks of orch itself and of the workers that have ended.
    own: u64,
}

/// Shares of the time of all CPUs while orch measured; 0.1 is 10 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct MachineLoad {
    /// Share of programs other than orch and its workers.
    pub(crate) others: f64,
    /// Share that the host gave to other machines.
    pub(crate) steal: f64,
}

impl LoadReading {
    /// Takes a reading, or returns `None` if the system does not report the times.
    pub(crate) fn read() -> Option<Self> {
        Self::parse(
            &fs::read_to_string("/proc/stat").ok()?,
            &fs::read_to_string("/proc/self/stat").ok()?,
        )
    }

    /// Parses a reading. `own` is /proc/self/stat, which holds user and system time of the process
    /// and of its children after the name.
    fn parse(stat: &str, own: &str) -> Option<Self> {
        let (_, fields) = own.rsplit_once(')')?;
        let ticks: Vec<u64> = fields
            .split_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|text| text.parse().ok())
            .collect();
        (ticks.len() == 4).then_some(())?;
        Some(Self {
            cpus: CpuTimes::parse(stat)?,
            own: ticks.iter().sum(),
        })
    }
}

impl MachineLoad {
    /// Returns the load between two readings.
    pub(crate) fn between(earlier: LoadReading, later: LoadReading) -> Self {
        let (before, after) = (earlier.cpus, later.cpus);
        let all = after.all.saturating_sub(before.all).max(1) as f64;
        let busy = after.busy.saturating_sub(before.busy);
        let others = busy.saturating_sub(later.own.saturating_sub(earlier.own));
        let stolen = after.stolen.saturating_sub(before.stolen);
        let share = |ticks: u64| {
            if ticks < FEWEST_TICKS {
                0.0
            } else {
                ticks as f64 / all
            }
        };
        Self {
            others: share(others),
            steal: share(stolen),
        }
    }

    /// Returns a message with the shares if the machine was busy.
    pub(crate) fn message(&self) -> Option<String> {
        let others = format!(
            "other programs used {} of the CPUs' time while orch measured",
            format::percent(self.others)
        );
        let steal = format!(
            "the host took {} of the CPUs' time (steal)",
            format::percent(self.steal)
        );
        let what = match (self.others > BUSY, self.steal > STOLEN) {
            (false, false) => return None,
            (true, false) => others,
            (false, true) => steal,
            (true, true) => format!("{others}, and {steal}"),
        };
        Some(format!(
            "busy machine: {what}; `orch doctor` lists the other programs"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a reading with ticks of user, system, idle and steal, and orch's own ticks.
    fn reading([user, system, idle, steal]: [u64; 4], own: u64) -> LoadReading {
        let stat =
            format!("cpu  {user} 0 {system} {idle} 5 0 0 {steal} 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n");
        let own = format!("77 (a name) with) S 1 1 1 0 -1 0 9 9 9 9 {own} 0 0 0 20 0 1 0 5 5 5");
        LoadReading::parse(&stat, &own).unwrap()
    }

    fn load(now: [u64; 4], own: u64) -> MachineLoad {
        MachineLoad::between(reading([1000, 100, 5000, 7], 300), reading(now, 300 + own))
    }

    #[test]
    fn load_of_others_is_busy_time_without_orch() {
        let alone = load([1100, 100, 5100, 7], 100);
        assert_eq!(
            alone,
            MachineLoad {
                others: 0.0,
                steal: 0.0
            }
        );
        assert_eq!(alone.message(), None);
        let shared = load([1200, 150, 5050, 7], 100);
        assert_eq!(
            shared,
            MachineLoad {
                others: 0.5,
                steal: 0.0
            }
        );
        let expected = "busy machine: other programs used 50 % of the CPUs' time while orch \
            measured; `orch doctor` lists the other programs";
        assert_eq!(shared.message().as_deref(), Some(expected));
    }

    #[test]
    fn steal_belongs_to_the_host() {
        let stolen = load([1100, 100, 5080, 27], 100);
        assert_eq!(
            stolen,
            MachineLoad {
                others: 0.0,
                steal: 0.1
            }
        );
        assert!(
            stolen
                .message()
                .unwrap()
                .contains("the host took 10 % of the CPUs' time (steal)")
        );
        let both = load([1200, 100, 5080, 27], 100).message().unwrap();
        assert!(
            both.contains("other programs used 33 %") && both.contains("steal"),
            "{both}"
        );
    }

    #[test]
    fn single_ticks_are_no_share() {
        assert_eq!(
            load([1105, 100, 5000, 9], 100),
            MachineLoad {
                others: 0.0,
                steal: 0.0
            }
        );
        assert_eq!(
            load([1000, 100, 5000, 7], 0),
            MachineLoad {
                others: 0.0,
                steal: 0.0
            }
        );
        assert_eq!(LoadReading::parse("cpu 1 2", "77 (x) S 1"), None);
    }
}
