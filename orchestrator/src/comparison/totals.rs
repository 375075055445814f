//! The totals of a comparison: workloads per verdict, and two sums side by side, never one overall
//! percent.

use super::{ComparedWorkload, MetricEntry, Verdict};
use crate::model::metric::Metric;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Two ways to sum up times. They answer different questions, and where they differ in sign neither
/// is the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ComparisonTotals {
    /// Workloads whose change of time has an interval: fewer pairs say nothing.
    pub(crate) workloads: usize,
    /// Change of the sum of the times of one iteration each: what takes longest decides it.
    pub(crate) sum: f64,
    /// Geometric mean of the ratios, minus 1: each workload counts the same.
    pub(crate) geometric_mean: f64,
    /// The workload that contributes most to the change of the sum.
    pub(crate) largest: String,
    /// Its own change as a share of the sum's; more than 1, or negative, where others go the other
    /// way. None where the sum stays as it is.
    pub(crate) largest_share: Option<f64>,
    /// The two have different signs.
    pub(crate) disagree: bool,
}

/// The worst of some verdicts; without any, nothing was measured.
fn worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.min().unwrap_or(Verdict::Missing)
}

/// The verdict of several things together: the worst, but what got better is worth more than what
/// stayed the same.
pub(crate) fn together(verdicts: &[Verdict]) -> Verdict {
    let improved = verdicts.contains(&Verdict::Improved);
    match worst(verdicts.iter().copied()) {
        Verdict::Equivalent if improved => Verdict::Improved,
        verdict => verdict,
    }
}

/// The verdict of one workload. Of inconclusive metrics only those count that are open: allocations
/// that other threads take part in nearly always differ a little, and would hide everything else.
pub(crate) fn of_workload(entries: &[MetricEntry]) -> Verdict {
    let counts = |entry: &&MetricEntry| entry.is_open() || entry.verdict != Verdict::Inconclusive;
    let verdicts: Vec<Verdict> = entries
        .iter()
        .filter(counts)
        .map(|entry| entry.verdict)
        .collect();
    together(&verdicts)
}

/// Workloads per verdict, from the worst to the best; verdicts without workloads are left out.
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

/// The totals over all workloads whose time was compared.
pub(crate) fn totals(entries: &[MetricEntry]) -> Option<ComparisonTotals> {
    let times: Vec<(&str, f64, f64)> = entries
        .iter()
        .filter(|entry| entry.metric == Metric::Time && entry.pairs > 0)
        .filter_map(|entry| {
            // The estimate over pairs, not the quotient of two medians: drift is in those.
            let a = entry.a.as_f64()?;
            let change = entry
                .change
                .filter(|change| change.low.is_some() && change.high.is_some())?;
            Some((entry.id.as_str(), a, a * (1.0 + change.estimate)))
        })
        .collect();
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
