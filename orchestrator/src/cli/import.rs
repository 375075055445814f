//! `orch import`: results of other tools to a comparison's stored and printed form.

use super::args::ImportOptions;
use super::exit::Exit;
use super::{CommandResult, output};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::import::{self, ImportRequest};
use crate::project;
use crate::record::store;
use crate::report::stored_comparison::{ComparisonPlace, StoredComparison};
use std::path::Path;

/// Reports of an import: the first is printed too, the second is for a merge request or a mail.
const REPORTS: [&str; 2] = ["import.txt", "comparison.md"];

/// Imports files, stores them as a comparison and prints their contradictions.
pub(super) fn run_import(options: &ImportOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = ImportRequest {
        first: options.file.clone(),
        second: options.after.clone(),
    };
    let mut comparison = import::import_results(&request)?;
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    let root = project::root_of(&here.join("x"));
    let results = project::results_folder(options.output.results.as_deref(), &root);
    store::check_folder(&results).map_err(|error| {
        CommandError::system_while(&format!("cannot write to {}", results.display()), &error)
    })?;
    comparison.started = context.started.to_string();
    comparison.ended = jiff::Timestamp::now().to_string();
    comparison.wall_ns = u64::try_from(context.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let place = ComparisonPlace {
        root: &root,
        results: &results,
        started: context.started,
        name: name_folder(&options.file),
        commit: "import".to_owned(),
        reports: REPORTS,
        gate: None,
        listed: &[],
        printed: output::place(),
    };
    let stored = StoredComparison::store(&mut comparison, &place)?;
    output::print_comparison(stored, options.output.json)?;
    Ok(Exit::Fine)
}

/// Returns the file's name in the form that a folder's name can contain.
fn name_folder(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or("table".as_ref());
    let is_kept = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let letters = stem.to_string_lossy();
    let kept = letters.chars().map(|c| if is_kept(c) { c } else { '-' });
    kept.collect()
}
