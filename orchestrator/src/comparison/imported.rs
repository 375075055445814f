//! A comparison that another tool made: the claims of its table, and entries without a verdict.
//! Pure.

use super::{
    CodeRelation, ComparedWorkload, ComparisonOutcome, MetricEntry, RelativeChange, Verdict,
};
use crate::contradiction::claims::ClaimedRow;
use crate::contradiction::figure::Figure;
use crate::contradiction::nesting::{NestingGuess, NestingReason};
use crate::model::metric::Metric;
use crate::model::reason::Reason;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Source of an imported comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportedTable {
    /// As the user named it.
    pub(crate) file: String,
    /// SHA-256 of the file.
    pub(crate) hash: String,
    /// Columns that were not read.
    pub(crate) ignored: Vec<String>,
    /// The table, in its order.
    pub(crate) rows: Vec<ImportedRow>,
}

/// A row of the table with its figures as they were printed; a figure that the row lacks is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
            ImportedRow {
                name: row.name.clone(),
                inside: guess.map(|guess| rows[guess.outer].name.clone()),
                because: guess.map(|guess| because(guess.why).to_owned()),
                previous_ms: printed(&row.before),
                current_ms: printed(&row.after),
                delta_ms: printed(&row.delta),
                delta_percent: printed(&row.percent),
                previous_alloc_mb: printed(&row.memory_before),
                current_alloc_mb: printed(&row.memory_after),
                reported_status: row.status.clone(),
            }
        })
        .collect()
}

/// Builds the entries and workloads of all rows.
pub(crate) fn build_outcome(rows: &[ClaimedRow]) -> ComparisonOutcome {
    let entries = rows
        .iter()
        .flat_map(|row| std::iter::once(build_time_entry(row)).chain(build_memory_entry(row)))
        .collect();
    ComparisonOutcome {
        entries,
        workloads: rows.iter().map(build_workload).collect(),
        interrupted: false,
    }
}

fn build_time_entry(row: &ClaimedRow) -> MetricEntry {
    const NS_PER_MS: f64 = 1e6;
    // Printed times have at most a few decimals; rounding removes what the multiplication adds.
    let ns = |figure: &Figure| (figure.value * NS_PER_MS * 1e3).round() / 1e3;
    build_entry(
        row,
        Metric::Time,
        "ns",
        [&row.before, &row.after].map(|figure| figure.as_ref().map(ns)),
    )
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
    // One sample per side shows no scatter, so there is no verdict.
    let reason = Reason::OneSample { memory: None };
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
