//! Stored results in the formats of other programs: tables, samples, dashboards, flame graphs.

mod dashboards;
mod rows;
mod samples;
mod stacks;

use crate::report::stored_result::StoredResult;
use serde::Serialize;

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
    /// Bencher Metric Format.
    Bencher,
    /// The `customSmallerIsBetter` format of github-action-benchmark.
    GithubActionBenchmark,
    /// Folded stacks of the time inside each scope itself, in nanoseconds.
    FoldedTime,
    /// Folded stacks of the bytes that each scope allocates.
    FoldedBytes,
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
}

impl ExportFormat {
    pub(crate) const ALL: [Self; 8] = [
        Self::Csv,
        Self::Jsonl,
        Self::SamplesCsv,
        Self::SamplesJsonl,
        Self::Bencher,
        Self::GithubActionBenchmark,
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
            Self::Bencher => "bencher",
            Self::GithubActionBenchmark => "github-action-benchmark",
            Self::FoldedTime => "folded",
            Self::FoldedBytes => "folded-bytes",
        }
    }

    /// Returns whether a result can be exported in this format.
    fn fits(self, result: &StoredResult) -> bool {
        match result {
            StoredResult::Run(_) => true,
            StoredResult::Comparison(_) => matches!(
                self,
                Self::Csv | Self::Jsonl | Self::SamplesCsv | Self::SamplesJsonl
            ),
            StoredResult::Bisect(_) => false,
        }
    }
}

/// Exports a result.
///
/// # Errors
/// The format is one of other kinds of results.
pub(crate) fn export_result(
    result: &StoredResult,
    format: ExportFormat,
) -> Result<String, ExportObstacle> {
    let refused = || {
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
    };
    if !format.fits(result) {
        return Err(refused());
    }
    match (format, result) {
        (ExportFormat::Csv, StoredResult::Run(record)) => write_csv(&rows::list_of_run(record)),
        (ExportFormat::Csv, StoredResult::Comparison(comparison)) => {
            write_csv(&rows::list_of_comparison(comparison))
        }
        (ExportFormat::Jsonl, StoredResult::Run(record)) => write_lines(&rows::list_of_run(record)),
        (ExportFormat::Jsonl, StoredResult::Comparison(comparison)) => {
            write_lines(&rows::list_of_comparison(comparison))
        }
        (ExportFormat::SamplesCsv, StoredResult::Run(record)) => {
            write_csv(&samples::list_of_run(record))
        }
        (ExportFormat::SamplesCsv, StoredResult::Comparison(comparison)) => {
            write_csv(&samples::list_of_comparison(comparison))
        }
        (ExportFormat::SamplesJsonl, StoredResult::Run(record)) => {
            write_lines(&samples::list_of_run(record))
        }
        (ExportFormat::SamplesJsonl, StoredResult::Comparison(comparison)) => {
            write_lines(&samples::list_of_comparison(comparison))
        }
        (ExportFormat::Bencher, StoredResult::Run(record)) => {
            write_document(&dashboards::export_bencher(record))
        }
        (ExportFormat::GithubActionBenchmark, StoredResult::Run(record)) => {
            write_document(&dashboards::export_action_benchmark(record))
        }
        (ExportFormat::FoldedTime, StoredResult::Run(record)) => {
            Ok(stacks::fold(record, |scope| scope.self_ns))
        }
        (ExportFormat::FoldedBytes, StoredResult::Run(record)) => {
            Ok(stacks::fold(record, stacks::count_own_bytes))
        }
        _ => Err(refused()),
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
