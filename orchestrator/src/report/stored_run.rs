//! Stores a run with its reports.

use super::listed::{self, ListedReport};
use crate::error::CommandError;
use crate::export::ExportedResult;
use crate::model::run_outcome::RunOutcome;
use crate::project;
use crate::record::result_folder::ResultFolder;
use crate::record::store;
use crate::render::ReportView;
use crate::render::place::ReportPlace;
use crate::run::RunResult;
use crate::runner::journal;
use std::io;

/// The report that every run prints and stores.
const SUMMARY: &str = "summary.txt";

/// A run in its folder.
pub(crate) struct StoredRun {
    pub(crate) folder: ResultFolder,
    pub(crate) json: String,
    /// Text of the first report for standard output; empty if it could not be rendered.
    pub(crate) summary: String,
    /// Why the journal stays, if it is not needed any more.
    pub(crate) journal_left: Option<String>,
}

impl StoredRun {
    /// Renders the reports of a run, and stores them and the record. The record is the last file: a
    /// run that is killed before it has one is open, and `--resume` writes all of them. The summary
    /// is rendered for `place` too.
    pub(crate) fn store(found: &RunResult, place: ReportPlace) -> Result<Self, CommandError> {
        let view = ReportView::of_run(&found.record);
        let mut folder = ResultFolder::open(found.folder.clone());
        let templates = project::templates(&found.root);
        let mut summary = String::new();
        let others = found.reports.iter().map(String::as_str);
        for name in [SUMMARY]
            .into_iter()
            .chain(others.filter(|name| *name != SUMMARY))
        {
            // Formats are exported below.
            let ListedReport::Template(name) = ListedReport::find(name, &templates) else {
                continue;
            };
            match view.render(name, &templates) {
                Ok(text) => {
                    folder.store_report(name, &text);
                    if name == SUMMARY {
                        summary = view.render_printed(place, name, &templates, text);
                    }
                }
                // The other reports may be right.
                Err(error) => folder.refuse_report(&error),
            }
        }
        let exported = ExportedResult::Run(&found.record);
        for (name, text) in listed::list_exports(&found.reports, &exported, &templates) {
            match text {
                Ok(text) => folder.store_report(name, &text),
                Err(error) => folder.refuse_report(&error),
            }
        }
        folder.store_result(store::FILE, |_| store::store(&found.folder, &found.record));
        let json = serde_json::to_string_pretty(&found.record).map_err(|error| {
            CommandError::system_while("cannot write the record as JSON", &error)
        })? + "\n";
        let is_over = found.record.outcome != RunOutcome::Interrupted;
        Ok(Self {
            journal_left: (folder.path().is_some() && is_over)
                .then(|| remove_journal(found))
                .flatten(),
            folder,
            json,
            summary,
        })
    }

    /// Returns the summary with the path of the record.
    pub(crate) fn show(&self) -> String {
        self.folder
            .show_with_place(&self.summary, "record", store::FILE)
    }

    /// Returns the first failure to store the run or its reports, after it was printed.
    /// `repeating_command` is the command of the run.
    pub(crate) fn finish(self, repeating_command: &str) -> Result<(), CommandError> {
        self.folder.finish(&format!(
            "the journal in the same folder has every measurement; when the disk has space, store \
             the record with: {repeating_command} --resume"
        ))
    }
}

/// Removes the journal of a stored run. Returns a message if it stays, which costs space and
/// nothing else.
fn remove_journal(found: &RunResult) -> Option<String> {
    let journal = found.folder.join(journal::FILE);
    match std::fs::remove_file(&journal) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Some(format!("cannot remove {}: {error}", journal.display()))
        }
        _ => None,
    }
}
