//! Ready texts of a metric's entry, the same in all reports.

use crate::comparison::{MetricEntry, Verdict};
use orch_core::format;
use serde::Serialize;
use serde_json::Value;

/// The cells of an entry. A missing value is an empty text.
#[derive(Debug, Clone, Serialize)]
pub(super) struct EntryText {
    /// Values of both sides that belong to the change. A value that is not a number is shown as it
    /// is.
    pub(super) a: String,
    pub(super) b: String,
    /// Change such as `+6.25 %`, `8.3 times as long`, `2 -> 20 000`.
    pub(super) change: String,
    /// Interval such as `+6.00 % to +7.00 %`.
    pub(super) interval: String,
    pub(super) pairs: String,
    /// The verdict in words.
    pub(super) verdict: &'static str,
    /// Beginning of the reason for the verdict.
    pub(super) why: String,
}

impl EntryText {
    pub(super) fn of(entry: &MetricEntry) -> Self {
        let [a, b] = both(entry);
        Self {
            a,
            b,
            change: entry.size().unwrap_or_default(),
            interval: entry.interval().unwrap_or_default(),
            pairs: some_number(entry.pairs),
            verdict: entry.verdict.word(),
            why: format::brief(&entry.reason),
        }
    }
}

/// Formats the values of both sides. A number has the form that it has beside the other one.
fn both(entry: &MetricEntry) -> [String; 2] {
    let [a, b] = entry.values().unwrap_or_default();
    [(&entry.a, a), (&entry.b, b)].map(|(value, printed)| match value {
        Value::Null => String::new(),
        Value::Number(_) => printed,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// Formats a number; empty for 0.
pub(super) fn some_number(number: usize) -> String {
    if number == 0 {
        String::new()
    } else {
        number.to_string()
    }
}

/// Formats the values of both sides, or one value if they are equal; empty without values.
pub(super) fn values(entry: &MetricEntry) -> Vec<String> {
    match entry.values() {
        Some([a, b]) if a == b => vec![a],
        Some(both) => both.into(),
        None => Vec::new(),
    }
}

/// Formats the least change that an inconclusive entry would have shown: `2.1 %`.
pub(super) fn detectable(entry: &MetricEntry) -> Option<String> {
    let is_inconclusive = entry.verdict == Verdict::Inconclusive;
    entry
        .minimum_detectable
        .filter(|least| is_inconclusive && *least < 1.0)
        .map(format::percent)
}
