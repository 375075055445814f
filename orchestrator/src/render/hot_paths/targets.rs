//! The targets of a scenario against the figures of a run.

use crate::model::metric::Metric;
use crate::record::{JobRecord, Record, TargetRecord};
use orch_core::format;
use serde::Serialize;
use wildmatch::WildMatch;

/// A target of one job.
#[derive(Debug, Serialize)]
pub(super) struct CheckedTarget {
    job: String,
    metric: Metric,
    /// The target in the scenario's words.
    target: String,
    /// Value of the run and its range; null if it was not measured.
    value: Option<f64>,
    range: Option<[f64; 2]>,
    state: TargetState,
    text: TargetText,
}

/// State of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum TargetState {
    Met,
    Missed,
    /// The target is inside the range of the value.
    Open,
    NotMeasured,
    /// The target needs a baseline, which a run does not have.
    NeedsBaseline,
}

/// The cells of a target.
#[derive(Debug, Serialize)]
struct TargetText {
    value: String,
    /// Necessary change of the value; empty if the target is met or there is no value.
    missing: String,
    state: &'static str,
}

/// Returns each target with each job that it is about.
pub(super) fn check(record: &Record) -> Vec<CheckedTarget> {
    let of_target = |target: &TargetRecord| {
        let pattern = WildMatch::new(&target.job);
        let jobs = record.jobs.iter().filter(|job| pattern.matches(&job.id));
        jobs.map(|job| check_job(target, job))
            .collect::<Vec<CheckedTarget>>()
    };
    record.targets.iter().flat_map(of_target).collect()
}

fn check_job(target: &TargetRecord, job: &JobRecord) -> CheckedTarget {
    let found = find_value(&target.metric, job);
    let bounds = [target.low, target.high];
    let state = match (bounds, found) {
        ([None, None], _) => TargetState::NeedsBaseline,
        (_, None) => TargetState::NotMeasured,
        (bounds, Some((_, range))) => judge(bounds, range),
    };
    CheckedTarget {
        job: job.id.clone(),
        metric: target.metric.clone(),
        target: target.is.clone(),
        text: TargetText {
            value: found
                .map(|(value, _)| print(&target.metric, value))
                .unwrap_or_default(),
            missing: found
                .filter(|_| state != TargetState::Met)
                .and_then(|(value, _)| describe_gap(bounds, value))
                .unwrap_or_default(),
            state: match state {
                TargetState::Met => "met",
                TargetState::Missed => "missed",
                TargetState::Open => "undecided",
                TargetState::NotMeasured => "not measured",
                TargetState::NeedsBaseline => "needs a baseline",
            },
        },
        value: found.map(|(value, _)| value),
        range: found.map(|(_, range)| range),
        state,
    }
}

fn judge([low, high]: [Option<f64>; 2], [least, most]: [f64; 2]) -> TargetState {
    let is_within = low.is_none_or(|low| least >= low) && high.is_none_or(|high| most <= high);
    let is_outside = low.is_some_and(|low| most < low) || high.is_some_and(|high| least > high);
    match (is_within, is_outside) {
        (true, _) => TargetState::Met,
        (_, true) => TargetState::Missed,
        _ => TargetState::Open,
    }
}

/// Returns the value of a metric with its range.
fn find_value(metric: &Metric, job: &JobRecord) -> Option<(f64, [f64; 2])> {
    let counted = job.allocations.as_ref();
    match metric {
        Metric::Time => {
            let time = job.time.as_ref()?;
            Some((time.median_ns, [time.low_ns, time.high_ns]))
        }
        Metric::Allocations => counted.map(|all| (all.count, all.count_range)),
        Metric::Bytes => counted.map(|all| (all.bytes, all.bytes_range)),
        Metric::PeakBytes => counted.map(|all| (all.peak_bytes, all.peak_bytes_range)),
        other => {
            let name = other.name();
            let value = *job.metrics.get(name)?;
            let range = job.metrics_range.get(name).copied();
            Some((value, range.unwrap_or([value, value])))
        }
    }
}

fn print(metric: &Metric, value: f64) -> String {
    match metric {
        Metric::Time => format::time(value),
        Metric::Bytes | Metric::PeakBytes => format::bytes(value),
        _ => format::number(value),
    }
}

/// Describes by which factor a value must change to reach the nearer bound.
fn describe_gap([low, high]: [Option<f64>; 2], value: f64) -> Option<String> {
    let bound = match (low, high) {
        (Some(low), _) if value < low => low,
        (_, Some(high)) if value > high => high,
        _ => return None,
    };
    let factor = bound / value;
    (factor.is_finite() && factor > 0.0).then(|| {
        let end = if factor > 1.0 { "least" } else { "most" };
        format!("at {end} {factor:.2} times as much")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_by_the_whole_range() {
        for (bounds, range, expected) in [
            ([None, Some(10.0)], [8.0, 10.0], TargetState::Met),
            ([None, Some(10.0)], [8.0, 11.0], TargetState::Open),
            ([None, Some(10.0)], [11.0, 12.0], TargetState::Missed),
            ([Some(10.0), None], [11.0, 12.0], TargetState::Met),
            ([Some(10.0), Some(20.0)], [12.0, 18.0], TargetState::Met),
            ([Some(10.0), Some(20.0)], [2.0, 9.0], TargetState::Missed),
        ] {
            assert_eq!(judge(bounds, range), expected, "{bounds:?} {range:?}");
        }
    }

    #[test]
    fn gaps_lead_to_the_nearer_bound() {
        let gap = |low, high, value| describe_gap([low, high], value);
        assert_eq!(
            gap(Some(40.0), None, 20.0).as_deref(),
            Some("at least 2.00 times as much")
        );
        assert_eq!(
            gap(None, Some(1.0), 4.0).as_deref(),
            Some("at most 0.25 times as much")
        );
        assert_eq!(gap(None, Some(0.0), 4.0), None);
        assert_eq!(gap(Some(1.0), Some(5.0), 3.0), None);
    }
}
