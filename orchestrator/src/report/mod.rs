//! Stored results and the reports on them. The verb `report` renders a stored result again, or
//! exports it.

mod listed;
pub(crate) mod stored_bisect;
pub(crate) mod stored_comparison;
pub(crate) mod stored_result;
pub(crate) mod stored_run;

pub(crate) use listed::find_name;

use crate::error::CommandError;
use crate::model::export_format::ExportFormat;
use crate::project;
use crate::render::place::ReportPlace;
use std::path::{Path, PathBuf};
use stored_result::StoredResult;

/// Request for a report on a stored result.
#[derive(Debug, Clone)]
pub(crate) struct ReportRequest {
    /// Id, folder or file of the result.
    pub(crate) result: String,
    /// A template file, or the name of one of the project or of `orch`. By default, the reports
    /// that the command itself printed.
    pub(crate) template: Option<String>,
    /// Folder of the results, if it is not the project's.
    pub(crate) results: Option<PathBuf>,
}

/// Renders a report on a stored result: a `.txt` report for `place`, and any other one for a file.
///
/// # Errors
/// There is no such result, this version does not read it, or the template cannot be rendered.
pub(crate) fn render_report(
    request: &ReportRequest,
    place: ReportPlace,
) -> Result<String, CommandError> {
    let result = find_result(&request.result, request.results.as_deref())?;
    let templates = project::templates(&find_root()?);
    if let Some(name) = &request.template {
        let (name, folder) = locate_template(name, &templates)?;
        return render_one(&result, place, &name, &folder);
    }
    let printed = result.printed_reports().iter();
    let texts = printed.map(|name| render_one(&result, place, name, &templates));
    Ok(texts.collect::<Result<Vec<String>, _>>()?.join("\n"))
}

fn render_one(
    result: &StoredResult,
    place: ReportPlace,
    name: &str,
    folder: &Path,
) -> Result<String, CommandError> {
    let place = if name.ends_with(".txt") {
        place
    } else {
        ReportPlace::FILE
    };
    result
        .view(name)
        .render_for(place, name, folder)
        .map_err(|error| CommandError::input(error.to_string()))
}

/// Exports a stored result in a format of other programs.
///
/// # Errors
/// There is no such result, this version does not read it, or its kind has no such export.
pub(crate) fn export_report(
    request: &ReportRequest,
    format: ExportFormat,
) -> Result<String, CommandError> {
    let result = find_result(&request.result, request.results.as_deref())?;
    result
        .export(format, &project::templates(&find_root()?))
        .map_err(|error| CommandError::input(error.to_string()))
}

/// Finds and reads a result, which is given by its file, its folder, or its id in `results` or the
/// project's results.
///
/// # Errors
/// There is no such result, or this version does not read it.
pub(crate) fn find_result(
    name: &str,
    results: Option<&Path>,
) -> Result<StoredResult, CommandError> {
    let results = project::results_folder(results, &find_root()?);
    stored_result::find_result(name, &results)
}

/// Returns the root of the project around the current folder.
fn find_root() -> Result<PathBuf, CommandError> {
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    Ok(project::root_of(&here.join("x")))
}

/// Returns the name and the folder of a template, which is a file or one of the known templates.
fn locate_template(name: &str, templates: &Path) -> Result<(String, PathBuf), CommandError> {
    let path = Path::new(name);
    let is_file = path.components().count() > 1 || path.is_file();
    let file = path.file_name().and_then(|file| file.to_str());
    match file {
        Some(file) if is_file => {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            let folder = folder.unwrap_or(Path::new("."));
            if !path.is_file() {
                return Err(CommandError::input(format!(
                    "--template {name}: there is no such file"
                )));
            }
            Ok((file.to_owned(), folder.to_owned()))
        }
        Some(_) => Ok((name.to_owned(), templates.to_owned())),
        None => Err(CommandError::input(format!(
            "--template {name} names no file"
        ))),
    }
}
