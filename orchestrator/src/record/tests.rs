//! Tests of assembling a job's record from scripted passes, without a process, clock or file.

use super::assemble::{JobFacts, assemble_job};
use super::*;
use crate::model::warning::WarningKind;
use crate::pass::{PassEnd, PassName, PassResult};
use crate::plugin::catalog::{PluginDescription, WorkloadInfo};
use crate::scenario::{Job, JobSettings};
use orch_core::protocol::{
    AllocationCounts, CounterSum, ScopeNode, ScopeProfile, TimedSamples, WarmUpEnd, WorkerReply,
};

fn scripted_job(rounds: u32) -> Job {
    Job {
        id: "job".into(),
        plugin: "p".into(),
        workload: "w".into(),
        params: Map::new(),
        tags: Vec::new(),
        settings: JobSettings {
            rounds,
            ..JobSettings::default()
        },
    }
}

fn end(pass: PassName, round: u32, result: PassResult) -> PassEnd {
    PassEnd {
        job: "job".into(),
        pass,
        round,
        cpus: vec![1],
        wall_ns: 10,
        result,
        warnings: Vec::new(),
    }
}

fn timed(round: u32, iterations: u64, samples_ns: &[u64], digest: &str) -> PassEnd {
    let timing = TimedSamples {
        digest: digest.into(),
        iterations,
        samples_ns: samples_ns.to_vec(),
        warm_up: WarmUp {
            ns: 5,
            iterations: 1,
            ended: WarmUpEnd::Steady,
        },
        usage: ResourceUsage::default(),
        resolution_ns: 1,
    };
    end(
        PassName::Time,
        round,
        PassResult::Reply(Box::new(WorkerReply::Timed(timing))),
    )
}

fn counted(run: u32, allocations: u64, elsewhere: u64) -> PassEnd {
    let count = AllocationCounts {
        digest: String::new(),
        iterations: 8,
        allocations,
        bytes: allocations * 100,
        peak_bytes: 300,
        leaked_bytes: 0,
        elsewhere,
        uneven: false,
        single_threaded: true,
        untracked: false,
        foreign_blocks: 0,
        resident_growth: 0,
        counters: vec![CounterSum {
            name: "flop".into(),
            sum: 8000.0,
            rounding: 0.0,
        }],
        complaints: Vec::new(),
        code: Vec::new(),
    };
    end(
        PassName::Count,
        run,
        PassResult::Reply(Box::new(WorkerReply::Counted(count))),
    )
}

fn node(name: &str, total_ns: u64, flop: f64, children: Vec<ScopeNode>) -> ScopeNode {
    let inside: u64 = children.iter().map(|child| child.total_ns).sum();
    ScopeNode {
        name: name.into(),
        pool: false,
        calls: 1,
        total_ns,
        self_ns: total_ns - inside,
        min_ns: total_ns,
        max_ns: total_ns,
        allocations: 0,
        bytes: 0,
        series_min_ns: Vec::new(),
        counters: if flop > 0.0 {
            vec![CounterSum {
                name: "flop".into(),
                sum: flop,
                rounding: 0.0,
            }]
        } else {
            Vec::new()
        },
        children,
    }
}

fn info() -> WorkloadInfo {
    let text = r#"{"plugin": "p", "workloads": [{"id": "w", "metrics": [
        {"id": "gflops", "unit": "GFLOP/s", "better": "higher", "counter": "flop", "per": "second", "scale": 1e-9},
        {"id": "missing", "unit": "x", "counter": "never counted"}]}]}"#;
    PluginDescription::parse(text).unwrap().workloads.remove(0)
}

fn assemble(rounds: u32, ends: &[PassEnd], interrupted: bool) -> JobRecord {
    let plugin = PluginFile {
        path: "p.so".into(),
        hash: None,
        git: None,
        sandbox: None,
    };
    let scripted = scripted_job(rounds);
    assemble_job(JobFacts {
        job: &scripted,
        info: Some(&info()),
        plugin,
        own_allocator: None,
        ends: ends.iter().collect(),
        seed: 9,
        iteration_ns: None,
        interrupted,
    })
}

#[test]
fn block_from_elsewhere_revokes_exact_and_is_reported() {
    let assembled = |foreign: [u64; 2], full: bool| {
        let mut ends = [counted(0, 0, 0), counted(1, 0, 0)];
        for (end, blocks) in ends.iter_mut().zip(foreign) {
            if let PassResult::Reply(reply) = &mut end.result
                && let WorkerReply::Counted(count) = &mut **reply
            {
                (count.foreign_blocks, count.untracked) = (blocks, full);
            }
        }
        let record = assemble(0, &ends, false);
        let memory = record
            .warning_kinds
            .iter()
            .copied()
            .filter(|kind| *kind != WarningKind::CounterUnused);
        let is_warned = record
            .warnings
            .iter()
            .any(|warning| warning.contains("without a counted allocation"));
        (
            record.allocations.unwrap().exact,
            memory.collect::<Vec<_>>(),
            is_warned,
        )
    };
    assert_eq!(assembled([0, 0], false), (true, vec![], false));
    for foreign in [[8, 8], [0, 1], [3, 0]] {
        assert_eq!(
            assembled(foreign, false),
            (false, vec![WarningKind::ForeignBlocks], true),
            "{foreign:?}"
        );
    }
    assert_eq!(
        assembled([8, 8], true),
        (false, vec![WarningKind::Untracked], false),
        "it is the table that is full"
    );
}

/// Returns the count pass of a process that adds to a counter in another order. `rounding` is the
/// bound of the effect of rounding.
fn counting(run: u32, sum: f64, rounding: f64) -> PassEnd {
    let mut end = counted(run, 0, 0);
    if let PassResult::Reply(reply) = &mut end.result
        && let WorkerReply::Counted(count) = &mut **reply
    {
        count.counters = vec![CounterSum {
            name: "flop".into(),
            sum,
            rounding,
        }];
    }
    end
}

#[test]
fn counters_of_one_side_agree_within_rounding() {
    let text = r#"{"plugin": "p", "workloads": [{"id": "w", "metrics": [
        {"id": "work", "unit": "u", "better": "lower", "counter": "flop", "per": "iteration"}]}]}"#;
    let info = PluginDescription::parse(text).unwrap().workloads.remove(0);
    let assembled = |ends: &[PassEnd]| {
        let plugin = PluginFile {
            path: "p.so".into(),
            hash: None,
            git: None,
            sandbox: None,
        };
        let (scripted, ends) = (scripted_job(0), ends.iter().collect());
        assemble_job(JobFacts {
            job: &scripted,
            info: Some(&info),
            plugin,
            own_allocator: None,
            ends,
            seed: 9,
            iteration_ns: None,
            interrupted: false,
        })
    };
    let same = assembled(&[
        counting(0, 8.0, 0.0),
        counting(1, 7.999_999_999_999_999, 1e-14),
    ]);
    assert_eq!(
        (same.warnings, same.metrics_range),
        (Vec::new(), IndexMap::new())
    );
    assert_eq!(
        same.metrics_rounding["work"],
        1e-14 / 8.0,
        "of one iteration"
    );
    let other = assembled(&[counting(0, 8.0, 0.0), counting(1, 7.999_999, 1e-14)]);
    assert_eq!(other.metrics_range["work"], [7.999_999 / 8.0, 1.0]);
    assert_eq!(other.warnings.len(), 1, "{:?}", other.warnings);
    let whole = assembled(&[counting(0, 8.0, 0.0), counting(1, 9.0, 0.0)]);
    assert_eq!(
        (whole.metrics_rounding.len(), whole.metrics_range["work"]),
        (0, [1.0, 1.125])
    );
    let zero = assembled(&[counting(0, 0.0, 0.0), counting(1, -0.0, 0.0)]);
    assert_eq!(
        (zero.warnings, zero.metrics_range),
        (Vec::new(), IndexMap::new())
    );
}

#[test]
fn digests_that_are_one_number_agree() {
    let digest = |text: &str| serde_json::from_str::<Digest>(text).unwrap();
    for (one, other, agrees) in [
        (r#"{"value": 5}"#, r#"{"value": 5.0}"#, true),
        (r#"{"value": 0.0}"#, r#"{"value": -0.0}"#, true),
        (r#"{"value": 0}"#, r#"{"value": -0.0}"#, true),
        (
            r#"{"value": 1, "score": 0.0}"#,
            r#"{"value": 2, "score": -0.0}"#,
            true,
        ),
        (r#"{"value": 5}"#, r#"{"value": 5.000001}"#, false),
        (
            r#"{"value": 9007199254740993}"#,
            r#"{"value": 9007199254740992}"#,
            false,
        ),
        (
            r#"{"value": 9007199254740993}"#,
            r#"{"value": 9007199254740992.0}"#,
            false,
        ),
    ] {
        assert_eq!(digest(one).agrees(&digest(other)), agrees, "{one} {other}");
    }
}

/// A side of a comparison has no rounds. Counts make such a job complete; without them it is
/// incomplete.
#[test]
fn job_without_rounds_is_measured_when_it_was_counted() {
    assert_eq!(
        assemble(0, &[counted(0, 8, 0), counted(1, 8, 0)], false).outcome,
        JobOutcome::Measured
    );
    assert_eq!(
        assemble(0, &[counted(0, 8, 0)], true).outcome,
        JobOutcome::Skipped
    );
    assert_eq!(assemble(0, &[], true).outcome, JobOutcome::Skipped);
    assert_eq!(assemble(0, &[], false).outcome, JobOutcome::Failed);
}

#[test]
fn median_is_over_processes_and_rates_follow_from_it() {
    let ends = [
        counted(0, 16, 0),
        counted(1, 16, 0),
        timed(0, 10, &[1000, 1100, 1200], ""),
        timed(1, 5, &[1000, 1000, 5000], ""),
        timed(2, 1, &[90], ""),
    ];
    let record = assemble(3, &ends, false);
    assert_eq!(record.outcome, JobOutcome::Measured);
    let time = record.time.unwrap();
    // The medians of the processes are 110, 200 and 90 ns.
    assert_eq!(
        (time.median_ns, time.low_ns, time.high_ns),
        (110.0, 90.0, 200.0)
    );
    // The median of 110 ns divides 1000 flop.
    assert!((record.metrics["gflops"] - 1000.0 / 110.0).abs() < 1e-9);
    assert_eq!(
        record.metrics.len(),
        1,
        "a metric whose counter was never added to has no value"
    );
    assert_eq!(
        (
            record.wall.time_ns,
            record.wall.count_ns,
            record.wall.samples_ns
        ),
        (30, 20, 3300 + 7000 + 90)
    );
}

#[test]
fn counts_are_exact_only_if_all_agree_and_all_came_from_the_driver() {
    let times = [timed(0, 1, &[100], "")];
    let with = |counts: Vec<PassEnd>| {
        let ends: Vec<PassEnd> = counts.into_iter().chain(times.clone()).collect();
        assemble(1, &ends, false).allocations.unwrap()
    };
    let exact = with(vec![counted(0, 16, 0), counted(1, 16, 0)]);
    assert_eq!(
        (exact.exact, exact.count, exact.bytes, exact.peak_bytes),
        (true, 2.0, 200.0, 300.0)
    );
    assert!(
        !with(vec![counted(0, 16, 0)]).exact,
        "one process proves nothing"
    );
    assert!(!with(vec![counted(0, 16, 0), counted(1, 16, 2)]).exact);
    let range = with(vec![
        counted(0, 16, 0),
        counted(1, 24, 0),
        counted(2, 80, 0),
    ]);
    assert_eq!(
        (range.exact, range.count, range.count_range),
        (false, 3.0, [2.0, 10.0])
    );
}

#[test]
fn whole_counts_are_written_as_integers_and_fractions_stay() {
    let times = [
        counted(0, 16, 0),
        counted(1, 20, 0),
        timed(0, 1, &[100], ""),
    ];
    let text = serde_json::to_value(assemble(1, &times, false).allocations).unwrap();
    assert_eq!(text["count"].to_string(), "2.25");
    assert_eq!(text["peak_bytes"].to_string(), "300");
    assert_eq!(text["count_range"].to_string(), "[2,2.5]");
}

#[test]
fn rate_of_a_scope_is_over_its_own_work_and_time() {
    let tree = node(
        "Outer",
        1000,
        0.0,
        vec![node("A", 200, 4000.0, vec![]), node("B", 300, 0.0, vec![])],
    );
    let profile = ScopeProfile {
        digest: String::new(),
        iterations: 4,
        run_ns: 1200,
        iteration_ns: 290.0,
        scopes: vec![tree],
        complaints: vec![],
    };
    let ends = [
        end(
            PassName::Profile,
            0,
            PassResult::Reply(Box::new(WorkerReply::Profiled(profile))),
        ),
        timed(0, 1, &[250], ""),
    ];
    let record = assemble(1, &ends, false);
    let outer = &record.scopes[0];
    let near = |scope: &ScopeRecord, gflops: f64| (scope.metrics["gflops"] - gflops).abs() < 1e-9;
    assert!(near(outer, 4.0) && near(&outer.children[0], 20.0));
    assert!(
        outer.children[1].metrics.is_empty(),
        "no work was counted in B"
    );
    assert_eq!(
        (outer.self_ns, record.profile.unwrap().overhead),
        (500, Some(290.0 / 250.0 - 1.0))
    );
}

#[test]
fn failure_keeps_what_was_measured_before_it() {
    let failed = PassResult::Failed {
        phase: Phase::Run,
        message: "it broke".into(),
    };
    let ends = [
        counted(0, 8, 0),
        counted(1, 8, 0),
        timed(0, 1, &[100], ""),
        end(PassName::Time, 1, failed),
    ];
    let record = assemble(2, &ends, false);
    assert_eq!(
        (record.outcome, record.phase),
        (JobOutcome::Failed, Some(Phase::Run))
    );
    assert_eq!(record.message.as_deref(), Some("it broke"));
    assert_eq!(record.time.unwrap().processes.len(), 1);
    assert!(record.allocations.unwrap().exact);
}

#[test]
fn job_without_all_its_rounds_is_not_measured() {
    let ends = [timed(0, 1, &[100], "")];
    assert_eq!(assemble(2, &ends, true).outcome, JobOutcome::Skipped);
    assert_eq!(assemble(2, &ends, false).outcome, JobOutcome::Failed);
    assert_eq!(assemble(2, &[], true).outcome, JobOutcome::Skipped);
}

#[test]
fn digests_are_compared_by_score_then_number_then_text() {
    let digest = |text: &str| serde_json::from_str::<Digest>(text).unwrap();
    let agree = |a: &str, b: &str| digest(a).agrees(&digest(b));
    assert!(agree(
        r#"{"value": 1.0, "tolerance": 1e-6}"#,
        r#"{"value": 1.0000005, "tolerance": 1e-6}"#
    ));
    assert!(!agree(r#"{"value": 1.0}"#, r#"{"value": 1.0000005}"#));
    assert!(agree(
        r#"{"value": "1 2", "score": -3, "tolerance": 1e-3}"#,
        r#"{"value": "1 3", "score": -3.001}"#
    ));
    assert!(!agree(r#"{"value": "1 2"}"#, r#"{"value": "1 3"}"#));
    let ends = [
        timed(0, 1, &[100], r#"{"value": 1}"#),
        timed(1, 1, &[100], r#"{"value": 2}"#),
    ];
    let record = assemble(2, &ends, false);
    assert!(
        record
            .warnings
            .iter()
            .any(|warning| warning.contains("output differs")),
        "{:?}",
        record.warnings
    );
}
