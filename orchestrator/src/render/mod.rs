//! Reports: renders a record, a comparison, a gate or a bisect through a template. A view chooses,
//! computes and words; the template places the parts of the view.

mod bisect;
mod boxes;
pub(crate) mod catalog;
mod changes;
mod chart;
mod comparison;
pub(crate) mod confined;
mod entries;
mod files;
mod gate;
pub(crate) mod github;
mod growth;
pub(crate) mod help_topics;
mod histogram;
mod hot_paths;
pub(crate) mod init_report;
mod job_text;
pub(crate) mod machine_findings;
pub(crate) mod machine_noise;
mod marks;
mod memory;
mod origins;
mod page;
pub(crate) mod place;
mod places;
pub(crate) mod plugin_findings;
mod profile;
mod program_times;
mod review;
mod run;
mod shown;
mod summary;
mod table;
mod templates;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tone;
mod warnings;
mod wrong_name;

pub(crate) use templates::{exists, list_reports, list_run_reports};

use crate::bisect::BisectReport;
use crate::comparison::Comparison;
use crate::gate::GateResult;
use crate::record::Record;
use crate::time::measured::TimeResult;
use minijinja::value::Serde;
use orch_core::format::{self, clean};
use place::ReportPlace;
use serde::Serialize;
use serde_json::Value;
use shown::MOST_BYTES;
use std::io;
use std::path::Path;
use templates::ReportSubject;

/// Version of the model that templates see. It grows when a name disappears or changes its meaning.
const VIEW: &str = "orch/view/1";

/// A report that could not be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[error("no template `{name}`: neither in {folder} nor built in ({known})")]
    Unknown {
        name: String,
        folder: String,
        known: String,
    },
    #[error("`{name}` is a report of {subject}, and this result is {result}; use {fitting}")]
    OtherSubject {
        name: String,
        subject: &'static str,
        result: &'static str,
        fitting: String,
    },
    #[error("template `{name}`: {message}")]
    Template { name: String, message: String },
    #[error("template `{name}` {limit}")]
    Exceeded {
        name: String,
        limit: confined::TemplateExcess,
    },
    #[error("template `{name}`: {source}")]
    Process {
        name: String,
        source: std::io::Error,
    },
    /// The words of an error in the process that rendered.
    #[error("{0}")]
    Worded(String),
    #[error("template {path}: {source}")]
    Read {
        path: String,
        source: std::io::Error,
    },
}

/// A result as templates see it. All reports on a result share one view.
pub(crate) struct ReportView {
    subject: ReportSubject,
    /// The view, or why there is none.
    view: Result<Value, String>,
}

impl ReportView {
    /// Makes the view of a run.
    pub(crate) fn of_run(record: &Record) -> Self {
        Self::of(ReportSubject::Run, run::view(record))
    }

    /// Makes the view of a comparison or an import.
    pub(crate) fn of_comparison(comparison: &Comparison) -> Self {
        let subject = if comparison.imported.is_some() {
            ReportSubject::Import
        } else {
            ReportSubject::Comparison
        };
        Self::of(subject, comparison::view(comparison))
    }

    /// Makes the view of a bisect.
    pub(crate) fn of_bisect(report: &BisectReport) -> Self {
        Self::of(ReportSubject::Bisect, bisect::view(report))
    }

    /// Makes the view of the times of programs.
    pub(crate) fn of_times(result: &TimeResult) -> Self {
        Self::of(ReportSubject::Times, program_times::view(result))
    }

    /// Makes the view of a gate. `again` has the state of each job that failed in an earlier check,
    /// and `next` has commands.
    pub(crate) fn of_gate(
        comparison: &Comparison,
        gate: &GateResult,
        again: &[(String, &str)],
        next: &[String],
    ) -> Self {
        let view = gate::view(comparison, gate, again, next);
        Self::of(ReportSubject::Gate, view)
    }

    fn of(subject: ReportSubject, view: impl Serialize) -> Self {
        let view = serde_json::to_value(view).map(|mut view| {
            if let Some(fields) = view.as_object_mut() {
                fields.insert("view".to_owned(), VIEW.into());
            }
            view
        });
        Self {
            subject,
            view: view.map_err(|error| error.to_string()),
        }
    }

    /// Renders the result for a file through the template `name`: the user's in `folder`, or else
    /// the built-in one. HTML templates escape the inserted texts.
    pub(crate) fn render(&self, name: &str, folder: &Path) -> Result<String, RenderError> {
        self.render_for(ReportPlace::FILE, name, folder)
    }

    /// Renders the result for a place with its own width and colours. The text contains the marks
    /// of tones.
    pub(crate) fn render_for(
        &self,
        place: ReportPlace,
        name: &str,
        folder: &Path,
    ) -> Result<String, RenderError> {
        templates::check_subject(name, folder, self.subject)?;
        let is_own = templates::is_own(name, folder);
        let view = self.view.as_ref().map_err(|error| RenderError::Template {
            name: name.to_owned(),
            message: error.clone(),
        })?;
        let text = if templates::has_own(folder) {
            confined::render(name, folder, view, place)?
        } else {
            render_here(name, folder, view, place, usize::MAX)?
        };
        let text = clean::part_commands(&text).into_owned();
        // The user decides how long a report of the user's own template may be. A page that is cut
        // is broken; its lists and texts are short enough.
        Ok(if is_own || name.ends_with(".html") {
            text
        } else {
            format::cut(text, MOST_BYTES, self.subject.whole())
        })
    }

    /// Renders a report for the place in which it is printed. `stored` is its text for a file, and
    /// is returned if rendering for the place fails.
    pub(crate) fn render_printed(
        &self,
        place: ReportPlace,
        name: &str,
        folder: &Path,
        stored: String,
    ) -> String {
        if place == ReportPlace::FILE {
            return stored;
        }
        self.render_for(place, name, folder).unwrap_or(stored)
    }

    /// Renders the result in this process, for tests: they are not the program that a process of
    /// its own needs.
    #[cfg(test)]
    pub(crate) fn render_in_test(&self, name: &str, folder: &Path) -> Result<String, RenderError> {
        let view = self.view.as_ref().expect("a view");
        render_here(name, folder, view, ReportPlace::FILE, usize::MAX)
    }
}

/// Renders a view in this process, up to `most` bytes.
fn render_here(
    name: &str,
    folder: &Path,
    view: &Value,
    place: ReportPlace,
    most: usize,
) -> Result<String, RenderError> {
    let template = templates::read(name, folder)?;
    let wrong = |error: minijinja::Error| RenderError::Template {
        name: name.to_owned(),
        message: explain(&error),
    };
    let mut environment = templates::environment(folder, place).map_err(wrong)?;
    environment
        .add_template_owned(name.to_owned(), template)
        .map_err(wrong)?;
    let mut report = BoundedReport {
        text: Vec::new(),
        most,
        is_full: false,
    };
    let rendered = environment.get_template(name).and_then(|compiled| {
        compiled
            .render_captured_to(Serde(view), &mut report)
            .map(|_| ())
    });
    if report.is_full {
        return Err(RenderError::Exceeded {
            name: name.to_owned(),
            limit: confined::TemplateExcess::Output,
        });
    }
    rendered.map_err(|error| RenderError::Template {
        name: name.to_owned(),
        message: match wrong_name::suggest_name(&error, view) {
            Some(hint) => format!("{}: {hint}", explain(&error)),
            None => explain(&error),
        },
    })?;
    Ok(String::from_utf8_lossy(&report.text).into_owned())
}

/// A report that refuses to become longer than `most` bytes.
struct BoundedReport {
    text: Vec<u8>,
    most: usize,
    is_full: bool,
}

impl io::Write for BoundedReport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.most {
            self.is_full = true;
            return Err(io::Error::other("the report is too long"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
