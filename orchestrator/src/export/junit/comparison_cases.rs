//! Test cases of a comparison: the verdict on each workload, or the findings of the gate.

use super::{JunitCase, JunitEnding, JunitReason};
use crate::comparison::{ComparedWorkload, Comparison, MetricEntry, Verdict};
use crate::gate::{FindingKind, GateFinding, GateOutcome, GateResult};
use crate::model::metric::Metric;
use std::collections::{HashMap, HashSet};

/// Class of a finding about no workload of the comparison.
const GATE_CLASS: &str = "check";

pub(super) fn list_cases(comparison: &Comparison) -> Vec<JunitCase> {
    let mut entries: HashMap<&str, Vec<&MetricEntry>> = HashMap::new();
    for entry in &comparison.jobs {
        entries.entry(&entry.id).or_default().push(entry);
    }
    let gate: Option<GateResult> = comparison
        .gate
        .clone()
        .and_then(|gate| serde_json::from_value(gate).ok());
    let mut cases: Vec<JunitCase> = comparison
        .workloads
        .iter()
        .map(|workload| {
            let own = entries
                .get(workload.id.as_str())
                .map(Vec::as_slice)
                .unwrap_or_default();
            let ending = match &gate {
                Some(gate) => judge_by_gate(gate, &workload.id),
                None => judge_by_verdict(workload, own),
            };
            let mut case = build_case(workload, own, ending);
            case.figures
                .extend(gate.iter().flat_map(|gate| list_notes(gate, &workload.id)));
            case
        })
        .collect();
    if let Some(gate) = &gate {
        cases.extend(list_other_cases(gate, comparison));
    }
    cases
}

fn build_case(
    workload: &ComparedWorkload,
    entries: &[&MetricEntry],
    ending: JunitEnding,
) -> JunitCase {
    let figures = entries.iter().map(|entry| describe_entry(entry));
    let warnings = workload.warnings.iter();
    JunitCase {
        name: workload.id.clone(),
        class: workload.workload.clone(),
        wall_ns: workload.wall_ns,
        ending,
        figures: figures
            .chain(warnings.map(|text| format!("warning: {text}")))
            .collect(),
    }
}

/// Formats an entry as `time: regressed: +3.00 % (+2.97 % to +3.00 %), 30.5 µs -> 31.4 µs`.
fn describe_entry(entry: &MetricEntry) -> String {
    let verdict = entry.verdict.word();
    match entry.verdict {
        // Their reason matters more than their values.
        Verdict::Missing | Verdict::Inconclusive => {
            format!("{}: {verdict}: {}", entry.metric, entry.reason)
        }
        _ => format!("{}: {verdict}: {}", entry.metric, entry.describe_change()),
    }
}

fn judge_by_verdict(workload: &ComparedWorkload, entries: &[&MetricEntry]) -> JunitEnding {
    let reason = || JunitReason {
        kind: workload.verdict.word(),
        lines: list_reasons(workload, entries),
    };
    match workload.verdict {
        Verdict::OutputDiffers | Verdict::Regressed => JunitEnding::Failure(reason()),
        Verdict::Missing => JunitEnding::Error(reason()),
        Verdict::Inconclusive => JunitEnding::Skipped(reason()),
        Verdict::Equivalent | Verdict::Improved => JunitEnding::Passed,
    }
}

/// Lists the entries that have the verdict of the workload. Metrics that are computed from time
/// repeat its verdict, and a different output is one of the digest alone.
fn list_reasons(workload: &ComparedWorkload, entries: &[&MetricEntry]) -> Vec<String> {
    if let Some(reason) = &workload.missing {
        return vec![reason.clone()];
    }
    let is_reason = |entry: &&&MetricEntry| {
        let follows = entry.metric != Metric::Time && entry.pairs > 0;
        let is_own = match entry.verdict {
            Verdict::OutputDiffers => entry.metric == Metric::Digest,
            Verdict::Inconclusive => entry.is_open(),
            _ => true,
        };
        entry.verdict == workload.verdict && is_own && !follows
    };
    let reasons = entries.iter().filter(is_reason);
    reasons.map(|entry| describe_entry(entry)).collect()
}

/// Judges a job by its findings: those that keep the check from passing, and otherwise those that
/// are open.
fn judge_by_gate(gate: &GateResult, job: &str) -> JunitEnding {
    let of_job = |finding: &&GateFinding| finding.job == job;
    judge_findings(
        gate,
        &gate.findings.iter().filter(of_job).collect::<Vec<_>>(),
    )
}

fn judge_findings(gate: &GateResult, findings: &[&GateFinding]) -> JunitEnding {
    let reason = |outcome: GateOutcome| {
        let is_meant = |finding: &&&GateFinding| finding.kind.outcome(gate.open_fails) == outcome;
        explain_findings(findings.iter().filter(is_meant).copied())
    };
    if let Some(reason) = reason(GateOutcome::Failed) {
        return JunitEnding::Failure(reason);
    }
    if let Some(reason) = reason(GateOutcome::Incomplete) {
        return JunitEnding::Error(reason);
    }
    if let Some(reason) = reason(GateOutcome::Open) {
        return JunitEnding::Failure(reason);
    }
    let is_open = |finding: &&&GateFinding| {
        matches!(
            finding.kind,
            FindingKind::Inconclusive | FindingKind::TargetOpen
        )
    };
    match explain_findings(findings.iter().filter(is_open).copied()) {
        Some(reason) => JunitEnding::Skipped(reason),
        None => JunitEnding::Passed,
    }
}

/// Returns the reason that findings give, the worst first; `None` if there are none.
fn explain_findings<'a>(findings: impl Iterator<Item = &'a GateFinding>) -> Option<JunitReason> {
    let mut findings = findings.peekable();
    let kind = match findings.peek()?.kind {
        FindingKind::TargetMissed => "target missed",
        FindingKind::TargetOpen => "target open",
        other => other.word(),
    };
    Some(JunitReason {
        kind,
        lines: findings.map(describe_finding).collect(),
    })
}

/// Formats a finding as `allocations: accepted: 1 -> 3; accepted until 2026-12-31: a cache`.
fn describe_finding(finding: &GateFinding) -> String {
    let parts = [finding.metric.as_str(), finding.kind.word()];
    let before = parts.into_iter().filter(|part| !part.is_empty());
    let before: String = before.map(|part| format!("{part}: ")).collect();
    format!("{before}{}", finding.message)
}

/// Lists the findings about a job that need no attention, such as an accepted change.
fn list_notes(gate: &GateResult, job: &str) -> Vec<String> {
    let is_note =
        |finding: &&GateFinding| finding.job == job && finding.kind >= FindingKind::Accepted;
    let notes = gate.findings.iter().filter(is_note);
    notes.map(describe_finding).collect()
}

/// Lists a case for each other job that keeps the check from passing, such as a dropped one, and
/// one for findings about no job.
fn list_other_cases(gate: &GateResult, comparison: &Comparison) -> Vec<JunitCase> {
    let workloads = comparison.workloads.iter();
    let known: HashSet<&str> = workloads.map(|workload| workload.id.as_str()).collect();
    let mut others: Vec<&str> = Vec::new();
    for finding in &gate.findings {
        let is_new = !known.contains(finding.job.as_str()) && !others.contains(&&*finding.job);
        if is_new && finding.kind.outcome(gate.open_fails) != GateOutcome::Passed {
            others.push(&finding.job);
        }
    }
    let case = |job: &str| JunitCase {
        name: if job.is_empty() { "whole check" } else { job }.to_owned(),
        class: GATE_CLASS.to_owned(),
        wall_ns: 0,
        ending: judge_by_gate(gate, job),
        figures: Vec::new(),
    };
    others.into_iter().map(case).collect()
}
