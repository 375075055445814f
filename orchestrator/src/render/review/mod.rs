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
use crate::comparison::{Comparison, FILE, MetricEntry, Verdict, totals};
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
    /// The same workloads by plugin.
    plugins: ShownList<WorkloadFamily>,
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

/// Figures of the whole comparison; empty if nothing was compared.
#[derive(Debug, Serialize)]
struct ReviewText {
    /// Sums of the times of one iteration of each workload whose change of time has an interval:
    /// `1 s -> 2 s (+100 %)`.
    times: String,
    /// Sums of the bytes of one iteration of each workload whose bytes both sides counted.
    bytes: String,
    /// Numbers of workloads, of those in the sum of times, and of those in the sum of bytes.
    workloads: usize,
    timed: usize,
    counted: usize,
    /// Sentence for a comparison in which no bytes differ.
    memory: String,
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
            plugins: families::group_by_plugin(comparison, rows),
            memory: families::memory(rows),
            improvements: largest(rows, Verdict::Improved),
            regressions: largest(rows, Verdict::Regressed),
            scaling: scaling::all_pairs(comparison, rows),
            evidence: ShownList::first(MOST_TEXTS, evidence::gather(rows)),
            actions: ShownList::first(MOST_TEXTS, actions::next(comparison, rows))
                .counting("action", FILE),
            bars: bars::draw(rows),
            text: ReviewText::of(comparison, rows),
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
    fn of(comparison: &Comparison, rows: &[WorkloadRow]) -> Self {
        let times = totals::list_times(&comparison.jobs);
        let times: Vec<[f64; 2]> = times.into_iter().map(|(_, a, b)| [a, b]).collect();
        let counted = rows.iter().filter_map(|row| {
            let entry = row.bytes?;
            Some([entry.a.as_f64()?, entry.b.as_f64()?])
        });
        let bytes: Vec<[f64; 2]> = counted.collect();
        Self {
            times: describe_sums(&times, format::time, ChangedQuantity::Time),
            bytes: describe_sums(&bytes, format::bytes, ChangedQuantity::Amount),
            workloads: rows.len(),
            timed: times.len(),
            counted: bytes.len(),
            memory: match bytes.len() {
                0 => "No allocated bytes were compared.".to_owned(),
                1 => "The workload whose bytes were compared allocates as many on both sides."
                    .to_owned(),
                count => format!(
                    "All {count} workloads whose bytes were compared allocate as many on both \
                     sides."
                ),
            },
        }
    }
}

fn describe_sums(pairs: &[[f64; 2]], form: fn(f64) -> String, quantity: ChangedQuantity) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let [a, b] = [0, 1].map(|side| pairs.iter().fold(0.0, |sum, pair| sum + pair[side]));
    let change = if a > 0.0 {
        format!(" ({})", change::size(quantity, b / a - 1.0))
    } else {
        String::new()
    };
    format!("{} -> {}{change}", form(a), form(b))
}

/// Returns whether the entry is about the time.
fn is_time(entry: &MetricEntry) -> bool {
    entry.metric == Metric::Time
}
