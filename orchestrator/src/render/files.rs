//! The files of a stored run, for the report that links them.

use super::templates;
use crate::record::{Record, store};
use serde::Serialize;

/// The report that every run has.
const SUMMARY: &str = "summary.txt";

/// A file in the folder of a result.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ResultFile {
    name: String,
    /// Whether the name is that of a format instead of a file. The file of an export has a name of
    /// its own.
    is_format: bool,
    /// Content in a few words; empty for a report of the project's own.
    about: &'static str,
}

/// Lists the record and its reports, without the one that links them.
pub(super) fn list_files(record: &Record) -> Vec<ResultFile> {
    let others = record.scenario.reports.iter().map(String::as_str);
    let mut files = vec![ResultFile {
        name: store::FILE.to_owned(),
        is_format: false,
        about: "all figures, samples and scopes",
    }];
    for name in [SUMMARY].into_iter().chain(others) {
        let is_known = files.iter().any(|file| file.name == name);
        if !is_known && name != templates::INDEX {
            files.push(ResultFile {
                name: name.to_owned(),
                // Reports have an extension, and formats have none.
                is_format: !name.contains('.'),
                about: templates::describe(name).unwrap_or_default(),
            });
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_once_and_formats_are_no_files() {
        let mut record: Record = super::super::tests::read("record-bare");
        let reports = ["junit", "summary.txt", "index.md", "profile.md"];
        record.scenario.reports = reports.map(str::to_owned).to_vec();
        let files = list_files(&record);
        let files: Vec<(&str, bool)> = files
            .iter()
            .map(|file| (file.name.as_str(), file.is_format))
            .collect();
        assert_eq!(
            files,
            [
                ("record.json", false),
                ("summary.txt", false),
                ("junit", true),
                ("profile.md", false),
            ]
        );
    }
}
