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
use crate::model::export_format::ExportFormat;
use crate::record::Record;
use crate::render::{RenderError, ReportView};
use crate::time::measured::TimeResult;
use orch_core::format::clean;
use serde::Serialize;
use std::path::Path;

/// A result to export.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ExportedResult<'a> {
    Run(&'a Record),
    Comparison(&'a Comparison),
    /// A bisect has no export.
    Bisect,
    Times(&'a TimeResult),
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

impl ExportedResult<'_> {
    /// Returns whether the result can be exported in a format.
    pub(crate) fn has_format(&self, format: ExportFormat) -> bool {
        match self {
            Self::Run(_) => format != ExportFormat::GithubComment,
            Self::Comparison(_) => matches!(
                format,
                ExportFormat::Csv
                    | ExportFormat::Jsonl
                    | ExportFormat::SamplesCsv
                    | ExportFormat::SamplesJsonl
                    | ExportFormat::Junit
                    | ExportFormat::GithubComment
            ),
            Self::Bisect => false,
            Self::Times(_) => ExportFormat::OF_TIMES.contains(&format),
        }
    }

    /// Returns the word for what the result is of.
    fn kind(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Comparison(_) => "comparison",
            Self::Bisect => "bisect",
            Self::Times(_) => "measurement of programs",
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
        _ if !result.has_format(format) => Err(refuse(result, format)),
        ExportedResult::Run(record) => export_run(record, format),
        ExportedResult::Comparison(comparison) => export_comparison(comparison, format, templates),
        ExportedResult::Bisect => Err(refuse(result, format)),
        ExportedResult::Times(times) => export_times(times, format),
    }?;
    // A job on GitHub may print it.
    Ok(clean::part_commands(&text).into_owned())
}

/// Lists the formats that the kind of result has.
fn refuse(result: &ExportedResult, format: ExportFormat) -> ExportObstacle {
    let fitting = ExportFormat::ALL
        .into_iter()
        .filter(|one| result.has_format(*one));
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
        ExportFormat::GithubComment => {
            Ok(ReportView::of_comparison(comparison).render(format.file_name(), templates)?)
        }
        _ => Err(refuse(&ExportedResult::Comparison(comparison), format)),
    }
}

fn export_times(times: &TimeResult, format: ExportFormat) -> Result<String, ExportObstacle> {
    match format {
        ExportFormat::Csv => write_csv(&rows::list_of_times(times)),
        ExportFormat::Jsonl => write_lines(&rows::list_of_times(times)),
        ExportFormat::SamplesCsv => write_csv(&samples::list_of_times(times)),
        ExportFormat::SamplesJsonl => write_lines(&samples::list_of_times(times)),
        _ => Err(refuse(&ExportedResult::Times(times), format)),
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
