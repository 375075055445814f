//! The files of a stored run, for the report that links them.

use super::templates;
use crate::model::export_format::ExportFormat;
use crate::record::{Record, store};
use serde::Serialize;

/// The report that every run has.
const SUMMARY: &str = "summary.txt";

/// A file in the folder of a result.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ResultFile {
    name: String,
    /// Content in a few words; empty for a report of the project's own.
    about: &'static str,
}

/// Lists the record and its reports, without the one that links them.
pub(super) fn list_files(record: &Record) -> Vec<ResultFile> {
    let others = record.scenario.reports.iter().map(String::as_str);
    let mut files = vec![ResultFile {
        name: store::FILE.to_owned(),
        about: "all figures, samples and scopes",
    }];
    for listed in [SUMMARY].into_iter().chain(others) {
        let (name, about) = match ExportFormat::find(listed) {
            // A comment is about a comparison.
            Some(ExportFormat::GithubComment) => continue,
            Some(format) => (format.file_name(), format.about()),
            None => (listed, templates::describe(listed).unwrap_or_default()),
        };
        let is_known = files.iter().any(|file| file.name == name);
        if !is_known && name != templates::INDEX {
            files.push(ResultFile {
                name: name.to_owned(),
                about,
            });
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_once_with_those_of_exports() {
        let mut record: Record = super::super::tests::read("record-bare");
        let reports = [
            "junit",
            "summary.txt",
            "index.md",
            "profile.md",
            "github-comment",
            "own.md",
        ];
        record.scenario.reports = reports.map(str::to_owned).to_vec();
        let files = list_files(&record);
        let files: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let expected = [
            "record.json",
            "summary.txt",
            "junit.xml",
            "profile.md",
            "own.md",
        ];
        assert_eq!(files, expected);
    }
}
