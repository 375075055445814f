//! The step from the search's result to the report: names, reasons, the culprit's changes, the next
//! command.

use super::commit_builds::BisectStop;
use super::evidence::CommitEvidence;
use super::open_changes::{self, ReportedChanges};
use super::replay::ConfirmedSuspect;
use super::search_result::{
    LocatedStep, OpenChange, SearchFinding, conclude_counts, conclude_times,
};
use super::skip_reason::{SkipKind, SkipReason};
use super::task::BisectTask;
use crate::bisect::rest::{OpenReason, StopCause};
use crate::bisect::state::BisectHeader;
use crate::bisect::{
    self, BisectOutcome, BisectReport, CommitState, Culprit, EndMeasurement, OpenChangeReport,
    ProbeState, ReportedCommit, ReportedEnds, RevertCheck, SkippedCommit, cause,
};
use crate::comparison::RelativeChange;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::git::commit::CommitFiles;
use crate::git::{Revision, history, revert};
use crate::machine::Machine;
use crate::model::warning::SidedWarning;
use crate::plugin::dependencies::{self, DependencyChange};
use crate::plugin::{cargo, revision};
use crate::record::ScenarioRecord;
use crate::runner::paired_workloads::PairLimits;
use orch_core::judge::estimate::median;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Makes the report, and measures what it still needs: the changes of the culprits, and the bad end
/// without them. After a stop nothing more is measured, and a culprit without known changes stays
/// open.
pub(super) fn build_report(
    task: &BisectTask,
    header: &BisectHeader,
    found: &SearchFinding,
    answers: &mut CommitEvidence,
    context: &CommandContext,
    stopped: Option<StopCause>,
) -> Result<BisectReport, BisectStop> {
    let mut summary = match found {
        SearchFinding::Time(conclusion) => conclude_times(task, answers, conclusion, stopped)?,
        SearchFinding::Exact(conclusion) => conclude_counts(task, answers, conclusion, stopped)?,
    };
    let mut culprits = Vec::new();
    for located in &summary.located {
        if stopped.is_none() || answers.is_explained(located.parent, located.shown) {
            culprits.push(describe_culprit(task, answers, located, summary.change)?);
        } else {
            summary.open.push(open_unexplained(located));
        }
    }
    if culprits.is_empty() && stopped.is_some() {
        summary.outcome = BisectOutcome::Undecided;
    }
    let reverted = match (
        header.verify_revert,
        culprits.iter().find(|culprit| !culprit.other_way),
    ) {
        (true, Some(first)) if stopped.is_none() => Some(describe_revert(task, answers, first)?),
        _ => None,
    };
    let open: Vec<OpenChangeReport> = summary
        .open
        .iter()
        .map(|open| open_changes::describe_open(answers, open))
        .collect();
    let (outcome, parts) = (summary.outcome, &summary.parts);
    let next = open_changes::choose_next_command(
        task,
        header,
        &ReportedChanges {
            outcome,
            culprits: &culprits,
            open: &open,
            rest: parts,
            stopped,
        },
    );
    let (good, bad) = (
        ReportedCommit::of(&task.history.good),
        ReportedCommit::of(task.bad()),
    );
    let warning = |warning: &SidedWarning| (warning.kind(), warning.to_string());
    let all = task.notes.iter().chain(&answers.warnings);
    let (warning_kinds, warnings) = all.map(warning).unzip();
    Ok(BisectReport {
        schema: bisect::SCHEMA.to_owned(),
        id: String::new(),
        started: header.started.clone(),
        ended: jiff::Timestamp::now().to_string(),
        outcome: summary.outcome,
        reason: summary.reason,
        orch: env!("CARGO_PKG_VERSION").to_owned(),
        command: open_changes::build_repeat_command(task, header),
        next,
        seed: header.seed,
        scenario: ScenarioRecord {
            name: task.loaded.scenario.name.clone(),
            about: task.loaded.scenario.about.clone(),
            hash: header.scenario_hash.clone(),
            path: task.loaded.shown.clone(),
            filter: None,
            notes: task.loaded.scenario.notes.clone(),
            reports: Vec::new(),
        },
        machine: Machine::read(),
        toolchain: cargo::query_rustc_version(),
        workload: task.job.id.clone(),
        params: task.job.params.clone(),
        threads: task.job.settings.threads,
        metric: task.metric.clone(),
        direction: task.direction,
        margin: task.margin,
        tau: task.tau,
        good,
        bad,
        all: task.all,
        ends: ReportedEnds {
            good: counted_value(task, answers, 0),
            bad: counted_value(task, answers, task.candidates()),
            change: summary.change,
        },
        commits: (1..=task.candidates())
            .map(|position| describe_commit(task, answers, &summary.located, position))
            .collect(),
        nothing_else_beyond: open_changes::bound_rest(&culprits, &open, &summary.parts),
        rest: summary.parts,
        stopped,
        first: header.first,
        culprits,
        undecided: open,
        skipped: list_skipped(task, answers),
        builds: answers.count_builds(),
        pairs: answers.measured.values().map(Vec::len).sum(),
        measured: answers
            .measured
            .iter()
            .map(|(&(reference, position), pairs)| EndMeasurement {
                reference: answers.ground.revision(reference).commit.clone(),
                commit: answers.ground.revision(position).commit.clone(),
                pairs: pairs.clone(),
            })
            .collect(),
        reverted,
        warnings,
        warning_kinds,
        resumed: answers.resumed,
        wall_ns: u64::try_from(context.elapsed().as_nanos()).unwrap_or(u64::MAX),
    })
}

/// Returns the open change of a commit that was found by its value and not yet compared with the
/// commit before it.
fn open_unexplained(located: &LocatedStep) -> OpenChange {
    OpenChange {
        commits: located.commits.clone(),
        probability: located.probability,
        reference: located.parent,
        end: located.shown,
        why: OpenReason::Unexplained,
    }
}

fn describe_culprit(
    task: &BisectTask,
    answers: &mut CommitEvidence,
    located: &LocatedStep,
    ends: Option<RelativeChange>,
) -> Result<Culprit, BisectStop> {
    let ConfirmedSuspect { entries, workload } = answers
        .explain_change(located.parent, located.shown)?
        .clone();
    let (parent, shown) = (
        answers.ground.revision(located.parent),
        answers.ground.revision(located.shown),
    );
    let files = history::list_changed_files(parent, shown).ok();
    // The comparison has an entry for each metric, including those that are computed from time.
    let change = entries
        .iter()
        .find(|entry| entry.metric == task.metric)
        .and_then(|entry| entry.change);
    let sign =
        |change: Option<RelativeChange>| change.map_or(0.0, |change| change.estimate.signum());
    let about: Vec<ReportedCommit> = located
        .commits
        .iter()
        .map(|at| ReportedCommit::of(answers.ground.revision(*at)))
        .collect();
    Ok(Culprit {
        commits: about.iter().map(|commit| commit.commit.clone()).collect(),
        about,
        parent: ReportedCommit::of(parent),
        probability: located.probability,
        before: counted_value(task, answers, located.parent),
        after: counted_value(task, answers, located.shown),
        other_way: sign(change) * sign(ends) < 0.0,
        change,
        cause: cause::ChangeCause {
            dependencies: dependency_changes(files.as_deref().unwrap_or_default(), parent, shown),
            ..cause::of(files.as_deref())
        },
        entries,
        comparison: workload,
    })
}

/// Returns the packages that a commit takes in other versions than the commit before it.
fn dependency_changes(
    files: &[PathBuf],
    parent: &Revision,
    own: &Revision,
) -> Vec<DependencyChange> {
    let (Ok(before), Ok(after)) = (CommitFiles::open(parent), CommitFiles::open(own)) else {
        return Vec::new();
    };
    dependencies::find_changes(files, &|path| before.read_text(path), &|path| {
        after.read_text(path)
    })
}

/// Returns the value of a counted metric at a commit; null for times.
fn counted_value(task: &BisectTask, answers: &CommitEvidence, position: usize) -> Value {
    if answers.is_time() || task.metric != answers.metric {
        Value::Null
    } else {
        answers.value(position)
    }
}

fn describe_commit(
    task: &BisectTask,
    answers: &CommitEvidence,
    located: &[LocatedStep],
    position: usize,
) -> CommitState {
    let ReportedCommit {
        commit,
        subject,
        author,
        committed,
    } = ReportedCommit::of(answers.ground.revision(position));
    let looked = answers.looks.contains_key(&position);
    let pairs = answers
        .measured
        .get(&(0, position))
        .map(Vec::as_slice)
        .unwrap_or_default();
    let differences: Vec<f64> = pairs.iter().map(|pair| pair.difference).collect();
    let share = |located: &LocatedStep| match located.commits.contains(&position) {
        true => 1.0 / located.commits.len() as f64,
        false => 0.0,
    };
    let exact = located.iter().map(share).fold(0.0, f64::max);
    CommitState {
        commit,
        subject,
        author,
        committed,
        state: match answers.skip_reason(position) {
            Some(_) => ProbeState::Skipped,
            None if looked => ProbeState::Looked,
            None => ProbeState::Untouched,
        },
        probability: if answers.is_time() {
            answers.posterior.get(position).copied().unwrap_or(0.0)
        } else {
            exact
        },
        pairs: pairs.len(),
        change: median(&differences).map(f64::exp_m1),
        value: if looked {
            counted_value(task, answers, position)
        } else {
            Value::Null
        },
        same_code_as: answers
            .find_twin(position)
            .map(|twin| answers.ground.revision(twin).commit.clone()),
    }
}

fn list_skipped(task: &BisectTask, answers: &CommitEvidence) -> Vec<SkippedCommit> {
    let never = task.never();
    (1..=task.candidates())
        .filter_map(|position| {
            let text = "a merge that only joins commits of the range";
            let joins = || never[position].then(|| SkipReason::new(SkipKind::Merge, text));
            let reason = answers.skip_reason(position).cloned().or_else(joins)?;
            Some(SkippedCommit::new(
                answers.ground.revision(position),
                &reason,
            ))
        })
        .collect()
}

/// Compares the bad end with a culprit undone against the bad end.
fn describe_revert(
    task: &BisectTask,
    answers: &mut CommitEvidence,
    culprit: &Culprit,
) -> Result<RevertCheck, BisectStop> {
    let commit = culprit.commits.last().cloned().unwrap_or_default();
    let failed = |reason: String| RevertCheck {
        culprit: commit.clone(),
        failed: Some(reason),
        entries: Vec::new(),
    };
    let ground = answers.ground;
    let revision = task
        .history
        .candidates
        .iter()
        .map(|each| &each.revision)
        .find(|each| each.commit == commit);
    let Some(revision) = revision else {
        return Ok(failed("it is outside of the range".to_owned()));
    };
    let place = revision::find_place(task.bad())
        .map_err(|error| CommandError::system_while("cannot check out a commit", &error))?;
    let reverted = match revert::create_revert(revision, task.bad(), &place) {
        Ok(reverted) => reverted,
        Err(error) => return Ok(failed(error.to_string())),
    };
    let bad = ground.ready(task.bad(), answers.observer)?;
    let without = ground.ready(&reverted, answers.observer)?;
    let (bad, without) = match (bad, without) {
        (Ok(bad), Ok(without)) => (bad, without),
        (Err(reason), _) | (_, Err(reason)) => return Ok(failed(reason.text)),
    };
    let limits = PairLimits {
        pairs: 256,
        time: Duration::from_secs(300),
        total: None,
    };
    let ConfirmedSuspect { entries, .. } = answers.compare_commits([&bad, &without], limits)?;
    Ok(RevertCheck {
        culprit: commit,
        failed: None,
        entries,
    })
}
