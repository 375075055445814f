//! Explained rows of a comparison: the entries and places that are named, and the lines that a
//! plain text prints about them.

use super::super::entries;
use super::super::places::{self, ShownPlace};
use super::rows::{MOST_OF_ONE, WorkloadRow, is_changed};
use crate::comparison::scopes::ScopeChange;
use crate::comparison::{CodeRelation, MetricEntry, Verdict};
use crate::model::metric::Metric;
use crate::render::shown::ShownList;
use orch_core::format;
use serde::Serialize;

/// Number of places among which those with other allocations are searched.
const MOST_PLACES: usize = 200;
/// Most functions that are listed as changed.
const MOST_FUNCTIONS: usize = 6;

/// A row with the entries that need a line of their own.
#[derive(Serialize)]
pub(super) struct ExplainedRow<'a> {
    row: WorkloadRow<'a>,
    entries: Vec<&'a MetricEntry>,
    /// Surprises of the verdict, and a sentence for each of the entries.
    lines: Vec<String>,
    /// Whether the profiles do not show the change of time that was judged.
    is_unseen: bool,
    /// Places in which the time and the allocations changed; empty if neither did.
    place_lines: Vec<String>,
}

/// A row whose time changed, with the places of the change.
#[derive(Serialize)]
pub(super) struct TimedRow<'a> {
    #[serde(flatten)]
    row: WorkloadRow<'a>,
    is_unseen: bool,
    /// Change of time in the profiles, if it differs from that of the pairs and the places have
    /// shares of it.
    profiled: Option<String>,
    places: Vec<ShownPlace<'a>>,
    /// Functions whose code changed.
    functions: ShownList<&'a str>,
}

/// A row whose allocations changed, with the places whose number of allocations differs.
#[derive(Serialize)]
pub(super) struct AllocatedRow<'a> {
    #[serde(flatten)]
    row: WorkloadRow<'a>,
    places: Vec<ShownPlace<'a>>,
}

/// Returns an explained row, with the entries that need a line of their own, and the lines.
pub(super) fn explain<'a>(row: &WorkloadRow<'a>) -> ExplainedRow<'a> {
    let is_told = |entry: &&MetricEntry| {
        let follows_time = entry.pairs > 0 && entry.metric != Metric::Time;
        let is_known = is_changed(entry.verdict)
            || matches!(entry.verdict, Verdict::OutputDiffers | Verdict::Missing);
        let is_of_output =
            entry.verdict != Verdict::OutputDiffers || entry.metric == Metric::Digest;
        !follows_time && (is_known || entry.is_open()) && is_of_output
    };
    let all = row.entries.iter().copied();
    let entries: Vec<&MetricEntry> = all.filter(is_told).take(MOST_OF_ONE).collect();
    let surprises = row.surprises.iter().cloned();
    let is_timed = row.time.is_some_and(|time| is_changed(time.verdict));
    let scopes = &row.workload.scopes;
    ExplainedRow {
        lines: surprises
            .chain(entries.iter().map(|entry| describe_entry(entry)))
            .collect(),
        is_unseen: is_timed && !scopes.is_empty() && places::is_unseen(scopes),
        place_lines: place_lines(row, is_timed),
        entries,
        row: row.clone(),
    }
}

/// Lists the surprises of a row, and its changed metrics beside time with their reasons.
pub(in super::super) fn list_reasons(row: &WorkloadRow) -> Vec<String> {
    let explained = explain(row);
    let entries = explained.entries.iter();
    let entries = entries.filter(|entry| entry.metric != Metric::Time);
    let entries = entries.map(|entry| describe_entry(entry));
    row.surprises.iter().cloned().chain(entries).collect()
}

/// Formats an entry as `allocations: regressed: 1 -> 2; counted exactly`.
fn describe_entry(entry: &MetricEntry) -> String {
    let is_counted = entry.metric != Metric::Time && entry.metric != Metric::Digest;
    let values = if is_counted && entry.verdict != Verdict::Inconclusive {
        entries::values(entry).join(" -> ")
    } else {
        String::new()
    };
    let values = match entry.unit.as_str() {
        _ if values.is_empty() => values,
        // The values contain the unit.
        "" | "B" => format!("{values}; "),
        unit => format!("{values} {unit}; "),
    };
    let detectable = entries::detectable(entry)
        .map(|least| format!("; a change of {least} would have been detected"));
    format!(
        "{}: {}: {values}{}{}",
        entry.metric,
        entry.verdict.word(),
        format::brief(&entry.reason),
        detectable.unwrap_or_default()
    )
}

fn place_lines(row: &WorkloadRow, is_timed: bool) -> Vec<String> {
    let scopes = &row.workload.scopes;
    let mut lines = Vec::new();
    if is_timed {
        lines.extend(profiled(row, scopes).map(|size| {
            format!("according to the profiles, which are coarser than pairs, {size}:")
        }));
        lines.extend(places::share_lines(scopes));
    }
    if row
        .allocations
        .is_some_and(|entry| is_changed(entry.verdict))
    {
        let allocating = places::allocating(first_places(scopes));
        lines.extend(allocating.map(|place| place.allocations_line()));
    }
    lines
}

/// Returns the change of time in the profiles, if it differs and the places have shares of it.
fn profiled<'b>(row: &'b WorkloadRow, scopes: &[ScopeChange]) -> Option<&'b str> {
    let has_shares = scopes.first().is_some_and(|place| place.share.is_some());
    row.profiles.as_deref().filter(|_| has_shares)
}

fn first_places(scopes: &[ScopeChange]) -> &[ScopeChange] {
    &scopes[..scopes.len().min(MOST_PLACES)]
}

/// Returns a row whose time changed.
pub(super) fn timed<'a>(row: &WorkloadRow<'a>) -> TimedRow<'a> {
    let scopes = &row.workload.scopes;
    let functions = match &row.workload.code {
        CodeRelation::Changed(changes) => changes.as_slice(),
        _ => &[],
    };
    let functions = functions.iter().map(|change| change.function.as_str());
    TimedRow {
        is_unseen: places::is_unseen(scopes),
        profiled: profiled(row, scopes).map(str::to_owned),
        places: places::largest(scopes),
        functions: ShownList::first(MOST_FUNCTIONS, functions),
        row: row.clone(),
    }
}

/// Returns a row whose allocations changed.
pub(super) fn allocated<'a>(row: &WorkloadRow<'a>) -> AllocatedRow<'a> {
    AllocatedRow {
        places: places::allocating(first_places(&row.workload.scopes)).collect(),
        row: row.clone(),
    }
}
