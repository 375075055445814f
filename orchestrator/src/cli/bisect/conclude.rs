//! From what the search found to the report: names, reasons, what the culprit changed, the next command.

use super::answers::Answers;
use super::before::Confirmed;
use super::commits::Stop;
use super::outcome::{Found, Located, of_exact, of_time};
use super::task::Task;
use crate::bisect::state::Header;
use crate::bisect::{
    self, Commit, CommitState, Culprit, Direction, Ends, Measured, Open, Outcome, Report, Reverted, Skipped, State,
    cause,
};
use crate::cli::output::Failure;
use crate::cli::project::quoted;
use crate::comparison::Change;
use crate::git::{history, revert};
use crate::judge::estimate::median;
use crate::machine::Machine;
use crate::plugin::{cargo, revision};
use crate::record::ScenarioRecord;
use crate::runner::contest::Limits;
use crate::search::{Undecided, Why};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Makes the report. What is not known yet is measured: what the culprits changed, and the bad end without them.
pub(super) fn report(
    task: &Task,
    header: &Header,
    found: Found,
    answers: &mut Answers,
    begun: Instant,
) -> Result<Report, Stop> {
    let summary = match found {
        Found::Time(conclusion) => of_time(task, answers, conclusion)?,
        Found::Exact(conclusion) => of_exact(task, answers, conclusion)?,
    };
    let mut culprits = Vec::new();
    for located in &summary.located {
        culprits.push(culprit(task, answers, located, summary.change)?);
    }
    let reverted = match (header.verify_revert, culprits.iter().find(|culprit| !culprit.other_way)) {
        (true, Some(first)) => Some(undone(task, answers, first)?),
        _ => None,
    };
    let open: Vec<Open> = summary.open.iter().map(|open| undecided(answers, open)).collect();
    let (good, bad) = (Commit::of(&task.history.good), Commit::of(task.bad()));
    let mut warnings = task.notes.clone();
    warnings.extend(summary.notes);
    warnings.extend(answers.warnings.iter().cloned());
    Ok(Report {
        schema: bisect::SCHEMA.to_owned(),
        id: String::new(),
        started: header.started.clone(),
        ended: jiff::Timestamp::now().to_string(),
        outcome: summary.outcome,
        reason: summary.reason,
        orch: env!("CARGO_PKG_VERSION").to_owned(),
        command: command(task, header, &good.commit, &bad.commit),
        next: next(task, header, summary.outcome, &culprits, &open),
        seed: header.seed,
        scenario: ScenarioRecord {
            name: task.loaded.scenario.name.clone(),
            about: task.loaded.scenario.about.clone(),
            hash: header.scenario_hash.clone(),
            path: task.loaded.shown.clone(),
            filter: None,
        },
        machine: Machine::read(),
        toolchain: cargo::rustc_version(),
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
        ends: Ends {
            good: counted(task, answers, 0),
            bad: counted(task, answers, task.candidates()),
            change: summary.change,
        },
        commits: (1..=task.candidates()).map(|position| state(task, answers, &summary.located, position)).collect(),
        culprits,
        undecided: open,
        skipped: skipped(task, answers),
        builds: answers.builds(),
        pairs: answers.measured.values().map(Vec::len).sum(),
        measured: answers
            .measured
            .iter()
            .map(|(&(reference, position), pairs)| Measured {
                reference: answers.ground.revision(reference).commit.clone(),
                commit: answers.ground.revision(position).commit.clone(),
                pairs: pairs.clone(),
            })
            .collect(),
        reverted,
        warnings,
        resumed: answers.resumed,
        wall_ns: u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
    })
}

fn culprit(task: &Task, answers: &mut Answers, located: &Located, ends: Option<Change>) -> Result<Culprit, Stop> {
    let Confirmed { entries, workload } = answers.explain(located.parent, located.shown)?.clone();
    let (parent, shown) = (answers.ground.revision(located.parent), answers.ground.revision(located.shown));
    let files = history::changed_files(parent, shown).ok();
    // Of a metric that is made of the time too: the comparison knows what becomes of it.
    let change = entries.iter().find(|entry| entry.metric == task.metric).and_then(|entry| entry.change);
    let sign = |change: Option<Change>| change.map_or(0.0, |change| change.estimate.signum());
    let about: Vec<Commit> = located.commits.iter().map(|at| Commit::of(answers.ground.revision(*at))).collect();
    Ok(Culprit {
        commits: about.iter().map(|commit| commit.commit.clone()).collect(),
        about,
        parent: Commit::of(parent),
        probability: located.probability,
        before: counted(task, answers, located.parent),
        after: counted(task, answers, located.shown),
        other_way: sign(change) * sign(ends) < 0.0,
        change,
        cause: cause::of(files.as_deref()),
        entries,
        comparison: workload,
    })
}

/// The value of a counted metric at a commit; null for times.
fn counted(task: &Task, answers: &Answers, position: usize) -> Value {
    if answers.is_time() || task.metric != answers.metric { Value::Null } else { answers.value(position) }
}

fn undecided(answers: &Answers, open: &Undecided) -> Open {
    let commit = |position: usize| Commit::of(answers.ground.revision(position));
    let reason = match open.why {
        Why::Budget => "the pairs ended first",
        Why::Exhausted => "no further build or pair would tell more",
        Why::BuildEffect => "a step and a build effect explain the times equally well",
        Why::Stopped => "the search was stopped",
        Why::Contradiction => "the code is the same step by step, and yet the ends differ",
        Why::Layout => "layout, not code: the step is there, but the machine code is the same",
        Why::Below => "no single step reaches the margin: the change may be spread over several commits",
        Why::Unconfirmed => "fresh processes did not confirm the step",
    };
    Open {
        commits: open.commits.iter().map(|position| commit(*position)).collect(),
        probability: open.probability,
        reference: commit(open.reference),
        end: commit(open.end),
        reason: reason.to_owned(),
    }
}

fn state(task: &Task, answers: &Answers, located: &[Located], position: usize) -> CommitState {
    let Commit { commit, subject, author, committed } = Commit::of(answers.ground.revision(position));
    let looked = answers.looks.contains_key(&position);
    let pairs = answers.measured.get(&(0, position)).map(Vec::as_slice).unwrap_or_default();
    let differences: Vec<f64> = pairs.iter().map(|pair| pair.difference).collect();
    let share = |located: &Located| match located.commits.contains(&position) {
        true => 1.0 / located.commits.len() as f64,
        false => 0.0,
    };
    let exact = located.iter().map(share).fold(0.0, f64::max);
    CommitState {
        commit,
        subject,
        author,
        committed,
        state: match answers.skipped(position) {
            Some(_) => State::Skipped,
            None if looked => State::Looked,
            None => State::Untouched,
        },
        probability: if answers.is_time() { answers.posterior.get(position).copied().unwrap_or(0.0) } else { exact },
        pairs: pairs.len(),
        change: median(&differences).map(f64::exp_m1),
        value: if looked { counted(task, answers, position) } else { Value::Null },
        same_code_as: answers.twin(position).map(|twin| answers.ground.revision(twin).commit.clone()),
    }
}

fn skipped(task: &Task, answers: &Answers) -> Vec<Skipped> {
    let never = task.never();
    (1..=task.candidates())
        .filter_map(|position| {
            let joins = never[position].then_some("a merge that only joins commits of the range");
            let details = answers.skipped(position).or(joins)?;
            Some(Skipped::new(answers.ground.revision(position), details))
        })
        .collect()
}

/// The bad end with a culprit undone, against the bad end.
fn undone(task: &Task, answers: &mut Answers, culprit: &Culprit) -> Result<Reverted, Stop> {
    let commit = culprit.commits.last().cloned().unwrap_or_default();
    let failed = |reason: String| Reverted { culprit: commit.clone(), failed: Some(reason), entries: Vec::new() };
    let ground = answers.ground;
    let revision = task.history.candidates.iter().map(|each| &each.revision).find(|each| each.commit == commit);
    let Some(revision) = revision else { return Ok(failed("it is not in the range".to_owned())) };
    let place = revision::place_of(task.bad()).map_err(|error| Failure::system("the build worktree", &error))?;
    let reverted = match revert::revert(revision, task.bad(), &place) {
        Ok(reverted) => reverted,
        Err(error) => return Ok(failed(error.to_string())),
    };
    let bad = ground.ready(task.bad(), answers.live)?;
    let without = ground.ready(&reverted, answers.live)?;
    let (bad, without) = match (bad, without) {
        (Ok(bad), Ok(without)) => (bad, without),
        (Err(reason), _) | (_, Err(reason)) => return Ok(failed(reason)),
    };
    let limits = Limits { pairs: 256, time: Duration::from_secs(300), total: None };
    let Confirmed { entries, .. } = answers.versus([&bad, &without], limits)?;
    Ok(Reverted { culprit: commit, failed: None, entries })
}

/// The command that repeats the bisect with the same coins.
fn command(task: &Task, header: &Header, good: &str, bad: &str) -> String {
    let mut command = around(task, good, bad);
    if task.all {
        command.push_str(" --all");
    }
    format!("{command} --seed {}", header.seed)
}

fn around(task: &Task, good: &str, bad: &str) -> String {
    let short = |commit: &str| commit.chars().take(10).collect::<String>();
    let mut command = format!(
        "orch bisect {} --workload {} --good {} --bad {}",
        quoted(&task.loaded.shown),
        quoted(&task.job.id),
        short(good),
        short(bad)
    );
    if task.metric != "time" {
        command.push_str(&format!(" --metric {}", quoted(&task.metric)));
    }
    if task.direction == Direction::Better {
        command.push_str(" --direction better");
    }
    if task.loaded.repository != task.loaded.root {
        command.push_str(&format!(" --repo {}", quoted(&task.loaded.repository.display().to_string())));
    }
    command
}

/// What to do next, where something is left to do.
fn next(task: &Task, header: &Header, outcome: Outcome, culprits: &[Culprit], open: &[Open]) -> Option<String> {
    if let (Outcome::Undecided, open) = (outcome, open.first()) {
        let (good, bad) = match open {
            Some(open) => (&open.reference.commit, &open.end.commit),
            None => (&header.good, &header.bad),
        };
        return Some(format!("{} --pairs {}", around(task, good, bad), header.most_pairs.saturating_mul(4)));
    }
    let merge = |commit: &String| {
        task.history.candidates.iter().any(|each| each.merge && each.revision.commit == *commit) && !task.all
    };
    let inside = culprits.iter().find_map(|culprit| culprit.commits.last().filter(|commit| merge(commit)))?;
    let revision = task.history.candidates.iter().map(|each| &each.revision).find(|each| each.commit == *inside)?;
    // From where the branch began: its commits do not descend from what was merged into meanwhile.
    let base = history::parted(revision)?;
    Some(format!("{} --all", around(task, &base.commit, inside)))
}
