//! Workloads by family, with all their metrics, and the changes of their memory.

use crate::comparison::{Comparison, FILE, MetricEntry, Verdict};
use crate::render::comparison::WorkloadRow;
use crate::render::entries::{self, EntryText};
use crate::render::marks;
use crate::render::shown::{self, MOST_ROWS, ShownList};
use orch_core::format;
use orch_core::format::change::{self, ChangedQuantity};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// Most families, and most metrics of a workload that a cell names.
const MOST_FAMILIES: usize = 60;
const MOST_METRICS: usize = 6;

/// Workloads that run the same workload of a plugin.
#[derive(Debug, Serialize)]
pub(super) struct WorkloadFamily {
    /// PLUGIN/WORKLOAD.
    name: String,
    rows: ShownList<FamilyRow>,
    /// Verdicts of its workloads, in words.
    line: String,
}

/// A workload of a family.
#[derive(Debug, Serialize)]
struct FamilyRow {
    id: String,
    verdict: Verdict,
    /// The verdict in words, and its sign.
    word: String,
    mark: &'static str,
    text: FamilyText,
}

/// The cells of a workload.
#[derive(Debug, Serialize)]
struct FamilyText {
    params: String,
    a: String,
    b: String,
    /// Difference of the times.
    difference: String,
    change: String,
    interval: String,
    allocations: String,
    bytes: String,
    /// Metrics of the plugin, with both values where they differ.
    metrics: String,
}

/// A workload whose bytes differ.
#[derive(Debug, Serialize)]
pub(super) struct MemoryChange {
    id: String,
    /// Bytes of B minus those of A.
    difference: f64,
    text: MemoryChangeText,
}

/// The cells of a workload.
#[derive(Debug, Serialize)]
struct MemoryChangeText {
    a: String,
    b: String,
    difference: String,
    change: String,
    /// ` (+10 %)`; empty for a change from 0.
    change_in_brackets: String,
    verdict: &'static str,
}

/// Groups the workloads by PLUGIN/WORKLOAD, in the order of the comparison.
pub(super) fn group(comparison: &Comparison, rows: &[WorkloadRow]) -> ShownList<WorkloadFamily> {
    group_by(comparison, rows, |workload| workload)
}

/// Groups the workloads by plugin.
pub(super) fn group_by_plugin(
    comparison: &Comparison,
    rows: &[WorkloadRow],
) -> ShownList<WorkloadFamily> {
    group_by(comparison, rows, |workload| {
        workload.split('/').next().unwrap_or(workload)
    })
}

fn group_by(
    comparison: &Comparison,
    rows: &[WorkloadRow],
    name: fn(&str) -> &str,
) -> ShownList<WorkloadFamily> {
    let by_id: HashMap<&str, &WorkloadRow> = rows.iter().map(|row| (row.id, row)).collect();
    let ordered = comparison.workloads.iter().filter_map(|workload| {
        let row = by_id.get(workload.id.as_str())?;
        Some((name(&workload.workload), *row))
    });
    // Each side may have a value of its own.
    let varied: HashSet<&str> = [&comparison.a, &comparison.b]
        .into_iter()
        .flat_map(|side| side.set.keys().map(String::as_str))
        .collect();
    let families = shown::grouped(ordered);
    ShownList::first(MOST_FAMILIES, families)
        .map(|(name, rows)| WorkloadFamily {
            name: name.to_owned(),
            line: describe(&rows),
            rows: ShownList::first(MOST_ROWS, rows)
                .map(|row| family_row(row, &varied))
                .counting("workload", FILE),
        })
        .counting("group", FILE)
}

/// Counts the verdicts and names the exceptions: `2 of 4 regressed (a, b)`.
fn describe(rows: &[&WorkloadRow]) -> String {
    let mut by_word = shown::grouped(rows.iter().map(|row| (row.word.as_str(), row.id)));
    by_word.sort_by(|_, one, _, other| other.len().cmp(&one.len()));
    let all = rows.len();
    if by_word.len() == 1 {
        let word = rows[0].word.as_str();
        return match all {
            1 => word.to_owned(),
            _ => format!("all {all} {word}"),
        };
    }
    let parts: Vec<String> = by_word
        .iter()
        .map(|(word, ids)| format!("{} of {all} {word} ({})", ids.len(), format::listed(ids)))
        .collect();
    parts.join("; ")
}

fn family_row(row: &WorkloadRow, varied: &HashSet<&str>) -> FamilyRow {
    let params: Vec<String> = row
        .workload
        .params
        .iter()
        .filter(|(name, _)| !varied.contains(name.as_str()))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let both = |entry: Option<&MetricEntry>| entry.map(entries::values).unwrap_or_default();
    FamilyRow {
        id: row.id.to_owned(),
        verdict: row.verdict,
        word: word(row),
        mark: marks::mark(row.verdict),
        text: FamilyText {
            params: params.join(", "),
            a: row.text.time_a.clone(),
            b: row.text.time_b.clone(),
            difference: row.time.and_then(difference).unwrap_or_default(),
            change: row.text.change_or_code.clone(),
            interval: row.text.interval.clone(),
            allocations: row.text.counted.clone(),
            bytes: both(row.bytes).join(" -> "),
            metrics: metrics(row),
        },
    }
}

/// Returns the verdict, with the metrics that decide it if the time does not.
fn word(row: &WorkloadRow) -> String {
    let deciding: Vec<&str> = row
        .changed
        .iter()
        .filter(|entry| entry.verdict == row.verdict)
        .map(|entry| entry.metric.name())
        .collect();
    let is_of_time = row.time.is_none_or(|time| time.verdict == row.verdict);
    if is_of_time || deciding.is_empty() {
        row.word.clone()
    } else {
        let others = match deciding.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} ({}{others})", row.word, deciding[0])
    }
}

/// Returns the difference of the printed times, with its sign.
fn difference(time: &MetricEntry) -> Option<String> {
    let [a, b] = time
        .fitted
        .or_else(|| Some([time.a.as_f64()?, time.b.as_f64()?]))?;
    let sign = if b < a { "-" } else { "+" };
    time.change?;
    Some(format!("{sign}{}", format::time((b - a).abs())))
}

fn metrics(row: &WorkloadRow) -> String {
    let shown = row.metrics.iter().take(MOST_METRICS).map(|entry| {
        let values = entries::values(entry).join(" -> ");
        // A metric that is named after its unit needs it once.
        let unit = match entry.unit.as_str() {
            "" | "1" | "B" => String::new(),
            unit if unit == entry.metric.name() => String::new(),
            unit => format!(" {unit}"),
        };
        format!("{} {values}{unit}", entry.metric)
    });
    let mut text = shown.collect::<Vec<String>>().join("; ");
    if let Some(more @ 1..) = row.metrics.len().checked_sub(MOST_METRICS) {
        text.push_str(&format!("; {more} more"));
    }
    text
}

/// Lists the workloads whose bytes differ.
pub(super) fn memory(rows: &[WorkloadRow]) -> ShownList<MemoryChange> {
    let mut changes: Vec<MemoryChange> = rows.iter().filter_map(memory_change).collect();
    changes.sort_by(|one, other| other.difference.abs().total_cmp(&one.difference.abs()));
    ShownList::first(MOST_ROWS, changes).counting("workload", FILE)
}

fn memory_change(row: &WorkloadRow) -> Option<MemoryChange> {
    let entry = row.bytes?;
    let [a, b] = [entry.a.as_f64()?, entry.b.as_f64()?];
    if a == b {
        return None;
    }
    let text = EntryText::of(entry);
    let sign = if b < a { "-" } else { "+" };
    let change = if a > 0.0 {
        change::size(ChangedQuantity::Amount, b / a - 1.0)
    } else {
        String::new()
    };
    Some(MemoryChange {
        id: row.id.to_owned(),
        difference: b - a,
        text: MemoryChangeText {
            a: format::bytes(a + 0.0),
            b: format::bytes(b + 0.0),
            difference: format!("{sign}{}", format::bytes((b - a).abs())),
            change_in_brackets: if change.is_empty() {
                String::new()
            } else {
                format!(" ({change})")
            },
            change,
            verdict: text.verdict,
        },
    })
}
