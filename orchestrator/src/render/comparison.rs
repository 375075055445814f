//! What templates of comparisons see: the comparison, and one row per workload with time and allocation side by side.

use super::warnings::{self, Warning};
use crate::comparison::imported::ImportedRow;
use crate::comparison::words::{self, Surprise};
use crate::comparison::{Code, Comparison, Entry, Side, Verdict, Workload};
use crate::record::{Contradiction, Severity};
use serde::Serialize;

/// What a template sees.
#[derive(Serialize)]
pub(super) struct View<'a> {
    comparison: &'a Comparison,
    /// What `--set` gave each side, as `name = value`.
    a_set: Vec<String>,
    b_set: Vec<String>,
    /// One row per workload; regressed ones first, those with the largest change of time first.
    rows: Vec<Row<'a>>,
    warnings: Vec<Warning<'a>>,
    /// That the machine was busy, where it was.
    busy: Option<String>,
    /// Workloads per verdict, in the words of the rows.
    headline: Vec<String>,
    /// Of an imported comparison: its rows in the table's order, each below the one that it is inside.
    tree: Vec<Branch<'a>>,
    /// Contradictions by severity.
    severities: Severities,
}

/// An imported row in its place.
#[derive(Serialize)]
struct Branch<'a> {
    depth: usize,
    row: &'a ImportedRow,
    time: Option<&'a Entry>,
}

#[derive(Serialize)]
struct Severities {
    impossible: usize,
    misleading: usize,
    unresolved: usize,
}

/// A workload with its entries by metric.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    verdict: Verdict,
    trade_off: bool,
    workload: &'a Workload,
    time: Option<&'a Entry>,
    allocations: Option<&'a Entry>,
    bytes: Option<&'a Entry>,
    peak_bytes: Option<&'a Entry>,
    digest: Option<&'a Entry>,
    /// The metrics that the plugin defines.
    metrics: Vec<&'a Entry>,
    /// All entries that got better or worse.
    changed: Vec<&'a Entry>,
    /// The metrics that are open.
    open: Vec<&'a str>,
    /// The verdict in words.
    word: String,
    /// Why the word surprises, where it does.
    surprises: Vec<String>,
    /// Both sides run one file.
    same_code: bool,
    /// The size of the change of time that the profiles show, where it is another one than the pairs'.
    profiles: Option<String>,
}

/// Makes the view.
pub(super) fn view(comparison: &Comparison) -> View<'_> {
    let mut rows: Vec<Row> = comparison.workloads.iter().map(|workload| row(workload, &comparison.jobs)).collect();
    let size = |row: &Row| row.time.and_then(|time| time.change).map_or(0.0, |change| change.estimate.abs());
    rows.sort_by(|one, other| {
        (one.verdict, !one.trade_off).cmp(&(other.verdict, !other.trade_off)).then(size(other).total_cmp(&size(one)))
    });
    let of_workloads = comparison.workloads.iter().map(|workload| (workload.id.as_str(), &workload.warnings[..]));
    View {
        comparison,
        a_set: set(&comparison.a),
        b_set: set(&comparison.b),
        rows,
        warnings: warnings::gathered(of_workloads),
        busy: comparison.load.and_then(|load| load.message()),
        headline: words::headline(&comparison.workloads),
        tree: tree(comparison),
        severities: severities(&comparison.contradictions),
    }
}

fn severities(contradictions: &[Contradiction]) -> Severities {
    let count = |severity| contradictions.iter().filter(|one| one.severity == severity).count();
    Severities {
        impossible: count(Severity::Impossible),
        misleading: count(Severity::Misleading),
        unresolved: count(Severity::Unresolved),
    }
}

fn tree(comparison: &Comparison) -> Vec<Branch<'_>> {
    let mut tree = Vec::new();
    if let Some(imported) = &comparison.imported {
        branches(comparison, &imported.rows, None, 0, &mut tree);
    }
    tree
}

fn branches<'a>(
    comparison: &'a Comparison,
    rows: &'a [ImportedRow],
    inside: Option<&str>,
    depth: usize,
    tree: &mut Vec<Branch<'a>>,
) {
    // A file that somebody wrote by hand may have rows inside each other; those are in no tree.
    for row in rows.iter().filter(|row| row.inside.as_deref() == inside) {
        let time = comparison.jobs.iter().find(|entry| entry.id == row.name && entry.metric == "time");
        tree.push(Branch { depth, row, time });
        branches(comparison, rows, Some(&row.name), depth + 1, tree);
    }
}

fn set(side: &Side) -> Vec<String> {
    side.set.iter().map(|(name, value)| format!("{name} = {value}")).collect()
}

fn row<'a>(workload: &'a Workload, entries: &'a [Entry]) -> Row<'a> {
    const OWN: [&str; 5] = ["time", "allocations", "bytes", "peak_bytes", "digest"];
    let own: Vec<&Entry> = entries.iter().filter(|entry| entry.id == workload.id).collect();
    let of = |metric: &str| own.iter().find(|entry| entry.metric == metric).copied();
    Row {
        id: &workload.id,
        verdict: workload.verdict,
        trade_off: workload.trade_off,
        workload,
        time: of("time"),
        allocations: of("allocations"),
        bytes: of("bytes"),
        peak_bytes: of("peak_bytes"),
        digest: of("digest"),
        metrics: own.iter().filter(|entry| !OWN.contains(&entry.metric.as_str())).copied().collect(),
        changed: own
            .iter()
            .filter(|entry| matches!(entry.verdict, Verdict::Improved | Verdict::Regressed))
            .copied()
            .collect(),
        word: words::word(workload.verdict, workload.trade_off),
        surprises: words::surprises(workload, &own).iter().map(Surprise::sentence).collect(),
        same_code: workload.code == Code::Identical,
        profiles: of("time").and_then(|time| time.other_size(&workload.scopes)),
        open: own.iter().filter(|entry| entry.is_open()).map(|entry| entry.metric.as_str()).collect(),
    }
}
