//! One row per workload of a comparison: its entries by metric, its word, and the cells that the
//! reports print.

use super::super::entries::{self, EntryText};
use super::super::tone::Tone;
use crate::comparison::verdict_words::{self, VerdictSurprise};
use crate::comparison::{CodeRelation, ComparedWorkload, MetricEntry, Verdict};
use crate::model::metric::Metric;
use orch_core::format;
use serde::Serialize;
use serde_json::Value;

/// Most entries of one workload that a list names.
pub(super) const MOST_OF_ONE: usize = 20;

/// A workload with its entries by metric.
#[derive(Clone, Serialize)]
pub(in super::super) struct WorkloadRow<'a> {
    pub(in super::super) id: &'a str,
    pub(in super::super) verdict: Verdict,
    pub(in super::super) trade_off: bool,
    pub(in super::super) workload: &'a ComparedWorkload,
    pub(in super::super) time: Option<&'a MetricEntry>,
    pub(in super::super) allocations: Option<&'a MetricEntry>,
    pub(in super::super) bytes: Option<&'a MetricEntry>,
    pub(in super::super) peak_bytes: Option<&'a MetricEntry>,
    pub(in super::super) digest: Option<&'a MetricEntry>,
    /// The metrics that the plugin defines.
    pub(in super::super) metrics: Vec<&'a MetricEntry>,
    /// All entries that got better or worse.
    pub(in super::super) changed: Vec<&'a MetricEntry>,
    /// The metrics that are open.
    pub(in super::super) open: Vec<&'a str>,
    /// The verdict in words.
    pub(in super::super) word: String,
    pub(in super::super) tone: Option<Tone>,
    /// Reasons why the verdict is surprising, if it is.
    pub(in super::super) surprises: Vec<String>,
    /// The kind of each surprise, in the same order.
    surprise_kinds: Vec<&'static str>,
    /// Whether both sides run the same file.
    pub(in super::super) same_code: bool,
    /// Change of time in the profiles, if it differs from that of the pairs.
    pub(in super::super) profiles: Option<String>,
    pub(in super::super) text: RowText,
    /// All its entries, in the comparison's order.
    #[serde(skip)]
    pub(in super::super) entries: Vec<&'a MetricEntry>,
}

/// The cells of a row. A missing value is an empty text or an empty list. A list has one value if
/// both sides have the same, otherwise both.
#[derive(Clone, Default, Serialize)]
pub(in super::super) struct RowText {
    pub(in super::super) time_a: String,
    pub(in super::super) time_b: String,
    /// Change of the time.
    pub(in super::super) change: String,
    /// The change, or `same code` if that is the reason why there is no change.
    pub(in super::super) change_or_code: String,
    pub(in super::super) interval: String,
    pub(in super::super) pairs: String,
    pub(in super::super) allocations: Vec<String>,
    /// The allocations in one cell: `~3 -> 4`, with a mark if they are not exact.
    pub(in super::super) counted: String,
    pub(in super::super) bytes: Vec<String>,
    pub(in super::super) peak_bytes: Vec<String>,
    /// Reasons for the verdict of the time, and for those of other open metrics.
    pub(in super::super) why: String,
}

pub(super) fn row<'a>(
    workload: &'a ComparedWorkload,
    own: Vec<&'a MetricEntry>,
) -> WorkloadRow<'a> {
    let of = |metric: Metric| own.iter().find(|entry| entry.metric == metric).copied();
    let changed = |entry: &&&MetricEntry| is_changed(entry.verdict);
    let surprises = verdict_words::surprises(workload, &own);
    let mut row = WorkloadRow {
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
        changed: own.iter().filter(changed).copied().collect(),
        word: verdict_words::word(workload.verdict, workload.trade_off),
        tone: Tone::of_verdict(workload.verdict),
        surprises: surprises.iter().map(VerdictSurprise::sentence).collect(),
        surprise_kinds: surprises.iter().map(VerdictSurprise::kind).collect(),
        same_code: workload.code == CodeRelation::Identical,
        profiles: of(Metric::Time).and_then(|time| time.other_size(&workload.scopes)),
        open: own
            .iter()
            .filter(|entry| entry.is_open())
            .map(|entry| entry.metric.name())
            .collect(),
        text: RowText::default(),
        entries: own,
    };
    row.text = RowText::of(&row);
    row
}

/// Returns whether a verdict is a change for the better or the worse.
pub(super) fn is_changed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Regressed | Verdict::Improved)
}

impl<'a> WorkloadRow<'a> {
    /// Iterates over the open metrics beside time, up to the number that a list names.
    pub(super) fn open_entries(&self) -> impl Iterator<Item = &'a MetricEntry> {
        let is_open = |entry: &&MetricEntry| entry.metric != Metric::Time && entry.is_open();
        self.entries
            .iter()
            .copied()
            .filter(is_open)
            .take(MOST_OF_ONE)
    }
}

impl RowText {
    fn of(row: &WorkloadRow) -> Self {
        let values = |entry: Option<&MetricEntry>| entry.map(entries::values).unwrap_or_default();
        let mut text = Self {
            allocations: values(row.allocations),
            counted: values(row.allocations).join(" -> "),
            bytes: values(row.bytes),
            peak_bytes: values(row.peak_bytes),
            why: why(row),
            ..Self::default()
        };
        if let Some(time) = row.time {
            let EntryText {
                a,
                b,
                change,
                interval,
                pairs,
                ..
            } = EntryText::of(time);
            text.time_a = or_typical(a, &time.a);
            text.time_b = or_typical(b, &time.b);
            text.change_or_code = if change.is_empty() && row.same_code {
                "same code".to_owned()
            } else {
                change.clone()
            };
            (text.change, text.interval, text.pairs) = (change, interval, pairs);
        }
        text
    }
}

/// Returns the typical value if nothing is printed. The time of a side that was measured alone
/// belongs to no change.
fn or_typical(printed: String, typical: &Value) -> String {
    match typical.as_f64() {
        Some(ns) if printed.is_empty() => format::time(ns),
        _ => printed,
    }
}

fn why(row: &WorkloadRow) -> String {
    let mut why = row
        .time
        .map(|time| format::brief(&time.reason))
        .unwrap_or_default();
    // What decides the verdict comes first.
    let decides = |entry: &&&MetricEntry| entry.verdict == row.verdict && entry.pairs == 0;
    if row.time.is_some_and(|time| time.verdict != row.verdict)
        && let Some(entry) = row.changed.iter().find(decides)
    {
        why = format!(
            "{}: {}; time: {why}",
            entry.metric,
            format::brief(&entry.reason)
        );
    }
    if let Some(least) = row.time.and_then(entries::detectable) {
        why.push_str(&format!("; {least} would have been detected"));
    }
    for entry in row.open_entries() {
        why.push_str(&format!(
            "; {}: {}",
            entry.metric,
            format::brief(&entry.reason)
        ));
    }
    why
}
