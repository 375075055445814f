//! Owns targets, the figures that jobs have to reach: met, missed, or undecided by what was
//! measured.

use super::{EntryIndex, FindingKind, GateCase, GateFinding, build_finding};
use crate::comparison::{ComparedWorkload, MetricEntry, Verdict};
use crate::model::metric::Metric;
use crate::plugin::catalog::CounterBasis;
use crate::runner::pair_series::PairRecord;
use crate::scenario::gate::{JobTarget, TargetBounds};
use orch_core::format;
use orch_core::measure::interval::median_interval;
use orch_core::measure::rounding;
use wildmatch::WildMatch;

/// A value with its range.
#[derive(Debug, Clone, Copy, PartialEq)]
struct CandidateValue {
    middle: f64,
    low: f64,
    high: f64,
}

/// Judges all targets of all jobs.
pub(super) fn judge_targets(case: &GateCase, index: &EntryIndex) -> Vec<GateFinding> {
    let mut all = Vec::new();
    for target in &case.rules.targets {
        let pattern = WildMatch::new(&target.job);
        for workload in case
            .workloads
            .iter()
            .filter(|workload| pattern.matches(&workload.id))
        {
            all.push(judge_target(index, target, workload));
        }
    }
    all
}

fn judge_target(
    index: &EntryIndex,
    target: &JobTarget,
    workload: &ComparedWorkload,
) -> GateFinding {
    let Some(entry) = index.find(&workload.id, &target.metric) else {
        let message = match &workload.missing {
            Some(reason) => format!("target {}: {reason}", target.text),
            None => format!("target {}: the job has no such metric", target.text),
        };
        let (job, metric) = (workload.id.clone(), target.metric.to_string());
        return GateFinding {
            kind: FindingKind::Missing,
            job,
            metric,
            message,
        };
    };
    if target.wanted == TargetBounds::Hold {
        return judge_hold(entry);
    }
    let Some(value) = find_value(entry, workload) else {
        return build_finding(
            entry,
            FindingKind::TargetOpen,
            format!("target {}: it was not measured", target.text),
        );
    };
    let at_most = |value: f64, limit: f64| rounding::is_at_most(value, limit, entry.rounding);
    let (kind, how) = match target.wanted {
        TargetBounds::AtLeast(least) => {
            grade_target(at_most(least, value.low), !at_most(least, value.high))
        }
        TargetBounds::AtMost(most) => {
            grade_target(at_most(value.high, most), !at_most(value.low, most))
        }
        TargetBounds::Between(low, high) => grade_target(
            at_most(low, value.low) && at_most(value.high, high),
            !at_most(low, value.high) || !at_most(value.low, high),
        ),
        TargetBounds::Hold => grade_target(false, false),
    };
    build_finding(
        entry,
        kind,
        format!(
            "target {} {how}: {}",
            target.text,
            describe_value(entry, value)
        ),
    )
}

fn grade_target(met: bool, missed: bool) -> (FindingKind, &'static str) {
    match (met, missed) {
        (true, _) => (FindingKind::TargetMet, "met"),
        (_, true) => (FindingKind::TargetMissed, "missed"),
        _ => (FindingKind::TargetOpen, "undecided"),
    }
}

fn judge_hold(entry: &MetricEntry) -> GateFinding {
    let (kind, how) = match entry.verdict {
        Verdict::Equivalent | Verdict::Improved => (FindingKind::TargetMet, "met"),
        Verdict::Regressed | Verdict::OutputDiffers => (FindingKind::TargetMissed, "missed"),
        Verdict::Missing => (FindingKind::Missing, "undecided"),
        Verdict::Inconclusive => (FindingKind::TargetOpen, "undecided"),
    };
    let is_figure = entry.verdict == Verdict::Regressed || entry.metric == Metric::Digest;
    let figure = if kind == FindingKind::TargetMissed && is_figure {
        entry.describe_change()
    } else {
        entry.reason.clone()
    };
    build_finding(entry, kind, format!("target hold {how}: {figure}"))
}

/// Returns the candidate's value. A count is exact, or a range over the processes. A time is the
/// median over the processes, and metrics that are computed from the time follow from it.
fn find_value(entry: &MetricEntry, workload: &ComparedWorkload) -> Option<CandidateValue> {
    let counted = entry.b.as_f64();
    let of_time = entry.metric == Metric::Time
        || matches!(entry.per, Some(CounterBasis::Second | CounterBasis::Unit));
    if !of_time {
        let [low, high] = super::candidate_range(entry)?;
        return counted.map(|value| CandidateValue {
            middle: value,
            low,
            high,
        });
    }
    let floor =
        |pair: &PairRecord| Some(*pair.b_ns.iter().min()? as f64 / pair.iterations.max(1) as f64);
    let floors: Vec<f64> = workload.pairs.iter().filter_map(floor).collect();
    let times = median_interval(&floors)?;
    let [low, high] = [times.low, times.high].map(|end| end / times.median);
    match (&entry.metric, entry.per) {
        (Metric::Time, _) => Some(CandidateValue {
            middle: times.median,
            low: times.low,
            high: times.high,
        }),
        // Work per time falls as the time rises.
        (_, Some(CounterBasis::Second)) => counted.map(|rate| CandidateValue {
            middle: rate,
            low: rate / high,
            high: rate / low,
        }),
        _ => counted.map(|value| CandidateValue {
            middle: value,
            low: value * low,
            high: value * high,
        }),
    }
}

fn describe_value(entry: &MetricEntry, value: CandidateValue) -> String {
    let one = |value: f64| match (&entry.metric, entry.unit.as_str()) {
        (Metric::Time, _) => format::time(value),
        (_, "B") => format::bytes(value),
        (_, "") => format::number(value),
        (_, unit) => format!("{} {unit}", format::number(value)),
    };
    if value.low == value.high {
        one(value.middle)
    } else {
        format!(
            "{} ({} to {})",
            one(value.middle),
            one(value.low),
            one(value.high)
        )
    }
}
