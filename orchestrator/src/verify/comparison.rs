//! The changes and verdicts of a comparison, from its pairs, and what follows from them.

use super::{FigureCheck, pairs};
use crate::comparison::{
    CodeRelation, ComparedWorkload, Comparison, MetricEntry, RelativeChange, Verdict, totals,
};
use crate::model::metric::Metric;
use crate::model::reason::ReasonKind;
use crate::runner::paired_workloads::{self, PairStopReason, PairedResult};
use orch_core::judge::assessment::assess;
use orch_core::judge::verdict::{ALPHA, JudgedWorkload, PairFinding, decide_findings};
use std::time::Duration;

/// Verifies a comparison.
pub(super) fn verify_comparison(comparison: &Comparison, check: &mut FigureCheck) {
    verify_times(comparison, check);
    for workload in &comparison.workloads {
        let entries = list_entries(comparison, &workload.id);
        // A metric without an entry cannot be judged again.
        if !entries.is_empty() {
            let computed = totals::of_workload(&entries);
            check.compare_verdicts(
                &workload.id,
                "verdict",
                workload.verdict.word(),
                computed.word(),
            );
        }
    }
    for (verdict, count) in totals::counts(&comparison.workloads) {
        let stored = comparison.counts.get(&verdict).map(|count| *count as f64);
        check.compare_figures(verdict.word(), "counts", stored, Some(count as f64));
    }
    verify_totals(comparison, check);
}

/// Verifies the totals. There are none where no change of time has an interval.
fn verify_totals(comparison: &Comparison, check: &mut FigureCheck) {
    let place = "the comparison";
    let stored = comparison.totals.as_ref();
    let computed = totals::totals(&comparison.jobs);
    let computed = computed.as_ref();
    let [stored_sum, computed_sum] = [stored, computed].map(|totals| Some(totals?.sum));
    check.compare_figures(place, "totals.sum", stored_sum, computed_sum);
    let [stored_mean, computed_mean] =
        [stored, computed].map(|totals| Some(totals?.geometric_mean));
    check.compare_figures(place, "totals.geometric_mean", stored_mean, computed_mean);
}

fn list_entries(comparison: &Comparison, id: &str) -> Vec<MetricEntry> {
    let entries = comparison.jobs.iter().filter(|entry| entry.id == id);
    entries.cloned().collect()
}

/// A workload whose time was judged by pairs, or whose pairs failed.
struct JudgedTime<'a> {
    workload: &'a ComparedWorkload,
    entry: &'a MetricEntry,
    result: PairedResult,
}

impl JudgedTime<'_> {
    fn is_judged(&self) -> bool {
        self.entry.e_value.is_some()
    }
}

/// Verifies the times. Their verdicts depend on each other, because the rate of false findings is
/// controlled over all of them together.
fn verify_times(comparison: &Comparison, check: &mut FigureCheck) {
    let mut judged: Vec<JudgedTime> = Vec::new();
    for workload in &comparison.workloads {
        pairs::verify_pairs(&workload.id, &workload.pairs, check);
        let entry = comparison.jobs.iter().find(|entry| {
            let has_failed = entry.reason_kind == Some(ReasonKind::SideFailed);
            entry.id == workload.id
                && entry.metric == Metric::Time
                && (entry.e_value.is_some() || has_failed)
        });
        if let Some(entry) = entry {
            let result = assess_again(workload);
            judged.push(JudgedTime {
                workload,
                entry,
                result,
            });
        }
    }
    let cases: Vec<JudgedWorkload> = judged
        .iter()
        .map(|time| JudgedWorkload {
            assessment: &time.result.assessment,
            margin: time.entry.margin,
            // What is not reported as a change is no evidence.
            counts: time.is_judged() && time.workload.code != CodeRelation::OnlyLayout,
        })
        .collect();
    for (time, finding) in judged.iter().zip(decide_findings(&cases, ALPHA)) {
        if time.is_judged() {
            verify_entry(time, finding, check);
        }
    }
}

fn assess_again(workload: &ComparedWorkload) -> PairedResult {
    let differences: Vec<f64> = workload.pairs.iter().map(|pair| pair.difference).collect();
    PairedResult {
        pairs: workload.pairs.clone(),
        assessment: assess(&differences, ALPHA),
        finding: PairFinding::Open,
        stopped: PairStopReason::Decided,
        warnings: Vec::new(),
        wall: Duration::ZERO,
    }
}

fn verify_entry(time: &JudgedTime, finding: PairFinding, check: &mut FigureCheck) {
    let JudgedTime {
        workload,
        entry,
        result,
    } = time;
    let place = format!("{}, time", entry.id);
    let assessment = &result.assessment;
    let relative = |log: f64| log.is_finite().then(|| log.exp_m1());
    let change = entry.change;
    let of = |part: fn(RelativeChange) -> Option<f64>| change.and_then(part);
    let estimate = (assessment.pairs > 0).then(|| assessment.estimate.exp_m1());
    let [stored_a, stored_b] = [entry.a.as_f64(), entry.b.as_f64()];
    let [a, b] = paired_workloads::compute_typical_times(result);
    let [fitted_a, fitted_b] = split(paired_workloads::compute_fitted_times(result));
    let [stored_fitted_a, stored_fitted_b] = split(entry.fitted);
    for (field, stored, computed) in [
        ("a", stored_a, a),
        ("b", stored_b, b),
        ("fitted", stored_fitted_a, fitted_a),
        ("fitted", stored_fitted_b, fitted_b),
        (
            "change.estimate",
            of(|change| Some(change.estimate)),
            estimate,
        ),
        (
            "change.low",
            of(|change| change.low),
            relative(assessment.low),
        ),
        (
            "change.high",
            of(|change| change.high),
            relative(assessment.high),
        ),
        (
            "minimum_detectable",
            entry.minimum_detectable,
            assessment.minimum_detectable.map(f64::exp_m1),
        ),
        (
            "e_value",
            entry.e_value,
            Some(assessment.log_e.exp().min(1e300)),
        ),
        (
            "pairs",
            Some(entry.pairs as f64),
            Some(assessment.pairs as f64),
        ),
    ] {
        check.compare_figures(&place, field, stored, computed);
    }
    // Other outputs make every cost incomparable.
    if entry.verdict == Verdict::OutputDiffers {
        return;
    }
    let computed = match (&workload.code, finding) {
        (CodeRelation::Identical | CodeRelation::OnlyLayout, _) => Verdict::Equivalent,
        (_, PairFinding::Higher) => Verdict::Regressed,
        (_, PairFinding::Lower) => Verdict::Improved,
        (_, PairFinding::Equivalent) => Verdict::Equivalent,
        (_, PairFinding::Open) => Verdict::Inconclusive,
    };
    check.compare_verdicts(&place, "verdict", entry.verdict.word(), computed.word());
}

fn split(values: Option<[f64; 2]>) -> [Option<f64>; 2] {
    values.map_or([None, None], |values| values.map(Some))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::read;

    #[test]
    fn totals_that_are_missing_or_invented_are_found() {
        let mut comparison: Comparison = read("comparison-full");
        comparison.totals = None;
        let mut check = FigureCheck::default();
        verify_totals(&comparison, &mut check);
        let [sum, mean] = check.differences.as_slice() else {
            panic!("{:?}", check.differences);
        };
        assert_eq!((sum.field, sum.stored.as_str()), ("totals.sum", "none"));
        assert_eq!(mean.field, "totals.geometric_mean");

        let mut comparison: Comparison = read("comparison-full");
        comparison.jobs.clear();
        let mut check = FigureCheck::default();
        verify_totals(&comparison, &mut check);
        let computed: Vec<&str> = check
            .differences
            .iter()
            .map(|difference| difference.computed.as_str())
            .collect();
        assert_eq!(computed, ["none", "none"]);
    }
}
