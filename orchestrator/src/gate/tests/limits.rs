//! Owns the tests of limits, targets, and counts that are ranges.

use super::*;

#[test]
fn counts_that_lie_apart_are_open_and_those_that_overlap_are_nothing() {
    let judged = |b: [f64; 2], open_fails: bool| {
        let rules = Rules {
            open_fails,
            ..Rules::default()
        };
        judged(vec![ranges([10.0, 16.0], b)], Vec::new(), &rules, None)
    };
    assert_eq!(kinds(&judged([16.0, 22.0], true)), []);
    for b in [[200.0, 206.0], [2.0, 9.0]] {
        assert_eq!(kinds(&judged(b, false)), [FindingKind::Inconclusive]);
        assert_eq!(
            (judged(b, false).outcome, judged(b, true).outcome),
            (GateOutcome::Passed, GateOutcome::Open)
        );
    }
}

#[test]
fn allocations_have_a_limit_of_their_own() {
    let count = |count: f64| entry("allocations", Verdict::Equivalent, count, count, 0);
    assert_eq!(
        kinds(&judged(
            vec![count(4.0)],
            Vec::new(),
            &Rules::default(),
            Some(3)
        )),
        [FindingKind::TooManyAllocations]
    );
    assert_eq!(
        kinds(&judged(
            vec![count(3.0)],
            Vec::new(),
            &Rules::default(),
            Some(3)
        )),
        []
    );
}

#[test]
fn limit_and_a_target_see_all_processes() {
    let counted = || vec![ranges([6.0, 8.0], [6.0, 16.0])];
    let wanted = |most: f64| {
        rules(
            Vec::new(),
            vec![target("allocations", TargetBounds::AtMost(most))],
        )
    };
    for (most, limit, target) in [
        (
            5,
            vec![FindingKind::TooManyAllocations],
            FindingKind::TargetMissed,
        ),
        (6, vec![FindingKind::Inconclusive], FindingKind::TargetOpen),
        (15, vec![FindingKind::Inconclusive], FindingKind::TargetOpen),
        (16, vec![], FindingKind::TargetMet),
    ] {
        let gate = judged(counted(), Vec::new(), &Rules::default(), Some(most));
        assert_eq!(kinds(&gate), limit, "at most {most}: {:?}", gate.findings);
        assert!(
            gate.findings
                .iter()
                .all(|one| one.message.starts_with("6 to 16 per iteration")),
            "{gate:?}"
        );
        assert_eq!(
            kinds(&judged(counted(), Vec::new(), &wanted(most as f64), None)),
            [target],
            "{most}"
        );
    }
}

#[test]
fn target_is_met_missed_or_open() {
    let times: Vec<u64> = (0..20).map(|i| 1_000 + i).collect();
    let mut rate = entry("gflops", Verdict::Equivalent, 10.0, 10.0, 20);
    rate.per = Some(CounterBasis::Second);
    let entries = || {
        vec![
            entry("time", Verdict::Equivalent, 1000.0, 1010.0, 20),
            rate.clone(),
            entry("allocations", Verdict::Equivalent, 3.0, 3.0, 0),
        ]
    };
    for (metric, wanted, kind) in [
        ("time", TargetBounds::AtMost(1020.0), FindingKind::TargetMet),
        (
            "time",
            TargetBounds::AtMost(1000.0),
            FindingKind::TargetMissed,
        ),
        (
            "time",
            TargetBounds::AtMost(1009.0),
            FindingKind::TargetOpen,
        ),
        (
            "time",
            TargetBounds::Between(1000.0, 1020.0),
            FindingKind::TargetMet,
        ),
        ("gflops", TargetBounds::AtLeast(9.9), FindingKind::TargetMet),
        (
            "gflops",
            TargetBounds::AtLeast(10.0),
            FindingKind::TargetOpen,
        ),
        (
            "gflops",
            TargetBounds::AtLeast(11.0),
            FindingKind::TargetMissed,
        ),
        (
            "allocations",
            TargetBounds::AtMost(3.0),
            FindingKind::TargetMet,
        ),
        (
            "allocations",
            TargetBounds::AtMost(2.0),
            FindingKind::TargetMissed,
        ),
        ("time", TargetBounds::Hold, FindingKind::TargetMet),
        ("tokens", TargetBounds::AtLeast(1.0), FindingKind::Missing),
    ] {
        let gate = judged(
            entries(),
            pairs(&times),
            &rules(Vec::new(), vec![target(metric, wanted)]),
            None,
        );
        assert_eq!(
            kinds(&gate),
            [kind],
            "{metric} {wanted:?}: {:?}",
            gate.findings
        );
    }
    let unmeasured = rules(Vec::new(), vec![target("time", TargetBounds::AtMost(1.0))]);
    assert_eq!(
        kinds(&judged(entries(), Vec::new(), &unmeasured, None)),
        [FindingKind::TargetOpen]
    );
    let strict = Rules {
        open_fails: true,
        ..unmeasured
    };
    assert_eq!(
        judged(entries(), Vec::new(), &strict, None).outcome,
        GateOutcome::Open
    );
}
