//! Changes beside the culprits that the bisect left open, and the command that continues with them.

use super::evidence::CommitEvidence;
use super::search_result::{OpenChange, to_relative_change};
use super::task::BisectTask;
use crate::bisect::rest::{ChangeBounds, OpenReason, PartState, RangePart, StopCause};
use crate::bisect::state::{BisectHeader, ProbeRecord};
use crate::bisect::{BisectDirection, BisectOutcome, Culprit, OpenChangeReport, ReportedCommit};
use crate::comparison::RelativeChange;
use crate::git::history;
use crate::model::metric::Metric;
use crate::plugin::PluginSource;
use crate::project::quoted;
use orch_core::search::{
    DEFAULT_PAIRS, EndsVerdict, ExactConclusion, ExactPart, RatioEstimate, SearchConclusion,
    SectionResult, UndecidedReason, UnsearchedPart,
};

/// Rebuilds from which the build effect is measured, and their number if fewer left it open.
const REBUILDS: usize = 8;
const MORE_REBUILDS: usize = 32;
/// Factor between the pairs of this attempt and of the next one.
const MORE_PAIRS: usize = 4;

pub(super) fn list_open_times(conclusion: &SearchConclusion) -> Vec<OpenChange> {
    let open = conclusion.undecided.iter().map(|open| OpenChange {
        commits: open.commits.clone(),
        probability: open.probability,
        reference: open.reference,
        end: open.end,
        why: match open.why {
            UndecidedReason::Budget => OpenReason::Budget,
            UndecidedReason::Exhausted => OpenReason::Exhausted,
            UndecidedReason::BuildEffect => OpenReason::BuildEffect,
            UndecidedReason::Contradiction => OpenReason::Contradiction,
            UndecidedReason::Layout => OpenReason::Layout,
            UndecidedReason::Below => OpenReason::Below,
            UndecidedReason::Unconfirmed => OpenReason::Unconfirmed,
            UndecidedReason::Stopped => OpenReason::Stopped,
        },
    });
    open.collect()
}

/// Lists changes that are certain and that a stopped search had not located yet.
pub(super) fn list_open_counts(conclusion: &ExactConclusion<Box<ProbeRecord>>) -> Vec<OpenChange> {
    let open = conclusion
        .open
        .iter()
        .filter(|open| open.differs)
        .map(|open| OpenChange {
            commits: open.commits.clone(),
            probability: 1.0,
            reference: open.reference,
            end: open.end,
            why: OpenReason::Stopped,
        });
    open.collect()
}

/// One part, with its ends as positions.
struct PositionedPart {
    ends: (usize, usize),
    state: PartState,
    change: Option<RelativeChange>,
    pairs: usize,
}

fn sort_parts(answers: &CommitEvidence, mut parts: Vec<PositionedPart>) -> Vec<RangePart> {
    parts.sort_by_key(|part| part.ends);
    let commit = |position: usize| ReportedCommit::of(answers.ground.revision(position));
    let part = |PositionedPart {
                    ends,
                    state,
                    change,
                    pairs,
                }| RangePart {
        reference: commit(ends.0),
        end: commit(ends.1),
        state,
        change,
        pairs,
    };
    parts.into_iter().map(part).collect()
}

/// Lists the parts in which no change was found. The whole range is such a part if it is open
/// whether its ends differ.
pub(super) fn list_parts_of_times(
    answers: &CommitEvidence,
    conclusion: &SearchConclusion,
) -> Vec<RangePart> {
    let known = |change: RatioEstimate| {
        (change != RatioEstimate::UNKNOWN).then(|| to_relative_change(answers, change))
    };
    let compared = |(at, section): (usize, &SectionResult)| {
        let state = match section.ends {
            EndsVerdict::Open { .. } => PartState::Open,
            _ if at == 0 => return None,
            EndsVerdict::Same { .. } => PartState::NothingElse,
            EndsVerdict::Bounded { .. } => PartState::Bounded,
            EndsVerdict::SameCode => PartState::SameCode,
            EndsVerdict::EndUnusable { .. } => PartState::EndUnusable,
            EndsVerdict::Different { .. } | EndsVerdict::OtherWay { .. } => return None,
        };
        let change = if state == PartState::SameCode {
            None
        } else {
            known(section.range)
        };
        Some(PositionedPart {
            ends: (section.reference, section.end),
            state,
            change,
            pairs: section.pairs,
        })
    };
    let unsearched = |part: &UnsearchedPart| PositionedPart {
        ends: (part.reference, part.end),
        state: PartState::NotSearched,
        change: known(part.change),
        pairs: 0,
    };
    let parts = conclusion.sections.iter().enumerate().filter_map(compared);
    sort_parts(
        answers,
        parts
            .chain(conclusion.unsearched.iter().map(unsearched))
            .collect(),
    )
}

/// Lists the parts that were not searched. A part with the same count at both ends needs no search.
pub(super) fn list_parts_of_counts(
    answers: &CommitEvidence,
    conclusion: &ExactConclusion<Box<ProbeRecord>>,
) -> Vec<RangePart> {
    let change = |part: &ExactPart| match (
        answers.value(part.reference).as_f64(),
        answers.value(part.end).as_f64(),
    ) {
        (Some(one), Some(other)) if one != 0.0 => {
            let change = other / one - 1.0;
            Some(RelativeChange {
                estimate: change,
                low: Some(change),
                high: Some(change),
            })
        }
        _ => None,
    };
    let part = |part: &ExactPart, state: PartState| {
        let change = if part.differs { change(part) } else { None };
        PositionedPart {
            ends: (part.reference, part.end),
            state,
            change,
            pairs: 0,
        }
    };
    let open = conclusion
        .open
        .iter()
        .filter(|open| !open.differs)
        .map(|open| part(open, PartState::Open));
    let unsearched = conclusion.unsearched.iter().filter(|part| part.differs);
    sort_parts(
        answers,
        open.chain(unsearched.map(|one| part(one, PartState::NotSearched)))
            .collect(),
    )
}

/// Returns the bounds of all changes beside the culprits, or `None` if any change is open or there
/// is no culprit.
pub(super) fn bound_rest(
    culprits: &[Culprit],
    open: &[OpenChangeReport],
    parts: &[RangePart],
) -> Option<ChangeBounds> {
    let is_known = !culprits.is_empty() && open.is_empty();
    if is_known {
        ChangeBounds::of_parts(parts)
    } else {
        None
    }
}

pub(super) fn describe_open(answers: &CommitEvidence, open: &OpenChange) -> OpenChangeReport {
    let commit = |position: usize| ReportedCommit::of(answers.ground.revision(position));
    OpenChangeReport {
        commits: open
            .commits
            .iter()
            .map(|position| commit(*position))
            .collect(),
        probability: open.probability,
        reference: commit(open.reference),
        end: commit(open.end),
        reason: open.why.words().to_owned(),
        why: open.why,
    }
}

/// Returns the command that repeats the bisect with the same coins.
pub(super) fn build_repeat_command(task: &BisectTask, header: &BisectHeader) -> String {
    let mut command = bisect_command(task, &header.good, &header.bad);
    if task.all {
        command.push_str(" --all");
    }
    if header.first {
        command.push_str(" --first");
    }
    if header.verify_revert {
        command.push_str(" --verify-revert");
    }
    if header.most_pairs != DEFAULT_PAIRS {
        command.push_str(&format!(" --pairs {}", header.most_pairs));
    }
    format!("{command} --seed {}", header.seed)
}

fn bisect_command(task: &BisectTask, good: &str, bad: &str) -> String {
    let mut command = format!(
        "orch bisect {} --workload {} --good {} --bad {}",
        quoted(&task.loaded.shown),
        quoted(&task.job.id),
        shorten_commit(good),
        shorten_commit(bad)
    );
    if task.metric != Metric::Time {
        command.push_str(&format!(" --metric {}", quoted(task.metric.name())));
    }
    if task.direction == BisectDirection::Better {
        command.push_str(" --direction better");
    }
    command + &repository_option(task)
}

/// Returns the option that names the repository; empty if it is the scenario's.
fn repository_option(task: &BisectTask) -> String {
    match task.loaded.repository != task.loaded.root {
        true => format!(
            " --repo {}",
            quoted(&task.loaded.repository.display().to_string())
        ),
        false => String::new(),
    }
}

fn shorten_commit(commit: &str) -> String {
    commit.chars().take(10).collect()
}

/// Results of a bisect that decide the next command.
pub(super) struct ReportedChanges<'a> {
    pub(super) outcome: BisectOutcome,
    pub(super) culprits: &'a [Culprit],
    pub(super) open: &'a [OpenChangeReport],
    pub(super) rest: &'a [RangePart],
    pub(super) stopped: Option<StopCause>,
}

/// Returns the next command, or `None` if nothing is left to do.
pub(super) fn choose_next_command(
    task: &BisectTask,
    header: &BisectHeader,
    results: &ReportedChanges,
) -> Option<String> {
    match results.stopped {
        Some(StopCause::Interrupted | StopCause::Failed) => {
            return Some(format!(
                "orch bisect {} --resume{}",
                quoted(&task.loaded.shown),
                repository_option(task)
            ));
        }
        Some(StopCause::Unmeasurable) => return Some(build_repeat_command(task, header)),
        None => {}
    }
    let more_pairs = |good: &str, bad: &str| {
        format!(
            "{} --pairs {}",
            bisect_command(task, good, bad),
            header.most_pairs.saturating_mul(MORE_PAIRS)
        )
    };
    let of_open = |open: &OpenChangeReport| match open.why {
        OpenReason::BuildEffect => rebuilds_command(task, open),
        _ => more_pairs(&open.reference.commit, &open.end.commit),
    };
    if results.outcome == BisectOutcome::Undecided {
        return Some(
            results
                .open
                .first()
                .map_or_else(|| more_pairs(&header.good, &header.bad), of_open),
        );
    }
    if let Some(command) = merge_command(task, results.culprits) {
        return Some(command);
    }
    // Further pairs cannot name a commit if the change is layout or spread over several commits.
    let may_be_named =
        |open: &&OpenChangeReport| !matches!(open.why, OpenReason::Layout | OpenReason::Below);
    if let Some(open) = results.open.iter().find(may_be_named) {
        return Some(of_open(open));
    }
    let part = |state: PartState| results.rest.iter().find(|part| part.state == state);
    if let Some(part) = part(PartState::Open) {
        return Some(more_pairs(&part.reference.commit, &part.end.commit));
    }
    let unsearched = part(PartState::NotSearched)?;
    Some(match header.first {
        // All builds of the whole range are in the cache.
        true => format!(
            "{}{}",
            bisect_command(task, &header.good, &header.bad),
            if task.all { " --all" } else { "" }
        ),
        false => bisect_command(task, &unsearched.reference.commit, &unsearched.end.commit),
    })
}

/// Returns the command that measures the build effect. If orch cannot rebuild the plugin, the
/// command compares the suspect with the commit before it.
fn rebuilds_command(task: &BisectTask, open: &OpenChangeReport) -> String {
    let (scenario, id) = (quoted(&task.loaded.shown), quoted(&task.job.id));
    if matches!(task.spec.source, PluginSource::Crate { .. }) {
        let rebuilds = if task.tau.is_some() {
            MORE_REBUILDS
        } else {
            REBUILDS
        };
        return format!("orch doctor --rebuilds {rebuilds} --scenario {scenario} --filter {id}");
    }
    let suspect = shorten_commit(&open.commits.last().unwrap_or(&open.end).commit);
    format!(
        "orch compare {suspect}~1 {suspect} --scenario {scenario} --filter {id}{}",
        repository_option(task)
    )
}

/// Returns the command that searches inside a merge that is a culprit.
fn merge_command(task: &BisectTask, culprits: &[Culprit]) -> Option<String> {
    let merge = |commit: &String| {
        task.history
            .candidates
            .iter()
            .any(|each| each.merge && each.revision.commit == *commit)
            && !task.all
    };
    let inside = culprits
        .iter()
        .find_map(|culprit| culprit.commits.last().filter(|commit| merge(commit)))?;
    let revision = task
        .history
        .candidates
        .iter()
        .map(|each| &each.revision)
        .find(|each| each.commit == *inside)?;
    // The range begins at the fork point, because the branch's commits do not descend from what was
    // merged into the other side meanwhile.
    let base = history::find_fork_point(revision)?;
    Some(format!(
        "{} --all",
        bisect_command(task, &base.commit, inside)
    ))
}
