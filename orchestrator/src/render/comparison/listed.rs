//! The bounded lists of a comparison's reports: the rows and entries in each list, and the number
//! of those left out.

use super::super::entries::EntryText;
use super::super::shown::{MOST_ROWS, MOST_TEXTS, ShownList};
use super::explained::{self, AllocatedRow, ExplainedRow, TimedRow};
use super::imported::TableBranch;
use super::rows::{MOST_OF_ONE, WorkloadRow, is_changed};
use crate::comparison::{Comparison, FILE, MetricEntry, Verdict};
use crate::record::Contradiction;
use orch_core::format;
use serde::Serialize;

/// The lists that the reports show, each in the order of the rows.
#[derive(Serialize)]
pub(super) struct ShownLists<'a> {
    rows: ShownList<TableRow<'a>>,
    /// Rows of an imported table.
    tree: ShownList<TableBranch<'a>>,
    /// Rows that are explained below the table, with the explained entries.
    details: ShownList<ExplainedRow<'a>>,
    /// Rows whose verdict is surprising.
    surprises: ShownList<WorkloadRow<'a>>,
    regressions: ShownList<RowEntry<'a>>,
    improvements: ShownList<RowEntry<'a>>,
    different: ShownList<DifferentRow<'a>>,
    lost: ShownList<LostMetric<'a>>,
    /// Rows whose time changed, with the places of the change.
    timed: ShownList<TimedRow<'a>>,
    /// Rows whose allocations changed, with the places of the change.
    allocated: ShownList<AllocatedRow<'a>>,
    contradictions: ShownList<&'a Contradiction>,
    /// Whether the time of any row is not equivalent.
    pub(super) is_time_changed: bool,
    /// Whether any row of an imported table is inside another one, and whether any row has
    /// allocations.
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

/// A change with its row.
#[derive(Serialize)]
struct RowEntry<'a> {
    row: WorkloadRow<'a>,
    entry: &'a MetricEntry,
    /// Id of the workload, marked if it is a trade-off.
    workload: String,
    text: EntryText,
}

/// A workload whose outputs differ.
#[derive(Serialize)]
struct DifferentRow<'a> {
    #[serde(flatten)]
    row: WorkloadRow<'a>,
    /// Beginning of the reason.
    why: String,
}

/// A metric, or a whole workload, that was not measured.
#[derive(Serialize)]
struct LostMetric<'a> {
    id: &'a str,
    metric: Option<&'a str>,
    reason: &'a str,
}

/// Chooses the shown rows and entries.
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
            entries.into_iter().map(move |entry| row_entry(&row, entry))
        };
        ShownList::first(MOST_ROWS, all().flat_map(of_row))
    };
    let is_explained =
        |row: &&WorkloadRow| row.verdict != Verdict::Equivalent || !row.surprises.is_empty();
    let has_places = |row: &&WorkloadRow| !row.workload.scopes.is_empty();
    let wanted = |is_wanted: &dyn Fn(&&WorkloadRow<'a>) -> bool| {
        ShownList::first(MOST_TEXTS, all().filter(is_wanted))
    };
    ShownLists {
        rows: ShownList::first(MOST_ROWS, all())
            .map(table_row)
            .counting("workload", FILE),
        tree: ShownList::first(MOST_ROWS, tree).map(TableBranch::clone),
        details: ShownList::first(MOST_TEXTS, all().filter(is_explained))
            .map(explained::explain)
            .counting("explanation", FILE),
        surprises: wanted(&|row| !row.surprises.is_empty()).map(WorkloadRow::clone),
        regressions: changes(Verdict::Regressed),
        improvements: changes(Verdict::Improved),
        different: wanted(&|row| row.verdict == Verdict::OutputDiffers).map(different),
        lost: ShownList::first(
            MOST_TEXTS,
            all()
                .filter(|row| row.verdict == Verdict::Missing)
                .flat_map(lost),
        ),
        timed: wanted(&|row| has_places(row) && is_one_of(row.time)).map(explained::timed),
        allocated: wanted(&|row| has_places(row) && is_one_of(row.allocations))
            .map(explained::allocated),
        contradictions: ShownList::first(MOST_TEXTS, &comparison.contradictions)
            .counting("contradiction", FILE),
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

fn row_entry<'a>(row: &WorkloadRow<'a>, entry: &'a MetricEntry) -> RowEntry<'a> {
    let mark = if row.trade_off { " (trade-off)" } else { "" };
    let mut text = EntryText::of(entry);
    if entry.pairs == 0 {
        text.interval = "exact".to_owned();
    }
    RowEntry {
        row: row.clone(),
        entry,
        workload: format!("{}{mark}", row.id),
        text,
    }
}

fn different<'a>(row: &WorkloadRow<'a>) -> DifferentRow<'a> {
    DifferentRow {
        row: row.clone(),
        why: row
            .digest
            .map(|digest| format::brief(&digest.reason))
            .unwrap_or_default(),
    }
}

fn table_row<'a>(row: &WorkloadRow<'a>) -> TableRow<'a> {
    TableRow {
        open_entries: row.open_entries().collect(),
        row: row.clone(),
    }
}

/// Lists the reasons why a row is missing: the workload's reason, or that of each metric.
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
