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
    for name in [SUMMARY].into_iter().chain(others) {
        let is_known = files.iter().any(|file| file.name == name);
        if !is_known && name != templates::INDEX {
            files.push(ResultFile {
                name: name.to_owned(),
                about: templates::describe(name).unwrap_or_default(),
            });
        }
    }
    files
}
