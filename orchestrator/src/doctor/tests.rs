//! Tests that produce each finding with a root folder of their own, once in the good state and once
//! in the bad state.

use super::system_reading::SystemReading;
use super::{CacheFacts, FindingState, MachineFinding, SystemFacts, examine_machine};
use crate::git::{GitKind, GitState};
use orch_core::worker::sandbox::SandboxSupport;

use std::time::Duration;

/// A machine on which every finding is ok.
struct FixtureMachine {
    root: tempfile::TempDir,
    facts: SystemFacts,
    /// Files that change between the two readings, with the time between the readings.
    later: Vec<(&'static str, String)>,
    between: Duration,
}

const ONLINE: &str = "sys/devices/system/cpu";
const CPUINFO: &str = "proc/cpuinfo";
const STAT: &str = "proc/stat";
const BARE: &str = "processor : 0\nflags : fpu tsc avx2\n";
const VIRTUAL: &str = "processor : 0\nflags : fpu tsc hypervisor\n";

/// Returns the stat file of a process with fields 14, 15 and 19: its ticks and its priority.
fn process(name: &str, user: u64, system: u64, nice: i32) -> String {
    format!("1 ({name}) S 0 1 1 0 -1 4194560 0 0 0 0 {user} {system} 0 0 20 {nice} 1 0 1")
}

impl FixtureMachine {
    fn new() -> Self {
        let world = Self {
            root: tempfile::tempdir().expect("a folder"),
            facts: facts(),
            later: Vec::new(),
            between: Duration::from_secs(1),
        };
        world
            .has(CPUINFO, BARE)
            .has(
                STAT,
                "cpu  100 0 50 800 0 0 0 0 0 0\ncpu0 100 0 50 800 0 0 0 0 0 0\n",
            )
            .has("proc/self/status", "Name:\torch\nCpus_allowed_list:\t0-1\n")
            .has("proc/self/stat", process("orch", 0, 0, 0))
            .has("proc/self/cgroup", "0::/user/shell\n")
            .has("proc/7/stat", process("sleeper", 10, 10, 0))
            .has("proc/loadavg", "0.10 0.20 0.30 1/100 7\n")
            .has(
                "proc/meminfo",
                "MemTotal:       16000000 kB\nMemFree: 1 kB\n",
            )
            .has("proc/swaps", "Filename Type Size Used Priority\n")
            .has(
                "proc/pressure/memory",
                "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00\n",
            )
            .has("proc/sys/kernel/randomize_va_space", "2\n")
            .has("proc/sys/kernel/perf_event_paranoid", "2\n")
            .has("proc/sys/kernel/core_pattern", "core\n")
            .has(
                "sys/kernel/mm/transparent_hugepage/enabled",
                "always [madvise] never\n",
            )
            .has(
                "sys/fs/cgroup/cgroup.controllers",
                "cpuset cpu io memory pids\n",
            )
            .has("sys/fs/cgroup/user/shell/cpu.max", "max 100000\n")
            .has("sys/fs/cgroup/user/memory.max", "max\n")
            .has(
                &format!("{}/current_clocksource", super::CLOCK_SOURCES),
                "tsc\n",
            )
            .has(
                &format!("{}/available_clocksource", super::CLOCK_SOURCES),
                "tsc hpet\n",
            )
            .has(&format!("{ONLINE}/intel_pstate/no_turbo"), "1\n")
            .cpus("cpufreq/scaling_governor", ["performance\n"; 2])
            .cpus("topology/thread_siblings_list", ["0\n", "1\n"])
    }

    fn has(self, path: &str, text: impl AsRef<str>) -> Self {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("made");
        std::fs::write(path, text.as_ref()).expect("written");
        self
    }

    fn cpus(self, file: &str, texts: [&str; 2]) -> Self {
        let path = |cpu: usize| format!("{ONLINE}/cpu{cpu}/{file}");
        self.has(&path(0), texts[0]).has(&path(1), texts[1])
    }

    fn lacks(self, path: &str) -> Self {
        let path = self.root.path().join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        }
        .expect("was there");
        self
    }

    fn then(mut self, path: &'static str, text: impl Into<String>) -> Self {
        self.later.push((path, text.into()));
        self
    }

    fn says(mut self, change: impl FnOnce(&mut SystemFacts)) -> Self {
        change(&mut self.facts);
        self
    }

    fn reading(&self) -> SystemReading {
        SystemReading::take(self.root.path(), || {
            for (path, text) in &self.later {
                std::fs::write(self.root.path().join(path), text).expect("written");
            }
            self.between
        })
    }

    fn findings(&self) -> Vec<MachineFinding> {
        examine_machine(&self.reading(), &self.facts)
    }

    fn finding(&self, check: &str) -> MachineFinding {
        let found: Vec<MachineFinding> = self
            .findings()
            .into_iter()
            .filter(|finding| finding.check == check)
            .collect();
        assert_eq!(found.len(), 1, "{check}");
        found[0].clone()
    }
}

fn git(state: GitKind) -> GitState {
    GitState {
        state,
        commit: Some("0123456789abcdef".to_owned()),
        branch: None,
        dirty: false,
        diff_hash: None,
        committed: None,
        subject: None,
        message: None,
    }
}

fn facts() -> SystemFacts {
    let tool = |name: &str| Some(format!("{name} 1.89.0"));
    SystemFacts {
        hypervisor: None,
        fixed_addresses: Some(true),
        sandbox: SandboxSupport {
            landlock: Some(7),
            seccomp: true,
        },
        resolution: Duration::from_nanos(20),
        overhead: Duration::from_nanos(25),
        measuring: Some(false),
        git: git(GitKind::Commit),
        root: "/home/x/project".into(),
        rustc: tool("rustc"),
        cargo: tool("cargo"),
        cc: tool("cc"),
        valgrind: tool("valgrind"),
        pinned: Some("/home/x/project/rust-toolchain.toml".into()),
        cache: CacheFacts {
            folder: Some("/home/x/.cache/orch".into()),
            free_bytes: Some(50 << 30),
            bytes: Some(1 << 20),
        },
        bisects: Vec::new(),
        journals: Vec::new(),
    }
}

type MachineChange = fn(FixtureMachine) -> FixtureMachine;

/// A check in the good and in the bad state, each with a part of the expected value.
struct CheckCase {
    check: &'static str,
    ok: (MachineChange, &'static str),
    attention: (MachineChange, &'static str),
    /// Part of the remedy; `None` if no command helps.
    fix: Option<&'static str>,
}

const fn case(
    check: &'static str,
    ok: (MachineChange, &'static str),
    attention: (MachineChange, &'static str),
    fix: Option<&'static str>,
) -> CheckCase {
    CheckCase {
        check,
        ok,
        attention,
        fix,
    }
}

const CASES: [CheckCase; 32] = [
    case(
        "governor",
        (|w| w, "performance"),
        (
            |w| w.cpus("cpufreq/scaling_governor", ["performance", "powersave"]),
            "performance, powersave",
        ),
        Some("scaling_governor"),
    ),
    case(
        "turbo",
        (
            |w| {
                w.lacks("sys/devices/system/cpu/intel_pstate")
                    .has("sys/devices/system/cpu/cpufreq/boost", "0\n")
            },
            "off",
        ),
        (
            |w| w.has("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n"),
            "on",
        ),
        Some("echo 1 | sudo tee"),
    ),
    case(
        "SMT siblings",
        (
            |w| w.cpus("topology/thread_siblings_list", ["0,2", "1,3"]),
            "none among 2",
        ),
        (
            |w| w.cpus("topology/thread_siblings_list", ["0-1", "0-1"]),
            "0+1",
        ),
        Some("smt/control"),
    ),
    case(
        "hypervisor",
        (|w| w, "none"),
        (
            |w| {
                w.has(CPUINFO, VIRTUAL)
                    .says(|facts| facts.hypervisor = Some("KVM".to_owned()))
            },
            "KVM",
        ),
        None,
    ),
    case(
        "clock source",
        (|w| w, "tsc"),
        (
            |w| {
                w.has(
                    "sys/devices/system/clocksource/clocksource0/current_clocksource",
                    "hpet\n",
                )
            },
            "hpet",
        ),
        Some("echo tsc"),
    ),
    case(
        "timer",
        (|w| w, "steps of 20 ns"),
        (
            |w| w.says(|facts| facts.overhead = Duration::from_nanos(900)),
            "a reading takes 900 ns",
        ),
        None,
    ),
    case(
        "load",
        (|w| w, "0.10"),
        (
            |w| w.has("proc/loadavg", "3.00 1 1 1/9 9\n"),
            "3.00 in the last minute",
        ),
        None,
    ),
    case(
        "busy processes",
        (
            |w| w.then("proc/7/stat", process("sleeper", 11, 10, 0)),
            "none has 5 %",
        ),
        (
            |w| w.then("proc/7/stat", process("a (b) |c", 60, 10, 0)),
            "a (b)  c (7) 50 %",
        ),
        Some("ps -o pid,ppid,user,etime,args -p 7"),
    ),
    case(
        "steal",
        (
            |w| w.then(STAT, "cpu  200 0 50 900 0 0 0 0 0 0\n"),
            "0.00 % during",
        ),
        (
            |w| w.then(STAT, "cpu  200 0 50 890 0 0 0 10 0 0\n"),
            "5.00 % during this check, 0.87 % since boot",
        ),
        None,
    ),
    case(
        "measuring lock",
        (|w| w, "free"),
        (
            |w| w.says(|facts| facts.measuring = Some(true)),
            "another orch",
        ),
        None,
    ),
    case(
        "priority",
        (
            |w| w.has("proc/self/stat", process("orch", 0, 0, -5)),
            "nice -5",
        ),
        (
            |w| w.has("proc/self/stat", process("orch", 0, 0, 10)),
            "nice 10",
        ),
        Some("renice"),
    ),
    case(
        "CPU quota",
        (|w| w, "none"),
        (
            |w| w.has("sys/fs/cgroup/user/cpu.max", "150000 100000\n"),
            "1.50 CPUs, set by /sys/fs/cgroup/user/cpu.max",
        ),
        Some("echo max"),
    ),
    case(
        "huge pages",
        (|w| w, "madvise"),
        (
            |w| {
                w.has(
                    "sys/kernel/mm/transparent_hugepage/enabled",
                    "[always] madvise never\n",
                )
            },
            "always",
        ),
        Some("echo madvise"),
    ),
    case(
        "addresses",
        (|w| w, "not for workers"),
        (
            |w| w.says(|facts| facts.fixed_addresses = Some(false)),
            "does not let workers",
        ),
        Some("seccomp=unconfined"),
    ),
    case(
        "swap",
        (
            |w| {
                w.has(
                    "proc/swaps",
                    "Filename Type Size Used Priority\n/dev/b partition 1048576 0 -2\n",
                )
            },
            "1 GiB, unused",
        ),
        (
            |w| {
                w.has(
                    "proc/swaps",
                    "Filename Type Size Used Priority\n/dev/b partition 1048576 2048 -2\n",
                )
            },
            "2 MiB of 1 GiB in use",
        ),
        Some("swapoff"),
    ),
    case(
        "memory pressure",
        (|w| w, "0.00 %"),
        (
            |w| {
                w.has(
                    "proc/pressure/memory",
                    "some avg10=3.50 avg60=1.00 avg300=0.00 total=9\n",
                )
            },
            "3.50 %",
        ),
        None,
    ),
    case(
        "memory limit",
        (|w| w, "none below the machine's"),
        (
            |w| w.has("sys/fs/cgroup/user/memory.max", "1073741824\n"),
            "1 GiB, set by /sys/fs/cgroup/user/memory.max",
        ),
        Some("echo max"),
    ),
    case(
        "perf events",
        (|w| w, "perf_event_paranoid 2"),
        (
            |w| w.has("proc/sys/kernel/perf_event_paranoid", "4\n"),
            "perf_event_paranoid 4",
        ),
        Some("sysctl"),
    ),
    case(
        "landlock",
        (|w| w, "version 7"),
        (
            |w| w.says(|facts| facts.sandbox.landlock = Some(4)),
            "version 4: before",
        ),
        None,
    ),
    case(
        "seccomp",
        (|w| w, "filters"),
        (
            |w| w.says(|facts| facts.sandbox.seccomp = false),
            "no filters",
        ),
        None,
    ),
    case(
        "core dumps",
        (|w| w, "`core`"),
        (
            |w| w.has("proc/sys/kernel/core_pattern", "|/usr/lib/dump %p\n"),
            "|/usr/lib/dump",
        ),
        Some("sysctl"),
    ),
    case(
        "git",
        (|w| w, "commit 0123456789"),
        (
            |w| w.says(|facts| facts.git = git(GitKind::OtherOwner)),
            "another user",
        ),
        Some("safe.directory /home/x/project"),
    ),
    case(
        "git history",
        (|w| w, "whole"),
        (
            |w| w.says(|facts| facts.git = git(GitKind::Shallow)),
            "shallow",
        ),
        Some("--unshallow"),
    ),
    case(
        "rustc",
        (|w| w, "1.89.0"),
        (|w| w.says(|facts| facts.rustc = None), "cannot be started"),
        Some("rustup"),
    ),
    case(
        "cargo",
        (|w| w, "1.89.0"),
        (|w| w.says(|facts| facts.cargo = None), "cannot be started"),
        Some("rustup"),
    ),
    case(
        "cc",
        (|w| w, "1.89.0"),
        (|w| w.says(|facts| facts.cc = None), "cannot be started"),
        Some("gcc"),
    ),
    case(
        "rust-toolchain",
        (|w| w, "rust-toolchain.toml"),
        (|w| w.says(|facts| facts.pinned = None), "missing"),
        Some("echo 1.89.0 > rust-toolchain"),
    ),
    case(
        "valgrind",
        (|w| w, "1.89.0"),
        (
            |w| w.says(|facts| facts.valgrind = None),
            "cannot be started",
        ),
        Some("install valgrind"),
    ),
    case(
        "space",
        (|w| w, "50 GiB free"),
        (
            |w| w.says(|facts| facts.cache.free_bytes = Some(1 << 20)),
            "1 MiB free",
        ),
        Some("rm -r /home/x/.cache/orch/artefacts"),
    ),
    case(
        "cache",
        (|w| w, "1 MiB"),
        (
            |w| w.says(|facts| facts.cache.bytes = Some(30 << 30)),
            "30 GiB",
        ),
        Some("rm -r /home/x/.cache/orch/artefacts"),
    ),
    case(
        "stopped bisects",
        (|w| w, "none"),
        (
            |w| w.says(|facts| facts.bisects = vec!["w of /r".to_owned(); 2]),
            "2, the newest w of /r",
        ),
        Some("orch bisect --resume"),
    ),
    case(
        "unfinished runs",
        (|w| w, "none"),
        (
            |w| w.says(|facts| facts.journals = vec!["/r/results/x".into()]),
            "1, the newest /r/results/x",
        ),
        Some("--resume"),
    ),
];

#[test]
fn every_check_has_both_cases_and_no_other() {
    let checks: Vec<&str> = FixtureMachine::new()
        .findings()
        .iter()
        .map(|finding| finding.check)
        .collect();
    let cases: Vec<&str> = CASES.iter().map(|case| case.check).collect();
    assert_eq!(
        checks, cases,
        "the table lacks a check, or has one that is not there"
    );
}

#[test]
fn every_finding_is_provoked() {
    for CheckCase {
        check,
        ok,
        attention,
        fix,
    } in &CASES
    {
        let fine = ok.0(FixtureMachine::new()).finding(check);
        assert_eq!(
            (fine.state, &fine.fix),
            (FindingState::Ok, &None),
            "{fine:?}"
        );
        assert!(fine.value.contains(ok.1), "{fine:?}");
        let found = attention.0(FixtureMachine::new()).finding(check);
        assert_eq!(found.state, FindingState::Attention, "{found:?}");
        assert!(found.value.contains(attention.1), "{found:?}");
        match fix {
            Some(part) => assert!(
                found.fix.as_ref().is_some_and(|fix| fix.contains(part)),
                "{found:?}"
            ),
            None => assert_eq!(found.fix, None),
        }
    }
}

#[test]
fn attention_is_about_its_own_check_only() {
    for case in &CASES {
        let world = case.attention.0(FixtureMachine::new());
        let others: Vec<&str> = world
            .findings()
            .iter()
            .filter(|finding| {
                finding.state == FindingState::Attention && finding.check != case.check
            })
            .map(|finding| finding.check)
            .collect();
        assert_eq!(others, Vec::<&str>::new(), "{}", case.check);
    }
}

#[test]
fn doctor_invents_nothing_where_nothing_can_be_read() {
    let empty = tempfile::tempdir().expect("a folder");
    let reading = SystemReading::take(empty.path(), || Duration::from_secs(1));
    let found = examine_machine(&reading, &facts());
    assert!(!reading.has_answered());
    // Facts from other sources are always known, and a kernel without the file has no perf events.
    const KNOWN: [&str; 17] = [
        "timer",
        "measuring lock",
        "addresses",
        "perf events",
        "landlock",
        "seccomp",
        "git",
        "git history",
        "rustc",
        "cargo",
        "cc",
        "rust-toolchain",
        "valgrind",
        "space",
        "cache",
        "stopped bisects",
        "unfinished runs",
    ];
    for finding in found {
        let known = KNOWN.contains(&finding.check);
        assert_eq!(
            finding.state == FindingState::CannotTell,
            !known,
            "{finding:?}"
        );
    }
    assert!(FixtureMachine::new().reading().has_answered());
}

#[test]
fn virtual_machine_hides_values_and_the_findings_report_it() {
    let world = FixtureMachine::new().has(CPUINFO, VIRTUAL);
    assert_eq!(
        world.finding("SMT siblings").state,
        FindingState::CannotTell
    );
    assert_eq!(world.finding("perf events").state, FindingState::Ok);
    assert!(world.finding("perf events").value.starts_with("n/a"));
    let world = world
        .lacks(&format!("{ONLINE}/cpu0/cpufreq"))
        .lacks(&format!("{ONLINE}/cpu1/cpufreq"));
    assert!(
        world
            .finding("governor")
            .value
            .contains("decided by the host")
    );
}

#[test]
fn limits_of_control_groups_version_1_are_read() {
    let world = FixtureMachine::new()
        .lacks("sys/fs/cgroup")
        .has(
            "proc/self/cgroup",
            "3:memory:/box\n2:cpu,cpuacct:/box\n1:name=systemd:/\n",
        )
        .has("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "50000\n")
        .has(
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us",
            "100000\n",
        )
        .has("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
        .has(
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
    let quota = world.finding("CPU quota");
    assert_eq!(
        quota.value,
        "0.500 CPUs, set by /sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us"
    );
    assert!(quota.fix.is_some_and(|fix| fix.starts_with("echo -1 ")));
    assert_eq!(world.finding("memory limit").state, FindingState::Ok);
    let none = world.has("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
    assert_eq!(none.finding("CPU quota").state, FindingState::Ok);
}

#[test]
fn reasons_fit_on_two_lines_and_names_in_their_column() {
    for finding in FixtureMachine::new().findings() {
        assert!(finding.check.len() < 17, "{finding:?}");
        assert!(
            orch_core::format::wrap(finding.why, 67, 0).lines().count() <= 2,
            "{finding:?}"
        );
        assert!(finding.why.ends_with('.'), "{finding:?}");
    }
}
