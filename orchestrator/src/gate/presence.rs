//! Owns jobs that only one of the two scenarios has: new jobs and dropped jobs. A job that is no
//! longer measured is always reported.

use super::{FindingKind, GateCase, GateFinding, build_finding};
use crate::comparison::MetricEntry;
use crate::model::metric::Metric;
use crate::scenario::gate::{Acceptance, AcceptedChange};
use std::collections::HashSet;
use wildmatch::WildMatch;

/// Ids of the jobs of both scenarios.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JobPresence<'a> {
    /// Jobs of the baseline's scenario; empty if that commit has no scenario, `None` if they are
    /// unknown.
    pub(crate) before: Option<&'a HashSet<String>>,
    /// Jobs of the baseline's scenario that the working tree's scenario lacks, in their order, as
    /// far as the check covers them.
    pub(crate) dropped: &'a [String],
    /// Whether the check covers all jobs.
    pub(crate) is_whole: bool,
}

/// Returns whether a job was measured in the working tree only and is not in the baseline's
/// scenario.
pub(super) fn is_new(case: &GateCase, entry: &MetricEntry) -> bool {
    let is_measured = case
        .workloads
        .iter()
        .any(|workload| workload.id == entry.id && workload.only_b);
    is_measured
        && entry.metric == Metric::Time
        && case
            .presence
            .before
            .is_some_and(|before| !before.contains(&entry.id))
}

/// Judges a new job.
pub(super) fn judge_new_job(case: &GateCase, entry: &MetricEntry) -> GateFinding {
    let id = &entry.id;
    let what = format!("the baseline does not have this job ({})", entry.reason);
    let (kind, message) = judge_absence(
        case,
        &AcceptedChange::New,
        id,
        what,
        FindingKind::Missing,
        "new",
    );
    build_finding(entry, kind, message)
}

/// Judges dropped jobs, and the acceptances of new and dropped jobs that are no longer needed.
pub(super) fn judge_presence(case: &GateCase) -> Vec<GateFinding> {
    let dropped = case.presence.dropped.iter().map(|id| {
        let what =
            "the baseline measures this job, but the scenario no longer contains it".to_owned();
        let (kind, message) = judge_absence(
            case,
            &AcceptedChange::Dropped,
            id,
            what,
            FindingKind::Dropped,
            "dropped",
        );
        GateFinding {
            kind,
            job: id.clone(),
            metric: String::new(),
            message,
        }
    });
    dropped
        .chain(
            case.rules
                .accepted
                .iter()
                .filter_map(|accepted| find_unneeded(case, accepted)),
        )
        .collect()
}

/// Returns the kind and the message of a job that one scenario lacks: accepted, no longer accepted,
/// or `kind` with the remedy.
fn judge_absence(
    case: &GateCase,
    change: &AcceptedChange,
    id: &str,
    what: String,
    kind: FindingKind,
    field: &str,
) -> (FindingKind, String) {
    let meant = case
        .rules
        .accepted
        .iter()
        .filter(|one| one.change == *change && is_meant(one, id));
    match meant.max_by_key(|accepted| accepted.until) {
        None => {
            let rule = format!("{{ job: '{id}', {field}: true, reason: ..., until: ... }}");
            (
                kind,
                format!("{what}; to let it pass, add `accept: [{rule}]`"),
            )
        }
        Some(Acceptance { reason, until, .. }) if *until < case.today => (
            FindingKind::Expired,
            format!("{what}; its acceptance until {until} ({reason}) has expired"),
        ),
        Some(Acceptance { reason, until, .. }) => (
            FindingKind::Accepted,
            format!("{what}; accepted until {until}: {reason}"),
        ),
    }
}

/// Finds an acceptance whose new job the baseline already has, or whose dropped job it lacks.
fn find_unneeded(case: &GateCase, accepted: &Acceptance) -> Option<GateFinding> {
    let before = case.presence.before?;
    let mut meant = case
        .workloads
        .iter()
        .filter(|workload| is_meant(accepted, &workload.id))
        .peekable();
    let (is_needed, why) = match accepted.change {
        AcceptedChange::Worse { .. } => return None,
        AcceptedChange::New => {
            let is_asked = meant.peek().is_some();
            (
                !is_asked || meant.any(|workload| !before.contains(&workload.id)),
                "the baseline contains the job",
            )
        }
        AcceptedChange::Dropped => {
            let is_dropped = case
                .presence
                .dropped
                .iter()
                .any(|id| is_meant(accepted, id));
            (
                !case.presence.is_whole || is_dropped,
                "no such job was dropped since the baseline",
            )
        }
    };
    let message = format!(
        "accepted ({}), but {why}: remove the acceptance",
        accepted.reason
    );
    let (job, metric) = (accepted.job.clone(), String::new());
    (!is_needed).then_some(GateFinding {
        kind: FindingKind::NotNeeded,
        job,
        metric,
        message,
    })
}

fn is_meant(accepted: &Acceptance, id: &str) -> bool {
    WildMatch::new(&accepted.job).matches(id)
}
