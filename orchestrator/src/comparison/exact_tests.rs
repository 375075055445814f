//! Tests of counted metrics, judged from scripted records: rounding, and numbers of counted
//! iterations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::tests::{judged, of, side};
use super::{CodeRelation, MetricEntry, Verdict};
use crate::plugin::catalog::{BetterDirection, CounterBasis};
use crate::record::{JobRecord, MetricRecord};
use orch_core::measure::rounding::RoundedSum;
use serde_json::json;

/// Returns a side whose counter receives these additions in an iteration.
fn adding(amounts: &[f64], better: BetterDirection) -> JobRecord {
    let mut sum = RoundedSum::ZERO;
    amounts.iter().for_each(|amount| assert!(sum.add(*amount)));
    let mut side = side(1.0, json!(1));
    let info = MetricRecord {
        unit: String::new(),
        better: Some(better),
        per: CounterBasis::Iteration,
        about: String::new(),
    };
    side.metrics_info = [("units".to_owned(), info)].into();
    side.metrics = [("units".to_owned(), sum.sum)].into();
    let rounding = Some(sum.rounding()).filter(|rounding| *rounding > 0.0);
    side.metrics_rounding = rounding
        .map(|rounding| ("units".to_owned(), rounding))
        .into_iter()
        .collect();
    side
}

fn units(a: &JobRecord, b: &JobRecord) -> MetricEntry {
    of(&judged(a, b, &CodeRelation::Different, None), "units").clone()
}

#[test]
fn floating_point_sums_are_equal_within_rounding() {
    let of = |a: &[f64], b: &[f64]| {
        units(
            &adding(a, BetterDirection::Lower),
            &adding(b, BetterDirection::Lower),
        )
    };
    for (a, b) in [
        (&[0.1; 10][..], &[1.0][..]),
        (&[1.0], &[0.1; 10]),
        (&[0.1, 0.2, 0.3], &[0.3, 0.2, 0.1]),
        (&[1e16, 1.0, -1e16], &[1.0]),
        (&[1.0 / 3.0; 3000], &[1000.0]),
    ] {
        let entry = of(a, b);
        assert_eq!(
            (entry.verdict, entry.reason.as_str()),
            (Verdict::Equivalent, "equal within rounding"),
            "{entry:?}"
        );
        assert!(
            !entry.describe_change().contains("->"),
            "one number for what is equal: {}",
            entry.describe_change()
        );
    }
    for (a, b, verdict) in [
        (&[0.1; 10][..], &[0.1; 11][..], Verdict::Regressed),
        (&[0.1; 10], &[1.000_000_1], Verdict::Regressed),
        (&[4.0; 1000], &[4000.0, 1.0], Verdict::Regressed),
        (&[4.0; 1000], &[3999.0], Verdict::Improved),
        (&[-0.0], &[0.0], Verdict::Equivalent),
        (&[0.0], &[-0.0], Verdict::Equivalent),
    ] {
        let entry = of(a, b);
        assert_eq!(
            (entry.verdict, entry.reason.as_str()),
            (verdict, "counted exactly"),
            "{a:?} {b:?}"
        );
    }
    let higher = units(
        &adding(&[0.1; 10], BetterDirection::Higher),
        &adding(&[1.0], BetterDirection::Higher),
    );
    assert_eq!(higher.verdict, Verdict::Equivalent, "nor an improvement");
}

#[test]
fn sums_in_records_of_before_have_four_roundings() {
    let without = |value: f64| {
        let mut side = adding(&[value], BetterDirection::Lower);
        side.metrics_rounding.clear();
        side
    };
    assert_eq!(
        units(&without(0.1 + 0.2), &without(0.3)).verdict,
        Verdict::Equivalent
    );
    assert_eq!(
        units(&without(0.3), &without(0.300_000_1)).verdict,
        Verdict::Regressed
    );
    assert_eq!(
        units(&without(7.0), &without(8.0)).verdict,
        Verdict::Regressed
    );
}

/// Returns a side that makes `each` allocations in each of `iterations` iterations.
fn over(iterations: u64, each: f64) -> JobRecord {
    let mut side = adding(&[each], BetterDirection::Lower);
    let counts = side.allocations.as_mut().unwrap();
    counts.iterations = iterations;
    (counts.count, counts.count_range) = (each, [each; 2]);
    (counts.bytes, counts.bytes_range) = (64.0 * each, [64.0 * each; 2]);
    side
}

#[test]
fn counts_over_other_numbers_of_iterations_are_never_exact() {
    // The first iteration fills a cache. It makes 3 allocations, and each of the others makes 1.
    let (eight, one) = (over(8, 10.0 / 8.0), over(1, 3.0));
    for (a, b) in [(&eight, &one), (&one, &eight)] {
        let entries = judged(a, b, &CodeRelation::Different, None);
        for metric in ["allocations", "bytes", "units"] {
            let entry = of(&entries, metric);
            assert_eq!(
                (entry.verdict, entry.is_open()),
                (Verdict::Inconclusive, true),
                "{metric}: {entry:?}"
            );
            assert!(
                entry.reason.starts_with("not exact, because A counted "),
                "{metric}: {}",
                entry.reason
            );
        }
    }
    let reason = |a, b| {
        of(&judged(a, b, &CodeRelation::Different, None), "allocations")
            .reason
            .clone()
    };
    assert_eq!(
        reason(&eight, &one),
        "not exact, because A counted 8 iterations and B 1: 1.25 in A, 3 in B"
    );
    assert_eq!(
        reason(&one, &eight),
        "not exact, because A counted 1 iteration and B 8: 3 in A, 1.25 in B"
    );
    let verdict = |a: &JobRecord, b: &JobRecord, metric| {
        of(&judged(a, b, &CodeRelation::Different, None), metric).verdict
    };
    assert_eq!(
        verdict(&over(8, 3.0), &over(1, 3.0), "allocations"),
        Verdict::Equivalent,
        "there is no difference"
    );
    assert_eq!(
        verdict(&over(8, 3.0), &over(1, 3.0), "units"),
        Verdict::Equivalent
    );
    assert_eq!(
        verdict(&over(1, 3.0), &over(1, 4.0), "allocations"),
        Verdict::Regressed,
        "one each is the same number"
    );
}

#[test]
fn counts_of_several_threads_are_never_judged_exactly() {
    let (mut a, mut b) = (side(100.0, json!(1)), side(103.0, json!(1)));
    for side in [&mut a, &mut b] {
        if let Some(counts) = &mut side.allocations {
            counts.exact = false;
        }
    }
    let entries = judged(&a, &b, &CodeRelation::Different, None);
    assert_eq!(of(&entries, "allocations").verdict, Verdict::Inconclusive);
    assert_eq!(
        of(&entries, "peak_bytes").verdict,
        Verdict::Equivalent,
        "all processes agree within the margin"
    );
}
