//! A comparison of what other tools measured: the claims of a table or of result files, and entries
//! without a verdict. Pure.

use super::{
    CodeRelation, ComparedWorkload, ComparisonOutcome, MetricEntry, RelativeChange, Verdict,
};
use crate::contradiction::claims::{ClaimSide, ClaimedRow, Claims, TimeUnit};
use crate::contradiction::figure::Figure;
use crate::contradiction::nesting::{NestingGuess, NestingReason};
use crate::contradiction::session::{ClaimedSession, ClaimedSource};
use crate::model::metric::Metric;
use crate::model::reason::Reason;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Source of an imported comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportedTable {
    /// As the user named it.
    pub(crate) file: String,
    /// SHA-256 of the file.
    pub(crate) hash: String,
    #[serde(default)]
    pub(crate) format: ImportedFormat,
    /// Files of a benchmark tool, one per side; none for a table, which contains both sides.
    #[serde(default)]
    pub(crate) sources: Vec<ImportedSource>,
    /// Columns of a table, or entries of a file, that were not read.
    pub(crate) ignored: Vec<String>,
    /// The rows, in the order of the table or of the first file.
    pub(crate) rows: Vec<ImportedRow>,
}

/// Format of imported files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImportedFormat {
    /// Comma-separated values of two runs.
    #[default]
    Table,
    Hyperfine,
    Criterion,
    GoogleBenchmark,
    PytestBenchmark,
}

impl ImportedFormat {
    /// Returns the name of the tool.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::Hyperfine => "hyperfine",
            Self::Criterion => "criterion",
            Self::GoogleBenchmark => "Google Benchmark",
            Self::PytestBenchmark => "pytest-benchmark",
        }
    }

    /// Returns the command or option with which the tool writes such a file.
    pub(crate) fn export_option(self) -> &'static str {
        match self {
            Self::Table => "a first line of column names",
            Self::Hyperfine => "hyperfine --export-json",
            Self::Criterion => "cargo bench",
            Self::GoogleBenchmark => "--benchmark_out",
            Self::PytestBenchmark => "pytest --benchmark-json",
        }
    }
}

/// A file of a benchmark tool, with what it states about the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportedSource {
    pub(crate) file: String,
    /// SHA-256 of the file; of criterion, of all files of the side.
    pub(crate) hash: String,
    pub(crate) date: Option<String>,
    /// Versions of the tool and of what it runs in, by name.
    pub(crate) versions: IndexMap<String, String>,
    pub(crate) machine: IndexMap<String, String>,
    pub(crate) commit: Option<String>,
    /// Whether files of the commit had been changed.
    pub(crate) dirty: Option<bool>,
    pub(crate) cpu_scaling: Option<bool>,
    pub(crate) debug_library: Option<bool>,
}

/// A row of the table with its figures as they were printed; a figure that the row lacks is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportedRow {
    pub(crate) name: String,
    /// The row whose time is assumed to include this row's time.
    pub(crate) inside: Option<String>,
    /// Basis of that assumption.
    pub(crate) because: Option<String>,
    pub(crate) previous_ms: Option<String>,
    pub(crate) current_ms: Option<String>,
    pub(crate) delta_ms: Option<String>,
    pub(crate) delta_percent: Option<String>,
    pub(crate) previous_alloc_mb: Option<String>,
    pub(crate) current_alloc_mb: Option<String>,
    pub(crate) reported_status: Option<String>,
    /// Sessions of a benchmark tool. A single file is the first side.
    #[serde(default)]
    pub(crate) before: Option<ImportedSession>,
    #[serde(default)]
    pub(crate) after: Option<ImportedSession>,
}

/// Statistics of a row in one session; a figure that the file lacks is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportedSession {
    /// Number of samples.
    pub(crate) samples: Option<u64>,
    /// Number of runs that failed.
    pub(crate) failed: usize,
    pub(crate) mean_ns: Option<f64>,
    pub(crate) median_ns: Option<f64>,
    pub(crate) deviation_ns: Option<f64>,
    pub(crate) min_ns: Option<f64>,
    pub(crate) max_ns: Option<f64>,
    pub(crate) parameters: IndexMap<String, String>,
    /// Further figures by name; times in nanoseconds.
    pub(crate) counters: IndexMap<String, f64>,
}

impl ImportedSession {
    fn of(session: &ClaimedSession) -> Self {
        let ns = |figure: &Option<Figure>| figure.as_ref().map(|figure| round_ns(figure.value));
        let counters = session.counters.iter();
        Self {
            samples: session.samples(),
            failed: session.failures.failed,
            mean_ns: ns(&session.mean),
            median_ns: ns(&session.median),
            deviation_ns: ns(&session.deviation),
            min_ns: ns(&session.min),
            max_ns: ns(&session.max),
            parameters: session.parameters.iter().cloned().collect(),
            counters: counters
                .map(|(name, figure)| (name.clone(), figure.value))
                .collect(),
        }
    }
}

/// Rounds a time to what is left of it after a change of its unit.
fn round_ns(ns: f64) -> f64 {
    (ns * 1e3).round() / 1e3
}

/// Converts the files of a benchmark tool to their stored form.
pub(crate) fn list_sources(sources: &[ClaimedSource]) -> Vec<ImportedSource> {
    let stored = |source: &ClaimedSource| ImportedSource {
        file: source.file.clone(),
        hash: source.hash.clone(),
        date: source.date.clone(),
        versions: source.versions.iter().cloned().collect(),
        machine: source.machine.iter().cloned().collect(),
        commit: source.commit.clone(),
        dirty: source.is_dirty,
        cpu_scaling: source.has_scaling,
        debug_library: source.is_debug,
    };
    sources.iter().map(stored).collect()
}

/// Converts the rows to their stored form.
pub(crate) fn list_rows(rows: &[ClaimedRow], guesses: &[NestingGuess]) -> Vec<ImportedRow> {
    let printed = |figure: &Option<Figure>| figure.as_ref().map(|figure| figure.printed.clone());
    let because = |why: NestingReason| match why {
        NestingReason::Loop => "the name is that of a loop, and the time fits",
        NestingReason::Frame => "same prefix, and similar time and allocations",
    };
    let guesses: HashMap<usize, &NestingGuess> =
        guesses.iter().map(|guess| (guess.inner, guess)).collect();
    rows.iter()
        .enumerate()
        .map(|(index, row)| {
            let guess = guesses.get(&index);
            let is_measured = !row.sessions.is_empty();
            // The times of sessions are figures of the sessions.
            let of_table = |figure| printed(figure).filter(|_| !is_measured);
            let first = row
                .session(ClaimSide::Before)
                .or(row.session(ClaimSide::Only));
            ImportedRow {
                name: row.name.clone(),
                inside: guess.map(|guess| rows[guess.outer].name.clone()),
                because: guess.map(|guess| because(guess.why).to_owned()),
                previous_ms: of_table(&row.before),
                current_ms: of_table(&row.after),
                delta_ms: printed(&row.delta),
                delta_percent: printed(&row.percent),
                previous_alloc_mb: printed(&row.memory_before),
                current_alloc_mb: printed(&row.memory_after),
                reported_status: row.status.clone(),
                before: first.map(ImportedSession::of),
                after: row.session(ClaimSide::After).map(ImportedSession::of),
            }
        })
        .collect()
}

/// Builds the entries and workloads of all rows.
pub(crate) fn build_outcome(claims: &Claims) -> ComparisonOutcome {
    let entries = claims
        .rows
        .iter()
        .flat_map(|row| {
            let reason = find_reason(claims, row);
            let time = build_time_entry(row, claims.unit, &reason);
            std::iter::once(time)
                .chain(build_memory_entry(row))
                .chain(build_counter_entries(row, &reason))
        })
        .collect();
    ComparisonOutcome {
        entries,
        workloads: claims.rows.iter().map(build_workload).collect(),
        interrupted: false,
    }
}

/// Finds the reason why a row has no verdict.
fn find_reason(claims: &Claims, row: &ClaimedRow) -> Reason {
    match &row.sessions[..] {
        // One sample per side shows no scatter, so there is no verdict.
        [] => Reason::OneSample { memory: None },
        [(side, session)] => Reason::OneSession {
            samples: session.samples(),
            only_in: claims
                .source(*side)
                .filter(|_| *side != ClaimSide::Only)
                .map(|source| source.file.clone()),
        },
        [(_, before), (_, after), ..] => Reason::SeparateSessions {
            samples: [before.samples(), after.samples()],
        },
    }
}

fn build_time_entry(row: &ClaimedRow, unit: TimeUnit, reason: &Reason) -> MetricEntry {
    let size = match unit {
        TimeUnit::Milliseconds => 1e6,
        TimeUnit::Nanoseconds => 1.0,
    };
    // Rounding removes what the multiplication adds.
    let ns = |figure: &Figure| round_ns(figure.value * size);
    let first = row.before.as_ref().or(row.total.as_ref());
    let sides = [first, row.after.as_ref()].map(|figure| figure.map(ns));
    build_entry(row, Metric::Time, "ns", sides, reason)
}

/// Builds the entries of further figures of sessions: times of the CPU, and counters.
fn build_counter_entries(row: &ClaimedRow, reason: &Reason) -> Vec<MetricEntry> {
    let mut values: IndexMap<&String, [Option<f64>; 2]> = IndexMap::new();
    for (side, session) in &row.sessions {
        let index = usize::from(*side == ClaimSide::After);
        for (name, figure) in &session.counters {
            values.entry(name).or_default()[index] = Some(figure.value);
        }
    }
    let unit = |name: &str| {
        let is_time = ["user", "system", "cpu_time"].contains(&name);
        if is_time { "ns" } else { "" }
    };
    values
        .into_iter()
        .map(|(name, sides)| {
            let metric = Metric::Plugin(name.clone());
            build_entry(row, metric, unit(name), sides, reason)
        })
        .collect()
}

/// Builds the entry of memory. Neither the size of an MB nor the counted quantity is known, so the
/// figures are kept as they are.
fn build_memory_entry(row: &ClaimedRow) -> Option<MetricEntry> {
    let (before, after) = (row.memory_before.as_ref()?, row.memory_after.as_ref()?);
    let mut entry = build_entry(
        row,
        Metric::Plugin("allocated".to_owned()),
        "MB",
        [Some(before.value), Some(after.value)],
        &Reason::OneSample { memory: None },
    );
    if before.value == 0.0 && after.value > 0.0 {
        let memory = [before, after].map(|figure| figure.printed.clone());
        entry.explain(&Reason::OneSample {
            memory: Some(memory),
        });
    }
    Some(entry)
}

fn build_entry(
    row: &ClaimedRow,
    metric: Metric,
    unit: &str,
    [a, b]: [Option<f64>; 2],
    reason: &Reason,
) -> MetricEntry {
    let change = a
        .zip(b)
        .filter(|(a, _)| *a > 0.0)
        .map(|(a, b)| RelativeChange {
            estimate: b / a - 1.0,
            low: None,
            high: None,
        });
    let value = |value: Option<f64>| value.map_or(Value::Null, Value::from);
    MetricEntry {
        id: row.name.clone(),
        metric,
        unit: unit.to_owned(),
        verdict: Verdict::Inconclusive,
        a: value(a),
        b: value(b),
        change,
        minimum_detectable: None,
        e_value: None,
        pairs: 0,
        margin: 0.0,
        reason: reason.to_string(),
        reason_kind: Some(reason.kind()),
        trade_off: false,
        per: None,
        a_range: None,
        b_range: None,
        fitted: None,
        rounding: 0.0,
    }
}

fn build_workload(row: &ClaimedRow) -> ComparedWorkload {
    ComparedWorkload {
        id: row.name.clone(),
        workload: row.name.clone(),
        params: Map::new(),
        threads: None,
        verdict: Verdict::Inconclusive,
        trade_off: false,
        code: CodeRelation::Unknown("imported: no build is known".to_owned()),
        missing: None,
        only_b: false,
        warnings: Vec::new(),
        warning_kinds: Vec::new(),
        scopes: Vec::new(),
        pairs: Vec::new(),
        wall_ns: 0,
    }
}
