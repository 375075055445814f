//! Stored results in the formats of other programs: tables, samples, tests, comments, dashboards,
//! flame graphs.

mod dashboards;
mod junit;
mod prometheus;
mod rows;
mod samples;
mod speedscope;
mod stacks;
#[cfg(test)]
mod tests;
mod xml;

use crate::comparison::Comparison;
use crate::record::Record;
use crate::render::{self, RenderError};
use orch_core::format::clean;
use serde::Serialize;
use std::path::Path;

/// Name of the template behind the comment.
const COMMENT: &str = "github-comment.md";

/// A format of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// One row per job and metric, as CSV.
    Csv,
    /// The same rows, as JSON lines.
    Jsonl,
    /// One row per sample, as CSV.
    SamplesCsv,
    /// The same rows, as JSON lines.
    SamplesJsonl,
    /// JUnit XML: one test case per job.
    Junit,
    /// Markdown for a comment on a pull request.
    GithubComment,
    /// Text exposition format of Prometheus.
    Prometheus,
    /// Bencher Metric Format.
    Bencher,
    /// The `customSmallerIsBetter` format of github-action-benchmark.
    GithubActionBenchmark,
    /// Profiles of the time inside each scope itself, in speedscope's file format.
    SpeedscopeTime,
    /// Profiles of the bytes that each scope allocates.
    SpeedscopeBytes,
    /// Folded stacks of the time inside each scope itself, in nanoseconds.
    FoldedTime,
    /// Folded stacks of the bytes that each scope allocates.
    FoldedBytes,
}

/// A result to export.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ExportedResult<'a> {
    Run(&'a Record),
    Comparison(&'a Comparison),
    /// A bisect has no export.
    Bisect,
}

/// Reason why a result has no such export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportObstacle {
    #[error("a {kind} cannot be exported as `{format}`; use {known}")]
    OtherKind {
        kind: &'static str,
        format: &'static str,
        known: String,
    },
    #[error("the export: {0}")]
    Write(String),
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl ExportFormat {
    pub(crate) const ALL: [Self; 13] = [
        Self::Csv,
        Self::Jsonl,
        Self::SamplesCsv,
        Self::SamplesJsonl,
        Self::Junit,
        Self::GithubComment,
        Self::Prometheus,
        Self::Bencher,
        Self::GithubActionBenchmark,
        Self::SpeedscopeTime,
        Self::SpeedscopeBytes,
        Self::FoldedTime,
        Self::FoldedBytes,
    ];

    /// Returns the name that selects the format.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::SamplesCsv => "samples-csv",
            Self::SamplesJsonl => "samples-jsonl",
            Self::Junit => "junit",
            Self::GithubComment => "github-comment",
            Self::Prometheus => "prometheus",
            Self::Bencher => "bencher",
            Self::GithubActionBenchmark => "github-action-benchmark",
            Self::SpeedscopeTime => "speedscope",
            Self::SpeedscopeBytes => "speedscope-bytes",
            Self::FoldedTime => "folded",
            Self::FoldedBytes => "folded-bytes",
        }
    }

    /// Returns the name of the file in the folder of a result.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "metrics.csv",
            Self::Jsonl => "metrics.jsonl",
            Self::SamplesCsv => "samples.csv",
            Self::SamplesJsonl => "samples.jsonl",
            Self::Junit => "junit.xml",
            Self::GithubComment => COMMENT,
            Self::Prometheus => "metrics.prom",
            Self::Bencher => "bencher.json",
            Self::GithubActionBenchmark => "github-action-benchmark.json",
            Self::SpeedscopeTime => "speedscope.json",
            Self::SpeedscopeBytes => "speedscope-bytes.json",
            Self::FoldedTime => "time.folded",
            Self::FoldedBytes => "bytes.folded",
        }
    }

    /// Finds the format of a name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Returns whether a result can be exported in this format.
    pub(crate) fn fits(self, result: &ExportedResult) -> bool {
        match result {
            ExportedResult::Run(_) => self != Self::GithubComment,
            ExportedResult::Comparison(_) => matches!(
                self,
                Self::Csv
                    | Self::Jsonl
                    | Self::SamplesCsv
                    | Self::SamplesJsonl
                    | Self::Junit
                    | Self::GithubComment
            ),
            ExportedResult::Bisect => false,
        }
    }
}

impl ExportedResult<'_> {
    /// Returns the word for what the result is of.
    fn kind(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Comparison(_) => "comparison",
            Self::Bisect => "bisect",
        }
    }
}

/// Exports a result. `templates` is the folder of the project's templates.
///
/// # Errors
/// The format is one of other kinds of results, or the project's own template is wrong.
pub(crate) fn export_result(
    result: &ExportedResult,
    format: ExportFormat,
    templates: &Path,
) -> Result<String, ExportObstacle> {
    let text = match result {
        _ if !format.fits(result) => Err(refuse(result, format)),
        ExportedResult::Run(record) => export_run(record, format),
        ExportedResult::Comparison(comparison) => export_comparison(comparison, format, templates),
        ExportedResult::Bisect => Err(refuse(result, format)),
    }?;
    // A job on GitHub may print it.
    Ok(clean::part_commands(&text).into_owned())
}

/// Lists the formats that the kind of result has.
fn refuse(result: &ExportedResult, format: ExportFormat) -> ExportObstacle {
    let fitting = ExportFormat::ALL.into_iter().filter(|one| one.fits(result));
    let names: Vec<&str> = fitting.map(ExportFormat::name).collect();
    ExportObstacle::OtherKind {
        kind: result.kind(),
        format: format.name(),
        known: match names.is_empty() {
            true => "`--json` of the command itself".to_owned(),
            false => names.join(", "),
        },
    }
}

fn export_run(record: &Record, format: ExportFormat) -> Result<String, ExportObstacle> {
    match format {
        ExportFormat::Csv => write_csv(&rows::list_of_run(record)),
        ExportFormat::Jsonl => write_lines(&rows::list_of_run(record)),
        ExportFormat::SamplesCsv => write_csv(&samples::list_of_run(record)),
        ExportFormat::SamplesJsonl => write_lines(&samples::list_of_run(record)),
        ExportFormat::Junit => Ok(junit::export_run(record)),
        ExportFormat::Prometheus => Ok(prometheus::export(record)),
        ExportFormat::Bencher => write_document(&dashboards::export_bencher(record)),
        ExportFormat::GithubActionBenchmark => {
            write_document(&dashboards::export_action_benchmark(record))
        }
        ExportFormat::SpeedscopeTime => write_document(&speedscope::export_time(record)),
        ExportFormat::SpeedscopeBytes => write_document(&speedscope::export_bytes(record)),
        ExportFormat::FoldedTime => Ok(stacks::fold(record, |scope| scope.self_ns)),
        ExportFormat::FoldedBytes => Ok(stacks::fold(record, stacks::count_own_bytes)),
        ExportFormat::GithubComment => Err(refuse(&ExportedResult::Run(record), format)),
    }
}

fn export_comparison(
    comparison: &Comparison,
    format: ExportFormat,
    templates: &Path,
) -> Result<String, ExportObstacle> {
    match format {
        ExportFormat::Csv => write_csv(&rows::list_of_comparison(comparison)),
        ExportFormat::Jsonl => write_lines(&rows::list_of_comparison(comparison)),
        ExportFormat::SamplesCsv => write_csv(&samples::list_of_comparison(comparison)),
        ExportFormat::SamplesJsonl => write_lines(&samples::list_of_comparison(comparison)),
        ExportFormat::Junit => Ok(junit::export_comparison(comparison)),
        ExportFormat::GithubComment => Ok(render::comparison(COMMENT, templates, comparison)?),
        _ => Err(refuse(&ExportedResult::Comparison(comparison), format)),
    }
}

fn write_csv(rows: &[impl Serialize]) -> Result<String, ExportObstacle> {
    let wrong = |error: &dyn std::fmt::Display| ExportObstacle::Write(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|error| wrong(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

fn write_lines(rows: &[impl Serialize]) -> Result<String, ExportObstacle> {
    let mut text = String::new();
    for row in rows {
        let line =
            serde_json::to_string(row).map_err(|error| ExportObstacle::Write(error.to_string()))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

fn write_document(document: &impl Serialize) -> Result<String, ExportObstacle> {
    serde_json::to_string_pretty(document)
        .map(|text| text + "\n")
        .map_err(|error| ExportObstacle::Write(error.to_string()))
}
