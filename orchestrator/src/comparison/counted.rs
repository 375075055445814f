//! What was computed and what was counted: exact where a side's processes agree, and never judged
//! as exact where they do not. Pure: no clock, no process, no file.

use super::entries::{Facts, NAMES, plain};
use super::{Entry, Verdict};
use crate::format;
use crate::measure::rounding;
use crate::plugin::catalog::{BetterDirection, CounterBasis};
use crate::record::{Allocations, JobRecord};
use serde_json::Value;

/// Whether the outputs of both sides differ. Of a side whose own processes differ nobody knows it.
pub(crate) fn output_differs(sides: [&JobRecord; 2]) -> bool {
    match sides.map(|side| side.digest.as_ref()) {
        [Some(a), Some(b)] => {
            sides.iter().all(|side| side.digest_differs.is_none()) && !a.agrees(b)
        }
        // A side that stopped saying what it computed is not known to compute the same.
        [Some(_), None] | [None, Some(_)] => true,
        [None, None] => false,
    }
}

/// Which sides are not even equal to themselves, and two values that show it.
fn shaky(values: [Option<[String; 2]>; 2]) -> Option<String> {
    let words = |(side, values): (&str, Option<[String; 2]>)| {
        let [one, other] = values?;
        Some(format!("{side}'s own processes differ: {one} and {other}"))
    };
    let told: Vec<String> = NAMES.into_iter().zip(values).filter_map(words).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

pub(super) fn digest(facts: &Facts) -> Option<Entry> {
    let [a, b] = facts.sides.map(|side| side.digest.as_ref());
    let value = |digest: Option<&crate::record::Digest>| {
        digest.map_or(Value::Null, |digest| digest.value.clone())
    };
    if a.is_none() && b.is_none() {
        return None;
    }
    let mut entry = plain(facts, "digest", "", [value(a), value(b)]);
    entry.change = None;
    let example = |value: &Value| format::shortened(&value.to_string());
    let examples = facts.sides.map(|side| {
        side.digest_differs
            .as_ref()
            .map(|values| values.each_ref().map(example))
    });
    if let (Some(_), Some(_), Some(reason)) = (a, b, shaky(examples)) {
        entry.verdict = Verdict::Inconclusive;
        entry.reason = reason;
        return Some(entry);
    }
    match (a, b) {
        _ if output_differs(facts.sides) => {
            entry.verdict = Verdict::OutputDiffers;
            entry.reason = match (a, b) {
                (Some(a), Some(b)) => match (a.score, b.score) {
                    (Some(a), Some(b)) => format!("the outputs differ: score {a} and {b}"),
                    _ => {
                        let [a, b] =
                            [a, b].map(|digest| format::shortened(&digest.value.to_string()));
                        format!("the outputs differ: {a} and {b}")
                    }
                },
                _ => "only one side says what it computed".to_owned(),
            };
        }
        (Some(a), Some(b)) if a.value != b.value => {
            entry.reason =
                "different values, within the tolerance that the plugin states".to_owned();
        }
        _ => entry.reason = "the outputs agree".to_owned(),
    }
    Some(entry)
}

/// Why counts of both sides are not exact against each other: they are over different numbers of
/// iterations, and the first ones may do more than the others.
fn counted_apart(sides: [&JobRecord; 2]) -> Option<String> {
    let [a, b] = sides.map(|side| side.allocations.as_ref().map(|counts| counts.iterations));
    let ((Some(a), Some(b)), true) = ((a, b), a != b) else {
        return None;
    };
    Some(format!(
        "not exact, as A counted {} and B {b}",
        format::counted(usize::try_from(a).unwrap_or(0), "iteration")
    ))
}

/// Count, bytes and peak. Exact where both sides are; ranges of several processes are never judged
/// as if they were.
pub(super) fn allocations(facts: &Facts) -> Vec<Entry> {
    let (a, b) = match facts.sides.map(|side| side.allocations.as_ref()) {
        [Some(a), Some(b)] => (a, b),
        [Some(a), None] => {
            let gone = plain(facts, "allocations", "", [number(a.count), Value::Null]);
            return vec![Entry {
                verdict: Verdict::Missing,
                reason: "only those of A were counted".to_owned(),
                ..gone
            }];
        }
        [None, _] => return Vec::new(),
    };
    type Quantity = fn(&Allocations) -> (f64, [f64; 2]);
    let quantities: [(&str, &str, Quantity); 3] = [
        ("allocations", "", |side| (side.count, side.count_range)),
        ("bytes", "B", |side| (side.bytes, side.bytes_range)),
        ("peak_bytes", "B", |side| {
            (side.peak_bytes, side.peak_bytes_range)
        }),
    ];
    quantities
        .into_iter()
        .map(|(metric, unit, quantity)| {
            let [(a_value, a_range), (b_value, b_range)] = [quantity(a), quantity(b)];
            let mut entry = plain(facts, metric, unit, [number(a_value), number(b_value)]);
            if a.exact && b.exact && a.iterations == b.iterations {
                entry.verdict = order(a_value, b_value);
                entry.reason = "counted exactly".to_owned();
            } else {
                entry.margin = facts.margin;
                (entry.a_range, entry.b_range) = (Some(a_range), Some(b_range));
                // The widest difference that both ranges leave possible.
                let apart = (b_range[1] - a_range[0]).max(a_range[1] - b_range[0]);
                let whole = a_range[0].max(1.0);
                if rounding::is_at_most(apart, facts.margin * whole, 0.0) {
                    entry.reason =
                        "not exact, but no two processes differ by the margin".to_owned();
                } else {
                    entry.verdict = Verdict::Inconclusive;
                    let [in_a, in_b] = [a_range, b_range].map(|one| range(one, unit));
                    if let Some(reason) = counted_apart(facts.sides) {
                        entry.reason = format!("{reason}: {in_a} in A, {in_b} in B");
                        return entry;
                    }
                    // A process by itself may differ from the next one too, by its address or
                    // number for example.
                    let threads = [a, b].iter().any(|side| side.other_threads_events > 0.0);
                    let why = if threads {
                        "; other threads allocate too"
                    } else {
                        ""
                    };
                    entry.reason =
                        format!("not exact: {in_a} in A's processes, {in_b} in B's{why}");
                }
            }
            entry
        })
        .collect()
}

/// Count, bytes and peak of B where A has none; ranges where they are not exact.
pub(super) fn of_one(facts: &Facts, b: &JobRecord) -> Vec<Entry> {
    let Some(counts) = &b.allocations else {
        return Vec::new();
    };
    let quantities = [
        ("allocations", "", counts.count, counts.count_range),
        ("bytes", "B", counts.bytes, counts.bytes_range),
        (
            "peak_bytes",
            "B",
            counts.peak_bytes,
            counts.peak_bytes_range,
        ),
    ];
    let entry = |(metric, unit, value, range): (&str, &str, f64, [f64; 2])| Entry {
        b_range: Some(range).filter(|_| !counts.exact),
        ..plain(facts, metric, unit, [Value::Null, number(value)])
    };
    quantities.map(entry).into()
}

fn order(a: f64, b: f64) -> Verdict {
    match b.total_cmp(&a) {
        std::cmp::Ordering::Greater => Verdict::Regressed,
        std::cmp::Ordering::Less => Verdict::Improved,
        std::cmp::Ordering::Equal => Verdict::Equivalent,
    }
}

/// What the processes of a side counted, from the smallest to the largest.
pub(crate) fn range([low, high]: [f64; 2], unit: &str) -> String {
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

/// Whole numbers are written as such.
pub(super) fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

/// A metric that follows from a counter alone, or from it and the allocated bytes: exact where all
/// processes agree.
pub(super) fn counter(
    facts: &Facts,
    mut entry: Entry,
    better: BetterDirection,
    [a, b]: [f64; 2],
) -> Entry {
    let ranges = facts
        .sides
        .map(|side| side.metrics_range.get(&entry.metric).copied());
    let counted = facts
        .sides
        .iter()
        .all(|side| side.allocations.as_ref().is_some_and(|counts| counts.exact));
    // Bytes are shared out among threads, so where they are not exact that is no fault of the
    // counter.
    let of_bytes = entry.per == Some(CounterBasis::BytesPerUnit) && !counted;
    entry.rounding = facts
        .sides
        .iter()
        .filter_map(|side| side.metrics_rounding.get(&entry.metric))
        .sum();
    let is_equal = rounding::is_equal_within(a, b, entry.rounding);
    if of_bytes && (!is_equal || ranges.iter().any(Option::is_some)) {
        let [a_range, b_range] = [ranges[0].unwrap_or([a; 2]), ranges[1].unwrap_or([b; 2])];
        (entry.a_range, entry.b_range) = (Some(a_range), Some(b_range));
        entry.verdict = Verdict::Inconclusive;
        let [in_a, in_b] = [a_range, b_range].map(|one| range(one, ""));
        entry.reason =
            format!("not exact, as the bytes are not: {in_a} in A's processes, {in_b} in B's");
        return entry;
    }
    let examples = ranges.map(|range| range.map(|ends| ends.map(format::number)));
    if let Some(reason) = shaky(examples) {
        (entry.a_range, entry.b_range) = (
            Some(ranges[0].unwrap_or([a; 2])),
            Some(ranges[1].unwrap_or([b; 2])),
        );
        entry.verdict = Verdict::Inconclusive;
        entry.reason = reason;
        return entry;
    }
    if let Some(reason) = counted_apart(facts.sides).filter(|_| !is_equal) {
        (entry.a_range, entry.b_range) = (Some([a; 2]), Some([b; 2]));
        entry.verdict = Verdict::Inconclusive;
        entry.reason = reason;
        return entry;
    }
    entry.verdict = match (better, order(a, b)) {
        _ if is_equal => Verdict::Equivalent,
        (BetterDirection::Higher, Verdict::Regressed) => Verdict::Improved,
        (BetterDirection::Higher, Verdict::Improved) => Verdict::Regressed,
        (_, verdict) => verdict,
    };
    entry.reason = if is_equal && a != b {
        "equal within rounding"
    } else {
        "counted exactly"
    }
    .to_owned();
    entry
}
