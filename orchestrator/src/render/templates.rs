//! Templates: those built into orch, and the folder in which a user's own take precedence.

use super::place::ReportPlace;
use super::table::{self, TonedText};
use super::{RenderError, boxes, changes, origins};
use crate::comparison;
use crate::file;
use crate::record::store;
use crate::scenario::problem::nearest_name;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, TemplateSource, UndefinedBehavior, Value};
use orch_core::format::{self, clean};
use std::borrow::Cow;
use std::path::Path;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../templates/", $name)))),*]
    };
}

macro_rules! reports {
    ($($name:literal of $($subject:ident)|+: $about:literal),* $(,)?) => {
        &[$(BuiltInReport {
            name: $name,
            subjects: &[$(ReportSubject::$subject),+],
            about: $about,
            template: include_str!(concat!("../../../templates/", $name)),
        }),*]
    };
}

/// Kind of result that a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReportSubject {
    Run,
    /// A comparison that orch measured, or one of two records.
    Comparison,
    Import,
    Gate,
    Bisect,
    /// Times of programs.
    Times,
}

impl ReportSubject {
    /// Returns the words for one result of the kind.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Run => "a run",
            Self::Comparison => "a comparison",
            Self::Import => "an import",
            Self::Gate => "a check",
            Self::Bisect => "a bisect",
            Self::Times => "the times of programs",
        }
    }

    /// Returns the file that contains what a report leaves out.
    pub(super) fn whole(self) -> &'static str {
        match self {
            Self::Run => store::FILE,
            Self::Comparison | Self::Import | Self::Gate => comparison::FILE,
            Self::Bisect => "bisect.json",
            Self::Times => "the output of `orch time --json`",
        }
    }
}

/// A report built into orch.
pub(super) struct BuiltInReport {
    pub(super) name: &'static str,
    /// Kinds of results that it is about.
    subjects: &'static [ReportSubject],
    /// Content in a few words.
    pub(super) about: &'static str,
    template: &'static str,
}

/// The reports built into orch, so that an installed `orch` needs no folder.
pub(super) const REPORTS: &[BuiltInReport] = reports![
    "allocations.md" of Run: "allocations of each job and scope",
    "bisect.html" of Bisect: "a page with the culprit and the search",
    "bisect.md" of Bisect: "the culprit, for a merge request or a mail",
    "bisect.txt" of Bisect: "the culprit, as printed",
    "chart.md" of Comparison: "all changes as bars",
    "comparison.html" of Comparison: "a page with all changes and their samples",
    "comparison.md" of Comparison | Import: "all verdicts with the places of the changes",
    "comparison.txt" of Comparison: "all verdicts, as printed",
    "gate.txt" of Gate: "the result of the check, as printed",
    "github-comment.md" of Comparison: "a comment on a pull request",
    "hot-paths.md" of Run: "a section for each of the hottest scopes",
    "import.txt" of Import: "imported results, as printed",
    "index.md" of Run: "the files of the result",
    "overview.txt" of Comparison: "one page for a terminal or a mail",
    "performance.md" of Comparison: "all workloads by family, with evidence and actions",
    "profile.md" of Run: "hot paths, allocators, calls and insights",
    "run.html" of Run: "a page with jobs, samples and scopes",
    "samples.txt" of Run: "the samples of each job as histograms",
    "summary.txt" of Run: "all jobs, as printed",
    "times.txt" of Times: "the times of programs, as printed",
];

/// The report that links the files of a run.
pub(super) const INDEX: &str = "index.md";

/// Sections that the templates of reports include.
const SECTIONS: &[(&str, &str)] = embedded![
    "bisect/code.md",
    "bisect/culprit.md",
    "bisect/culprit.txt",
    "bisect/likely.md",
    "bisect/open.md",
    "bisect/places.md",
    "bisect/reverted.md",
    "bisect/skipped.md",
    "comparison/allocations.md",
    "comparison/changes.md",
    "comparison/contradictions.md",
    "comparison/details.txt",
    "comparison/different.md",
    "comparison/missing.md",
    "comparison/sessions.md",
    "comparison/table.md",
    "comparison/times.md",
    "comparison/warnings.md",
    "comparison/workloads.md",
    "github-comment/changes.md",
    "github-comment/lines.md",
    "github-comment/workloads.md",
    "hot-paths/configuration.md",
    "hot-paths/distribution.md",
    "hot-paths/growth.md",
    "hot-paths/memory.md",
    "hot-paths/path.md",
    "hot-paths/targets.md",
    "overview/actions.txt",
    "overview/families.txt",
    "page/bisect/commit.html",
    "page/bisect/culprit.html",
    "page/bisect/likely.html",
    "page/bisect/open.html",
    "page/bisect/skipped.html",
    "page/comparison/allocations.html",
    "page/comparison/details.html",
    "page/comparison/different.html",
    "page/comparison/workloads.html",
    "page/counts.html",
    "page/icicle.html",
    "page/layout.html",
    "page/mark.html",
    "page/run/anchors.html",
    "page/run/growth.html",
    "page/run/insights.html",
    "page/run/jobs.html",
    "page/run/lost.html",
    "page/run/scopes.html",
    "page/script.html",
    "page/strip.html",
    "page/style.html",
    "page/warnings.html",
    "performance/actions.md",
    "performance/families.md",
    "performance/memory.md",
    "performance/scaling.md",
    "performance/trend.md",
    "profile/allocators.md",
    "profile/hierarchy.md",
    "profile/models.md",
    "profile/series.md",
    "summary/anchors.txt",
    "summary/contradictions.txt",
    "summary/lost.txt",
    "summary/warnings.txt",
];

/// Returns whether a template of that name exists.
pub(crate) fn exists(name: &str, folder: &Path) -> bool {
    folder.join(name).is_file() || find_report(name).is_some()
}

/// Iterates over the names of the built-in reports.
pub(crate) fn list_reports() -> impl Iterator<Item = &'static str> {
    REPORTS.iter().map(|report| report.name)
}

/// Iterates over the names of the built-in reports on runs.
pub(crate) fn list_run_reports() -> impl Iterator<Item = &'static str> {
    REPORTS
        .iter()
        .filter(|report| report.subjects.contains(&ReportSubject::Run))
        .map(|report| report.name)
}

/// Returns whether the folder has templates of the user's own.
pub(super) fn has_own(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Returns whether the template `name` is the user's own.
pub(super) fn is_own(name: &str, folder: &Path) -> bool {
    folder.join(name).is_file()
}

/// Refuses a built-in report about another kind of result.
pub(super) fn check_subject(
    name: &str,
    folder: &Path,
    subject: ReportSubject,
) -> Result<(), RenderError> {
    let report = find_report(name).filter(|report| !report.subjects.contains(&subject));
    let Some(report) = report.filter(|_| !is_own(name, folder)) else {
        return Ok(());
    };
    let fitting = REPORTS
        .iter()
        .filter(|other| other.subjects.contains(&subject));
    let names: Vec<&str> = fitting.map(|report| report.name).collect();
    Err(RenderError::OtherSubject {
        name: name.to_owned(),
        subject: report.subjects[0].words(),
        result: subject.words(),
        fitting: format::listed(&names),
    })
}

/// Reads the template `name`: the user's in `folder`, or else the built-in one.
pub(super) fn read(name: &str, folder: &Path) -> Result<String, RenderError> {
    let path = folder.join(name);
    match file::read_text(&path, file::MOST_TEXT_BYTES) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(RenderError::Read {
                path: path.display().to_string(),
                source,
            });
        }
    }
    let report = find_report(name).ok_or_else(|| {
        let known: Vec<&str> = REPORTS.iter().map(|report| report.name).collect();
        RenderError::Unknown {
            name: name.to_owned(),
            folder: folder.display().to_string(),
            known: match nearest_name(name, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("built in: {}", format::listed(&known)),
            },
        }
    })?;
    Ok(report.template.to_owned())
}

/// Returns the content of a built-in report in a few words.
pub(super) fn describe(name: &str) -> Option<&'static str> {
    find_report(name).map(|report| report.about)
}

fn find_report(name: &str) -> Option<&'static BuiltInReport> {
    REPORTS.iter().find(|report| report.name == name)
}

fn find(all: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    all.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// Makes the environment of a template: its filters, its syntax, and the templates that it may
/// include. Templates in `folder` take precedence.
pub(super) fn environment(
    folder: &Path,
    place: ReportPlace,
) -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Errors name the expression that is undefined.
    environment.set_debug(true);
    // A block tag on a line of its own must not leave an empty line.
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()?;
    environment.set_syntax(syntax);
    let folder = folder.to_owned();
    environment.set_loader(move |name| {
        let report = || find_report(name).map(|report| report.template);
        let built_in = || find(SECTIONS, name).or_else(report);
        let own = read_included(&folder, name)?.map(TemplateSource::new);
        Ok(own.or_else(|| built_in().map(TemplateSource::new)))
    });
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html" | "htm") => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    // Whatever a template inserts passes here, those of the user included.
    environment.set_formatter(|out, state, value| {
        if let Some(TonedText(text)) = value.downcast_object_ref() {
            return out.write_str(text).map_err(minijinja::Error::from);
        }
        // No text of a page has lines of its own.
        let is_page = matches!(state.auto_escape(), AutoEscape::Html);
        let clean = clean_value(value, is_page);
        minijinja::escape_formatter(out, state, clean.as_ref().unwrap_or(value))
    });
    environment.add_filter("time", format::time);
    environment.add_filter("times", |values: Vec<f64>| format::times(&values));
    environment.add_filter("bytes", format::bytes);
    environment.add_filter("number", format::number);
    environment.add_filter("percent", format::percent);
    changes::add(&mut environment);
    environment.add_filter("utc", format::utc);
    environment.add_filter("wrap", move |text: String, width: usize, indent: usize| {
        let width = place.limit_paragraph(width);
        format::wrap(&clean::clean_lines(&text), width, indent)
    });
    environment.add_filter(
        "command",
        move |text: String, width: usize, indent: usize| {
            let width = place.limit_paragraph(width);
            format::wrap_command(&clean::clean_line(&text), width, indent)
        },
    );
    environment.add_filter("tone", move |text: String, tone: Value| {
        let tone = table::read_tone(&tone)?.filter(|_| place.has_colour);
        Ok::<Value, minijinja::Error>(match tone {
            Some(tone) => Value::from_object(TonedText(tone.mark(&clean::clean_lines(&text)))),
            None => Value::from(text),
        })
    });
    environment.add_filter("line", |text: String| clean::clean_line(&text).into_owned());
    environment.add_filter("brief", |text: String| format::brief(&text));
    environment.add_filter("prose", |text: String| clean::clean_prose(&text));
    environment.add_filter("cell", |text: String| clean::clean_cell(&text));
    environment.add_filter("sentence", sentence);
    environment.add_filter("commit", commit);
    environment.add_filter("code", |text: String| code(&text));
    environment.add_function("table", move |headers, rows, options| {
        table::table(place, headers, rows, options)
    });
    environment.add_function("heading", move |text: String| boxes::heading(place, &text));
    environment.add_function("rule", move || boxes::rule(place));
    Ok(environment)
}

/// Reads a template of the user that another one includes; `None` if there is none. As in the
/// loader of minijinja, no part of a name begins with a dot, so that it stays in the folder.
fn read_included(folder: &Path, name: &str) -> Result<Option<String>, minijinja::Error> {
    let is_outside = |part: &str| part.starts_with('.') || part.contains('\\');
    if name.split('/').any(is_outside) {
        return Ok(None);
    }
    // An absolute name must not replace the folder.
    let path = folder.join(name.trim_start_matches('/'));
    match file::read_text(&path, file::MOST_TEXT_BYTES) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        }
    }
}

/// Cleans an inserted value, in a list or an object too; `None` if it is clean.
fn clean_value(value: &Value, is_one_line: bool) -> Option<Value> {
    let text = match value.as_str() {
        _ if value.is_number() => return None,
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(value.to_string()),
    };
    let cleaned = if is_one_line {
        clean::clean_line(&text)
    } else {
        clean::clean_lines(&text)
    };
    match cleaned {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) if value.is_safe() => Some(Value::from_safe_string(text)),
        Cow::Owned(text) => Some(Value::from(text)),
    }
}

/// Makes a sentence of words: a capital at the beginning and a full stop at the end.
fn sentence(words: String) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase);
    let sentence: String = first.into_iter().flatten().chain(letters).collect();
    sentence + "."
}

/// Formats a name in Markdown.
fn code(text: &str) -> String {
    format!("`{}`", clean::clean_code(text))
}

/// Formats a commit in Markdown: its first digits and its subject.
fn commit(commit: Value) -> Result<String, minijinja::Error> {
    let hash = commit.get_attr("commit")?.to_string();
    let subject = commit.get_attr("subject")?.to_string();
    Ok(format!(
        "{} {}",
        code(origins::short(&hash)),
        clean::clean_cell(&subject)
    ))
}
