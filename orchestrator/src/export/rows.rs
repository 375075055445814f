//! Tables of results: one row per job and metric.

use crate::comparison::Comparison;
use crate::model::reason::ReasonKind;
use crate::record::{JobRecord, Record};
use crate::time::measured::{ProgramFinding, TimeResult};
use orch_core::format::clean;
use serde::Serialize;

/// A metric of a job of a run.
#[derive(Debug, Serialize)]
pub(super) struct RunRow {
    job: String,
    /// measured, failed or skipped.
    outcome: &'static str,
    metric: String,
    /// Unit of the numbers; times are in ns.
    unit: String,
    /// Empty if there is none.
    value: Option<f64>,
    /// Interval of a time, or the range over the processes of a count.
    low: Option<f64>,
    high: Option<f64>,
    /// Whether the value is a count that all processes agree on.
    exact: bool,
}

/// A metric of a job of a comparison.
#[derive(Debug, Serialize)]
pub(super) struct ComparisonRow {
    job: String,
    metric: String,
    unit: String,
    verdict: &'static str,
    /// Values of both sides; empty if they are no numbers.
    a: Option<f64>,
    b: Option<f64>,
    /// Relative change with its interval; 0.01 is 1 %.
    change: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    /// Relative difference that matters.
    margin: f64,
    pairs: usize,
    reason_kind: Option<ReasonKind>,
    reason: String,
}

/// A program whose time was measured.
#[derive(Debug, Serialize)]
pub(super) struct ProgramTimeRow {
    program: String,
    command: String,
    /// Rank by speed, from 1; empty without a time.
    rank: Option<usize>,
    time_ns: Option<f64>,
    /// Interval of the time of a program that was measured alone.
    low_ns: Option<f64>,
    high_ns: Option<f64>,
    /// Time relative to the first program, with its interval; 0.01 is 1 % more.
    change: Option<f64>,
    change_low: Option<f64>,
    change_high: Option<f64>,
    /// Finding about that change.
    finding: Option<ProgramFinding>,
    user_ns: Option<f64>,
    system_ns: Option<f64>,
    peak_bytes: Option<f64>,
    /// Resident memory of orch's worker. If the peak is no larger, it is only a bound.
    own_bytes: Option<f64>,
    runs: usize,
    failure: String,
}

/// Returns a text that no spreadsheet takes for a formula.
pub(super) fn clean_field(text: &str) -> String {
    let text = clean::clean_line(text);
    match text.chars().next() {
        Some('=' | '+' | '-' | '@') => format!("'{text}"),
        _ => text.into_owned(),
    }
}

pub(super) fn list_of_run(record: &Record) -> Vec<RunRow> {
    record.jobs.iter().flat_map(list_of_job).collect()
}

fn list_of_job(job: &JobRecord) -> Vec<RunRow> {
    let row = |metric: &str, unit: &str| RunRow {
        job: clean_field(&job.id),
        outcome: job.outcome.word(),
        metric: clean_field(metric),
        unit: clean_field(unit),
        value: None,
        low: None,
        high: None,
        exact: false,
    };
    // A job that was not measured has a row too, so that no job is missing.
    let mut rows = vec![RunRow {
        value: job.time.as_ref().map(|time| time.median_ns),
        low: job.time.as_ref().map(|time| time.low_ns),
        high: job.time.as_ref().map(|time| time.high_ns),
        ..row("time", "ns")
    }];
    if let Some(counts) = &job.allocations {
        for (metric, unit, value, range) in [
            ("allocations", "", counts.count, counts.count_range),
            ("bytes", "B", counts.bytes, counts.bytes_range),
            (
                "peak_bytes",
                "B",
                counts.peak_bytes,
                counts.peak_bytes_range,
            ),
        ] {
            rows.push(RunRow {
                value: Some(value),
                low: Some(range[0]),
                high: Some(range[1]),
                exact: counts.exact,
                ..row(metric, unit)
            });
        }
    }
    for (metric, value) in &job.metrics {
        let info = job.metrics_info.get(metric);
        let range = job.metrics_range.get(metric);
        rows.push(RunRow {
            value: Some(*value),
            low: range.map(|range| range[0]),
            high: range.map(|range| range[1]),
            ..row(metric, info.map_or("", |info| &info.unit))
        });
    }
    rows
}

pub(super) fn list_of_comparison(comparison: &Comparison) -> Vec<ComparisonRow> {
    let entries = comparison.jobs.iter();
    entries
        .map(|entry| ComparisonRow {
            job: clean_field(&entry.id),
            metric: clean_field(entry.metric.name()),
            unit: clean_field(&entry.unit),
            verdict: entry.verdict.word(),
            a: entry.a.as_f64(),
            b: entry.b.as_f64(),
            change: entry.change.map(|change| change.estimate),
            low: entry.change.and_then(|change| change.low),
            high: entry.change.and_then(|change| change.high),
            margin: entry.margin,
            pairs: entry.pairs,
            reason_kind: entry.reason_kind,
            reason: clean_field(&entry.reason),
        })
        .collect()
}

pub(super) fn list_of_times(times: &TimeResult) -> Vec<ProgramTimeRow> {
    let first = times.programs.first().map(|one| &one.program.name);
    let rows = times.programs.iter().map(|one| {
        let name = &one.program.name;
        let mut comparisons = times.comparisons.iter();
        let against_first =
            comparisons.find(|pair| Some(&pair.base) == first && pair.other == *name);
        let change = against_first.map(|pair| pair.change);
        ProgramTimeRow {
            program: clean_field(name),
            command: clean_field(&one.program.line),
            rank: one.rank,
            time_ns: one.time_ns,
            low_ns: one.low_ns,
            high_ns: one.high_ns,
            change: change.map(|change| change.estimate),
            change_low: change.and_then(|change| change.low),
            change_high: change.and_then(|change| change.high),
            finding: against_first.map(|pair| pair.finding),
            user_ns: one.costs.map(|costs| costs.user_ns),
            system_ns: one.costs.map(|costs| costs.system_ns),
            peak_bytes: one.costs.map(|costs| costs.peak_bytes),
            own_bytes: one.costs.map(|costs| costs.own_bytes),
            runs: one.runs,
            failure: clean_field(one.failure.as_deref().unwrap_or_default()),
        }
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_no_formulas_and_control_nothing() {
        for (text, field) in [
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            ("gelu[n=1000]", "gelu[n=1000]"),
            ("a\x1b[2J\nb", "a [2J b"),
        ] {
            assert_eq!(clean_field(text), field);
        }
    }
}
