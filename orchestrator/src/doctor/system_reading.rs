//! Reads /proc and /sys below a root folder, so that a test can supply its own folder. Some files
//! are read twice.

use orch_core::format::clean;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A root folder, values read from it at two moments, and whether anything could be read at all.
pub(crate) struct SystemReading {
    root: PathBuf,
    stat: [Option<String>; 2],
    processes: [BTreeMap<u32, ProcessStat>; 2],
    between: Duration,
    answered: Cell<bool>,
}

#[derive(Debug, Clone)]
struct ProcessStat {
    name: String,
    /// CPU time, of user and kernel.
    ticks: u64,
}

/// A process and its share of one CPU.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BusyProcess {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) share: f64,
}

/// A limit of a control group, and the file with the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupLimit {
    /// Path below the root, without the leading slash.
    pub(crate) file: String,
    pub(crate) text: String,
    /// Version 1 has the length of a period in a separate file.
    pub(crate) period: Option<String>,
}

impl SystemReading {
    /// Reads the files that are read twice. `pause` waits between the readings and returns the time
    /// that it took.
    pub(crate) fn take(root: &Path, pause: impl FnOnce() -> Duration) -> Self {
        let root = root.to_owned();
        let stat = || std::fs::read_to_string(root.join("proc/stat")).ok();
        let (stat_first, first) = (stat(), read_processes(&root));
        let between = pause();
        let (stat_later, later) = (stat(), read_processes(&root));
        Self {
            answered: Cell::new(stat_first.is_some()),
            stat: [stat_first, stat_later],
            processes: [first, later],
            between,
            root,
        }
    }

    /// Returns whether any file could be read so far.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.get()
    }

    /// Returns a file's text, or `None` if it cannot be read.
    pub(super) fn read_text(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.root.join(path)).ok();
        self.answered.set(self.answered.get() || text.is_some());
        text
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Returns the CPUs that this process may use, or the CPUs online if that is not stated.
    pub(super) fn usable_cpus(&self) -> Vec<usize> {
        let own = self.read_text("proc/self/status");
        let own = own.as_deref().and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        });
        let list = own
            .map(str::to_owned)
            .or_else(|| self.read_text("sys/devices/system/cpu/online"));
        parse_cpu_list(list.as_deref().unwrap_or_default())
    }

    /// Returns the trimmed text of a file of each given CPU, for the CPUs that have the file.
    pub(super) fn read_of_cpus(&self, cpus: &[usize], file: &str) -> Vec<(usize, String)> {
        let read = |cpu: usize| self.read_text(&format!("sys/devices/system/cpu/cpu{cpu}/{file}"));
        cpus.iter()
            .filter_map(|cpu| Some((*cpu, read(*cpu)?.trim().to_owned())))
            .collect()
    }

    /// Returns the two readings of /proc/stat.
    pub(super) fn stat(&self) -> [Option<&str>; 2] {
        self.stat.each_ref().map(Option::as_deref)
    }

    /// Returns the processes that used the CPUs between the readings, busiest first, without this
    /// process.
    pub(super) fn busy_processes(&self) -> Option<Vec<BusyProcess>> {
        let [first, later] = &self.processes;
        if later.is_empty() {
            return None;
        }
        let ticks = rustix::param::clock_ticks_per_second() as f64 * self.between.as_secs_f64();
        let mut found: Vec<BusyProcess> = later
            .iter()
            .filter(|(pid, _)| **pid != std::process::id())
            .filter_map(|(pid, process)| {
                // A process that is missing from the first reading began after it.
                let before = first.get(pid).map_or(0, |before| before.ticks);
                let share = process.ticks.saturating_sub(before) as f64 / ticks;
                (share > 0.0).then(|| BusyProcess {
                    pid: *pid,
                    name: process.name.clone(),
                    share,
                })
            })
            .collect();
        found.sort_by(|one, other| {
            other
                .share
                .total_cmp(&one.share)
                .then(one.pid.cmp(&other.pid))
        });
        Some(found)
    }

    /// Returns a limit of this process's control group and of all groups above it, the own group
    /// first. `unified` is the limit's file in version 2, `legacy` in version 1. Returns `None` if
    /// no such file of any group can be read.
    pub(super) fn cgroup_limits(
        &self,
        controller: &str,
        unified: &str,
        legacy: &str,
    ) -> Option<Vec<CgroupLimit>> {
        let groups = self.read_text("proc/self/cgroup")?;
        let mut found = Vec::new();
        let mut known = false;
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
                continue;
            };
            let (mounts, file) = match controllers {
                "" => (
                    vec![
                        "sys/fs/cgroup".to_owned(),
                        "sys/fs/cgroup/unified".to_owned(),
                    ],
                    unified,
                ),
                own if own.split(',').any(|name| name == controller) => (
                    vec![
                        format!("sys/fs/cgroup/{own}"),
                        format!("sys/fs/cgroup/{controller}"),
                    ],
                    legacy,
                ),
                _ => continue,
            };
            let mounts: Vec<String> = mounts
                .into_iter()
                .filter(|mount| self.exists(mount))
                .collect();
            // The outermost group of version 2 has no limits and no files for them.
            known |= !mounts.is_empty() && self.controls(&mounts, controllers, controller);
            if let Some(mount) = mounts.first() {
                found.extend(self.limits(mount, path, file));
            }
        }
        (known || !found.is_empty()).then_some(found)
    }

    fn controls(&self, mounts: &[String], controllers: &str, controller: &str) -> bool {
        let lists = |mount: &String| {
            self.read_text(&format!("{mount}/cgroup.controllers"))
                .is_some_and(|text| text.split_whitespace().any(|name| name == controller))
        };
        !controllers.is_empty() || mounts.iter().any(lists)
    }

    fn limits(&self, mount: &str, path: &str, file: &str) -> Vec<CgroupLimit> {
        let inside = Path::new(path.trim_start_matches('/'));
        // In a container, the path may be the host's path. The mount then begins at the container's
        // own group.
        inside
            .ancestors()
            .filter_map(|group| {
                let folder = Path::new(mount).join(group).display().to_string();
                let folder = folder.trim_end_matches('/');
                let text = self.read_text(&format!("{folder}/{file}"))?;
                let period = self.read_text(&format!("{folder}/cpu.cfs_period_us"));
                Some(CgroupLimit {
                    file: format!("{folder}/{file}"),
                    text: text.trim().to_owned(),
                    period,
                })
            })
            .collect()
    }
}

/// Returns all processes that can be read.
fn read_processes(root: &Path) -> BTreeMap<u32, ProcessStat> {
    let Ok(entries) = std::fs::read_dir(root.join("proc")) else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((
                pid,
                parse_process(&std::fs::read_to_string(entry.path().join("stat")).ok()?)?,
            ))
        })
        .collect()
}

/// Parses `PID (NAME) STATE ...`. The name may contain spaces and parentheses, so it ends at the
/// last parenthesis.
fn parse_process(stat: &str) -> Option<ProcessStat> {
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let field = |index: usize| rest.split_whitespace().nth(index)?.parse::<u64>().ok();
    Some(ProcessStat {
        name: clean::clean_code(name),
        ticks: field(11)? + field(12)?,
    })
}

/// Reads `0-3,8` as a list of numbers.
pub(super) fn parse_cpu_list(text: &str) -> Vec<usize> {
    let ends = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)),
        None => part.parse().ok().map(|only| (only, only)),
    };
    text.trim()
        .split(',')
        .filter_map(|part| ends(part.trim()))
        .flat_map(|(first, last)| first..=last)
        .collect()
}
