//! Results of a search: found, narrowed down, nothing, or undecided, each with its reason.

use super::commit_builds::BisectStop;
use super::evidence::CommitEvidence;
use super::open_changes;
use super::task::BisectTask;
use crate::bisect::rest::{OpenReason, RangePart, StopCause};
use crate::bisect::state::ProbeRecord;
use crate::bisect::{BisectDirection, BisectOutcome};
use crate::comparison::RelativeChange;
use crate::plugin::catalog::CounterBasis;
use orch_core::format::{
    self,
    change::{self, ChangedQuantity},
};
use orch_core::search::{
    EndsVerdict, ExactConclusion, ExactEndsVerdict, RatioEstimate, SearchConclusion,
    UndecidedReason,
};
use serde_json::Value;

/// Outcome of the search.
pub(super) enum SearchFinding {
    Time(SearchConclusion),
    Exact(ExactConclusion<Box<ProbeRecord>>),
}

/// A located step, for a metric of any kind.
pub(super) struct LocatedStep {
    pub(super) commits: Vec<usize>,
    pub(super) parent: usize,
    pub(super) shown: usize,
    pub(super) probability: f64,
}

impl SearchFinding {
    /// Returns the number of culprits. Each is a set of indistinguishable commits.
    pub(super) fn culprits(&self) -> usize {
        match self {
            Self::Time(conclusion) => conclusion.culprits.len(),
            Self::Exact(conclusion) => conclusion.culprits.len(),
        }
    }
}

/// A change without a commit, for a metric of any kind.
#[derive(Clone)]
pub(super) struct OpenChange {
    pub(super) commits: Vec<usize>,
    pub(super) probability: f64,
    pub(super) reference: usize,
    pub(super) end: usize,
    pub(super) why: OpenReason,
}

/// Results that both kinds of search have in common.
pub(super) struct SearchSummary {
    pub(super) outcome: BisectOutcome,
    pub(super) reason: String,
    pub(super) change: Option<RelativeChange>,
    pub(super) located: Vec<LocatedStep>,
    pub(super) open: Vec<OpenChange>,
    /// Parts of the range beside the culprits.
    pub(super) parts: Vec<RangePart>,
}

/// Returns the end of the bisect for an end of the range that cannot be measured.
fn report_unusable(answers: &CommitEvidence, position: usize) -> BisectStop {
    let reason = answers.skip_reason(position);
    BisectStop::Unmeasurable {
        position,
        reason: reason.map_or_else(
            || "it cannot be measured".to_owned(),
            |reason| reason.text.clone(),
        ),
    }
}

/// Converts a log ratio of times to a relative change of the metric. Unknown ends are null.
pub(super) fn to_relative_change(answers: &CommitEvidence, times: RatioEstimate) -> RelativeChange {
    let per_second = answers.per == Some(CounterBasis::Second);
    let metric = |log: f64| {
        if per_second {
            (-log).exp_m1()
        } else {
            log.exp_m1()
        }
    };
    let end = |log: f64| log.is_finite().then(|| metric(log));
    let (low, high) = if per_second {
        (times.high, times.low)
    } else {
        (times.low, times.high)
    };
    RelativeChange {
        estimate: metric(times.estimate),
        low: end(low),
        high: end(high),
    }
}

/// Returns the quantity that the searched metric measures.
fn changed_quantity(answers: &CommitEvidence) -> ChangedQuantity {
    if answers.per.is_some() {
        ChangedQuantity::Amount
    } else {
        ChangedQuantity::Time
    }
}

pub(super) fn conclude_times(
    task: &BisectTask,
    answers: &CommitEvidence,
    conclusion: &SearchConclusion,
    stopped: Option<StopCause>,
) -> Result<SearchSummary, BisectStop> {
    let margin = format::percent(task.margin);
    let of = |change: RatioEstimate| {
        to_relative_change(answers, change)
            .sized(changed_quantity(answers))
            .size()
    };
    let (mut outcome, mut reason, change) = match conclusion.ends {
        EndsVerdict::EndUnusable { end } => return Err(report_unusable(answers, end)),
        EndsVerdict::SameCode => {
            let reason = "both ends run the same machine code: their times differ by layout, not \
                by code";
            (BisectOutcome::None, reason.to_owned(), None)
        }
        EndsVerdict::Same { change } | EndsVerdict::Bounded { change } => (
            BisectOutcome::None,
            format!(
                "no change between the ends: {} is inside ±{margin}",
                of(change)
            ),
            Some(change),
        ),
        EndsVerdict::OtherWay { change } => (
            BisectOutcome::None,
            word_other_way(task, &of(change)),
            Some(change),
        ),
        EndsVerdict::Open { change } => {
            let reason = format!(
                "it is undecided whether the ends differ by {margin}: the estimate is {}",
                of(change)
            );
            (BisectOutcome::Undecided, reason, Some(change))
        }
        EndsVerdict::Different { change } => {
            let (outcome, reason) = choose_outcome(conclusion);
            (outcome, reason, Some(change))
        }
    };
    if let Some(cause) = stopped {
        reason = stopped_reason(cause, conclusion.culprits.len());
        if conclusion.culprits.is_empty() {
            outcome = BisectOutcome::Undecided;
        }
    }
    let located = conclusion.culprits.iter().map(|culprit| LocatedStep {
        commits: culprit.commits.clone(),
        parent: culprit.parent,
        shown: culprit.shown,
        probability: culprit.probability,
    });
    Ok(SearchSummary {
        outcome,
        reason,
        change: change
            .filter(|change| *change != RatioEstimate::UNKNOWN)
            .map(|change| to_relative_change(answers, change)),
        located: located.collect(),
        parts: open_changes::list_parts_of_times(answers, conclusion),
        open: open_changes::list_open_times(conclusion),
    })
}

/// Words the reason of an early end, with the commits confirmed so far.
fn stopped_reason(cause: StopCause, culprits: usize) -> String {
    let confirmed = match culprits {
        0 => "no commit is confirmed yet".to_owned(),
        1 => "one commit is confirmed".to_owned(),
        count => format!("{count} commits are confirmed"),
    };
    format!("{}; {confirmed}", cause.words())
}

/// Returns the outcome for ends that differ, with its reason.
fn choose_outcome(conclusion: &SearchConclusion) -> (BisectOutcome, String) {
    let several = conclusion
        .culprits
        .iter()
        .any(|culprit| culprit.commits.len() > 1);
    let layout = conclusion
        .undecided
        .iter()
        .all(|open| open.why == UndecidedReason::Layout);
    match (conclusion.culprits.len(), several) {
        (0, _) if layout => (
            BisectOutcome::None,
            "layout, not code: no commit changed the code of this workload".to_owned(),
        ),
        (0, _) => (
            BisectOutcome::Undecided,
            "the ends differ, but no single commit could be identified".to_owned(),
        ),
        (_, true) => (
            BisectOutcome::Range,
            "some commits cannot be measured, so several commits remain possible".to_owned(),
        ),
        (1, false) => (
            BisectOutcome::First,
            "one commit changed the workload, confirmed by fresh processes".to_owned(),
        ),
        (count, false) => (
            BisectOutcome::First,
            format!("{count} commits changed the workload, confirmed by fresh processes"),
        ),
    }
}

fn word_other_way(task: &BisectTask, change: &str) -> String {
    let option = match task.direction {
        BisectDirection::Worse => "better",
        BisectDirection::Better => "worse",
    };
    format!(
        "the bad end is not {}, but changed in the opposite direction: {change}; --direction \
         {option} finds the commit",
        direction_word(task.direction)
    )
}

fn direction_word(direction: BisectDirection) -> &'static str {
    match direction {
        BisectDirection::Worse => "worse",
        BisectDirection::Better => "better",
    }
}

pub(super) fn conclude_counts(
    task: &BisectTask,
    answers: &CommitEvidence,
    conclusion: &ExactConclusion<Box<ProbeRecord>>,
    stopped: Option<StopCause>,
) -> Result<SearchSummary, BisectStop> {
    let located: Vec<LocatedStep> = conclusion
        .culprits
        .iter()
        .map(|culprit| LocatedStep {
            commits: culprit.commits.clone(),
            parent: culprit.parent.0,
            shown: culprit.shown.0,
            probability: 1.0,
        })
        .collect();
    let (good, bad) = (answers.value(0), answers.value(task.candidates()));
    let change = match (good.as_f64(), bad.as_f64()) {
        (Some(good), Some(bad)) if good != 0.0 => {
            let change = bad / good - 1.0;
            Some(RelativeChange {
                estimate: change,
                low: Some(change),
                high: Some(change),
            })
        }
        _ => None,
    };
    let several = located.iter().any(|located| located.commits.len() > 1);
    let (mut outcome, mut reason) = match conclusion.ends {
        ExactEndsVerdict::EndUnusable { end } => return Err(report_unusable(answers, end)),
        ExactEndsVerdict::Same => (
            BisectOutcome::None,
            format!("no change between the ends: {} at both", format_value(&bad)),
        ),
        ExactEndsVerdict::OtherWay => (
            BisectOutcome::None,
            word_other_way(
                task,
                &format!("{} to {}", format_value(&good), format_value(&bad)),
            ),
        ),
        ExactEndsVerdict::Different if located.is_empty() => (
            BisectOutcome::Undecided,
            "the ends differ, but no single commit could be identified".to_owned(),
        ),
        ExactEndsVerdict::Different if several => (
            BisectOutcome::Range,
            "some commits cannot be measured, so several commits remain possible".to_owned(),
        ),
        ExactEndsVerdict::Different => (
            BisectOutcome::First,
            "counted exactly, at each commit that was built".to_owned(),
        ),
    };
    if let Some(cause) = stopped {
        reason = stopped_reason(cause, located.len());
        if located.is_empty() {
            outcome = BisectOutcome::Undecided;
        }
    }
    let (open, parts) = (
        open_changes::list_open_counts(conclusion),
        open_changes::list_parts_of_counts(answers, conclusion),
    );
    Ok(SearchSummary {
        outcome,
        reason,
        change,
        located,
        open,
        parts,
    })
}

fn format_value(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| value.to_string(), change::grouped)
}
