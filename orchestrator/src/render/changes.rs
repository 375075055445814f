//! The filters of templates that print changes and verdicts. All words come from
//! `comparison::shown_change` and the verdicts.

use super::marks;
use crate::comparison::{MetricEntry, RelativeChange, Verdict};
use crate::gate::FindingKind;
use crate::model::metric::Metric;
use minijinja::Environment;
use minijinja::value::Serde;
use orch_core::format::{self, change};

/// Adds the filters.
pub(super) fn add(environment: &mut Environment) {
    environment.add_filter("change", change_of);
    environment.add_filter("claimed", change::claimed);
    environment.add_filter("counted", |counts: Serde<[f64; 2]>, metric: &str| {
        counted(*counts, &metric.into())
    });
    environment.add_filter(
        "change_size",
        |change: Serde<RelativeChange>, metric: &str| size(*change, &metric.into()),
    );
    environment.add_filter(
        "change_interval",
        |change: Serde<RelativeChange>, metric: &str| {
            interval(*change, &metric.into()).unwrap_or_default()
        },
    );
    environment.add_filter("size", |entry: Serde<MetricEntry>| {
        entry.size().unwrap_or_default()
    });
    environment.add_filter("interval", |entry: Serde<MetricEntry>| {
        entry.interval().unwrap_or_default()
    });
    environment.add_filter("value_a", |entry: Serde<MetricEntry>| side(&entry, 0));
    environment.add_filter("value_b", |entry: Serde<MetricEntry>| side(&entry, 1));
    environment.add_filter("values", values);
    environment.add_filter("word", |verdict: Serde<Verdict>| verdict.word());
    environment.add_filter("mark", |verdict: Serde<Verdict>| marks::mark(*verdict));
    environment.add_filter("emoji", |verdict: Serde<Verdict>| marks::emoji(*verdict));
    environment.add_filter("finding", |kind: Serde<FindingKind>| kind.word());
}

/// Formats a relative change of a metric, or of time if no metric is named.
fn change_of(change: f64, metric: Option<String>) -> String {
    change::size(
        metric
            .as_deref()
            .map_or(Metric::Time, Metric::from)
            .quantity(),
        change,
    )
}

/// Formats the change from one count of a metric to another, with both counts.
pub(super) fn counted(counts: [f64; 2], metric: &Metric) -> String {
    if metric.is_bytes() {
        change::counted(format::bytes, "B", counts)
    } else {
        change::counted(change::grouped, "", counts)
    }
}

/// Formats the size of a change of a metric.
pub(super) fn size(change: RelativeChange, metric: &Metric) -> String {
    change.sized(metric.quantity()).size()
}

/// Formats the interval of a change of a metric; `None` if the change was counted or has no known
/// end.
pub(super) fn interval(change: RelativeChange, metric: &Metric) -> Option<String> {
    let is_counted = change.low == change.high;
    let change = change.sized(metric.quantity());
    (!is_counted).then(|| change.interval()).flatten()
}

fn side(entry: &MetricEntry, side: usize) -> String {
    entry
        .values()
        .map(|values| values[side].clone())
        .unwrap_or_default()
}

/// Formats both values with an arrow between them, or one value if they are equal; empty without
/// values.
fn values(entry: Serde<MetricEntry>, arrow: Option<String>) -> String {
    let Some([a, b]) = entry.values() else {
        return String::new();
    };
    if a == b {
        a
    } else {
        format!("{a} {} {b}", arrow.as_deref().unwrap_or("->"))
    }
}
