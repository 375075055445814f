//! The verb `init`: finds the code and the benchmarks of a folder, and writes a scenario for them.

mod bench_scenario;
mod found_code;
mod own_plugin;

use crate::context::CommandContext;
use crate::error::CommandError;
use crate::file;
use crate::git::{self, GitKind};
use crate::project;
use crate::runner::event::ProgressObserver;
use crate::scenario::wire;
pub(crate) use found_code::{CodeLanguage, FoundCode};
use std::path::{Path, PathBuf};

/// File that marks the root of a project.
const ROOT_MARK: &str = "orch.yaml";
const ROOT_MARK_TEXT: &str = include_str!("../../../plugins/starter/orch.yaml");
/// The schema of scenarios, beside the scenario, for editors.
const SCHEMA: &str = "bench.schema.json";

/// The list of files that git ignores.
const IGNORED: &str = ".gitignore";
const IGNORED_TEXT: &str = include_str!("../../../plugins/starter/.gitignore");
/// Folder of the results.
const RESULTS: &str = "results";

/// Request to prepare a folder for benchmarks.
#[derive(Debug, Clone)]
pub(crate) struct InitRequest {
    pub(crate) folder: PathBuf,
}

/// What was found in a folder, and what was written.
#[derive(Debug)]
pub(crate) struct InitReport {
    pub(crate) code: FoundCode,
    pub(crate) files: Vec<InitFile>,
    /// Bench files that cannot be measured, and bench functions that cannot be listed.
    pub(crate) left_out: Vec<LeftOutBench>,
    /// Number of jobs of the scenario; `None` if it had been there before.
    pub(crate) jobs: Option<usize>,
    /// Folder of the plugin that was written, if one was needed.
    pub(crate) plugin: Option<PathBuf>,
    /// Whether the folder is outside of every git repository.
    pub(crate) needs_repository: bool,
    /// Whether git would see the results.
    pub(crate) shows_results: bool,
}

/// A file or folder of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitFile {
    /// Path relative to the folder.
    pub(crate) path: PathBuf,
    pub(crate) purpose: FilePurpose,
    /// Whether it was there before; then it was not changed.
    pub(crate) was_there: bool,
}

/// Purpose of a file that `init` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilePurpose {
    RootMark,
    Scenario,
    Schema,
    Plugin,
    Ignored,
}

/// A bench file that is not part of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOutBench {
    pub(crate) file: PathBuf,
    pub(crate) reason: String,
}

/// Writes what a project of benchmarks needs. Files that exist are not changed.
///
/// # Errors
/// The folder contains no code, no bench file can be measured, or a file cannot be written.
pub(crate) fn init_project(
    request: &InitRequest,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<InitReport, CommandError> {
    let folder = &request.folder;
    let root = folder
        .canonicalize()
        .map_err(|error| CommandError::system_while(&folder.display().to_string(), &error))?;
    let code = found_code::find_code(&root)?;
    let mut report = InitReport {
        code,
        files: Vec::new(),
        left_out: Vec::new(),
        jobs: None,
        plugin: None,
        needs_repository: git::read_state(&root).state == GitKind::Outside,
        shows_results: false,
    };
    let is_new = !root.join(project::BENCH).exists();
    let text = match is_new {
        false => String::new(),
        true if report.code.benches.is_empty() => own_plugin::write(&root, &mut report)?,
        true => bench_scenario::compose(&root, &mut report, context, observer)?,
    };
    report.write(&root, ROOT_MARK, FilePurpose::RootMark, || {
        ROOT_MARK_TEXT.to_owned()
    })?;
    report.write(&root, project::BENCH, FilePurpose::Scenario, || {
        format!("# yaml-language-server: $schema={SCHEMA}\n{text}")
    })?;
    report.write(&root, IGNORED, FilePurpose::Ignored, || {
        IGNORED_TEXT.to_owned()
    })?;
    let ignored = file::read_text(&root.join(IGNORED), file::MOST_TEXT_BYTES);
    let ignored = ignored.unwrap_or_default();
    let mut patterns = ignored
        .lines()
        .map(|line| line.trim().trim_start_matches('/'));
    report.shows_results = !patterns.any(|pattern| pattern.starts_with(RESULTS));
    if is_new {
        let schema = || format!("{:#}\n", wire::schema());
        report.write(&root, SCHEMA, FilePurpose::Schema, schema)?;
    }
    Ok(report)
}

impl InitReport {
    /// Writes a file unless it exists.
    fn write(
        &mut self,
        root: &Path,
        name: &str,
        purpose: FilePurpose,
        text: impl FnOnce() -> String,
    ) -> Result<(), CommandError> {
        let path = root.join(name);
        let was_there = path.exists();
        if !was_there {
            file::write_whole(&path, text().as_bytes()).map_err(|error| {
                CommandError::system_while(&format!("cannot write {}", path.display()), &error)
            })?;
        }
        self.files.push(InitFile {
            path: name.into(),
            purpose,
            was_there,
        });
        Ok(())
    }
}
