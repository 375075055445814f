//! The view of a comparison for its long and its one-page report: workloads by family, evidence
//! about causes, and actions with their commands.

mod actions;
mod bars;
mod evidence;
mod families;
mod scaling;

use super::comparison::WorkloadRow;
use super::entries::EntryText;
use super::shown::{MOST_TEXTS, ShownList};
use crate::comparison::{Comparison, FILE, MetricEntry, Verdict};
use crate::model::metric::Metric;
use actions::NextAction;
use bars::ChangeBar;
use families::{MemoryChange, WorkloadFamily};
use orch_core::format;
use orch_core::format::change::{self, ChangedQuantity};
use scaling::PairScaling;
use serde::Serialize;

/// Number of changes in a list of the largest ones.
const LARGEST: usize = 10;

/// The parts of the long report of a comparison.
#[derive(Debug, Serialize)]
pub(super) struct ComparisonReview {
    /// Workloads by the workload of the plugin that they run, in the order of the scenario.
    families: ShownList<WorkloadFamily>,
    /// Workloads whose allocated bytes differ, the largest difference first.
    memory: ShownList<MemoryChange>,
    /// The largest changes of time for the better and the worse, the largest relative change first.
    improvements: ShownList<TimeChange>,
    regressions: ShownList<TimeChange>,
    scaling: ShownList<PairScaling>,
    /// Sentences about causes that follow from the figures.
    evidence: ShownList<String>,
    actions: ShownList<NextAction>,
    /// All changes of time as bars of characters.
    bars: ShownList<ChangeBar>,
    text: ReviewText,
}

/// Figures of the whole comparison.
#[derive(Debug, Serialize)]
struct ReviewText {
    /// Sums of the times and the bytes of one iteration of each workload that both sides have.
    time_a: String,
    time_b: String,
    time_change: String,
    bytes_a: String,
    bytes_b: String,
    bytes_change: String,
    /// Number of workloads, and of those in the sums.
    workloads: usize,
    summed: usize,
}

/// A change of the time of a workload.
#[derive(Debug, Serialize)]
struct TimeChange {
    id: String,
    text: EntryText,
}

impl ComparisonReview {
    /// Makes the view. `rows` have the worst verdict first.
    pub(super) fn of(comparison: &Comparison, rows: &[WorkloadRow]) -> Self {
        Self {
            families: families::group(comparison, rows),
            memory: families::memory(rows),
            improvements: largest(rows, Verdict::Improved),
            regressions: largest(rows, Verdict::Regressed),
            scaling: scaling::all_pairs(comparison, rows),
            evidence: ShownList::first(MOST_TEXTS, evidence::gather(rows)),
            actions: ShownList::first(MOST_TEXTS, actions::next(comparison, rows))
                .counting("action", FILE),
            bars: bars::draw(rows),
            text: ReviewText::of(rows),
        }
    }
}

fn largest(rows: &[WorkloadRow], verdict: Verdict) -> ShownList<TimeChange> {
    let mut changed: Vec<(&str, &MetricEntry)> = rows
        .iter()
        .filter_map(|row| Some((row.id, row.time?)))
        .filter(|(_, time)| time.verdict == verdict)
        .collect();
    let size = |time: &MetricEntry| {
        time.change
            .map_or(0.0, |change| change.estimate.ln_1p().abs())
    };
    changed.sort_by(|(_, one), (_, other)| size(other).total_cmp(&size(one)));
    ShownList::first(LARGEST, changed).map(|(id, time)| TimeChange {
        id: id.to_owned(),
        text: EntryText::of(time),
    })
}

impl ReviewText {
    fn of(rows: &[WorkloadRow]) -> Self {
        let both = |entry: Option<&MetricEntry>| -> Option<[f64; 2]> {
            let entry = entry?;
            Some([entry.a.as_f64()?, entry.b.as_f64()?])
        };
        let times: Vec<[f64; 2]> = rows.iter().filter_map(|row| both(row.time)).collect();
        let bytes: Vec<[f64; 2]> = rows.iter().filter_map(|row| both(row.bytes)).collect();
        let [time, bytes_sum] = [&times, &bytes]
            .map(|all| [0, 1].map(|side| all.iter().map(|pair| pair[side]).sum::<f64>()));
        let change = |quantity, [a, b]: [f64; 2]| {
            if a > 0.0 {
                change::size(quantity, b / a - 1.0)
            } else {
                String::new()
            }
        };
        let print = |form: fn(f64) -> String, [a, b]: [f64; 2]| [form(a), form(b)];
        let [time_a, time_b] = print(format::time, time);
        let [bytes_a, bytes_b] = print(format::bytes, bytes_sum);
        Self {
            time_a,
            time_b,
            time_change: change(ChangedQuantity::Time, time),
            bytes_a,
            bytes_b,
            bytes_change: change(ChangedQuantity::Amount, bytes_sum),
            workloads: rows.len(),
            summed: times.len(),
        }
    }
}

/// Returns whether the entry is about the time.
fn is_time(entry: &MetricEntry) -> bool {
    entry.metric == Metric::Time
}
