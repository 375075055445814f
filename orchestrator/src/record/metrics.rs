//! Owns the metrics of a job: their values, disagreements between its processes, and the effect of
//! rounding. Pure.

use super::MetricRecord;
use super::assemble::push_once;
use crate::model::warning::JobWarning;
use crate::plugin::catalog::{CounterBasis, IterationCost, MetricInfo, WorkloadInfo};
use indexmap::IndexMap;
use orch_core::measure::rounding;
use orch_core::protocol::{AllocationCounts, CounterSum};

fn find_counter<'a>(count: &'a AllocationCounts, metric: &MetricInfo) -> Option<&'a CounterSum> {
    count
        .counters
        .iter()
        .find(|counter| counter.name == metric.counter)
}

/// Returns whether two processes counted the same, within rounding.
fn is_same(one: Option<&CounterSum>, other: Option<&CounterSum>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            rounding::is_equal_within(one.sum, other.sum, one.rounding + other.rounding)
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn list_counted(info: &WorkloadInfo) -> impl Iterator<Item = &MetricInfo> {
    info.metrics.iter().filter(|metric| {
        matches!(
            metric.per,
            CounterBasis::Iteration | CounterBasis::BytesPerUnit
        )
    })
}

/// Returns the largest effect of rounding on the value of a process, for each metric without a
/// time. Leaves out metrics that are exact.
pub(super) fn bound_roundings(
    info: &WorkloadInfo,
    counts: &[&AllocationCounts],
) -> IndexMap<String, f64> {
    let of_process = |metric: &MetricInfo, count: &AllocationCounts| -> Option<f64> {
        let counter = find_counter(count, metric).filter(|counter| counter.rounding > 0.0)?;
        let each = count.iterations.max(1) as f64;
        let cost = IterationCost {
            seconds: 1.0,
            bytes: count.bytes as f64 / each,
        };
        match metric.per {
            // The quotient inherits the relative rounding of its divisor.
            CounterBasis::BytesPerUnit => Some(
                (metric.compute_value(counter.sum / each, cost)? * counter.rounding / counter.sum)
                    .abs(),
            ),
            _ => Some(metric.compute_value(counter.rounding / each, cost)?.abs()),
        }
    };
    let largest = |metric: &MetricInfo| {
        let all = counts.iter().filter_map(|count| of_process(metric, count));
        Some((metric.id.clone(), all.reduce(f64::max)?))
    };
    list_counted(info).filter_map(largest).collect()
}

/// Warns about counters that differ between processes, because counters are facts about the work,
/// and about metrics without a counter. A metric without a direction is only shown, so it may
/// differ.
pub(super) fn check_counters(
    info: &WorkloadInfo,
    counts: &[&AllocationCounts],
    warnings: &mut Vec<JobWarning>,
) {
    let Some((first, others)) = counts.split_first() else {
        return;
    };
    for metric in &info.metrics {
        let find = |count: &&AllocationCounts| find_counter(count, metric).cloned();
        let one = find(first);
        if one.is_none() {
            push_once(
                warnings,
                JobWarning::CounterUnused {
                    metric: metric.id.clone(),
                    counter: metric.counter.clone(),
                },
            );
        } else if metric.better.is_some()
            && let Some(other) = others
                .iter()
                .map(find)
                .find(|other| !is_same(one.as_ref(), other.as_ref()))
        {
            push_once(
                warnings,
                JobWarning::CounterDiffers {
                    counter: metric.counter.clone(),
                    sums: [one, other].map(|one| one.map_or(0.0, |one| one.sum)),
                },
            );
        }
    }
}

/// Returns the values of a job: counters from the first counting process, times from the timing
/// passes.
pub(super) fn compute_values(
    info: &WorkloadInfo,
    counts: &[&AllocationCounts],
    iteration_ns: Option<f64>,
) -> IndexMap<String, f64> {
    let mut metrics = IndexMap::new();
    let Some(count) = counts.first() else {
        return metrics;
    };
    for metric in &info.metrics {
        let Some(counter) = find_counter(count, metric) else {
            continue;
        };
        let per_iteration = counter.sum / count.iterations.max(1) as f64;
        let seconds = match (metric.per, iteration_ns) {
            (CounterBasis::Iteration | CounterBasis::BytesPerUnit, _) => 1.0,
            (_, Some(iteration_ns)) => iteration_ns * 1e-9,
            (_, None) => continue,
        };
        let cost = IterationCost {
            seconds,
            bytes: count.bytes as f64 / count.iterations.max(1) as f64,
        };
        if let Some(value) = metric.compute_value(per_iteration, cost) {
            metrics.insert(metric.id.clone(), value);
        }
    }
    metrics
}

/// Returns the ranges of metrics without a time on which the processes do not agree, even within
/// rounding. A counter that a process never counted is 0 there.
pub(super) fn find_ranges(
    info: &WorkloadInfo,
    counts: &[&AllocationCounts],
) -> IndexMap<String, [f64; 2]> {
    let roundings = bound_roundings(info, counts);
    let range = |metric: &MetricInfo| {
        let value = |count: &&AllocationCounts| {
            let each = count.iterations.max(1) as f64;
            let sum = find_counter(count, metric).map(|counter| counter.sum);
            let cost = IterationCost {
                seconds: 1.0,
                bytes: count.bytes as f64 / each,
            };
            sum.and_then(|sum| metric.compute_value(sum / each, cost))
                .unwrap_or(0.0)
        };
        let values: Vec<f64> = counts.iter().map(value).collect();
        let low = values.iter().copied().reduce(f64::min)?;
        let high = values.iter().copied().reduce(f64::max)?;
        let rounding = 2.0 * roundings.get(&metric.id).copied().unwrap_or(0.0);
        (!rounding::is_equal_within(low, high, rounding)).then(|| (metric.id.clone(), [low, high]))
    };
    list_counted(info).filter_map(range).collect()
}

/// Returns the parts of a metric that a record stores besides its value.
pub(super) fn describe_metric(metric: &MetricInfo) -> (String, MetricRecord) {
    let record = MetricRecord {
        unit: metric.unit.clone(),
        better: metric.better,
        per: metric.per,
        about: metric.about.clone(),
    };
    (metric.id.clone(), record)
}
