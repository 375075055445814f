//! Tests of every kind of finding, from scripted entries.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod limits;

use super::*;
use crate::comparison::{CodeRelation, ComparedWorkload, RelativeChange};
use crate::plugin::catalog::CounterBasis;
use crate::runner::pair_series::PairRecord;
use crate::scenario::gate::{AcceptedBound, AcceptedChange, JobTarget, TargetBounds};
use serde_json::json;

fn entry(metric: &str, verdict: Verdict, a: f64, b: f64, pairs: usize) -> MetricEntry {
    let change = b / a - 1.0;
    MetricEntry {
        id: "job".into(),
        metric: metric.into(),
        unit: String::new(),
        verdict,
        a: json!(a),
        b: json!(b),
        change: (a != 0.0).then_some(RelativeChange {
            estimate: change,
            low: Some(change),
            high: Some(change),
        }),
        minimum_detectable: None,
        e_value: None,
        pairs,
        margin: 0.01,
        reason: "as scripted".into(),
        reason_kind: None,
        trade_off: false,
        per: None,
        a_range: None,
        b_range: None,
        fitted: None,
        rounding: 0.0,
    }
}

/// Returns pairs in whose processes an iteration of the candidate takes these times.
fn pairs(times_ns: &[u64]) -> Vec<PairRecord> {
    let pair = |time: &u64| PairRecord {
        difference: 0.0,
        floor: true,
        block: 1,
        iterations: 1,
        untimed: true,
        spawn_first: 0,
        load_first: 0,
        turn_first: Vec::new(),
        stack_shift: 0,
        heap_shift: 0,
        page_shift: 0,
        same_addresses: true,
        a_ns: vec![*time],
        b_ns: vec![*time],
        involuntary_switches: 0,
        wall_ns: 1,
    };
    times_ns.iter().map(pair).collect()
}

fn workload(pairs: Vec<PairRecord>) -> ComparedWorkload {
    ComparedWorkload {
        id: "job".into(),
        workload: "p/w".into(),
        params: serde_json::Map::new(),
        threads: Some(1),
        verdict: Verdict::Equivalent,
        trade_off: false,
        code: CodeRelation::Different,
        missing: None,
        only_b: false,
        warnings: Vec::new(),
        warning_kinds: Vec::new(),
        scopes: Vec::new(),
        pairs,
        wall_ns: 1,
    }
}

fn rules(accepted: Vec<Acceptance>, targets: Vec<JobTarget>) -> Rules {
    Rules {
        open_fails: false,
        budget: None,
        accepted,
        targets,
    }
}

fn judged(
    entries: Vec<MetricEntry>,
    pairs: Vec<PairRecord>,
    rules: &Rules,
    most: Option<u64>,
) -> GateResult {
    let comparison = JudgedCase {
        jobs: entries,
        workloads: vec![workload(pairs)],
    };
    let max_allocations = most
        .map(|most| ("job".to_owned(), most))
        .into_iter()
        .collect();
    let case = GateCase {
        jobs: &comparison.jobs,
        workloads: &comparison.workloads,
        rules,
        max_allocations: &max_allocations,
        today: jiff::civil::date(2026, 6, 15),
        presence: JobPresence::default(),
        interrupted: false,
    };
    judge(&case)
}

struct JudgedCase {
    jobs: Vec<MetricEntry>,
    workloads: Vec<ComparedWorkload>,
}

fn kinds(gate: &GateResult) -> Vec<FindingKind> {
    gate.findings.iter().map(|finding| finding.kind).collect()
}

fn accepted(metric: &str, up_to: Option<f64>, until: Date) -> Acceptance {
    bounded(metric, up_to.map(BoundSize::Share), until)
}

fn bounded(metric: &str, size: Option<BoundSize>, until: Date) -> Acceptance {
    let bound = size.map(|size| AcceptedBound {
        size,
        text: "as written".into(),
    });
    let change = AcceptedChange::Worse {
        metric: metric.into(),
        bound,
    };
    Acceptance {
        job: "j*".into(),
        change,
        reason: "known".into(),
        until,
    }
}

fn target(metric: &str, wanted: TargetBounds) -> JobTarget {
    JobTarget {
        job: "job".into(),
        metric: metric.into(),
        wanted,
        text: "it".into(),
    }
}

fn ranges(a: [f64; 2], b: [f64; 2]) -> MetricEntry {
    let open = entry("allocations", Verdict::Inconclusive, a[0], b[1], 0);
    MetricEntry {
        a_range: Some(a),
        b_range: Some(b),
        ..open
    }
}

const SUMMER: Date = jiff::civil::date(2026, 6, 15);
const SPRING: Date = jiff::civil::date(2026, 6, 14);

#[test]
fn each_verdict_has_its_finding() {
    let of = |verdict: Verdict, metric: &str| {
        judged(
            vec![entry(metric, verdict, 1.0, 1.1, 20)],
            Vec::new(),
            &Rules::default(),
            None,
        )
    };
    for (verdict, metric, kinds_wanted, outcome) in [
        (
            Verdict::Regressed,
            "time",
            vec![FindingKind::Regressed],
            GateOutcome::Failed,
        ),
        (Verdict::Regressed, "gflops", vec![], GateOutcome::Passed),
        (
            Verdict::OutputDiffers,
            "digest",
            vec![FindingKind::OutputDiffers],
            GateOutcome::Failed,
        ),
        (Verdict::OutputDiffers, "time", vec![], GateOutcome::Passed),
        (
            Verdict::Missing,
            "time",
            vec![FindingKind::Missing],
            GateOutcome::Incomplete,
        ),
        (
            Verdict::Inconclusive,
            "time",
            vec![FindingKind::Inconclusive],
            GateOutcome::Passed,
        ),
        (
            Verdict::Inconclusive,
            "allocations",
            vec![],
            GateOutcome::Passed,
        ),
        (Verdict::Inconclusive, "gflops", vec![], GateOutcome::Passed),
        (Verdict::Equivalent, "time", vec![], GateOutcome::Passed),
        (Verdict::Improved, "time", vec![], GateOutcome::Passed),
    ] {
        let gate = of(verdict, metric);
        assert_eq!(
            (kinds(&gate), gate.outcome),
            (kinds_wanted, outcome),
            "{verdict:?} {metric}"
        );
    }
    let strict = Rules {
        open_fails: true,
        ..Rules::default()
    };
    let open = judged(
        vec![entry("time", Verdict::Inconclusive, 1.0, 1.0, 64)],
        Vec::new(),
        &strict,
        None,
    );
    assert_eq!(open.outcome, GateOutcome::Open);
    let mut trade = entry("time", Verdict::Regressed, 1.0, 1.1, 20);
    trade.trade_off = true;
    assert_eq!(
        kinds(&judged(vec![trade], Vec::new(), &Rules::default(), None)),
        [FindingKind::TradeOff]
    );
}

#[test]
fn gate_that_measured_nothing_does_not_pass() {
    let case = GateCase {
        jobs: &[],
        workloads: &[],
        rules: &Rules::default(),
        max_allocations: &HashMap::new(),
        today: SUMMER,
        presence: JobPresence::default(),
        interrupted: false,
    };
    assert_eq!(judge(&case).outcome, GateOutcome::Incomplete);
}

#[test]
fn acceptance_passes_until_its_day_and_up_to_its_size() {
    let slower = |rule: Acceptance| {
        judged(
            vec![entry("time", Verdict::Regressed, 1.0, 1.08, 20)],
            Vec::new(),
            &rules(vec![rule], Vec::new()),
            None,
        )
    };
    for (rule, kind, outcome) in [
        (
            accepted("time", Some(0.1), SUMMER),
            FindingKind::Accepted,
            GateOutcome::Passed,
        ),
        (
            accepted("time", None, SUMMER),
            FindingKind::Accepted,
            GateOutcome::Passed,
        ),
        (
            accepted("time", Some(0.05), SUMMER),
            FindingKind::Regressed,
            GateOutcome::Failed,
        ),
        (
            accepted("time", Some(0.1), SPRING),
            FindingKind::Expired,
            GateOutcome::Failed,
        ),
        (
            accepted("bytes", None, SUMMER),
            FindingKind::Regressed,
            GateOutcome::Failed,
        ),
    ] {
        let gate = slower(rule.clone());
        assert_eq!(
            (kinds(&gate), gate.outcome),
            (vec![kind], outcome),
            "{rule:?}"
        );
    }
    let gone = rules(vec![accepted("time", None, SUMMER)], Vec::new());
    let gate = judged(
        vec![entry("time", Verdict::Equivalent, 1.0, 1.0, 20)],
        Vec::new(),
        &gone,
        None,
    );
    assert_eq!(kinds(&gate), [FindingKind::NotNeeded]);
    // A change from 0 has no relative size.
    let sized = rules(vec![accepted("allocations", Some(0.5), SUMMER)], Vec::new());
    let gate = judged(
        vec![entry("allocations", Verdict::Regressed, 0.0, 1.0, 0)],
        Vec::new(),
        &sized,
        None,
    );
    assert_eq!(kinds(&gate), [FindingKind::Regressed]);
}

#[test]
fn bound_holds_above_a_doubling_and_from_nothing() {
    use BoundSize::{Factor, Share, Value};
    for (metric, [a, b], size, kind) in [
        ("time", [1.0, 2.9], Factor(3.0), FindingKind::Accepted),
        ("time", [1.0, 3.1], Factor(3.0), FindingKind::Regressed),
        (
            "time",
            [1000.0, 2000.0],
            Value(2000.0),
            FindingKind::Accepted,
        ),
        (
            "time",
            [1000.0, 2001.0],
            Value(2000.0),
            FindingKind::Regressed,
        ),
        (
            "allocations",
            [1.0, 3.0],
            Factor(3.0),
            FindingKind::Accepted,
        ),
        (
            "allocations",
            [1.0, 4.0],
            Factor(3.0),
            FindingKind::Regressed,
        ),
        ("allocations", [0.0, 1.0], Value(1.0), FindingKind::Accepted),
        (
            "allocations",
            [0.0, 2.0],
            Value(1.0),
            FindingKind::Regressed,
        ),
        (
            "allocations",
            [0.0, 1.0],
            Factor(1e9),
            FindingKind::Regressed,
        ),
        (
            "bytes",
            [0.0, 65536.0],
            Value(65536.0),
            FindingKind::Accepted,
        ),
        // More is better here, so the bound is the least value.
        ("hits", [9.0, 3.0], Factor(3.0), FindingKind::Accepted),
        ("hits", [9.0, 2.0], Factor(3.0), FindingKind::Regressed),
        ("hits", [9.0, 0.0], Factor(3.0), FindingKind::Regressed),
        ("hits", [9.0, 3.0], Value(3.0), FindingKind::Accepted),
        ("hits", [9.0, 2.0], Value(3.0), FindingKind::Regressed),
        ("hits", [9.0, 3.0], Share(0.5), FindingKind::Regressed),
    ] {
        let rule = bounded(metric, Some(size), SUMMER);
        let gate = judged(
            vec![entry(metric, Verdict::Regressed, a, b, 0)],
            Vec::new(),
            &rules(vec![rule], vec![]),
            None,
        );
        assert_eq!(
            kinds(&gate),
            [kind],
            "{metric} {a} -> {b} {size:?}: {:?}",
            gate.findings
        );
    }
    let rule = bounded("allocations", Some(Factor(3.0)), SUMMER);
    let from_nothing = entry("allocations", Verdict::Regressed, 0.0, 1.0, 0);
    let gate = judged(
        vec![from_nothing],
        Vec::new(),
        &rules(vec![rule], Vec::new()),
        None,
    );
    let expected = "0 -> 1; the acceptance `as written` (known) does not cover a change from 0: \
        limit the value with `to:`";
    assert_eq!(gate.findings[0].message, expected);
    // If processes differ, the process with the highest count decides.
    let apart = MetricEntry {
        verdict: Verdict::Regressed,
        ..ranges([1.0, 2.0], [4.0, 6.0])
    };
    let kind = |limit: f64| {
        let rule = bounded("allocations", Some(Value(limit)), SUMMER);
        kinds(&judged(
            vec![apart.clone()],
            Vec::new(),
            &rules(vec![rule], Vec::new()),
            None,
        ))
    };
    assert_eq!(
        (kind(6.0), kind(5.0)),
        (vec![FindingKind::Accepted], vec![FindingKind::Regressed])
    );
}

#[test]
fn accepted_output_does_not_hide_costs_that_were_not_measured() {
    let outputs = |costs: Verdict| {
        let mut digest = entry("digest", Verdict::OutputDiffers, 7.0, 8.0, 0);
        digest.change = None;
        let entries = vec![digest, entry("time", costs, 1.0, 1.1, 20)];
        judged(
            entries,
            Vec::new(),
            &rules(vec![accepted("digest", None, SUMMER)], Vec::new()),
            None,
        )
    };
    let gate = outputs(Verdict::OutputDiffers);
    assert_eq!(
        (kinds(&gate), gate.outcome),
        (
            vec![FindingKind::Missing, FindingKind::Accepted],
            GateOutcome::Incomplete
        )
    );
    let gate = outputs(Verdict::Regressed);
    assert_eq!(
        (kinds(&gate), gate.outcome),
        (
            vec![FindingKind::Regressed, FindingKind::Accepted],
            GateOutcome::Failed
        )
    );
    let gate = outputs(Verdict::Equivalent);
    assert_eq!(
        (kinds(&gate), gate.outcome),
        (vec![FindingKind::Accepted], GateOutcome::Passed)
    );
    let patterns = |until: Date| {
        output_accepted(
            &rules(vec![accepted("digest", None, until)], Vec::new()),
            SUMMER,
        )
    };
    assert_eq!(
        (patterns(SUMMER), patterns(SPRING)),
        (vec!["j*".to_owned()], Vec::new())
    );
}

#[test]
fn change_is_described_with_all_known_values() {
    let find_message = |entry: MetricEntry| {
        judged(vec![entry], Vec::new(), &Rules::default(), None)
            .findings
            .remove(0)
            .message
    };
    let time = || entry("time", Verdict::Regressed, 1000.0, 1062.5, 13);
    assert_eq!(
        find_message(time()),
        "+6.25 % (+6.25 % to +6.25 %), 1 µs -> 1.0625 µs"
    );
    let early = Some(RelativeChange {
        estimate: 0.0625,
        low: None,
        high: None,
    });
    assert_eq!(
        find_message(MetricEntry {
            change: early,
            ..time()
        }),
        "+6.25 % (no interval from 13 pairs), 1 µs -> 1.0625 µs"
    );
    let outputs = |a: f64, b: f64| MetricEntry {
        change: None,
        ..entry("digest", Verdict::OutputDiffers, a, b, 0)
    };
    assert_eq!(
        find_message(outputs(3_989_017.5, 3_989_018.5)),
        "3989017.5 -> 3989018.5"
    );
    assert_eq!(
        find_message(outputs(7.0, 7.0)),
        "as scripted",
        "it is the score that differs"
    );
    let missed = rules(Vec::new(), vec![target("allocations", TargetBounds::Hold)]);
    let gate = judged(
        vec![entry("allocations", Verdict::Regressed, 2.0, 3.0, 0)],
        Vec::new(),
        &missed,
        None,
    );
    assert_eq!(
        gate.findings[1].message,
        "target hold missed: +50.0 %, 2 -> 3"
    );
}

#[test]
fn limits_and_acceptances_are_met_within_rounding() {
    let sum = |value: f64, rounding: f64| MetricEntry {
        rounding,
        ..entry("steps", Verdict::Equivalent, value, value, 0)
    };
    let tenths = (0..10).fold(0.0, |sum, _| sum + 0.1);
    assert_ne!(tenths, 1.0);
    for (entry, wanted, kind) in [
        (
            sum(tenths, 1e-15),
            TargetBounds::AtLeast(1.0),
            FindingKind::TargetMet,
        ),
        (
            sum(1.0 + 2e-15, 1e-14),
            TargetBounds::AtMost(1.0),
            FindingKind::TargetMet,
        ),
        (
            sum(1.0 + 2e-13, 1e-14),
            TargetBounds::AtMost(1.0),
            FindingKind::TargetMissed,
        ),
        (
            sum(tenths, 1e-15),
            TargetBounds::Between(1.0, 1.0),
            FindingKind::TargetMet,
        ),
        (
            sum(4.0, 0.0),
            TargetBounds::AtMost(3.0),
            FindingKind::TargetMissed,
        ),
    ] {
        let gate = judged(
            vec![entry],
            Vec::new(),
            &rules(Vec::new(), vec![target("steps", wanted)]),
            None,
        );
        assert_eq!(kinds(&gate), [kind], "{wanted:?} {gate:?}");
    }
    // 11 / 10 - 1 is slightly more than 0.1.
    let kind = |b: f64| {
        let more = entry("allocations", Verdict::Regressed, 10.0, b, 0);
        let accepted = rules(vec![accepted("allocations", Some(0.1), SUMMER)], Vec::new());
        kinds(&judged(vec![more], Vec::new(), &accepted, None))
    };
    assert_eq!(
        (kind(11.0), kind(12.0)),
        (vec![FindingKind::Accepted], vec![FindingKind::Regressed])
    );
}

#[test]
fn valid_and_sufficient_acceptance_is_chosen() {
    let kind = |accepted: Vec<Acceptance>| {
        let slower = entry("time", Verdict::Regressed, 1.0, 1.08, 20);
        kinds(&judged(
            vec![slower],
            Vec::new(),
            &rules(accepted, Vec::new()),
            None,
        ))
        .remove(0)
    };
    let (expired, small, enough) = (
        accepted("time", None, SPRING),
        accepted("time", Some(0.05), SUMMER),
        accepted("time", Some(0.1), SUMMER),
    );
    assert_eq!(
        kind(vec![expired.clone(), enough.clone()]),
        FindingKind::Accepted
    );
    assert_eq!(kind(vec![small.clone(), enough]), FindingKind::Accepted);
    assert_eq!(kind(vec![expired.clone(), small]), FindingKind::Regressed);
    assert_eq!(kind(vec![expired]), FindingKind::Expired);
}

#[test]
fn largest_change_of_a_kind_comes_first() {
    let of = |metric: &str, a: f64, b: f64| entry(metric, Verdict::Regressed, a, b, 0);
    let entries = vec![
        of("bytes", 100.0, 101.0),
        of("allocations", 0.0, 1.0),
        of("peak_bytes", 100.0, 900.0),
    ];
    let gate = judged(entries, Vec::new(), &Rules::default(), None);
    let order: Vec<&str> = gate
        .findings
        .iter()
        .map(|one| one.metric.as_str())
        .collect();
    assert_eq!(order, ["allocations", "peak_bytes", "bytes"]);
}
