//! The reports that a scenario lists: templates, and formats of other programs.

use crate::export::{self, ExportObstacle, ExportedResult};
use crate::model::export_format::ExportFormat;
use crate::project::report_names::ReportMatch;
use crate::render;
use crate::scenario::problem::nearest_name;
use std::path::Path;

/// What the name of a report stands for. A template of the project takes precedence over a format.
pub(super) enum ListedReport<'a> {
    Template(&'a str),
    Format(ExportFormat),
}

impl<'a> ListedReport<'a> {
    /// Finds what a name stands for. `templates` is the folder of the project's templates.
    pub(super) fn find(name: &'a str, templates: &Path) -> Self {
        match ExportFormat::find(name) {
            Some(format) if !render::exists(name, templates) => Self::Format(format),
            _ => Self::Template(name),
        }
    }
}

/// The exports of a result among the listed reports, each with the name of its file. Templates, and
/// formats of other kinds of results, are left out.
pub(super) fn list_exports(
    listed: &[String],
    result: &ExportedResult,
    templates: &Path,
) -> Vec<(&'static str, Result<String, ExportObstacle>)> {
    let mut exports = Vec::new();
    for name in listed {
        if let ListedReport::Format(format) = ListedReport::find(name, templates)
            && result.has_format(format)
        {
            let text = export::export_result(result, format, templates);
            exports.push((format.file_name(), text));
        }
    }
    exports
}

/// Looks up the name of a report that a scenario lists.
pub(crate) fn find_name(name: &str, templates: &Path) -> ReportMatch {
    if render::exists(name, templates) || ExportFormat::find(name).is_some() {
        return ReportMatch::Known;
    }
    let formats = ExportFormat::ALL.map(ExportFormat::name);
    let own: Vec<&'static str> = render::list_reports().chain(formats).collect();
    let entries = std::fs::read_dir(templates).into_iter().flatten().flatten();
    let files: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let known = own.iter().copied().chain(files.iter().map(String::as_str));
    ReportMatch::Unknown {
        nearest: nearest_name(name, known).map(str::to_owned),
        own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_templates_and_formats() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["own.md", "csv"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        for name in ["summary.txt", "junit", "own.md"] {
            assert_eq!(find_name(name, folder.path()), ReportMatch::Known, "{name}");
        }
        for (wrong, right) in [
            ("sumary.txt", Some("summary.txt")),
            ("junt", Some("junit")),
            ("speedscope-byte", Some("speedscope-bytes")),
            ("owm.md", Some("own.md")),
            ("elephant", None),
        ] {
            let ReportMatch::Unknown { nearest, .. } = find_name(wrong, folder.path()) else {
                panic!("{wrong} exists");
            };
            assert_eq!(nearest.as_deref(), right, "{wrong}");
        }
        let is_template = |name| {
            let found = ListedReport::find(name, folder.path());
            matches!(found, ListedReport::Template(_))
        };
        assert!(is_template("csv"), "the project's own takes precedence");
        assert!(!is_template("junit"));
    }
}
