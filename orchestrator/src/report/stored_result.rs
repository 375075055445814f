//! Results that earlier commands stored: records, comparisons and bisects.

use crate::bisect::{self, BisectReport};
use crate::comparison::{self, Comparison, SideKind};
use crate::error::CommandError;
use crate::export::{self, ExportObstacle, ExportedResult};
use crate::file;
use crate::gate::StoredGate;
use crate::model::export_format::ExportFormat;
use crate::record::{self, Record, store};
use crate::render::ReportView;
use orch_core::format::{self, clean};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Names of the files in which results are stored.
const FILES: [&str; 3] = [store::FILE, comparison::FILE, bisect::FILE];

/// The report of a gate, printed below the comparison.
pub(crate) const GATE_REPORT: &str = "gate.txt";

/// What a command stored.
#[derive(Debug)]
pub(crate) enum StoredResult {
    Run(Box<Record>),
    Comparison(Box<Comparison>),
    Bisect(Box<BisectReport>),
}

impl StoredResult {
    /// Returns the names of the reports that the command printed.
    pub(crate) fn printed_reports(&self) -> &'static [&'static str] {
        match self {
            Self::Run(_) => &["summary.txt"],
            Self::Comparison(comparison) if comparison.a.kind == SideKind::Imported => {
                &["import.txt"]
            }
            Self::Comparison(comparison) if comparison.gate.is_some() => {
                &["comparison.txt", GATE_REPORT]
            }
            Self::Comparison(_) => &["comparison.txt"],
            Self::Bisect(_) => &["bisect.txt"],
        }
    }

    /// Makes the view that the template `name` sees.
    pub(crate) fn view(&self, name: &str) -> ReportView {
        match self {
            Self::Run(record) => ReportView::of_run(record),
            Self::Comparison(comparison) => match read_gate(comparison) {
                Some(gate) if name == GATE_REPORT => {
                    let again = gate.again.iter();
                    let again: Vec<(String, &str)> = again
                        .map(|(id, state)| (id.clone(), state.as_str()))
                        .collect();
                    ReportView::of_gate(comparison, &gate.result, &again, &gate.next)
                }
                _ => ReportView::of_comparison(comparison),
            },
            Self::Bisect(report) => ReportView::of_bisect(report),
        }
    }

    /// Exports the result. `templates` is the folder of the project's templates.
    pub(crate) fn export(
        &self,
        format: ExportFormat,
        templates: &Path,
    ) -> Result<String, ExportObstacle> {
        let result = match self {
            Self::Run(record) => ExportedResult::Run(record),
            Self::Comparison(comparison) => ExportedResult::Comparison(comparison),
            Self::Bisect(_) => ExportedResult::Bisect,
        };
        export::export_result(&result, format, templates)
    }
}

/// Returns the gate of a check; `None` for another comparison.
fn read_gate(comparison: &Comparison) -> Option<StoredGate> {
    serde_json::from_value(comparison.gate.clone()?).ok()
}

/// Finds and reads a result, which is given by its file, its folder, or its id in `results`.
///
/// # Errors
/// There is no such result, or this version of orch does not read it.
pub(crate) fn find_result(name: &str, results: &Path) -> Result<StoredResult, CommandError> {
    let given = Path::new(name);
    let place = [given.to_owned(), results.join(name)]
        .into_iter()
        .find(|place| !name.is_empty() && place.exists())
        .ok_or_else(|| {
            CommandError::input(format!(
                "'{name}' is neither a file nor a result in {}",
                results.display()
            ))
            .with_hint(hint_at_newest(results))
        })?;
    if !place.is_dir() {
        return read_result(&place);
    }
    let file = FILES.iter().map(|file| place.join(file));
    match file.into_iter().find(|file| file.is_file()) {
        Some(file) => read_result(&file),
        None => Err(
            CommandError::input(format!("{} contains no result", place.display()))
                .with_hint(format!("a result is one of {}", FILES.join(", "))),
        ),
    }
}

/// Names the newest result of a folder.
fn hint_at_newest(results: &Path) -> String {
    let entries = std::fs::read_dir(results).into_iter().flatten().flatten();
    let newest = entries
        .map(|entry| entry.path())
        .filter(|path| FILES.iter().any(|file| path.join(file).is_file()))
        .filter_map(|path: PathBuf| Some(path.file_name()?.to_str()?.to_owned()))
        // Names begin with the time.
        .max();
    match newest {
        Some(id) => format!("the newest result there is {id}"),
        None => "there are no results yet; `orch run` makes one".to_owned(),
    }
}

fn read_result(file: &Path) -> Result<StoredResult, CommandError> {
    let shown = file.display();
    let text = file::read_text(file, file::MOST_RESULT_BYTES)
        .map_err(|error| CommandError::input(format!("cannot read {shown}: {error}")))?;
    parse_result(&text).map_err(|what| {
        CommandError::input(format!(
            "{shown} is not a result that this version of orch reads: {what}"
        ))
        .with_hint(format!("a result is one of {}", FILES.join(", ")))
    })
}

fn parse_result(text: &str) -> Result<StoredResult, String> {
    fn parse<Stored: DeserializeOwned>(value: Value) -> Result<Box<Stored>, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    // Reports name a result by its id, which is the name of its folder.
    let id = value["id"].as_str().unwrap_or_default();
    if clean::has_control(id) || id.contains('/') {
        let id = format::shortened(id);
        return Err(format!("its id, {id:?}, cannot be the name of a folder"));
    }
    match value["schema"].as_str() {
        Some(record::SCHEMA) => parse(value).map(StoredResult::Run),
        Some(comparison::SCHEMA) => parse(value).map(StoredResult::Comparison),
        Some(bisect::SCHEMA) => parse(value).map(StoredResult::Bisect),
        other => Err(format!(
            "its schema is {}, expected {}, {} or {}",
            other.unwrap_or("absent"),
            record::SCHEMA,
            comparison::SCHEMA,
            bisect::SCHEMA
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reports");

    #[test]
    fn stored_results_are_recognised_by_their_schema() {
        for (file, expected) in [
            ("record-full.json", "summary.txt"),
            ("comparison-plain.json", "comparison.txt"),
            ("bisect-full.json", "bisect.txt"),
        ] {
            let found = find_result(&format!("{REPORTS}/{file}"), Path::new("/nowhere"));
            assert_eq!(found.expect("a result").printed_reports(), [expected]);
        }
    }

    #[test]
    fn folders_without_a_result_are_refused_with_a_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(folder.path().join(name)).expect("a folder");
            std::fs::write(folder.path().join(name).join(store::FILE), text).expect("written");
        };
        write("empty", "{}");
        write("other", r#"{ "schema": "orch/record/0" }"#);
        write("nasty", r#"{ "schema": "orch/record/1", "id": "../x" }"#);
        std::fs::create_dir(folder.path().join("none")).expect("a folder");
        let refuse = |name: &str| {
            let error = find_result(name, folder.path()).expect_err("no result");
            error.to_string()
        };
        for (name, message) in [
            ("x", "'x' is neither a file nor a result in "),
            ("x", "hint: the newest result there is other"),
            ("none", "/none contains no result"),
            ("empty", "its schema is absent, expected orch/record/1"),
            ("other", "its schema is orch/record/0, expected "),
            ("nasty", r#"its id, "../x", cannot be the name of a folder"#),
        ] {
            let text = refuse(name);
            assert!(text.contains(message), "{name}: {text}");
        }
    }
}
