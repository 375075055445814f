//! Tests of verdicts from scripted facts, without a process or a clock. The only files are
//! fixtures.

use super::entries::{self, WorkloadFacts};
use super::*;
use crate::model::reason::{Reason, ReasonKind, UnpairedCause};
use crate::record::{
    AllocationSummary, Digest, JobOutcome, JobRecord, JobWall, MetricRecord, ProfileRecord,
    ScopeRecord, ScopeThread, SettingsRecord,
};
use crate::runner::paired_workloads::{PairStopReason, PairedResult};
use orch_core::judge::assessment::assess;
use orch_core::judge::verdict::{ALPHA, JudgedWorkload, PairFinding, decide_findings};
use serde_json::json;
use std::time::Duration;

const MARGIN: f64 = 0.01;

pub(super) fn side(allocations: f64, digest: Value) -> JobRecord {
    JobRecord {
        id: "job".into(),
        workload: "p/w".into(),
        about: None,
        iteration: None,
        params: Map::new(),
        tags: Vec::new(),
        settings: SettingsRecord {
            time_ns: 1,
            rounds: 0,
            timeout_ns: 1,
            memory_bytes: 1,
            threads: 1,
            tolerance: MARGIN,
        },
        plugin: PluginFile {
            path: "p.so".into(),
            hash: Some("h".into()),
            git: None,
            sandbox: None,
        },
        outcome: JobOutcome::Measured,
        phase: None,
        message: None,
        warnings: Vec::new(),
        warning_kinds: Vec::new(),
        digest: (!digest.is_null()).then(|| Digest {
            value: digest,
            score: None,
            tolerance: Some(1e-6),
        }),
        digest_differs: None,
        time: None,
        allocations: Some(counted(allocations)),
        metrics: IndexMap::new(),
        metrics_info: IndexMap::new(),
        metrics_range: IndexMap::new(),
        metrics_rounding: IndexMap::new(),
        profile: None,
        scopes: Vec::new(),
        inputs: IndexMap::new(),
        anchored: Vec::new(),
        wall: JobWall::default(),
    }
}

fn counted(count: f64) -> AllocationSummary {
    AllocationSummary {
        exact: true,
        count,
        bytes: 64.0 * count,
        peak_bytes: 64.0,
        leaked_bytes: 0.0,
        count_range: [count; 2],
        bytes_range: [64.0 * count; 2],
        peak_bytes_range: [64.0; 2],
        other_threads_events: 0.0,
        iterations: 8,
        processes: 2,
        page_faults: None,
    }
}

/// Returns pairs whose differences are `shift` with a little scatter, judged alone.
pub(super) fn paired_result(shift: f64, pairs: usize) -> PairedResult {
    let record = |index: usize| {
        let difference = shift + 0.0005 * ((index * 7 % 5) as f64 - 2.0);
        PairRecord {
            difference,
            floor: true,
            block: 5,
            iterations: 10,
            untimed: true,
            spawn_first: 0,
            load_first: 1,
            turn_first: vec![0, 1],
            stack_shift: 0,
            heap_shift: 0,
            page_shift: 0,
            same_addresses: true,
            a_ns: vec![10_000, 10_500],
            b_ns: vec![(10_000.0 * difference.exp()) as u64, 10_500],
            involuntary_switches: 0,
            wall_ns: 1,
        }
    };
    let pairs: Vec<PairRecord> = (0..pairs).map(record).collect();
    let differences: Vec<f64> = pairs.iter().map(|pair| pair.difference).collect();
    let assessment = assess(&differences, ALPHA);
    let finding = decide_findings(
        &[JudgedWorkload {
            assessment: &assessment,
            margin: MARGIN,
            counts: true,
        }],
        ALPHA,
    )[0];
    let stopped = if finding == PairFinding::Open {
        PairStopReason::Pairs
    } else {
        PairStopReason::Decided
    };
    PairedResult {
        pairs,
        assessment,
        finding,
        stopped,
        warnings: Vec::new(),
        wall: Duration::from_secs(1),
    }
}

pub(super) fn judged(
    a: &JobRecord,
    b: &JobRecord,
    code: &CodeRelation,
    paired: Option<&PairedResult>,
) -> Vec<MetricEntry> {
    entries::judge_workload(&facts(a, b, code, paired))
}

pub(super) fn facts<'a>(
    a: &'a JobRecord,
    b: &'a JobRecord,
    code: &'a CodeRelation,
    paired: Option<&'a PairedResult>,
) -> WorkloadFacts<'a> {
    WorkloadFacts {
        id: "job",
        sides: [a, b],
        code,
        margin: MARGIN,
        paired,
        unpaired: UnpairedCause::NoCommonAnchor,
        through: None,
        output_accepted: false,
        more: "a longer --time",
    }
}

pub(super) fn of<'a>(entries: &'a [MetricEntry], metric: &str) -> &'a MetricEntry {
    entries
        .iter()
        .find(|entry| entry.metric.name() == metric)
        .unwrap_or_else(|| panic!("no {metric}"))
}

#[test]
fn one_allocation_more_is_a_finding_without_any_pair() {
    let entries = judged(
        &side(3.0, json!(1)),
        &side(4.0, json!(1)),
        &CodeRelation::Different,
        None,
    );
    let allocations = of(&entries, "allocations");
    assert_eq!(
        (allocations.verdict, allocations.pairs),
        (Verdict::Regressed, 0)
    );
    assert_eq!(
        allocations.change.map(|change| change.estimate),
        Some(4.0 / 3.0 - 1.0)
    );
    assert_eq!(of(&entries, "peak_bytes").verdict, Verdict::Equivalent);
    assert_eq!(of(&entries, "time").verdict, Verdict::Inconclusive);
    let from_none = judged(
        &side(0.0, json!(1)),
        &side(1.0, json!(1)),
        &CodeRelation::Different,
        None,
    );
    assert_eq!(
        (
            of(&from_none, "allocations").verdict,
            of(&from_none, "allocations").change
        ),
        (Verdict::Regressed, None)
    );
}

#[test]
fn ranges_that_lie_apart_are_an_open_question() {
    let ranged = |[low, high]: [f64; 2], events: f64| {
        let mut side = side(low, json!(1));
        let counts = side.allocations.as_mut().unwrap();
        counts.exact = false;
        counts.count_range = [low, high];
        counts.bytes_range = [64.0 * low, 64.0 * high];
        counts.other_threads_events = events;
        side
    };
    let time = paired_result(0.0, 30);
    let judged = |b: [f64; 2], events: f64| {
        let entries = judged(
            &ranged([10.0, 16.0], events),
            &ranged(b, events),
            &CodeRelation::Different,
            Some(&time),
        );
        let counts = of(&entries, "allocations");
        assert_eq!(counts.verdict, Verdict::Inconclusive);
        (
            totals::of_workload(&entries),
            counts.is_open(),
            counts.reason.clone(),
        )
    };
    let threads =
        "not exact: 10 to 16 in A's processes, 200 to 206 in B's; other threads allocate too"
            .to_owned();
    assert_eq!(
        judged([200.0, 206.0], 3.0),
        (Verdict::Inconclusive, true, threads)
    );
    // If the processes of a single thread differ, the reason does not mention other threads.
    let alone = "not exact: 10 to 16 in A's processes, 1 to 9 in B's".to_owned();
    assert_eq!(
        judged([1.0, 9.0], 0.0),
        (Verdict::Inconclusive, true, alone)
    );
    let (workload, open, _) = judged([16.0, 30.0], 0.0);
    assert_eq!(
        (workload, open),
        (Verdict::Equivalent, false),
        "the ranges overlap"
    );
}

#[test]
fn counter_that_differs_within_a_side_is_no_exact_one() {
    let counting = |range: Option<[f64; 2]>, value: f64| {
        let mut side = side(1.0, json!(1));
        let info = |per| MetricRecord {
            unit: String::new(),
            better: Some(BetterDirection::Lower),
            per,
            about: String::new(),
        };
        side.metrics_info = [("steps".to_owned(), info(CounterBasis::Iteration))].into();
        side.metrics = [("steps".to_owned(), value)].into();
        side.metrics_range = range
            .map(|range| ("steps".to_owned(), range))
            .into_iter()
            .collect();
        side
    };
    let judged = |a: &JobRecord, b: &JobRecord| {
        let entries = judged(
            a,
            b,
            &CodeRelation::Different,
            Some(&paired_result(0.0, 30)),
        );
        let steps = of(&entries, "steps");
        (steps.verdict, steps.is_open(), steps.reason.clone())
    };
    let steady = counting(None, 32_000.0);
    let shaky = counting(Some([32_000.0, 40_000.0]), 40_000.0);
    let whose = |words: &str| (Verdict::Inconclusive, true, words.to_owned());
    assert_eq!(
        judged(&shaky, &steady),
        whose("A differs between its own processes: 32000 and 40000")
    );
    assert_eq!(
        judged(&steady, &shaky),
        whose("B differs between its own processes: 32000 and 40000")
    );
    // Two sides do not agree if they show the same number only by chance.
    let both = "A differs between its own processes: 32000 and 40000; B differs between its own \
        processes: 32000 and 40000";
    assert_eq!(judged(&shaky, &shaky), whose(both));
    // A count on which all processes agree is exact, whichever threads allocate.
    let mut threads = counting(None, 40_000.0);
    threads.allocations.as_mut().unwrap().exact = false;
    assert_eq!(judged(&steady, &threads).0, Verdict::Regressed);
}

#[test]
fn metric_that_only_the_baseline_has_is_missing() {
    let with = |metrics: &[&str]| {
        let mut side = side(1.0, json!(1));
        let info = |per| MetricRecord {
            unit: String::new(),
            better: Some(BetterDirection::Lower),
            per,
            about: String::new(),
        };
        for metric in metrics {
            side.metrics.insert((*metric).to_owned(), 5.0);
            side.metrics_info
                .insert((*metric).to_owned(), info(CounterBasis::Iteration));
        }
        side
    };
    let judged = |a: &JobRecord, b: &JobRecord| {
        judged(
            a,
            b,
            &CodeRelation::Different,
            Some(&paired_result(0.0, 30)),
        )
    };
    let gone = judged(&with(&["steps"]), &with(&[]));
    assert_eq!(
        (of(&gone, "steps").verdict, totals::of_workload(&gone)),
        (Verdict::Missing, Verdict::Missing)
    );
    assert!(
        of(&gone, "steps").reason_kind == Some(ReasonKind::CounterGone),
        "{}",
        of(&gone, "steps").reason
    );
    let new = judged(&with(&[]), &with(&["steps"]));
    assert_eq!(
        (of(&new, "steps").verdict, totals::of_workload(&new)),
        (Verdict::Equivalent, Verdict::Equivalent)
    );
    assert_eq!(
        (&of(&new, "steps").b, &*of(&new, "steps").reason),
        (&json!(5), "new: only B has this metric")
    );
    let mut uncounted = with(&[]);
    uncounted.allocations = None;
    assert_eq!(
        of(&judged(&with(&[]), &uncounted), "allocations").verdict,
        Verdict::Missing
    );
    assert_eq!(
        totals::of_workload(&judged(&uncounted, &with(&[]))),
        Verdict::Equivalent
    );
}

#[test]
fn output_that_differs_within_a_side_is_no_regression() {
    let mut shaky = side(1.0, json!(7));
    shaky.digest_differs = Some([json!(7), json!(8)]);
    let slower = paired_result(0.2, 20);
    let entries = judged(
        &side(1.0, json!(9)),
        &shaky,
        &CodeRelation::Different,
        Some(&slower),
    );
    let digest = of(&entries, "digest");
    assert_eq!(
        digest.reason,
        "B differs between its own processes: 7 and 8"
    );
    assert!(digest.verdict == Verdict::Inconclusive && digest.is_open());
    assert_eq!(
        of(&entries, "time").verdict,
        Verdict::Regressed,
        "the costs are judged all the same"
    );
    let entries = judged(
        &shaky,
        &side(1.0, json!(7)),
        &CodeRelation::Different,
        Some(&paired_result(0.0, 30)),
    );
    assert_eq!(totals::of_workload(&entries), Verdict::Inconclusive);
}

#[test]
fn faster_with_other_output_is_no_improvement() {
    let faster = paired_result(-0.2, 20);
    assert_eq!(faster.finding, PairFinding::Lower);
    let same = judged(
        &side(1.0, json!(5)),
        &side(1.0, json!(5)),
        &CodeRelation::Different,
        Some(&faster),
    );
    assert_eq!(of(&same, "time").verdict, Verdict::Improved);
    for other in [json!(6), Value::Null] {
        let entries = judged(
            &side(1.0, json!(5)),
            &side(0.0, other),
            &CodeRelation::Different,
            Some(&faster),
        );
        assert!(
            entries
                .iter()
                .all(|entry| entry.verdict == Verdict::OutputDiffers),
            "{entries:#?}"
        );
        assert_eq!(totals::of_workload(&entries), Verdict::OutputDiffers);
    }
    let near = judged(
        &side(1.0, json!(5.0)),
        &side(1.0, json!(5.000_001)),
        &CodeRelation::Different,
        Some(&faster),
    );
    assert_eq!(of(&near, "digest").verdict, Verdict::Equivalent);
    assert!(
        of(&near, "digest")
            .reason
            .contains("within the plugin's digest tolerance")
    );
}

#[test]
fn another_output_that_is_accepted_hides_no_costs() {
    let (a, b) = (side(1.0, json!(5)), side(2.0, json!(6)));
    let slower = paired_result(0.2, 20);
    let entries = entries::judge_workload(&WorkloadFacts {
        output_accepted: true,
        ..facts(&a, &b, &CodeRelation::Different, Some(&slower))
    });
    let verdicts = ["digest", "allocations", "time"].map(|metric| of(&entries, metric).verdict);
    assert_eq!(
        verdicts,
        [
            Verdict::OutputDiffers,
            Verdict::Regressed,
            Verdict::Regressed
        ]
    );
    let why = "20 pairs (1 % false discovery rate over all workloads); the estimated change \
        exceeds the 1.0 % margin";
    assert!(
        of(&entries, "time").reason.ends_with(why),
        "{}",
        of(&entries, "time").reason
    );
}

#[test]
fn identical_code_and_other_layout_are_no_regression() {
    let slower = paired_result(0.05, 20);
    let (a, b) = (side(1.0, json!(1)), side(1.0, json!(1)));
    let entries = judged(&a, &b, &CodeRelation::Different, Some(&slower));
    assert_eq!(of(&entries, "time").verdict, Verdict::Regressed);
    let entries = judged(&a, &b, &CodeRelation::OnlyLayout, Some(&slower));
    let time = of(&entries, "time");
    assert!(
        time.verdict == Verdict::Equivalent && time.reason_kind == Some(ReasonKind::LayoutOnly),
        "{}",
        time.reason
    );
    assert!(
        time.change.is_some_and(|change| change.estimate > 0.04),
        "the effect is still shown"
    );
    let entries = judged(&a, &b, &CodeRelation::Identical, None);
    assert!(
        entries
            .iter()
            .all(|entry| (entry.verdict, entry.reason_kind)
                == (Verdict::Equivalent, Some(ReasonKind::SameCode)))
    );
}

#[test]
fn one_better_and_one_worse_is_a_trade_off() {
    let faster = paired_result(-0.05, 20);
    let entries = judged(
        &side(1.0, json!(1)),
        &side(2.0, json!(1)),
        &CodeRelation::Different,
        Some(&faster),
    );
    assert!(entries.iter().all(|entry| entry.trade_off));
    assert_eq!(
        (
            of(&entries, "time").verdict,
            of(&entries, "allocations").verdict
        ),
        (Verdict::Improved, Verdict::Regressed)
    );
    assert_eq!(
        totals::of_workload(&entries),
        Verdict::Regressed,
        "never improved"
    );
    let entries = judged(
        &side(1.0, json!(1)),
        &side(1.0, json!(1)),
        &CodeRelation::Different,
        Some(&faster),
    );
    assert!(entries.iter().all(|entry| !entry.trade_off));
    assert_eq!(totals::of_workload(&entries), Verdict::Improved);
}

#[test]
fn open_verdict_states_the_detectable_change() {
    let open = paired_result(0.0105, 10);
    let entries = judged(
        &side(1.0, json!(1)),
        &side(1.0, json!(1)),
        &CodeRelation::Different,
        Some(&open),
    );
    let time = of(&entries, "time");
    assert_eq!(
        (time.verdict, time.minimum_detectable, time.pairs),
        (Verdict::Inconclusive, None, 10)
    );
    assert_eq!(
        time.change.and_then(|change| change.low),
        None,
        "ten pairs exclude nothing"
    );
    let most = "undecided after 10 pairs, the maximum; a verdict needs at least 11";
    assert_eq!(time.reason, most, "more time would be no help");
    let late = PairedResult {
        stopped: PairStopReason::Time,
        ..open
    };
    let entries = judged(
        &side(1.0, json!(1)),
        &side(1.0, json!(1)),
        &CodeRelation::Different,
        Some(&late),
    );
    assert!(
        of(&entries, "time")
            .reason
            .ends_with("at least 11: a longer --time allows more pairs")
    );
    let decided = paired_result(0.0, 30);
    let entries = judged(
        &side(1.0, json!(1)),
        &side(1.0, json!(1)),
        &CodeRelation::Different,
        Some(&decided),
    );
    let time = of(&entries, "time");
    assert!(
        time.verdict == Verdict::Equivalent
            && time.minimum_detectable.is_some_and(|least| least < MARGIN)
    );
}

#[test]
fn side_that_failed_is_missing_by_name() {
    let mut lost = side(1.0, json!(1));
    lost.outcome = JobOutcome::Failed;
    lost.phase = Some(orch_core::protocol::Phase::Setup);
    lost.message = Some("no such file".into());
    let entries = judged(&side(1.0, json!(1)), &lost, &CodeRelation::Different, None);
    assert_eq!((entries.len(), entries[0].verdict), (1, Verdict::Missing));
    assert_eq!(entries[0].reason, "B failed in setup: no such file");
}

#[test]
fn rate_follows_the_time_in_its_own_direction() {
    let slower = paired_result(0.10, 20);
    let typical = crate::runner::paired_workloads::compute_typical_times(&slower)
        .map(Option::unwrap_or_default);
    let with_rate = |ns: f64| {
        let mut side = side(1.0, json!(1));
        let info = |per| MetricRecord {
            unit: "x".into(),
            better: Some(if per == CounterBasis::Second {
                BetterDirection::Higher
            } else {
                BetterDirection::Lower
            }),
            per,
            about: String::new(),
        };
        side.metrics_info = [
            ("rate".to_owned(), info(CounterBasis::Second)),
            ("cost".to_owned(), info(CounterBasis::Unit)),
        ]
        .into();
        side.metrics = [("rate".to_owned(), 1e9 / ns), ("cost".to_owned(), ns * 2.0)].into();
        side
    };
    let entries = judged(
        &with_rate(typical[0]),
        &with_rate(typical[1]),
        &CodeRelation::Different,
        Some(&slower),
    );
    let (rate, cost) = (of(&entries, "rate"), of(&entries, "cost"));
    assert_eq!(
        (rate.verdict, cost.verdict),
        (Verdict::Regressed, Verdict::Regressed)
    );
    let change = rate.change.unwrap();
    assert!(
        (change.estimate - (1.0 / 1.105 - 1.0)).abs() < 0.01,
        "{change:?}"
    );
    assert!(change.low < Some(change.estimate) && Some(change.estimate) < change.high);
    // A side that does different work has no comparable rate.
    let mut other = with_rate(typical[1]);
    other.metrics.insert("rate".into(), 5.0);
    let entries = judged(
        &with_rate(typical[0]),
        &other,
        &CodeRelation::Different,
        Some(&slower),
    );
    assert_eq!(of(&entries, "rate").verdict, Verdict::Inconclusive);
}

use crate::plugin::catalog::{BetterDirection, CounterBasis};

#[test]
fn contributions_of_scopes_sum_to_the_whole() {
    let scope = |name: &str, total_ns: u64, children: Vec<ScopeRecord>| ScopeRecord {
        name: name.into(),
        thread: ScopeThread::Driver,
        calls: 10,
        total_ns,
        self_ns: total_ns - children.iter().map(|child| child.total_ns).sum::<u64>(),
        min_ns: 0,
        max_ns: 0,
        allocations: 10,
        bytes: 640,
        series_min_ns: Vec::new(),
        counters: IndexMap::new(),
        metrics: IndexMap::new(),
        children,
    };
    let profiled = |scopes: Vec<ScopeRecord>, run_ns: u64| {
        let mut side = side(1.0, json!(1));
        side.profile = Some(ProfileRecord {
            iterations: 10,
            run_ns,
            overhead: None,
        });
        side.scopes = scopes;
        side
    };
    let a = profiled(
        vec![scope(
            "Forward",
            1000,
            vec![scope("Attention", 600, vec![])],
        )],
        1100,
    );
    let b = profiled(
        vec![scope(
            "Forward",
            1500,
            vec![scope("Attention", 500, vec![]), scope("Extra", 700, vec![])],
        )],
        1650,
    );
    let judged = |verdict: Verdict, estimate: f64| {
        let change = Some(RelativeChange {
            estimate,
            low: None,
            high: None,
        });
        [MetricEntry {
            verdict,
            change,
            ..entries::build_missing_entry("job", MARGIN, &Reason::NotMeasured(String::new()))
        }]
    };
    let changes = scopes::changes(&a, &b, &judged(Verdict::Regressed, 0.5));
    let sum: f64 = changes.iter().map(|change| change.contribution_ns).sum();
    assert!((sum - 55.0).abs() < 1e-9, "{sum}");
    assert!(
        (changes
            .iter()
            .filter_map(|change| change.share)
            .sum::<f64>()
            - 1.0)
            .abs()
            < 1e-9
    );
    assert_eq!(
        (changes[0].path.join("/"), changes[0].contribution_ns),
        ("Forward/Extra".to_owned(), 70.0)
    );
    let attention = changes
        .iter()
        .find(|change| change.path.ends_with(&["Attention".into()]))
        .unwrap();
    assert!(
        attention.contribution_ns < 0.0,
        "what got faster counts against the rest"
    );
    // Profiles that differ in the other direction explain no part of the change in the pairs.
    let otherwise = scopes::changes(&a, &b, &judged(Verdict::Improved, -0.1));
    assert!(
        otherwise.len() == changes.len() && otherwise.iter().all(|change| change.share.is_none())
    );
}

/// An older report called this comparison 56.5 % slower, but its own outermost rows have no common
/// sign. A comparison must therefore not have an overall percentage.
#[test]
fn comparison_has_no_overall_percentage() {
    let table = include_str!("../../tests/fixtures/comparison-2026-02-04.csv");
    let outermost = |name: &str| {
        !["_Iteration", "_Forward", "_GenerateToken"]
            .iter()
            .any(|part| name.ends_with(part))
    };
    let entries: Vec<MetricEntry> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|row| outermost(row[0]))
        .map(|row| {
            let (a, b): (f64, f64) = (row[1].parse().unwrap(), row[2].parse().unwrap());
            let estimate = b / a - 1.0;
            MetricEntry {
                a: a.into(),
                b: b.into(),
                change: Some(RelativeChange {
                    estimate,
                    low: Some(estimate),
                    high: Some(estimate),
                }),
                pairs: 1,
                ..entries::build_missing_entry(row[0], MARGIN, &Reason::NotMeasured(String::new()))
            }
        })
        .collect();
    assert_eq!(entries.len(), 19);
    let totals = totals::totals(&entries).unwrap();
    assert!(
        (totals.sum - 0.590).abs() < 5e-4 && (totals.geometric_mean + 0.084).abs() < 5e-4,
        "{totals:?}"
    );
    assert!(totals.disagree);
    assert_eq!(totals.largest, "Model_Medium_Inference");
    assert!(
        (totals.largest_share.unwrap() - 0.76).abs() < 5e-3,
        "{totals:?}"
    );
}
