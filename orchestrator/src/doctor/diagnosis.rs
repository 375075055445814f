//! The verb `doctor` without measurements: reads the machine and the project, and examines both.

use super::system_reading::SystemReading;
use super::{CacheFacts, MachineFinding, SystemFacts, examine_machine};
use crate::bisect::state;
use crate::cache;
use crate::error::CommandError;
use crate::git;
use crate::machine::Machine;
use crate::plugin::cargo;
use crate::runner::lock;
use crate::runner::{self, journal};
use orch_core::measure::clock;
use orch_core::worker::sandbox;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Duration for which processes and stolen time are observed.
const LOOK: Duration = Duration::from_secs(1);
/// Files that pin the compiler, in the order in which rustup searches them.
const PINS: [&str; 2] = ["rust-toolchain.toml", "rust-toolchain"];

/// Request to examine this machine.
#[derive(Debug, Clone)]
pub(crate) struct DoctorRequest {
    /// Root of the project.
    pub(crate) root: PathBuf,
}

/// Observes the machine for a second and examines it. Findings that need action come first, each
/// group in the order of the checks.
///
/// # Errors
/// Nothing of /proc and /sys can be read.
pub(crate) fn diagnose_machine(
    request: &DoctorRequest,
) -> Result<Vec<MachineFinding>, CommandError> {
    let reading = SystemReading::take(Path::new("/"), || {
        let start = Instant::now();
        std::thread::sleep(LOOK);
        start.elapsed()
    });
    if !reading.has_answered() {
        return Err(CommandError::system(
            "cannot read /proc and /sys: nothing is known about this machine",
        ));
    }
    let mut found = examine_machine(&reading, &read_facts(request.root.clone()));
    found.sort_by_key(|finding| finding.state);
    Ok(found)
}

fn read_facts(root: PathBuf) -> SystemFacts {
    let says = |program: &str| {
        let text = cargo::query_compiler(program, &["--version"], &root).ok()?;
        Some(text.lines().next()?.trim().to_owned())
    };
    let folder = cache::folder().ok();
    SystemFacts {
        hypervisor: Machine::read().hypervisor,
        fixed_addresses: runner::can_fix_addresses(),
        sandbox: sandbox::read_support(),
        resolution: clock::measure_resolution(),
        overhead: clock::measure_overhead(),
        measuring: lock::is_measuring().ok(),
        git: git::read_state(&root),
        rustc: says("rustc"),
        cargo: says("cargo"),
        cc: says("cc"),
        valgrind: says("valgrind"),
        pinned: root
            .ancestors()
            .flat_map(|above| PINS.map(|name| above.join(name)))
            .find(|file| file.is_file()),
        cache: CacheFacts {
            free_bytes: folder
                .as_deref()
                .and_then(|folder| cache::free(folder).ok()),
            bytes: folder.as_deref().map(cache::size),
            folder,
        },
        bisects: state::stopped().unwrap_or_default(),
        journals: journal::find_open_runs(&root.join("results")).unwrap_or_default(),
        root,
    }
}
