//! The totals of a comparison: workloads per verdict, and two sums side by side, never one overall
//! percent.

use super::{ComparedWorkload, MetricEntry, Verdict};
use crate::model::metric::Metric;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Two ways to sum up times. They answer different questions. If their signs differ, neither is an
/// overall result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ComparisonTotals {
    /// Number of workloads whose change of time has an interval. Without one, there are too few
    /// pairs.
    pub(crate) workloads: usize,
    /// Change of the sum of the times of one iteration each. The longest workloads decide it.
    pub(crate) sum: f64,
    /// Geometric mean of the ratios, minus 1. Each workload has the same weight.
    pub(crate) geometric_mean: f64,
    /// The workload that contributes most to the change of the sum.
    pub(crate) largest: String,
    /// The change of that workload as a share of the sum's change. It is above 1 or negative if
    /// other workloads change in the other direction, and `None` if the sum does not change.
    pub(crate) largest_share: Option<f64>,
    /// Whether the two have different signs.
    pub(crate) disagree: bool,
}

/// Returns the worst of some verdicts; `Missing` if there are none.
fn find_worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.min().unwrap_or(Verdict::Missing)
}

/// Returns the verdict of several things together: the worst one, except that an improvement
/// outranks an equivalence.
pub(crate) fn combine_verdicts(verdicts: &[Verdict]) -> Verdict {
    let improved = verdicts.contains(&Verdict::Improved);
    match find_worst(verdicts.iter().copied()) {
        Verdict::Equivalent if improved => Verdict::Improved,
        verdict => verdict,
    }
}

/// Returns the verdict of one workload. Inconclusive metrics count only if they are open.
/// Allocations in which other threads take part nearly always differ a little, and would hide
/// everything else.
pub(crate) fn of_workload(entries: &[MetricEntry]) -> Verdict {
    let counts = |entry: &&MetricEntry| entry.is_open() || entry.verdict != Verdict::Inconclusive;
    let verdicts: Vec<Verdict> = entries
        .iter()
        .filter(counts)
        .map(|entry| entry.verdict)
        .collect();
    combine_verdicts(&verdicts)
}

/// Counts the workloads per verdict, from the worst to the best; leaves out verdicts without
/// workloads.
pub(crate) fn counts(workloads: &[ComparedWorkload]) -> IndexMap<Verdict, usize> {
    let mut counts: Vec<(Verdict, usize)> = Vec::new();
    for workload in workloads {
        match counts
            .iter_mut()
            .find(|(verdict, _)| *verdict == workload.verdict)
        {
            Some((_, count)) => *count += 1,
            None => counts.push((workload.verdict, 1)),
        }
    }
    counts.sort_by_key(|(verdict, _)| *verdict);
    counts.into_iter().collect()
}

/// Returns the id and both times, in nanoseconds, of each workload whose change of time has an
/// interval.
pub(crate) fn list_times(entries: &[MetricEntry]) -> Vec<(&str, f64, f64)> {
    entries
        .iter()
        .filter(|entry| entry.metric == Metric::Time && entry.pairs > 0)
        .filter_map(|entry| {
            // The times that are printed. Their quotient is the estimate over pairs; that of two
            // medians contains drift.
            let change = entry
                .change
                .filter(|change| change.low.is_some() && change.high.is_some())?;
            let [a, b] = match (entry.fitted, entry.a.as_f64()) {
                (Some(fitted), _) => fitted,
                (None, Some(a)) => [a, a * (1.0 + change.estimate)],
                (None, None) => return None,
            };
            Some((entry.id.as_str(), a, b))
        })
        .collect()
}

/// Returns the totals over all workloads whose time was compared.
pub(crate) fn totals(entries: &[MetricEntry]) -> Option<ComparisonTotals> {
    let times = list_times(entries);
    let (sum_a, sum_b) = times.iter().fold((0.0, 0.0), |(sum_a, sum_b), (_, a, b)| {
        (sum_a + a, sum_b + b)
    });
    let (largest, _, _) = times
        .iter()
        .max_by(|(_, a1, b1), (_, a2, b2)| (b1 - a1).abs().total_cmp(&(b2 - a2).abs()))?;
    let own: f64 = times
        .iter()
        .filter(|(id, _, _)| id == largest)
        .map(|(_, a, b)| b - a)
        .sum();
    let sum = sum_b / sum_a - 1.0;
    let mean = times.iter().map(|(_, a, b)| (b / a).ln()).sum::<f64>() / times.len() as f64;
    let geometric_mean = mean.exp_m1();
    Some(ComparisonTotals {
        workloads: times.len(),
        sum,
        geometric_mean,
        largest: (*largest).to_owned(),
        largest_share: (sum_a != sum_b).then(|| own / (sum_b - sum_a)),
        disagree: sum * geometric_mean < 0.0,
    })
}
