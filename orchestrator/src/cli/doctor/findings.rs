//! `orch doctor` without arguments: reads the machine and prints the findings. They are advice, and
//! change no exit code.

use crate::bisect::state;
use crate::cache;
use crate::cli::CommandResult;
use crate::cli::args::DoctorOptions;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::doctor::system_reading::SystemReading;
use crate::doctor::{self, CacheFacts, SystemFacts};
use crate::error::CommandError;
use crate::git;
use crate::machine::Machine;
use crate::plugin::cargo;
use crate::project;
use crate::render::machine_findings;
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

/// Examines the machine and prints the findings.
pub(super) fn findings(options: &DoctorOptions) -> CommandResult {
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("the current folder", &error))?;
    let root = project::root_of(&here.join("x"));
    let reading = SystemReading::take(Path::new("/"), || {
        let start = Instant::now();
        std::thread::sleep(LOOK);
        start.elapsed()
    });
    let mut found = doctor::examine_machine(&reading, &asked(root));
    if !reading.has_answered() {
        return Err(CommandError::system(
            "cannot read /proc and /sys: nothing is known about this machine".to_owned(),
        ));
    }
    // Findings that need action come first, each group in the order of the checks.
    found.sort_by_key(|finding| finding.state);
    if options.json {
        let text = serde_json::to_string_pretty(&found)
            .map_err(|error| CommandError::system_while("the findings", &error))?;
        output::print_json(&(text + "\n"))?;
    } else {
        output::print(&machine_findings::describe_findings(
            &found,
            output::place(),
        ))?;
    }
    Ok(Exit::Fine)
}

fn asked(root: PathBuf) -> SystemFacts {
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
