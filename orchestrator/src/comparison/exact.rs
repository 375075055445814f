//! Owns the verdicts on outputs and counts. They are exact if the processes of a side agree, and
//! are never judged as exact otherwise. Pure: no clock, no process, no file.

use super::entries::{NAMES, WorkloadFacts, build_entry};
use super::{MetricEntry, Verdict};
use crate::model::metric::Metric;
use crate::model::reason::{InexactCount, OutputDifference, Reason};
use crate::plugin::catalog::{BetterDirection, CounterBasis};
use crate::record::{AllocationSummary, JobRecord};
use orch_core::format;
use orch_core::measure::rounding;
use serde_json::Value;

/// Returns whether the outputs of both sides differ. The result is `false` for a side whose own
/// processes differ.
pub(crate) fn output_differs(sides: [&JobRecord; 2]) -> bool {
    match sides.map(|side| side.digest.as_ref()) {
        [Some(a), Some(b)] => {
            sides.iter().all(|side| side.digest_differs.is_none()) && !a.agrees(b)
        }
        // A side that no longer has a digest may compute something else.
        [Some(_), None] | [None, Some(_)] => true,
        [None, None] => false,
    }
}

/// Finds the sides that disagree with themselves, with two values of each.
fn find_self_disagreement(values: [Option<[String; 2]>; 2]) -> Option<Reason> {
    let sides: Vec<(&'static str, [String; 2])> = NAMES
        .into_iter()
        .zip(values)
        .filter_map(|(side, values)| Some((side, values?)))
        .collect();
    (!sides.is_empty()).then_some(Reason::SelfDisagreement(sides))
}

pub(super) fn judge_digest(facts: &WorkloadFacts) -> Option<MetricEntry> {
    let [a, b] = facts.sides.map(|side| side.digest.as_ref());
    let value = |digest: Option<&crate::record::Digest>| {
        digest.map_or(Value::Null, |digest| digest.value.clone())
    };
    if a.is_none() && b.is_none() {
        return None;
    }
    let mut entry = build_entry(facts, Metric::Digest, "", [value(a), value(b)]);
    entry.change = None;
    let example = |value: &Value| format::shortened(&value.to_string());
    let examples = facts.sides.map(|side| {
        side.digest_differs
            .as_ref()
            .map(|values| values.each_ref().map(example))
    });
    if let (Some(_), Some(_), Some(reason)) = (a, b, find_self_disagreement(examples)) {
        entry.verdict = Verdict::Inconclusive;
        return Some(entry.with_reason(&reason));
    }
    let reason = match (a, b) {
        _ if output_differs(facts.sides) => {
            entry.verdict = Verdict::OutputDiffers;
            Reason::OutputsDiffer(match (a, b) {
                (Some(a), Some(b)) => match (a.score, b.score) {
                    (Some(a), Some(b)) => OutputDifference::Scores([a, b]),
                    _ => OutputDifference::Values([a, b].map(|digest| example(&digest.value))),
                },
                _ => OutputDifference::OneSideOnly,
            })
        }
        (Some(a), Some(b)) if a.value != b.value => Reason::OutputsWithinTolerance,
        _ => Reason::OutputsAgree,
    };
    Some(entry.with_reason(&reason))
}

/// Finds different numbers of iterations on both sides. Their counts are not exact against each
/// other, because the first iterations may do more than the others.
fn find_uneven_iterations(sides: [&JobRecord; 2]) -> Option<[u64; 2]> {
    let [a, b] = sides.map(|side| side.allocations.as_ref().map(|counts| counts.iterations));
    let counted = [a?, b?];
    (counted[0] != counted[1]).then_some(counted)
}

/// Judges count, bytes and peak. They are exact if both sides are exact. Ranges of several
/// processes are never judged as exact.
pub(super) fn judge_allocations(facts: &WorkloadFacts) -> Vec<MetricEntry> {
    let (a, b) = match facts.sides.map(|side| side.allocations.as_ref()) {
        [Some(a), Some(b)] => (a, b),
        [Some(a), None] => {
            let gone = build_entry(
                facts,
                Metric::Allocations,
                "",
                [to_json_number(a.count), Value::Null],
            );
            let gone = MetricEntry {
                verdict: Verdict::Missing,
                ..gone
            };
            return vec![gone.with_reason(&Reason::Uncounted)];
        }
        [None, _] => return Vec::new(),
    };
    type Quantity = fn(&AllocationSummary) -> (f64, [f64; 2]);
    let quantities: [(Metric, &str, Quantity); 3] = [
        (Metric::Allocations, "", |side| {
            (side.count, side.count_range)
        }),
        (Metric::Bytes, "B", |side| (side.bytes, side.bytes_range)),
        (Metric::PeakBytes, "B", |side| {
            (side.peak_bytes, side.peak_bytes_range)
        }),
    ];
    quantities
        .into_iter()
        .map(|(metric, unit, quantity)| {
            let [(a_value, a_range), (b_value, b_range)] = [quantity(a), quantity(b)];
            let mut entry = build_entry(
                facts,
                metric,
                unit,
                [to_json_number(a_value), to_json_number(b_value)],
            );
            if a.exact && b.exact && a.iterations == b.iterations {
                entry.verdict = compare_counts(a_value, b_value);
                entry.explain(&Reason::CountedExactly);
            } else {
                entry.margin = facts.margin;
                (entry.a_range, entry.b_range) = (Some(a_range), Some(b_range));
                // The largest possible difference between values of both ranges.
                let apart = (b_range[1] - a_range[0]).max(a_range[1] - b_range[0]);
                let whole = a_range[0].max(1.0);
                if rounding::is_at_most(apart, facts.margin * whole, 0.0) {
                    entry.explain(&Reason::InexactWithinMargin);
                } else {
                    entry.verdict = Verdict::Inconclusive;
                    let ranges = [a_range, b_range].map(|one| describe_range(one, unit));
                    entry.explain(&Reason::Inexact(
                        match find_uneven_iterations(facts.sides) {
                            Some(counted) => InexactCount::Iterations {
                                counted,
                                ranges: Some(ranges),
                            },
                            None => InexactCount::Processes {
                                ranges,
                                other_threads: [a, b]
                                    .iter()
                                    .any(|side| side.other_threads_events > 0.0),
                            },
                        },
                    ));
                }
            }
            entry
        })
        .collect()
}

/// Lists count, bytes and peak of B if A has none, with ranges if they are not exact.
pub(super) fn list_counts_of_b(facts: &WorkloadFacts, b: &JobRecord) -> Vec<MetricEntry> {
    let Some(counts) = &b.allocations else {
        return Vec::new();
    };
    let quantities = [
        (Metric::Allocations, "", counts.count, counts.count_range),
        (Metric::Bytes, "B", counts.bytes, counts.bytes_range),
        (
            Metric::PeakBytes,
            "B",
            counts.peak_bytes,
            counts.peak_bytes_range,
        ),
    ];
    let entry = |(metric, unit, value, range): (Metric, &str, f64, [f64; 2])| MetricEntry {
        b_range: Some(range).filter(|_| !counts.exact),
        ..build_entry(facts, metric, unit, [Value::Null, to_json_number(value)])
    };
    quantities.map(entry).into()
}

fn compare_counts(a: f64, b: f64) -> Verdict {
    match b.total_cmp(&a) {
        std::cmp::Ordering::Greater => Verdict::Regressed,
        std::cmp::Ordering::Less => Verdict::Improved,
        std::cmp::Ordering::Equal => Verdict::Equivalent,
    }
}

/// Describes the counts of a side's processes, from the smallest to the largest.
pub(crate) fn describe_range([low, high]: [f64; 2], unit: &str) -> String {
    let one = if unit == "B" {
        format::bytes
    } else {
        format::number
    };
    if low == high {
        one(low)
    } else {
        format!("{} to {}", one(low), one(high))
    }
}

/// Converts a number to JSON. Whole numbers have no fraction.
pub(super) fn to_json_number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

/// Judges a metric that follows from a counter, or from a counter and the allocated bytes. It is
/// exact if all processes agree.
pub(super) fn judge_counter(
    facts: &WorkloadFacts,
    mut entry: MetricEntry,
    better: BetterDirection,
    [a, b]: [f64; 2],
) -> MetricEntry {
    let ranges = facts
        .sides
        .map(|side| side.metrics_range.get(entry.metric.name()).copied());
    let counted = facts
        .sides
        .iter()
        .all(|side| side.allocations.as_ref().is_some_and(|counts| counts.exact));
    // Threads share the bytes, so bytes that are not exact do not make the counter inexact.
    let of_bytes = entry.per == Some(CounterBasis::BytesPerUnit) && !counted;
    entry.rounding = facts
        .sides
        .iter()
        .filter_map(|side| side.metrics_rounding.get(entry.metric.name()))
        .sum();
    let is_equal = rounding::is_equal_within(a, b, entry.rounding);
    if of_bytes && (!is_equal || ranges.iter().any(Option::is_some)) {
        let [a_range, b_range] = [ranges[0].unwrap_or([a; 2]), ranges[1].unwrap_or([b; 2])];
        (entry.a_range, entry.b_range) = (Some(a_range), Some(b_range));
        entry.verdict = Verdict::Inconclusive;
        let ranges = [a_range, b_range].map(|one| describe_range(one, &entry.unit));
        return entry.with_reason(&Reason::Inexact(InexactCount::Bytes { ranges }));
    }
    let examples = ranges.map(|range| range.map(|ends| ends.map(format::number)));
    if let Some(reason) = find_self_disagreement(examples) {
        (entry.a_range, entry.b_range) = (
            Some(ranges[0].unwrap_or([a; 2])),
            Some(ranges[1].unwrap_or([b; 2])),
        );
        entry.verdict = Verdict::Inconclusive;
        return entry.with_reason(&reason);
    }
    if let Some(counted) = find_uneven_iterations(facts.sides).filter(|_| !is_equal) {
        (entry.a_range, entry.b_range) = (Some([a; 2]), Some([b; 2]));
        entry.verdict = Verdict::Inconclusive;
        return entry.with_reason(&Reason::Inexact(InexactCount::Iterations {
            counted,
            ranges: None,
        }));
    }
    entry.verdict = match (better, compare_counts(a, b)) {
        _ if is_equal => Verdict::Equivalent,
        (BetterDirection::Higher, Verdict::Regressed) => Verdict::Improved,
        (BetterDirection::Higher, Verdict::Improved) => Verdict::Regressed,
        (_, verdict) => verdict,
    };
    entry.with_reason(&if is_equal && a != b {
        Reason::EqualWithinRounding
    } else {
        Reason::CountedExactly
    })
}
