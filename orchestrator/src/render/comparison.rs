//! What templates of comparisons see: the comparison, and one row per workload with time and
//! allocation side by side.

use super::listed::{ShownLists, shown_lists};
use super::shown::{self, MOST_TEXTS, ShownList};
use super::warnings::{self, GatheredWarning, JobTexts};
use crate::comparison::imported::ImportedRow;
use crate::comparison::words::{self, VerdictSurprise};
use crate::comparison::{
    CodeRelation, ComparedSide, ComparedWorkload, Comparison, MetricEntry, Verdict,
};
use crate::model::metric::Metric;
use crate::record::{Contradiction, Severity};
use indexmap::IndexMap;
use serde::Serialize;

/// Rows that are nested deeper are indented as these.
const MOST_DEPTH: usize = 8;

/// What a template sees.
#[derive(Serialize)]
pub(super) struct ComparisonView<'a> {
    comparison: &'a Comparison,
    /// What `--set` gave each side, as `name = value`.
    a_set: Vec<String>,
    b_set: Vec<String>,
    /// One row per workload; regressed ones first, those with the largest change of time first.
    rows: Vec<WorkloadRow<'a>>,
    warnings: Vec<GatheredWarning<'a>>,
    /// Warnings that are not shown.
    more_warnings: usize,
    shown: ShownLists<'a>,
    /// That the machine was busy, where it was.
    busy: Option<String>,
    /// Workloads per verdict, in the words of the rows.
    headline: Vec<String>,
    /// Of an imported comparison: its rows in the table's order, each below the one that it is
    /// inside.
    tree: Vec<TableBranch<'a>>,
    /// Contradictions by severity.
    severities: SeverityCounts,
}

/// An imported row in its place.
#[derive(Clone, Serialize)]
pub(super) struct TableBranch<'a> {
    depth: usize,
    pub(super) row: &'a ImportedRow,
    time: Option<&'a MetricEntry>,
}

#[derive(Serialize)]
struct SeverityCounts {
    impossible: usize,
    misleading: usize,
    unresolved: usize,
}

/// A workload with its entries by metric.
#[derive(Clone, Serialize)]
pub(super) struct WorkloadRow<'a> {
    pub(super) id: &'a str,
    pub(super) verdict: Verdict,
    pub(super) trade_off: bool,
    pub(super) workload: &'a ComparedWorkload,
    pub(super) time: Option<&'a MetricEntry>,
    pub(super) allocations: Option<&'a MetricEntry>,
    pub(super) bytes: Option<&'a MetricEntry>,
    pub(super) peak_bytes: Option<&'a MetricEntry>,
    pub(super) digest: Option<&'a MetricEntry>,
    /// The metrics that the plugin defines.
    pub(super) metrics: Vec<&'a MetricEntry>,
    /// All entries that got better or worse.
    pub(super) changed: Vec<&'a MetricEntry>,
    /// The metrics that are open.
    pub(super) open: Vec<&'a str>,
    /// The verdict in words.
    pub(super) word: String,
    /// Why the word surprises, where it does.
    pub(super) surprises: Vec<String>,
    /// Both sides run one file.
    pub(super) same_code: bool,
    /// The size of the change of time that the profiles show, where it is another one than the
    /// pairs'.
    pub(super) profiles: Option<String>,
    /// All its entries, in the comparison's order.
    #[serde(skip)]
    pub(super) entries: Vec<&'a MetricEntry>,
}

/// Makes the view.
pub(super) fn view(comparison: &Comparison) -> ComparisonView<'_> {
    let by_id = shown::grouped(
        comparison
            .jobs
            .iter()
            .map(|entry| (entry.id.as_str(), entry)),
    );
    let own =
        |workload: &ComparedWorkload| by_id.get(workload.id.as_str()).cloned().unwrap_or_default();
    let mut rows: Vec<WorkloadRow> = comparison
        .workloads
        .iter()
        .map(|workload| row(workload, own(workload)))
        .collect();
    let size = |row: &WorkloadRow| {
        row.time
            .and_then(|time| time.change)
            .map_or(0.0, |change| change.estimate.abs())
    };
    rows.sort_by(|one, other| {
        (one.verdict, !one.trade_off)
            .cmp(&(other.verdict, !other.trade_off))
            .then(size(other).total_cmp(&size(one)))
    });
    let of_workloads = comparison.workloads.iter().map(|workload| JobTexts {
        id: &workload.id,
        texts: &workload.warnings,
        kinds: workload.warning_kinds.clone(),
    });
    let ShownList {
        items: warnings,
        more: more_warnings,
    } = ShownList::first(MOST_TEXTS, warnings::gathered(of_workloads));
    let tree = tree(comparison, &by_id);
    ComparisonView {
        comparison,
        a_set: set(&comparison.a),
        b_set: set(&comparison.b),
        shown: shown_lists(comparison, &rows, &tree),
        rows,
        warnings,
        more_warnings,
        busy: comparison.load.and_then(|load| load.message()),
        headline: words::headline(&comparison.workloads),
        tree,
        severities: severities(&comparison.contradictions),
    }
}

fn severities(contradictions: &[Contradiction]) -> SeverityCounts {
    let count = |severity| {
        contradictions
            .iter()
            .filter(|one| one.severity == severity)
            .count()
    };
    SeverityCounts {
        impossible: count(Severity::Impossible),
        misleading: count(Severity::Misleading),
        unresolved: count(Severity::Unresolved),
    }
}

/// Entries by the id of their workload.
type EntriesById<'a> = IndexMap<&'a str, Vec<&'a MetricEntry>>;

/// The rows of an imported table, each below the one that it is inside.
fn tree<'a>(comparison: &'a Comparison, entries: &EntriesById<'a>) -> Vec<TableBranch<'a>> {
    let Some(imported) = &comparison.imported else {
        return Vec::new();
    };
    let mut inside = shown::grouped(imported.rows.iter().map(|row| (row.inside.as_deref(), row)));
    let mut tree = Vec::new();
    // A file that somebody wrote by hand may have rows inside each other; those are in no tree.
    let mut open: Vec<(&ImportedRow, usize)> = Vec::new();
    let mut below =
        |name: Option<&'a str>, depth: usize, open: &mut Vec<(&'a ImportedRow, usize)>| {
            let rows = inside.swap_remove(&name).unwrap_or_default();
            open.extend(rows.into_iter().rev().map(|row| (row, depth)));
        };
    below(None, 0, &mut open);
    while let Some((row, depth)) = open.pop() {
        let own = entries.get(row.name.as_str()).into_iter().flatten();
        let time = own.copied().find(|entry| entry.metric == Metric::Time);
        tree.push(TableBranch {
            depth: depth.min(MOST_DEPTH),
            row,
            time,
        });
        below(Some(&row.name), depth + 1, &mut open);
    }
    tree
}

fn set(side: &ComparedSide) -> Vec<String> {
    side.set
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect()
}

fn row<'a>(workload: &'a ComparedWorkload, own: Vec<&'a MetricEntry>) -> WorkloadRow<'a> {
    let of = |metric: Metric| own.iter().find(|entry| entry.metric == metric).copied();
    WorkloadRow {
        id: &workload.id,
        verdict: workload.verdict,
        trade_off: workload.trade_off,
        workload,
        time: of(Metric::Time),
        allocations: of(Metric::Allocations),
        bytes: of(Metric::Bytes),
        peak_bytes: of(Metric::PeakBytes),
        digest: of(Metric::Digest),
        metrics: own
            .iter()
            .filter(|entry| !entry.metric.is_own())
            .copied()
            .collect(),
        changed: own
            .iter()
            .filter(|entry| matches!(entry.verdict, Verdict::Improved | Verdict::Regressed))
            .copied()
            .collect(),
        word: words::word(workload.verdict, workload.trade_off),
        surprises: words::surprises(workload, &own)
            .iter()
            .map(VerdictSurprise::sentence)
            .collect(),
        same_code: workload.code == CodeRelation::Identical,
        profiles: of(Metric::Time).and_then(|time| time.other_size(&workload.scopes)),
        open: own
            .iter()
            .filter(|entry| entry.is_open())
            .map(|entry| entry.metric.name())
            .collect(),
        entries: own,
    }
}
