//! Stores a comparison before anything else, then prints its reports.

use super::output;
use crate::comparison::{self, Comparison};
use crate::error::CommandError;
use crate::git;
use crate::project;
use crate::record::store;
use crate::render;
use std::path::{Path, PathBuf};

/// Reports of every comparison: the first is printed too, the second is for a merge request or a
/// mail.
const REPORTS: [&str; 2] = ["comparison.txt", "comparison.md"];

/// Folder and file name of a stored comparison.
pub(super) struct ComparisonPlace<'a> {
    /// Root of the project.
    pub(super) root: &'a Path,
    pub(super) results: &'a Path,
    pub(super) started: jiff::Timestamp,
    /// Part of the folder's name.
    pub(super) name: &'a str,
    /// The short commit, or its replacement.
    pub(super) commit: &'a str,
}

/// A comparison in its folder.
pub(super) struct StoredComparison {
    pub(super) folder: PathBuf,
    pub(super) json: String,
    /// Text of the first report.
    pub(super) table: String,
}

impl StoredComparison {
    /// Gives a comparison its id and stores it with its reports, in a folder of its own that is
    /// named after the scenario and the verb. `root` is the project's root.
    pub(super) fn store(
        comparison: &mut Comparison,
        verb: &str,
        started: jiff::Timestamp,
        root: &Path,
        results: &Path,
    ) -> Result<Self, CommandError> {
        let scenario = comparison.scenario.as_ref();
        let name = scenario.map_or("records", |scenario| scenario.name.as_str());
        let name = format!("{name}-{verb}");
        let git = comparison.b.git.as_ref();
        let commit = git.map_or_else(|| "nogit".to_owned(), git::GitState::short);
        let place = ComparisonPlace {
            root,
            results,
            started,
            name: &name,
            commit: &commit,
        };
        Self::store_as(comparison, &place, REPORTS)
    }

    /// Gives a comparison its id and stores it with these reports.
    pub(super) fn store_as(
        comparison: &mut Comparison,
        place: &ComparisonPlace,
        reports: [&str; 2],
    ) -> Result<Self, CommandError> {
        let stamp = place.started.strftime("%Y%m%dT%H%M%SZ").to_string();
        let (id, folder) = store::new_folder(place.results, &stamp, place.name, place.commit)
            .map_err(|error| {
                let action = format!("cannot make a folder in {}", place.results.display());
                CommandError::system_while(&action, &error)
            })?;
        comparison.id = id;
        let json = serde_json::to_string_pretty(&comparison)
            .map_err(|error| CommandError::system_while("the comparison", &error))?
            + "\n";
        let templates = project::templates(place.root);
        let rendered = reports.map(|name| (name, render::comparison(name, &templates, comparison)));
        let file = folder.join(comparison::FILE);
        store::write_whole(&file, json.as_bytes()).map_err(|error| {
            // The results are printed even if they could not be stored.
            if let Ok(table) = &rendered[0].1 {
                let _ = output::print(table);
            }
            CommandError::system_while(&format!("cannot store {}", file.display()), &error)
        })?;
        let mut table = None;
        for (name, rendered) in rendered {
            let rendered = rendered.map_err(|error| {
                let place = folder.display();
                CommandError::system(format!("the comparison is stored in {place}, but {error}"))
            })?;
            store::write_whole(&folder.join(name), rendered.as_bytes()).map_err(|error| {
                CommandError::system_while(&format!("cannot write {name}"), &error)
            })?;
            table.get_or_insert(rendered);
        }
        Ok(Self {
            folder,
            json,
            table: table.unwrap_or_default(),
        })
    }

    /// Returns the path of the comparison's file as the user would write it.
    pub(super) fn shown_file(&self) -> PathBuf {
        let here = std::env::current_dir().unwrap_or_default();
        let shown = self.folder.strip_prefix(&here).unwrap_or(&self.folder);
        shown.join(comparison::FILE)
    }
}

/// Prints the first report and the path of the comparison, or the comparison itself.
pub(super) fn print_comparison(stored: &StoredComparison, json: bool) -> Result<(), CommandError> {
    if json {
        return output::print_as_is(&stored.json);
    }
    let file = stored.shown_file();
    output::print(&format!("{}comparison: {}\n", stored.table, file.display()))
}
