//! The machine's faults for measuring, each with its remedy: pure functions that make findings from
//! what was read.

mod cpu;
pub(crate) mod diagnosis;
mod kernel;
mod memory;
mod other_processes;
mod project;
pub(crate) mod system_reading;
#[cfg(test)]
mod tests;

use crate::git::GitState;
use orch_core::worker::sandbox::SandboxSupport;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use system_reading::SystemReading;

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MachineFinding {
    pub(crate) check: &'static str,
    pub(crate) state: FindingState,
    /// The value that was read, or the reason why it could not be read.
    pub(crate) value: String,
    /// Reason why it matters for measuring.
    pub(crate) why: &'static str,
    /// Command that fixes it, or makes it readable, if there is one.
    pub(crate) fix: Option<String>,
}

/// States, from the one that needs action to the one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FindingState {
    Attention,
    CannotTell,
    Ok,
}

impl FindingState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::CannotTell => "cannot tell",
            Self::Ok => "ok",
        }
    }
}

/// A check's name and reason, from which its findings are made.
#[derive(Debug, Clone, Copy)]
struct MachineCheck {
    name: &'static str,
    why: &'static str,
}

impl MachineCheck {
    fn find(self, state: FindingState, value: impl Into<String>) -> MachineFinding {
        MachineFinding {
            check: self.name,
            state,
            value: value.into(),
            why: self.why,
            fix: None,
        }
    }

    fn ok(self, value: impl Into<String>) -> MachineFinding {
        self.find(FindingState::Ok, value)
    }

    fn attention(self, value: impl Into<String>) -> MachineFinding {
        self.find(FindingState::Attention, value)
    }

    fn cannot_tell(self, value: impl Into<String>) -> MachineFinding {
        self.find(FindingState::CannotTell, value)
    }
}

impl MachineFinding {
    fn with_fix(self, command: impl Into<String>) -> Self {
        Self {
            fix: Some(command.into()),
            ..self
        }
    }
}

/// Facts that are not in /proc and /sys and come from other sources.
#[derive(Debug, Clone)]
pub(crate) struct SystemFacts {
    /// Name of the hypervisor, from the CPU.
    pub(crate) hypervisor: Option<String>,
    /// Whether a worker can be started without random addresses.
    pub(crate) fixed_addresses: Option<bool>,
    /// Kernel features available for the sandbox of plugins.
    pub(crate) sandbox: SandboxSupport,
    /// Resolution and overhead of the sample clock.
    pub(crate) resolution: Duration,
    pub(crate) overhead: Duration,
    /// Whether another orch measures or builds now.
    pub(crate) measuring: Option<bool>,
    pub(crate) git: GitState,
    /// The project's root.
    pub(crate) root: PathBuf,
    /// First lines of the tools' version output.
    pub(crate) rustc: Option<String>,
    pub(crate) cargo: Option<String>,
    pub(crate) cc: Option<String>,
    pub(crate) valgrind: Option<String>,
    /// The project's file that pins the compiler.
    pub(crate) pinned: Option<PathBuf>,
    pub(crate) cache: CacheFacts,
    /// Stopped bisects, in words.
    pub(crate) bisects: Vec<String>,
    /// Results folders of killed runs.
    pub(crate) journals: Vec<PathBuf>,
}

/// The cache folder; values that could not be determined are `None`.
#[derive(Debug, Clone)]
pub(crate) struct CacheFacts {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) free_bytes: Option<u64>,
    pub(crate) bytes: Option<u64>,
}

/// Returns all findings, those about the CPU first.
pub(crate) fn examine_machine(reading: &SystemReading, facts: &SystemFacts) -> Vec<MachineFinding> {
    let cpus = reading.usable_cpus();
    let virtual_machine = reading
        .read_text("proc/cpuinfo")
        .is_some_and(|info| cpu::is_virtual(&info));
    let text = |path: &str| reading.read_text(path);
    let set = |path: &str| text(path).map(|text| text.trim().to_owned());
    vec![
        cpu::check_governor(
            &reading.read_of_cpus(&cpus, "cpufreq/scaling_governor"),
            virtual_machine,
        ),
        cpu::check_turbo(
            set("sys/devices/system/cpu/intel_pstate/no_turbo").as_deref(),
            set("sys/devices/system/cpu/cpufreq/boost").as_deref(),
            virtual_machine,
        ),
        cpu::check_siblings(
            &reading.read_of_cpus(&cpus, "topology/thread_siblings_list"),
            &cpus,
            virtual_machine,
        ),
        cpu::check_hypervisor(text("proc/cpuinfo").as_deref(), facts.hypervisor.as_deref()),
        cpu::check_clock_source(
            set(&format!("{CLOCK_SOURCES}/current_clocksource")).as_deref(),
            set(&format!("{CLOCK_SOURCES}/available_clocksource")).as_deref(),
        ),
        cpu::check_timer(facts.resolution, facts.overhead),
        other_processes::check_load(text("proc/loadavg").as_deref(), cpus.len()),
        other_processes::check_busy(&reading.busy_processes()),
        other_processes::check_steal(reading.stat()),
        other_processes::check_lock(facts.measuring),
        other_processes::check_priority(text("proc/self/stat").as_deref()),
        other_processes::check_quota(&reading.cgroup_limits("cpu", "cpu.max", "cpu.cfs_quota_us")),
        memory::check_huge_pages(text("sys/kernel/mm/transparent_hugepage/enabled").as_deref()),
        memory::check_addresses(
            set("proc/sys/kernel/randomize_va_space").as_deref(),
            facts.fixed_addresses,
        ),
        memory::check_swap(text("proc/swaps").as_deref()),
        memory::check_pressure(text("proc/pressure/memory").as_deref()),
        memory::check_limit(
            &reading.cgroup_limits("memory", "memory.max", "memory.limit_in_bytes"),
            text("proc/meminfo").as_deref(),
        ),
        kernel::check_perf(
            set("proc/sys/kernel/perf_event_paranoid").as_deref(),
            reading.exists("sys/bus/event_source/devices/cpu"),
            virtual_machine,
        ),
        kernel::check_landlock(facts.sandbox),
        kernel::check_seccomp(facts.sandbox),
        kernel::check_core_dumps(text("proc/sys/kernel/core_pattern").as_deref()),
        project::check_owner(&facts.git, &facts.root),
        project::check_history(&facts.git),
        project::check_tool(project::RUSTC, facts.rustc.as_deref()),
        project::check_tool(project::CARGO, facts.cargo.as_deref()),
        project::check_tool(project::CC, facts.cc.as_deref()),
        project::check_pinned(facts.pinned.as_deref(), facts.rustc.as_deref()),
        project::check_tool(project::VALGRIND, facts.valgrind.as_deref()),
        project::check_free_space(&facts.cache),
        project::check_cache_size(&facts.cache),
        project::check_bisects(&facts.bisects),
        project::check_journals(&facts.journals),
    ]
}

const CLOCK_SOURCES: &str = "sys/devices/system/clocksource/clocksource0";
