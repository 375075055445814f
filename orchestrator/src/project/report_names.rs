//! The names of the reports that a scenario asks for.

use super::LoadedScenario;
use crate::comparison;
use crate::error::CommandError;
use crate::record::store;
use crate::runner::journal;
use crate::scenario::problem::FileProblem;

/// Most bytes of a report's name. File systems allow 255, and the name of a temporary file is
/// longer.
const MOST_BYTES: usize = 200;

/// Files that orch itself writes into folders of results; the last one is for an index of them.
const OWN_FILES: [&str; 5] = [
    store::FILE,
    journal::FILE,
    comparison::FILE,
    "bisect.json",
    "index.sqlite",
];

/// Whether a report of a name exists: a template, or a format of other programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReportMatch {
    Known,
    Unknown {
        /// The name that was most likely meant.
        nearest: Option<String>,
        /// Names that `orch` itself has.
        own: Vec<&'static str>,
    },
}

/// Looks up the name of a report in the project.
pub(crate) type ReportFinder<'a> = dyn Fn(&LoadedScenario, &str) -> ReportMatch + 'a;

/// Refuses reports that cannot be rendered or stored, before anything is measured.
pub(crate) fn check_reports(
    loaded: &LoadedScenario,
    find_report: &ReportFinder,
) -> Result<(), CommandError> {
    let problems: Vec<FileProblem> = loaded
        .scenario
        .reports
        .iter()
        .enumerate()
        .filter_map(|(index, name)| {
            let (message, hint) = describe_fault(loaded, name, find_report)?;
            Some(loaded.scenario.report_problem(index, message, hint))
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(loaded.refuse(problems))
    }
}

/// Returns the message and the hint for a name that no report can have.
fn describe_fault(
    loaded: &LoadedScenario,
    name: &str,
    find_report: &ReportFinder,
) -> Option<(String, String)> {
    if OWN_FILES.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Some((
            format!("`{name}` cannot be a report: orch itself writes a file with this name"),
            "rename the template".to_owned(),
        ));
    }
    if !is_file_name(name) {
        return Some((
            format!(
                "the report `{}` has no name for a file",
                name.escape_debug()
            ),
            format!(
                "a report's name has at most {MOST_BYTES} bytes, does not begin with a dot, and \
                 has neither slashes nor control characters"
            ),
        ));
    }
    match find_report(loaded, name) {
        ReportMatch::Known => None,
        ReportMatch::Unknown { nearest, own } => {
            let hint = match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!(
                    "templates are files in {}, named without folders; orch itself has {}",
                    super::templates(&loaded.root).display(),
                    own.join(", ")
                ),
            };
            Some((format!("no template and no format `{name}`"), hint))
        }
    }
}

/// Whether a report may have this name. Names that begin with a dot are left to temporary files.
fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MOST_BYTES
        && !name.starts_with('.')
        && !name.chars().any(|c| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_distinguished_from_paths() {
        for name in ["summary.txt", "week 48.md", "Übersicht.md", "a..b"] {
            assert!(is_file_name(name), "{name}");
        }
        let long = "n".repeat(MOST_BYTES + 1);
        for name in [
            "", ".", "..", ".hidden", "a/b", "../x", "a\nb", "a\x1b[2J", &long,
        ] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }
}
