//! What templates of comparisons see: the comparison, and one row per workload with time and allocation side by side.

use crate::comparison::{Comparison, Entry, Side, Verdict, Workload};
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
}

/// Makes the view.
pub(super) fn view(comparison: &Comparison) -> View<'_> {
    let mut rows: Vec<Row> = comparison.workloads.iter().map(|workload| row(workload, &comparison.jobs)).collect();
    let size = |row: &Row| row.time.and_then(|time| time.change).map_or(0.0, |change| change.estimate.abs());
    rows.sort_by(|one, other| {
        (one.verdict, !one.trade_off).cmp(&(other.verdict, !other.trade_off)).then(size(other).total_cmp(&size(one)))
    });
    View { comparison, a_set: set(&comparison.a), b_set: set(&comparison.b), rows }
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
    }
}
