//! The bounded lists of a comparison's reports: which rows and entries stand in each, and how many
//! do not.

use super::comparison::{TableBranch, WorkloadRow};
use super::shown::{MOST_ROWS, MOST_TEXTS, ShownList};
use crate::comparison::{Comparison, MetricEntry, Verdict};
use crate::model::metric::Metric;
use crate::record::Contradiction;
use serde::Serialize;

/// Entries of one workload that a list names.
const MOST_OF_ONE: usize = 20;

/// What the reports show; each list in the order of the rows.
#[derive(Serialize)]
pub(super) struct ShownLists<'a> {
    rows: ShownList<TableRow<'a>>,
    /// Rows of an imported table.
    tree: ShownList<TableBranch<'a>>,
    /// Rows that are explained below the table, with the entries that are.
    details: ShownList<ExplainedRow<'a>>,
    /// Rows whose word surprises.
    surprises: ShownList<WorkloadRow<'a>>,
    regressions: ShownList<RowEntry<'a>>,
    improvements: ShownList<RowEntry<'a>>,
    different: ShownList<WorkloadRow<'a>>,
    lost: ShownList<LostMetric<'a>>,
    /// Rows whose time changed, with the places of the change.
    timed: ShownList<WorkloadRow<'a>>,
    /// Rows whose allocations changed, with the places of the change.
    allocated: ShownList<WorkloadRow<'a>>,
    contradictions: ShownList<&'a Contradiction>,
    /// Some time is not equivalent.
    is_time_changed: bool,
    /// Some row of an imported table is inside another one, and some has allocations.
    is_nested: bool,
    has_memory: bool,
}

/// A row of the table, with the metrics beside time that are open.
#[derive(Serialize)]
struct TableRow<'a> {
    #[serde(flatten)]
    row: WorkloadRow<'a>,
    open_entries: Vec<&'a MetricEntry>,
}

#[derive(Serialize)]
struct ExplainedRow<'a> {
    row: WorkloadRow<'a>,
    entries: Vec<&'a MetricEntry>,
}

#[derive(Serialize)]
struct RowEntry<'a> {
    row: WorkloadRow<'a>,
    entry: &'a MetricEntry,
}

/// A metric that was not measured, or the whole workload.
#[derive(Serialize)]
struct LostMetric<'a> {
    id: &'a str,
    metric: Option<&'a str>,
    reason: &'a str,
}

/// Chooses what is shown.
pub(super) fn shown_lists<'a>(
    comparison: &'a Comparison,
    rows: &[WorkloadRow<'a>],
    tree: &[TableBranch<'a>],
) -> ShownLists<'a> {
    let all = || rows.iter();
    let is_one_of =
        |entry: Option<&MetricEntry>| entry.is_some_and(|entry| is_changed(entry.verdict));
    let changes = |verdict: Verdict| {
        let of_row = move |row: &WorkloadRow<'a>| {
            let entries: Vec<&'a MetricEntry> = row
                .changed
                .iter()
                .copied()
                .filter(|entry| entry.verdict == verdict)
                .take(MOST_OF_ONE)
                .collect();
            let row = row.clone();
            entries.into_iter().map(move |entry| RowEntry {
                row: row.clone(),
                entry,
            })
        };
        ShownList::first(MOST_ROWS, all().flat_map(of_row))
    };
    let is_explained =
        |row: &&WorkloadRow| row.verdict != Verdict::Equivalent || !row.surprises.is_empty();
    let has_places = |row: &&WorkloadRow| !row.workload.scopes.is_empty();
    let cloned = |most: usize, wanted: &dyn Fn(&&WorkloadRow<'a>) -> bool| {
        ShownList::first(most, all().filter(wanted)).map(WorkloadRow::clone)
    };
    ShownLists {
        rows: ShownList::first(MOST_ROWS, all()).map(table_row),
        tree: ShownList::first(MOST_ROWS, tree).map(TableBranch::clone),
        details: ShownList::first(MOST_TEXTS, all().filter(is_explained)).map(detail),
        surprises: cloned(MOST_TEXTS, &|row| !row.surprises.is_empty()),
        regressions: changes(Verdict::Regressed),
        improvements: changes(Verdict::Improved),
        different: cloned(MOST_TEXTS, &|row| row.verdict == Verdict::OutputDiffers),
        lost: ShownList::first(
            MOST_TEXTS,
            all()
                .filter(|row| row.verdict == Verdict::Missing)
                .flat_map(lost),
        ),
        timed: cloned(MOST_TEXTS, &|row| has_places(row) && is_one_of(row.time)),
        allocated: cloned(MOST_TEXTS, &|row| {
            has_places(row) && is_one_of(row.allocations)
        }),
        contradictions: ShownList::first(MOST_TEXTS, &comparison.contradictions),
        is_time_changed: all().any(|row| {
            row.time
                .is_some_and(|time| time.verdict != Verdict::Equivalent)
        }),
        is_nested: tree.iter().any(|each| each.row.inside.is_some()),
        has_memory: tree.iter().any(|each| {
            each.row.previous_alloc_mb.is_some() || each.row.current_alloc_mb.is_some()
        }),
    }
}

fn is_changed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Regressed | Verdict::Improved)
}

fn table_row<'a>(row: &WorkloadRow<'a>) -> TableRow<'a> {
    let is_open = |entry: &&MetricEntry| entry.metric != Metric::Time && entry.is_open();
    let open_entries = row
        .entries
        .iter()
        .copied()
        .filter(is_open)
        .take(MOST_OF_ONE)
        .collect();
    TableRow {
        row: row.clone(),
        open_entries,
    }
}

/// Of a row that is explained, the entries that need a line of their own.
fn detail<'a>(row: &WorkloadRow<'a>) -> ExplainedRow<'a> {
    let is_told = |entry: &&MetricEntry| {
        let follows_time = entry.pairs > 0 && entry.metric != Metric::Time;
        let is_known = is_changed(entry.verdict)
            || matches!(entry.verdict, Verdict::OutputDiffers | Verdict::Missing);
        let is_of_output =
            entry.verdict != Verdict::OutputDiffers || entry.metric == Metric::Digest;
        !follows_time && (is_known || entry.is_open()) && is_of_output
    };
    ExplainedRow {
        row: row.clone(),
        entries: row
            .entries
            .iter()
            .copied()
            .filter(is_told)
            .take(MOST_OF_ONE)
            .collect(),
    }
}

/// Why a row is missing: the workload's reason, or that of each metric.
fn lost<'a>(row: &WorkloadRow<'a>) -> Vec<LostMetric<'a>> {
    if let Some(reason) = &row.workload.missing {
        return vec![LostMetric {
            id: row.id,
            metric: None,
            reason,
        }];
    }
    let missing = row
        .entries
        .iter()
        .copied()
        .filter(|entry| entry.verdict == Verdict::Missing);
    missing
        .map(|entry| LostMetric {
            id: row.id,
            metric: Some(entry.metric.name()),
            reason: &entry.reason,
        })
        .collect()
}
