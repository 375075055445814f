//! `orch doctor` without arguments: reads the machine and prints the findings. They are advice, and
//! change no exit code.

use crate::bisect::state;
use crate::cache;
use crate::cli::CommandResult;
use crate::cli::args::DoctorOptions;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::doctor::system_reading::SystemReading;
use crate::doctor::{self, CacheFacts, MachineFinding, SystemFacts};
use crate::error::CommandError;
use crate::git;
use crate::machine::Machine;
use crate::plugin::cargo;
use crate::project;
use crate::runner::lock;
use crate::runner::{self, journal};
use orch_core::format;
use orch_core::measure::clock;
use orch_core::worker::sandbox;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Duration for which processes and stolen time are observed.
const LOOK: Duration = Duration::from_secs(1);
const COLUMNS: usize = 80;
/// Columns of the longest state and of the longest name of a check.
const STATE_COLUMNS: usize = 13;
const NAME_COLUMNS: usize = 17;
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
        output::print(&shown(&found))?;
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

/// Formats a line for each finding: state, check, value; below it the reason and the remedy.
fn shown(found: &[MachineFinding]) -> String {
    let margin = " ".repeat(STATE_COLUMNS);
    let mut text = String::new();
    for finding in found {
        let (state, check) = (finding.state.name(), finding.check);
        let line = format!(
            "{state:STATE_COLUMNS$}{check:NAME_COLUMNS$}{}",
            finding.value
        );
        text.push_str(&format::wrap(&line, COLUMNS, STATE_COLUMNS + NAME_COLUMNS));
        text.push('\n');
        for line in format::wrap(finding.why, COLUMNS - STATE_COLUMNS, 0).lines() {
            text.push_str(&format!("{margin}{line}\n"));
        }
        // A command is not wrapped, so that it can be copied.
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("{margin}fix: {fix}\n"));
        }
    }
    let count = |state| {
        found
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    let [attention, unknown, fine] = [
        doctor::FindingState::Attention,
        doctor::FindingState::CannotTell,
        doctor::FindingState::Ok,
    ]
    .map(count);
    text + &format!("\n{attention} attention, {unknown} cannot tell, {fine} ok\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use doctor::FindingState;

    #[test]
    fn lines_are_aligned_and_stay_within_80_columns() {
        let finding = |state, value: &str, fix: Option<&str>| MachineFinding {
            check: "busy processes",
            state,
            value: value.to_owned(),
            why: "They are what pairs are disturbed by, and this is a reason that needs another \
                line.",
            fix: fix.map(str::to_owned),
        };
        let long = "cargo (12) 99 %, rustc (13) 98 %, a name that is long (4194304) 7 %, 3 more";
        let text = shown(&[
            finding(FindingState::Attention, long, Some("ps -p 12")),
            finding(FindingState::Ok, "none", None),
        ]);
        assert_eq!(
            text,
            "attention    busy processes   cargo (12) 99 %, rustc (13) 98 %, a name that is\n\
             \x20                             long (4194304) 7 %, 3 more\n\
             \x20            They are what pairs are disturbed by, and this is a reason that\n\
             \x20            needs another line.\n\
             \x20            fix: ps -p 12\n\
             ok           busy processes   none\n\
             \x20            They are what pairs are disturbed by, and this is a reason that\n\
             \x20            needs another line.\n\
             \n1 attention, 0 cannot tell, 1 ok\n"
        );
    }
}
