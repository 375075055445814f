//! Reports: a record through a template. Templates get the record itself and filters that format
//! quantities.

mod bisect;
pub(crate) mod catalog;
mod changes;
mod comparison;
pub(crate) mod github;
mod listed;
mod profile;
mod shown;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod warnings;

use crate::bisect::BisectReport;
use crate::comparison::Comparison;
use crate::format;
use crate::gate::{GateFinding, GateResult};
use crate::model::warning::{SidedKind, WarningKind};
use crate::record::{Record, store};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use shown::{MOST_BYTES, MOST_TEXTS, ShownList};
use std::path::Path;
use warnings::JobTexts;

/// The templates that orch carries, so that an installed `orch` needs no folder.
const BUILT_IN: [(&str, &str); 8] = [
    ("bisect.md", include_str!("../../../templates/bisect.md")),
    ("bisect.txt", include_str!("../../../templates/bisect.txt")),
    (
        "comparison.md",
        include_str!("../../../templates/comparison.md"),
    ),
    (
        "comparison.txt",
        include_str!("../../../templates/comparison.txt"),
    ),
    ("gate.txt", include_str!("../../../templates/gate.txt")),
    ("import.txt", include_str!("../../../templates/import.txt")),
    (
        "summary.txt",
        include_str!("../../../templates/summary.txt"),
    ),
    ("profile.md", include_str!("../../../templates/profile.md")),
];

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

/// What a template sees.
#[derive(Serialize)]
struct RecordView<'a> {
    record: &'a Record,
    profile: profile::ProfileView<'a>,
    summary: summary::SummaryView<'a>,
    warnings: Vec<warnings::GatheredWarning<'a>>,
    /// Warnings that are not shown.
    more_warnings: usize,
    /// That the machine was busy, where it was.
    busy: Option<String>,
}

/// Whether a template of that name exists.
pub(crate) fn exists(name: &str, folder: &Path) -> bool {
    folder.join(name).is_file() || BUILT_IN.iter().any(|(known, _)| *known == name)
}

/// Renders a record through the template `name`: the user's in `folder`, else the built-in one.
/// HTML templates escape what they print.
pub(crate) fn render(name: &str, folder: &Path, record: &Record) -> Result<String, RenderError> {
    let of_run = |kind: &WarningKind| SidedKind {
        kind: *kind,
        side: None,
    };
    let warnings = warnings::gathered(record.jobs.iter().map(|job| JobTexts {
        id: &job.id,
        texts: &job.warnings,
        kinds: job.warning_kinds.iter().map(of_run).collect(),
    }));
    let ShownList {
        items: warnings,
        more: more_warnings,
    } = ShownList::first(MOST_TEXTS, warnings);
    let busy = record.load.and_then(|load| load.message());
    let (profile, summary) = (profile::view(record), summary::view(record));
    through(
        name,
        folder,
        store::FILE,
        RecordView {
            record,
            profile,
            summary,
            warnings,
            more_warnings,
            busy,
        },
    )
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

/// Renders what a gate says through the template `name`, found in the same way. `again`: what
/// became of each job that had failed before; `next`: commands.
pub(crate) fn gate(
    name: &str,
    folder: &Path,
    comparison: &Comparison,
    gate: &GateResult,
    again: &[(String, &str)],
    next: &[String],
) -> Result<String, RenderError> {
    #[derive(Serialize)]
    struct GateView<'a> {
        comparison: &'a Comparison,
        gate: &'a GateResult,
        findings: ShownList<&'a GateFinding>,
        again: Vec<&'a (String, &'a str)>,
        more_again: usize,
        next: &'a [String],
    }
    let findings = ShownList::first(MOST_TEXTS, &gate.findings);
    let ShownList {
        items: again,
        more: more_again,
    } = ShownList::first(MOST_TEXTS, again);
    through(
        name,
        folder,
        crate::comparison::FILE,
        GateView {
            comparison,
            gate,
            findings,
            again,
            more_again,
            next,
        },
    )
}

/// Renders a view. `whole`: the file that holds what the report leaves out.
fn through(
    name: &str,
    folder: &Path,
    whole: &str,
    view: impl Serialize,
) -> Result<String, RenderError> {
    let TemplateSource {
        text: source,
        is_own,
    } = source(name, folder)?;
    let wrong = |error: minijinja::Error| RenderError::Template {
        name: name.to_owned(),
        message: explain(&error),
    };
    let mut environment = environment(folder).map_err(wrong)?;
    environment
        .add_template_owned(name.to_owned(), source)
        .map_err(wrong)?;
    let template = environment.get_template(name).map_err(wrong)?;
    let text = template.render(Serde(view)).map_err(wrong)?;
    // How long a report of the user's own template may be is the user's to say.
    Ok(if is_own {
        text
    } else {
        format::cut(text, MOST_BYTES, whole)
    })
}

/// A template's text.
struct TemplateSource {
    text: String,
    /// The user's, not the built-in one.
    is_own: bool,
}

fn source(name: &str, folder: &Path) -> Result<TemplateSource, RenderError> {
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => return Ok(TemplateSource { text, is_own: true }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(RenderError::Read {
                path: path.display().to_string(),
                source,
            });
        }
    }
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
    built_in
        .map(|(_, text)| TemplateSource {
            text: (*text).to_owned(),
            is_own: false,
        })
        .ok_or_else(|| {
            let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            RenderError::Unknown {
                name: name.to_owned(),
                folder: folder.display().to_string(),
                known: format::listed(&known),
            }
        })
}

fn environment(folder: &Path) -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // A block tag on a line of its own leaves no empty line behind.
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_loader(minijinja::path_loader(folder));
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html" | "htm") => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    environment.add_filter("time", format::time);
    environment.add_filter("times", |values: Vec<f64>| format::times(&values));
    environment.add_filter("bytes", format::bytes);
    environment.add_filter("number", format::number);
    environment.add_filter("percent", format::percent);
    changes::add(&mut environment);
    environment.add_filter("utc", format::utc);
    environment.add_filter("wrap", |text: String, width: usize, indent: usize| {
        format::wrap(&text, width, indent)
    });
    environment.add_filter("brief", |text: String| format::brief(&text));
    environment.add_filter("cell", |text: String| format::cell(&text));
    environment.add_function("table", table::table);
    Ok(environment)
}

/// minijinja's message with the place inside the template and all causes.
fn explain(error: &minijinja::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
