//! Storing and showing a comparison: the file for good, then its reports.

use super::output;
use super::project;
use crate::comparison::{self, Comparison};
use crate::error::CommandError;
use crate::record::store;
use crate::render;
use std::path::{Path, PathBuf};

/// Where a comparison is stored, and under which name.
pub(super) struct Place<'a> {
    /// Of the project.
    pub(super) root: &'a Path,
    pub(super) results: &'a Path,
    pub(super) started: jiff::Timestamp,
    pub(super) name: &'a str,
    /// The short commit, or what stands for it.
    pub(super) mark: &'a str,
}

/// A stored comparison.
pub(super) struct Kept {
    pub(super) folder: PathBuf,
    pub(super) json: String,
    /// The first report.
    pub(super) table: String,
}

/// Gives a comparison its id and stores it with its reports.
pub(super) fn keep(
    comparison: &mut Comparison,
    place: &Place,
    reports: [&str; 2],
) -> Result<Kept, CommandError> {
    let stamp = place.started.strftime("%Y%m%dT%H%M%SZ").to_string();
    let (id, folder) =
        store::new_folder(place.results, &stamp, place.name, place.mark).map_err(|error| {
            CommandError::system_while(
                &format!("cannot make a folder in {}", place.results.display()),
                &error,
            )
        })?;
    comparison.id = id;
    let json = serde_json::to_string_pretty(&comparison)
        .map_err(|error| CommandError::system_while("the comparison", &error))?
        + "\n";
    let templates = project::templates(place.root);
    let rendered = reports.map(|name| (name, render::comparison(name, &templates, comparison)));
    let file = folder.join(comparison::FILE);
    store::write_whole(&file, json.as_bytes()).map_err(|error| {
        // What was measured is told all the same.
        if let Ok(table) = &rendered[0].1 {
            let _ = output::print(table);
        }
        CommandError::system_while(&format!("cannot store {}", file.display()), &error)
    })?;
    let mut table = None;
    for (name, rendered) in rendered {
        let rendered = rendered.map_err(|error| {
            CommandError::system(format!(
                "the comparison is stored in {}, but {error}",
                folder.display()
            ))
        })?;
        store::write_whole(&folder.join(name), rendered.as_bytes())
            .map_err(|error| CommandError::system_while(&format!("cannot write {name}"), &error))?;
        table.get_or_insert(rendered);
    }
    Ok(Kept {
        folder,
        json,
        table: table.unwrap_or_default(),
    })
}

/// Prints the first report and where the comparison lies, or the comparison itself.
pub(super) fn show(kept: &Kept, json: bool) -> Result<(), CommandError> {
    if json {
        return output::print(&kept.json);
    }
    let here = std::env::current_dir().unwrap_or_default();
    let shown = kept.folder.strip_prefix(&here).unwrap_or(&kept.folder);
    output::print(&format!(
        "{}comparison: {}\n",
        kept.table,
        shown.join(comparison::FILE).display()
    ))
}
