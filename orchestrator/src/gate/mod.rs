//! Owns the gate: the decision whether a change passes, from a comparison and the rules of the
//! scenario. Pure.

mod presence;
mod targets;
#[cfg(test)]
mod tests;
pub(crate) mod weaker_rules;

pub(crate) use presence::JobPresence;

use crate::comparison::{ComparedWorkload, MetricEntry, Verdict, exact, verdict_words};
use crate::model::metric::Metric;
use crate::scenario::gate::{Acceptance, BoundSize, GateRules as Rules};
use jiff::civil::Date;
use orch_core::measure::rounding;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use wildmatch::WildMatch;

/// Result of the gate for a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GateResult {
    pub(crate) outcome: GateOutcome,
    /// Findings, the worst first.
    pub(crate) findings: Vec<GateFinding>,
    /// Whether open verdicts and targets fail.
    pub(crate) open_fails: bool,
}

/// The gate of a check as it is stored: its result, and what its report shows beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredGate {
    #[serde(flatten)]
    pub(crate) result: GateResult,
    /// Jobs that failed in an earlier check, each with its state now.
    #[serde(default)]
    pub(crate) again: Vec<(String, String)>,
    /// Commands to run next.
    #[serde(default)]
    pub(crate) next: Vec<String>,
}

/// Outcome of a gate. The worst finding decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GateOutcome {
    /// Something got worse, computes something else, or misses its target.
    Failed,
    /// Something was not measured, so the result is unknown.
    Incomplete,
    /// Something is open, and the scenario does not allow that.
    Open,
    Passed,
}

/// One fact behind the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GateFinding {
    pub(crate) kind: FindingKind,
    /// Id of the job; empty if the finding is about no job.
    pub(crate) job: String,
    pub(crate) metric: String,
    /// Explanation, with values.
    pub(crate) message: String,
}

/// Kinds of findings, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FindingKind {
    OutputDiffers,
    Regressed,
    /// A regression of a job that also has an improvement.
    TradeOff,
    /// An acceptance whose last day has passed.
    Expired,
    TooManyAllocations,
    TargetMissed,
    /// A job of the baseline that the scenario no longer has.
    Dropped,
    Missing,
    Inconclusive,
    TargetOpen,
    Accepted,
    /// An acceptance without a regression.
    NotNeeded,
    /// A rule that is weaker than at the baseline.
    Loosened,
    TargetMet,
}

impl FindingKind {
    /// Returns the word before a finding's message: that of its verdict, if there is one. Empty if
    /// the message contains the word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::OutputDiffers => Verdict::OutputDiffers.word(),
            Self::Regressed => Verdict::Regressed.word(),
            Self::TradeOff => "regressed, trade-off",
            Self::Missing => Verdict::Missing.word(),
            Self::Inconclusive => Verdict::Inconclusive.word(),
            Self::Expired => "no longer accepted",
            Self::TooManyAllocations => "too many allocations",
            Self::Accepted => "accepted",
            Self::NotNeeded => "not needed",
            Self::Loosened => "loosened",
            Self::Dropped => "dropped",
            Self::TargetMissed | Self::TargetOpen | Self::TargetMet => "",
        }
    }

    pub(crate) fn outcome(self, open_fails: bool) -> GateOutcome {
        match self {
            Self::OutputDiffers
            | Self::Regressed
            | Self::TradeOff
            | Self::Expired
            | Self::TooManyAllocations
            | Self::TargetMissed => GateOutcome::Failed,
            Self::Missing | Self::Dropped => GateOutcome::Incomplete,
            Self::Inconclusive | Self::TargetOpen if open_fails => GateOutcome::Open,
            _ => GateOutcome::Passed,
        }
    }
}

/// Everything that a gate judges.
pub(crate) struct GateCase<'a> {
    pub(crate) jobs: &'a [MetricEntry],
    pub(crate) workloads: &'a [ComparedWorkload],
    pub(crate) rules: &'a Rules,
    /// Limits by the id of the job.
    pub(crate) max_allocations: &'a HashMap<String, u64>,
    pub(crate) today: Date,
    /// Jobs of both scenarios.
    pub(crate) presence: JobPresence<'a>,
    /// Whether the user stopped the comparison. Decided verdicts hold; the others are unknown.
    pub(crate) interrupted: bool,
}

/// The entries of a case by the id of their job.
struct EntryIndex<'a> {
    by_job: HashMap<&'a str, Vec<&'a MetricEntry>>,
}

impl<'a> EntryIndex<'a> {
    fn new(entries: &'a [MetricEntry]) -> Self {
        let mut by_job: HashMap<&str, Vec<&MetricEntry>> = HashMap::new();
        for entry in entries {
            by_job.entry(&entry.id).or_default().push(entry);
        }
        Self { by_job }
    }

    /// Returns all entries of a job, in the order of the comparison.
    fn of(&self, job: &str) -> &[&'a MetricEntry] {
        self.by_job.get(job).map(Vec::as_slice).unwrap_or_default()
    }

    fn find(&self, job: &str, metric: &Metric) -> Option<&'a MetricEntry> {
        self.of(job)
            .iter()
            .copied()
            .find(|entry| entry.metric == *metric)
    }
}

/// Judges a comparison.
pub(crate) fn judge(case: &GateCase) -> GateResult {
    let index = EntryIndex::new(case.jobs);
    let mut findings: Vec<GateFinding> = case
        .jobs
        .iter()
        .filter_map(|entry| judge_entry(case, &index, entry))
        .collect();
    findings.extend(find_excess_allocations(case));
    findings.extend(targets::judge_targets(case, &index));
    findings.extend(find_unneeded(case));
    findings.extend(presence::judge_presence(case));
    if case.workloads.is_empty() {
        let message = "nothing was measured".to_owned();
        findings.push(GateFinding {
            kind: FindingKind::Missing,
            job: String::new(),
            metric: String::new(),
            message,
        });
    }
    if case.interrupted {
        let message = "the user stopped the check before everything was decided".to_owned();
        findings.push(GateFinding {
            kind: FindingKind::Missing,
            job: String::new(),
            metric: String::new(),
            message,
        });
    }
    findings.sort_by(|one, other| {
        one.kind
            .cmp(&other.kind)
            .then(size(&index, other).total_cmp(&size(&index, one)))
    });
    let worst = |wanted: GateOutcome| {
        findings
            .iter()
            .any(|one| one.kind.outcome(case.rules.open_fails) == wanted)
    };
    let outcome = [
        GateOutcome::Failed,
        GateOutcome::Incomplete,
        GateOutcome::Open,
    ]
    .into_iter()
    .find(|outcome| worst(*outcome));
    GateResult {
        outcome: outcome.unwrap_or(GateOutcome::Passed),
        findings,
        open_fails: case.rules.open_fails,
    }
}

/// Returns the patterns of jobs whose output may differ today. Their costs are judged nevertheless.
pub(crate) fn output_accepted(rules: &Rules, today: Date) -> Vec<String> {
    let digests = rules
        .accepted
        .iter()
        .filter(|accepted| accepted.metric() == Some(&Metric::Digest) && accepted.until >= today);
    digests.map(|accepted| accepted.job.clone()).collect()
}

/// Returns the size of the change in a finding. A change from 0 is larger than any other.
fn size(index: &EntryIndex, finding: &GateFinding) -> f64 {
    let entry = index.find(&finding.job, &Metric::from(finding.metric.as_str()));
    match entry.map(|entry| (entry.change, entry.verdict)) {
        Some((Some(change), _)) => change.estimate.abs(),
        Some((None, Verdict::Regressed)) => f64::INFINITY,
        _ => 0.0,
    }
}

fn build_finding(entry: &MetricEntry, kind: FindingKind, message: String) -> GateFinding {
    GateFinding {
        kind,
        job: entry.id.clone(),
        metric: entry.metric.to_string(),
        message,
    }
}

fn judge_entry(case: &GateCase, index: &EntryIndex, entry: &MetricEntry) -> Option<GateFinding> {
    // Metrics that are computed from the time repeat its verdict. Targets use them.
    let follows = entry.metric != Metric::Time && entry.pairs > 0;
    match entry.verdict {
        Verdict::Regressed if !follows => {
            Some(judge_worse(case, index, entry, FindingKind::Regressed))
        }
        Verdict::OutputDiffers if entry.metric == Metric::Digest => {
            Some(judge_worse(case, index, entry, FindingKind::OutputDiffers))
        }
        // Accepting another output does not accept costs that were not judged.
        Verdict::OutputDiffers
            if entry.metric == Metric::Time && accepts_other_output(case, index, entry) =>
        {
            let message =
                "the outputs differ, which is accepted, but the costs were not compared".to_owned();
            Some(build_finding(entry, FindingKind::Missing, message))
        }
        Verdict::Missing if presence::is_new(case, entry) => {
            Some(presence::judge_new_job(case, entry))
        }
        Verdict::Missing => Some(build_finding(
            entry,
            FindingKind::Missing,
            entry.reason.clone(),
        )),
        Verdict::Inconclusive if entry.is_open() => Some(build_finding(
            entry,
            FindingKind::Inconclusive,
            entry.reason.clone(),
        )),
        _ => None,
    }
}

fn accepts_other_output(case: &GateCase, index: &EntryIndex, time: &MetricEntry) -> bool {
    let mut own = index
        .of(&time.id)
        .iter()
        .filter(|entry| entry.metric == Metric::Digest);
    own.any(|digest| {
        judge_worse(case, index, digest, FindingKind::OutputDiffers).kind == FindingKind::Accepted
    })
}

/// Judges a change for the worse by the acceptances of the scenario.
fn judge_worse(
    case: &GateCase,
    index: &EntryIndex,
    entry: &MetricEntry,
    kind: FindingKind,
) -> GateFinding {
    let kind = if entry.trade_off && kind == FindingKind::Regressed {
        FindingKind::TradeOff
    } else {
        kind
    };
    let what = match kind {
        FindingKind::TradeOff => {
            format!(
                "{}; better in {}",
                entry.describe_change(),
                list_better(index, entry)
            )
        }
        _ => entry.describe_change(),
    };
    let Some(accepted) = find_acceptance(case, entry, kind) else {
        return build_finding(entry, kind, what);
    };
    let (reason, until) = (&accepted.reason, accepted.until);
    if until < case.today {
        let message = format!("{what}; its acceptance until {until} ({reason}) has expired");
        return build_finding(entry, FindingKind::Expired, message);
    }
    if covers(accepted, entry, kind) {
        return build_finding(
            entry,
            FindingKind::Accepted,
            format!("{what}; accepted until {until}: {reason}"),
        );
    }
    let Some(bound) = accepted.bound() else {
        return build_finding(entry, kind, what);
    };
    let text = &bound.text;
    let message = match bound.size {
        BoundSize::Share(_) | BoundSize::Factor(_) if entry.change.is_none() => {
            format!(
                "{what}; the acceptance `{text}` ({reason}) does not cover a change from 0: limit \
                 the value with `to:`"
            )
        }
        _ => format!("{what}; more than the acceptance `{text}` covers ({reason})"),
    };
    build_finding(entry, kind, message)
}

/// Lists the metrics of the same job that improved, as the other part of a trade-off.
fn list_better(index: &EntryIndex, entry: &MetricEntry) -> String {
    verdict_words::sizes(index.of(&entry.id), Verdict::Improved).join(", ")
}

/// Finds the acceptance of an entry: one that covers it, else one that is still valid, else one
/// that has expired.
fn find_acceptance<'a>(
    case: &'a GateCase,
    entry: &MetricEntry,
    kind: FindingKind,
) -> Option<&'a Acceptance> {
    let meant = || {
        case.rules
            .accepted
            .iter()
            .filter(|accepted| is_meant(accepted, entry))
    };
    let mut valid = meant()
        .filter(|accepted| accepted.until >= case.today)
        .peekable();
    let first = valid.peek().copied();
    let last = || meant().max_by_key(|accepted| accepted.until);
    valid
        .find(|accepted| covers(accepted, entry, kind))
        .or(first)
        .or_else(last)
}

/// Returns whether a change is within its acceptance. A change from 0 and a changed output have no
/// relative size.
fn covers(accepted: &Acceptance, entry: &MetricEntry, kind: FindingKind) -> bool {
    let Some(bound) = accepted
        .bound()
        .filter(|_| kind != FindingKind::OutputDiffers)
    else {
        return true;
    };
    let change = entry.change.map(|change| change.estimate);
    let is_within = |size: f64, limit: f64| rounding::is_at_most(size, limit, 0.0);
    match bound.size {
        BoundSize::Share(share) => change.is_some_and(|change| is_within(change.abs(), share)),
        BoundSize::Factor(factor) => change.is_some_and(|change| {
            let ratio = 1.0 + change;
            ratio > 0.0 && is_within(ratio.max(1.0 / ratio), factor)
        }),
        BoundSize::Value(limit) => reaches_at_most(entry, limit),
    }
}

/// Returns whether the value of a regressed metric stays within a limit, in the direction of the
/// change: upwards if less is better, downwards if more is better. A missing value is within no
/// limit.
fn reaches_at_most(entry: &MetricEntry, limit: f64) -> bool {
    let (Some(before), Some([low, high])) = (entry.a.as_f64(), candidate_range(entry)) else {
        return false;
    };
    if entry.b.as_f64().unwrap_or(high) >= before {
        rounding::is_at_most(high, limit, entry.rounding)
    } else {
        rounding::is_at_most(-low, -limit, entry.rounding)
    }
}

fn is_meant(accepted: &Acceptance, entry: &MetricEntry) -> bool {
    accepted.metric() == Some(&entry.metric) && WildMatch::new(&accepted.job).matches(&entry.id)
}

/// Finds the jobs that allocate more than their scenario allows, or that may do so.
fn find_excess_allocations(case: &GateCase) -> Vec<GateFinding> {
    let over = |entry: &MetricEntry| {
        let most = *case.max_allocations.get(&entry.id)?;
        let [low, high] = candidate_range(entry)?;
        let count = exact::describe_range([low, high], &entry.unit);
        if low > most as f64 {
            let message = format!("{count} per iteration, at most {most} allowed");
            return Some(build_finding(
                entry,
                FindingKind::TooManyAllocations,
                message,
            ));
        }
        let message = format!(
            "{count} per iteration, depending on the process, but at most {most} allowed: undecided"
        );
        (high > most as f64).then(|| build_finding(entry, FindingKind::Inconclusive, message))
    };
    case.jobs
        .iter()
        .filter(|entry| entry.metric == Metric::Allocations)
        .filter_map(over)
        .collect()
}

/// Returns the range over the candidate's processes: a single number if the count is exact.
fn candidate_range(entry: &MetricEntry) -> Option<[f64; 2]> {
    entry
        .b_range
        .or_else(|| entry.b.as_f64().map(|count| [count; 2]))
}

/// Finds acceptances whose regression is gone.
fn find_unneeded(case: &GateCase) -> Vec<GateFinding> {
    let known =
        |entry: &MetricEntry| matches!(entry.verdict, Verdict::Equivalent | Verdict::Improved);
    let gone = |accepted: &&Acceptance| {
        let mut meant = case
            .jobs
            .iter()
            .filter(|entry| is_meant(accepted, entry))
            .peekable();
        meant.peek().is_some() && meant.all(known)
    };
    let message = |accepted: &Acceptance| GateFinding {
        kind: FindingKind::NotNeeded,
        job: accepted.job.clone(),
        metric: accepted
            .metric()
            .map_or_else(String::new, Metric::to_string),
        message: format!(
            "accepted ({}), but no longer worse than the baseline: remove the acceptance",
            accepted.reason
        ),
    };
    case.rules
        .accepted
        .iter()
        .filter(gone)
        .map(message)
        .collect()
}
