//! Stores a comparison with its reports.

use super::listed;
use crate::comparison::{self, Comparison};
use crate::error::CommandError;
use crate::export::ExportedResult;
use crate::git;
use crate::project;
use crate::record::result_folder::ResultFolder;
use crate::record::store;
use crate::render::ReportView;
use crate::render::place::ReportPlace;
use std::path::Path;

/// Reports of every comparison: the first is printed too, the second is for a merge request or a
/// mail.
const REPORTS: [&str; 2] = ["comparison.txt", "comparison.md"];

/// Folder and file name of a stored comparison.
pub(crate) struct ComparisonPlace<'a> {
    /// Root of the project.
    pub(crate) root: &'a Path,
    pub(crate) results: &'a Path,
    pub(crate) started: jiff::Timestamp,
    /// Part of the folder's name.
    pub(crate) name: String,
    /// The short commit, or its replacement.
    pub(crate) commit: String,
    /// Names of the reports: the first is printed too.
    pub(crate) reports: [&'a str; 2],
    /// The report of a gate: its name and its text.
    pub(crate) gate: Option<(&'a str, &'a str)>,
    /// Names of the reports that the scenario lists. Its templates are for runs.
    pub(crate) listed: &'a [String],
    /// The place for which the first report is rendered too.
    pub(crate) printed: ReportPlace,
}

impl<'a> ComparisonPlace<'a> {
    /// Returns the place of a comparison that a command made of a scenario or of records, without
    /// further reports.
    pub(crate) fn of(
        comparison: &Comparison,
        command: &str,
        started: jiff::Timestamp,
        root: &'a Path,
        results: &'a Path,
    ) -> Self {
        let scenario = comparison.scenario.as_ref();
        let name = scenario.map_or("records", |scenario| scenario.name.as_str());
        let git = comparison.b.git.as_ref();
        Self {
            root,
            results,
            started,
            name: format!("{name}-{command}"),
            commit: git.map_or_else(|| "nogit".to_owned(), git::GitState::short),
            reports: REPORTS,
            gate: None,
            listed: &[],
            printed: ReportPlace::FILE,
        }
    }
}

/// A comparison in its folder.
pub(crate) struct StoredComparison {
    pub(crate) folder: ResultFolder,
    pub(crate) json: String,
    /// Text of the first report for standard output; empty if it could not be rendered.
    pub(crate) table: String,
}

impl StoredComparison {
    /// Gives a comparison its id and stores it with its reports. A failure to store is part of the
    /// folder.
    pub(crate) fn store(
        comparison: &mut Comparison,
        place: &ComparisonPlace,
    ) -> Result<Self, CommandError> {
        let stamp = place.started.strftime("%Y%m%dT%H%M%SZ").to_string();
        let templates = project::templates(place.root);
        let (mut json, mut table) = (String::new(), None);
        let parts = [stamp.as_str(), &place.name, &place.commit];
        let folder = ResultFolder::create(place.results, parts, |id, folder| {
            comparison.id = id.to_owned();
            json = serde_json::to_string_pretty(&comparison).map_err(|error| {
                CommandError::system_while("cannot write the comparison as JSON", &error)
            })? + "\n";
            folder.store_result(comparison::FILE, |file| {
                store::write_whole(file, json.as_bytes())
            });
            table = None;
            let view = ReportView::of_comparison(comparison);
            for name in place.reports {
                match view.render(name, &templates) {
                    Ok(text) => {
                        folder.store_report(name, &text);
                        table.get_or_insert_with(|| {
                            view.render_printed(place.printed, name, &templates, text)
                        });
                    }
                    Err(error) => {
                        folder.refuse_report(&error);
                        table.get_or_insert_default();
                    }
                }
            }
            if let Some((name, text)) = place.gate {
                folder.store_report(name, text);
            }
            let exported = ExportedResult::Comparison(comparison);
            for (name, text) in listed::list_exports(place.listed, &exported, &templates) {
                match text {
                    Ok(text) => folder.store_report(name, &text),
                    Err(error) => folder.refuse_report(&error),
                }
            }
            Ok(())
        })?;
        Ok(Self {
            folder,
            json,
            table: table.unwrap_or_default(),
        })
    }

    /// Returns a text with the path of the comparison, which follows a label.
    pub(crate) fn show(&self, text: &str, label: &str) -> String {
        self.folder.show_with_place(text, label, comparison::FILE)
    }

    /// Returns the first failure to store the comparison or its reports, after it was printed.
    pub(crate) fn finish(self) -> Result<(), CommandError> {
        self.folder
            .finish("the result is printed, but it is not stored anywhere")
    }
}
