//! Sentences about a whole bisect, its commits and the open parts of its range.

use super::super::changes;
use super::super::origins;
use crate::bisect::rest::{PartState, RangePart};
use crate::bisect::{
    BisectDirection, BisectOutcome, BisectReport, OpenChangeReport, ReportedCommit, RevertCheck,
};
use crate::comparison::{MetricEntry, RelativeChange};
use crate::model::metric::Metric;
use orch_core::format::{
    self,
    change::{self, ChangedQuantity},
};
use serde::Serialize;
use serde_json::Value;

/// Sentences about a bisect. The `short` ones are for a terminal.
#[derive(Serialize)]
pub(super) struct BisectText {
    /// The outcome in words.
    outcome: &'static str,
    /// The outcome with its reason.
    headline: String,
    /// The metric, the workload, and the commits of the range.
    range: String,
    /// The searched metric and direction.
    search: String,
    good: String,
    bad: String,
    /// Comparison of the bad end with the good end; `-` if it is not known.
    ends: String,
    /// Number of commits of the range, of examined commits and of skipped commits.
    commits: String,
    work: String,
    machine: String,
    /// Bounds of all other changes; null if some part is not known.
    beyond: Option<String>,
    /// First digits of the culprit whose revert was requested.
    reverted: Option<String>,
    /// Reason why it could not be reverted.
    not_reverted: Option<String>,
    /// One line per warning.
    warnings: Vec<String>,
    /// Number of builds, pairs and commits, and the time in seconds.
    footer: String,
}

/// Numbers of examined commits.
pub(super) struct ExaminedCommits {
    pub(super) looked: usize,
    pub(super) same_code: usize,
    pub(super) versions: usize,
}

impl BisectText {
    pub(super) fn of(report: &BisectReport, examined: &ExaminedCommits) -> Self {
        let outcome = outcome(report.outcome);
        let ancestry = if report.all {
            "all ancestors"
        } else {
            "first parents"
        };
        let (metric, workload) = (&report.metric, &report.workload);
        let commits = format::counted(report.commits.len(), "commit");
        Self {
            outcome,
            headline: format!("{outcome}: {}", report.reason),
            range: format!("{metric} of {workload}, {commits} ({ancestry})"),
            search: search(report),
            good: format!("good: {}", named(&report.good)),
            bad: bad(report),
            ends: ends(report),
            commits: format!(
                "{}, {ancestry}; {} examined{}, {} skipped",
                report.commits.len(),
                examined.looked,
                examined.among_them(),
                report.skipped.len()
            ),
            work: format!(
                "{} builds, {} pairs of processes, {}{}",
                report.builds,
                report.pairs,
                format::time(report.wall_ns as f64),
                if report.resumed {
                    " since it was resumed"
                } else {
                    ""
                }
            ),
            machine: origins::machine(&report.machine),
            beyond: report.nothing_else_beyond.map(|bounds| {
                let [low, high] =
                    [bounds.low, bounds.high].map(|end| change::size(ChangedQuantity::Time, end));
                format!("no other change beyond {low} to {high} in the rest of the range")
            }),
            reverted: report
                .reverted
                .as_ref()
                .map(|reverted| origins::short(&reverted.culprit).to_owned()),
            not_reverted: report.reverted.as_ref().and_then(not_reverted),
            warnings: report
                .warnings
                .iter()
                .map(|warning| format!("warning: {}", format::brief(warning)))
                .collect(),
            footer: footer(report, &commits, examined),
        }
    }
}

impl ExaminedCommits {
    fn among_them(&self) -> String {
        if self.same_code == 0 {
            String::new()
        } else {
            format!(", {} versions of its code among them", self.versions)
        }
    }
}

fn outcome(outcome: BisectOutcome) -> &'static str {
    match outcome {
        BisectOutcome::First => "found",
        BisectOutcome::Range => "narrowed down",
        BisectOutcome::None => "nothing to find",
        BisectOutcome::Undecided => "undecided",
    }
}

/// Formats a commit with its subject: `067bde5e01 (softmax: look for NaN first)`.
pub(super) fn named(commit: &ReportedCommit) -> String {
    named_as(&commit.commit, &commit.subject)
}

pub(super) fn named_as(commit: &str, subject: &str) -> String {
    format!("{} ({})", origins::short(commit), format::brief(subject))
}

/// Formats a probability, which is never shown as certainty.
pub(super) fn probability(probability: f64) -> String {
    match probability {
        p if p > 0.999 => ">99.9 %".to_owned(),
        p if p > 0.99 => ">99 %".to_owned(),
        p => format::percent(p),
    }
}

/// Formats a change with both values if it was counted, otherwise with its interval.
pub(super) fn step(
    change: Option<RelativeChange>,
    [before, after]: [&Value; 2],
    metric: &Metric,
) -> String {
    match (before.as_f64(), after.as_f64()) {
        (Some(a), Some(b)) if a == b => format!("{} at both", format::number(a)),
        (Some(a), Some(b)) => changes::counted([a, b], metric),
        _ if before.is_null() => change
            .map(|change| sized(change, metric))
            .unwrap_or_default(),
        _ if before == after => format!("{} at both", plain(before)),
        _ => format!("{} -> {}", plain(before), plain(after)),
    }
}

/// Formats a value as it is.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Formats a change, with its interval if it has one.
pub(super) fn sized(change: RelativeChange, metric: &Metric) -> String {
    let size = changes::size(change, metric);
    match changes::interval(change, metric) {
        Some(interval) => format!("{size} ({interval})"),
        None => size,
    }
}

fn search(report: &BisectReport) -> String {
    let direction = match report.direction {
        BisectDirection::Worse => "worse",
        BisectDirection::Better => "better",
    };
    let least = if report.metric == Metric::Time {
        format!(" by at least {}", format::percent(report.margin))
    } else {
        String::new()
    };
    format!(
        "{}, {}, search for a commit that made it {direction}{least}",
        report.workload, report.metric
    )
}

fn bad(report: &BisectReport) -> String {
    let ends = &report.ends;
    let step = step(ends.change, [&ends.good, &ends.bad], &report.metric);
    let bad = named(&report.bad);
    if ends.change.is_some() || !ends.good.is_null() {
        format!("bad:  {bad}, {step}")
    } else {
        format!("bad:  {bad}")
    }
}

fn ends(report: &BisectReport) -> String {
    let ends = &report.ends;
    match (ends.good.as_f64(), ends.bad.as_f64(), ends.change) {
        (Some(good), Some(bad), _) => changes::counted([good, bad], &report.metric),
        _ if !ends.good.is_null() => format!("{} -> {}", plain(&ends.good), plain(&ends.bad)),
        (_, _, Some(change)) => sized(change, &report.metric),
        _ => "-".to_owned(),
    }
}

fn not_reverted(reverted: &RevertCheck) -> Option<String> {
    let failed = reverted.failed.as_deref().filter(|why| !why.is_empty())?;
    let culprit = origins::short(&reverted.culprit);
    Some(format!(
        "reverting {culprit} was not possible: {}",
        format::brief(failed)
    ))
}

/// Describes the result for a metric of the bad end without the culprit.
pub(super) fn reverted_line(culprit: &str, entry: &MetricEntry) -> String {
    let change = entry
        .change
        .map(|change| format!(": {}", sized(change, &entry.metric)));
    format!(
        "without {}, the bad end's {} is {}{}",
        origins::short(culprit),
        entry.metric,
        entry.verdict.word(),
        change.unwrap_or_default()
    )
}

/// Describes the ends of a range, and the reason why it is open.
pub(super) fn open_line(open: &OpenChangeReport) -> String {
    format!(
        "{}: {}; with probability {}, one of",
        between(&open.reference, &open.end),
        open.reason,
        format::percent(open.probability)
    )
}

/// Formats two ends as `between 1234567890 and abcdef1234`.
pub(super) fn between(reference: &ReportedCommit, end: &ReportedCommit) -> String {
    format!("between {}", ends_of(reference, end, "and"))
}

/// Formats two ends as `1234567890 to abcdef1234`.
pub(super) fn ends_of(reference: &ReportedCommit, end: &ReportedCommit, word: &str) -> String {
    let [reference, end] = [reference, end].map(|commit| origins::short(&commit.commit));
    format!("{reference} {word} {end}")
}

/// Describes an open part.
pub(super) fn part_words(part: &RangePart, metric: &Metric) -> String {
    let change = part.change.map(|change| changes::size(change, metric));
    match (part.state, change) {
        (PartState::EndUnusable, _) => {
            "not searched: one of its ends cannot be measured".to_owned()
        }
        (PartState::NotSearched, Some(change)) => {
            format!("not searched; change between its ends: {change}")
        }
        (PartState::NotSearched, None) => "not searched".to_owned(),
        (_, Some(change)) => format!(
            "undecided after {}; change between its ends: {change}",
            format::counted(part.pairs, "pair")
        ),
        (_, None) => "undecided whether its ends differ".to_owned(),
    }
}

fn footer(report: &BisectReport, commits: &str, examined: &ExaminedCommits) -> String {
    let end = if report.resumed {
        "since it was resumed"
    } else {
        "in total"
    };
    format!(
        "{}, {} pairs; {} of {commits} examined{}; {} {end}",
        format::counted(report.builds, "build"),
        report.pairs,
        examined.looked,
        examined.among_them(),
        format::time(report.wall_ns as f64)
    )
}
