//! Reports: renders a record, a comparison, a gate or a bisect through a template. A view chooses,
//! computes and words; the template places the parts of the view.

mod bisect;
pub(crate) mod catalog;
mod changes;
mod comparison;
mod entries;
mod gate;
pub(crate) mod github;
mod origins;
mod places;
mod profile;
mod run;
mod shown;
mod summary;
mod table;
mod templates;
#[cfg(test)]
mod tests;
mod warnings;

pub(crate) use templates::exists;

use crate::bisect::BisectReport;
use crate::comparison::Comparison;
use crate::gate::GateResult;
use crate::record::{Record, store};
use minijinja::value::Serde;
use orch_core::format;
use serde::Serialize;
use shown::MOST_BYTES;
use std::path::Path;

/// A report that could not be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[error("no template `{name}`: neither in {folder} nor built in (built in: {known})")]
    Unknown {
        name: String,
        folder: String,
        known: String,
    },
    #[error("template `{name}`: {message}")]
    Template { name: String, message: String },
    #[error("template {path}: {source}")]
    Read {
        path: String,
        source: std::io::Error,
    },
}

/// Renders a record through the template `name`: the user's in `folder`, or else the built-in one.
/// HTML templates escape the inserted texts.
pub(crate) fn render(name: &str, folder: &Path, record: &Record) -> Result<String, RenderError> {
    through(name, folder, store::FILE, run::view(record))
}

/// Renders a comparison through the template `name`, found in the same way.
pub(crate) fn comparison(
    name: &str,
    folder: &Path,
    comparison: &Comparison,
) -> Result<String, RenderError> {
    through(
        name,
        folder,
        crate::comparison::FILE,
        comparison::view(comparison),
    )
}

/// Renders the report of a bisect through the template `name`, found in the same way.
pub(crate) fn bisect(
    name: &str,
    folder: &Path,
    report: &BisectReport,
) -> Result<String, RenderError> {
    through(name, folder, "bisect.json", bisect::view(report))
}

/// Renders the result of a gate through the template `name`, found in the same way. `again` has the
/// state of each job that failed in an earlier check, and `next` has commands.
pub(crate) fn gate(
    name: &str,
    folder: &Path,
    comparison: &Comparison,
    gate: &GateResult,
    again: &[(String, &str)],
    next: &[String],
) -> Result<String, RenderError> {
    through(
        name,
        folder,
        crate::comparison::FILE,
        gate::view(comparison, gate, again, next),
    )
}

/// Renders a view. `whole` is the file that contains what the report leaves out.
fn through(
    name: &str,
    folder: &Path,
    whole: &str,
    view: impl Serialize,
) -> Result<String, RenderError> {
    let template = templates::read(name, folder)?;
    let wrong = |error: minijinja::Error| RenderError::Template {
        name: name.to_owned(),
        message: explain(&error),
    };
    let mut environment = templates::environment(folder).map_err(wrong)?;
    environment
        .add_template_owned(name.to_owned(), template.text)
        .map_err(wrong)?;
    let text = environment
        .get_template(name)
        .and_then(|compiled| compiled.render(Serde(view)))
        .map_err(wrong)?;
    // The user decides how long a report of the user's own template may be.
    Ok(if template.is_own {
        text
    } else {
        format::cut(text, MOST_BYTES, whole)
    })
}

/// Returns minijinja's message with the place inside the template and all causes.
fn explain(error: &minijinja::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
