//! The verb `bisect`: finds the range, answers the search's requests, explains the culprit.

pub(crate) mod cause;
pub(crate) mod commit_builds;
mod conclude;
mod evidence;
mod metric;
mod open_changes;
mod readings;
pub(crate) mod replay;
mod report;
pub(crate) mod rest;
mod search_result;
pub(crate) mod skip_reason;
pub(crate) mod state;
mod target;
mod task;

use crate::model::metric::Metric;
pub(crate) use report::*;

use crate::context::CommandContext;
use crate::error::{CommandError, ErrorKind};
use crate::git::{self, Revision};
use crate::machine::{self, Machine};
use crate::plugin::catalog::{BetterDirection, CounterBasis};
use crate::project;
use crate::record::store;
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::pair_series::PairRecord;
use commit_builds::{BisectContext, BisectStop};
use evidence::{CommitEvidence, EvidenceOptions};
use orch_core::search::{self, DEFAULT_PAIRS, Evidence, SearchSettings, SectionView};
use replay::CommitProbe;
use rest::StopCause;
use search_result::SearchFinding;
use state::{BisectHeader, BisectState, BisectStep, NewestBisect};
use std::path::PathBuf;
use target::BisectTarget;
use task::BisectTask;

/// Request for a bisect.
#[derive(Debug, Clone)]
pub(crate) struct BisectRequest {
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) workload: Option<String>,
    /// A revision before the change.
    pub(crate) good: Option<String>,
    /// A revision with the change.
    pub(crate) bad: Option<String>,
    pub(crate) metric: Option<Metric>,
    pub(crate) direction: BisectDirection,
    /// Whether every ancestor is a candidate, not only first parents.
    pub(crate) all: bool,
    /// Whether the search stops at the largest step.
    pub(crate) first: bool,
    pub(crate) verify_revert: bool,
    /// Whether the newest bisect that was stopped is resumed.
    pub(crate) resume: bool,
    pub(crate) retry_failed: bool,
    /// Number of pairs after which the search is undecided.
    pub(crate) pairs: usize,
    /// Repository of the code under test, if it is not the scenario's.
    pub(crate) repo: Option<PathBuf>,
    /// Folder of the results, if it is not the project's.
    pub(crate) results: Option<PathBuf>,
    pub(crate) seed: Option<u64>,
}

/// Receiver of the events of a bisect.
pub(crate) trait BisectObserver: ProgressObserver {
    /// Called before a commit is built, or found among earlier builds.
    fn begin_probe(&mut self, revision: &Revision, is_built: bool);
    /// Called after a commit was built and counted, or turned out to be unusable. `seconds` is the
    /// time that it took.
    fn end_probe(&mut self, revision: &Revision, look: &CommitProbe, seconds: f64);
    /// Called after one more pair; `differences` are the log ratios of all pairs so far.
    fn end_pair(&mut self, revision: &Revision, differences: &[f64]);
    /// Called after a batch of pairs is complete.
    fn end_batch(&mut self, reference: &Revision, revision: &Revision, pairs: &[PairRecord]);
    /// Called before a suspect is compared with the commit before it.
    fn begin_confirmation(&mut self, parent: &Revision, revision: &Revision);
    /// Shows the state of a search by time, with the estimated times of a pair and a build in
    /// seconds.
    fn show_search(
        &mut self,
        view: &SectionView<'_>,
        ground: &BisectContext,
        pair_seconds: f64,
        build_seconds: f64,
    );
    /// Shows the state of a search by exact numbers: candidates and builds that are left.
    fn show_candidates(&mut self, candidates: usize, reads: f64, build_seconds: f64);
    /// Called when nothing more is measured.
    fn end(&mut self);
}

/// End of a bisect.
pub(crate) enum BisectEnd {
    /// The bisect is complete.
    Done,
    /// The user stopped the bisect, or something failed that does not depend on a commit.
    Stopped(CommandError),
    /// An end, or a commit that others are measured against, cannot be measured.
    Unmeasurable(String),
}

/// A bisect that ended.
pub(crate) struct BisectResult {
    pub(crate) end: BisectEnd,
    /// The report, or `None` if the bisect was stopped before it found anything.
    pub(crate) report: Option<BisectReport>,
    /// State for resuming, on disk.
    pub(crate) state: BisectState,
    /// Root of the project.
    pub(crate) root: PathBuf,
    /// Folder of the results.
    pub(crate) results: PathBuf,
}

/// A bisect that is about to begin or to be resumed.
struct BisectBeginning {
    task: BisectTask,
    header: BisectHeader,
    kept: Option<BisectState>,
    steps: Vec<BisectStep>,
}

impl BisectBeginning {
    fn find(
        request: &BisectRequest,
        observer: &mut dyn ProgressObserver,
    ) -> Result<Self, CommandError> {
        if request.pairs == 0 {
            return Err(
                CommandError::input("--pairs 0 measures nothing").with_hint(format!(
                    "leave out --pairs for the default of {DEFAULT_PAIRS}"
                )),
            );
        }
        if request.resume {
            resume(request, observer)
        } else {
            start(request, observer)
        }
    }
}

/// Describes the range of a bisect, and estimates its builds and its time.
pub(crate) fn plan_bisect(
    request: &BisectRequest,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<String, CommandError> {
    let BisectBeginning { task, header, .. } = BisectBeginning::find(request, observer)?;
    metric::check_before(&task, context.interrupt, observer)?;
    Ok(task.dry_run(&header))
}

/// Finds the commit that changed a workload.
pub(crate) fn bisect(
    request: &BisectRequest,
    context: &CommandContext,
    observer: &mut dyn BisectObserver,
) -> Result<BisectResult, CommandError> {
    let BisectBeginning {
        task,
        header,
        kept,
        steps,
    } = BisectBeginning::find(request, observer)?;
    store::check_folder(&task.results).map_err(|error| {
        CommandError::system_while(
            &format!("cannot write to {}", task.results.display()),
            &error,
        )
    })?;
    let mut kept = match kept {
        Some(kept) => kept,
        None => begin(&header)?,
    };
    let cpus = machine::usable_cpus();
    let ground = BisectContext {
        loaded: &task.loaded,
        entry: task.entry,
        key: &task.key,
        spec: &task.spec,
        id: &header.workload,
        history: &task.history,
        cpus: &cpus,
        clock: context.clock(),
        mark: &context.mark,
        interrupt: context.interrupt,
    };
    let wish = EvidenceOptions {
        better: header.direction == BisectDirection::Better,
        tau: header.tau,
        retry_failed: header.retry_failed,
        kept: header.kept.clone(),
        build_seconds: header.build_seconds,
    };
    let mut answers = CommitEvidence::new(&ground, &wish, observer, &mut kept, steps, header.seed);
    let (stop, found) = match search(&task, &header, &mut answers) {
        Ok(found) => {
            match conclude::build_report(&task, &header, &found, &mut answers, context, None) {
                Ok(report) => {
                    answers.observer.end();
                    return Ok(BisectResult {
                        end: BisectEnd::Done,
                        report: Some(report),
                        state: kept,
                        root: task.loaded.root.clone(),
                        results: task.results.clone(),
                    });
                }
                Err(stop) => (stop, Some(Box::new(found))),
            }
        }
        Err(ended) => ended,
    };
    let known = found.filter(|found| deserves_report(&stop, found, &answers));
    let cause = find_cause(&stop);
    let known = known.map(|found| {
        conclude::build_report(&task, &header, &found, &mut answers, context, Some(cause))
    });
    answers.observer.end();
    let end = match stop {
        BisectStop::Failed(error) => BisectEnd::Stopped(error),
        BisectStop::Unmeasurable { position, reason } => BisectEnd::Unmeasurable(format!(
            "{} cannot be measured: {reason}",
            name_position(&ground, position)
        )),
    };
    Ok(BisectResult {
        end,
        report: known.and_then(Result::ok),
        root: task.loaded.root.clone(),
        results: task.results.clone(),
        state: kept,
    })
}

/// Returns the cause of an end before the bisect is done.
fn find_cause(stop: &BisectStop) -> StopCause {
    match stop {
        BisectStop::Failed(error) if error.kind() == ErrorKind::Interrupted => {
            StopCause::Interrupted
        }
        BisectStop::Failed(_) => StopCause::Failed,
        BisectStop::Unmeasurable { .. } => StopCause::Unmeasurable,
    }
}

/// Returns whether a stopped bisect gets a report: after a failure, if any commit was examined; if
/// resuming cannot help, only if a culprit is known.
fn deserves_report(stop: &BisectStop, found: &SearchFinding, answers: &CommitEvidence) -> bool {
    match stop {
        BisectStop::Failed(error) if error.kind() == ErrorKind::Input => false,
        BisectStop::Failed(_) => !answers.looks.is_empty(),
        BisectStop::Unmeasurable { .. } => found.culprits() > 0,
    }
}

fn name_position(ground: &BisectContext, position: usize) -> String {
    let name = match position {
        0 => "the good end",
        position if position == ground.history.candidates.len() => "the bad end",
        _ => "the reference",
    };
    format!("{name} {}", ground.revision(position).short())
}

/// Runs the search. An error contains what was found until then, if the search had begun.
fn search(
    task: &BisectTask,
    header: &BisectHeader,
    answers: &mut CommitEvidence,
) -> Result<SearchFinding, (BisectStop, Option<Box<SearchFinding>>)> {
    let direction = searched_by(task, answers).map_err(|stop| (stop, None))?;
    let history = search::CommitGraph::new(&task.parents());
    let settings = SearchSettings {
        tau: header.tau,
        prior: header.prior.clone(),
        never: task.never(),
        most_pairs: header.most_pairs,
        only_largest: header.first,
        ..SearchSettings::new(task.margin, direction)
    };
    if answers.is_time() {
        let found = search::bisect(&history, &settings, answers);
        found.map(SearchFinding::Time).map_err(|stopped| {
            (
                stopped.stop,
                Some(Box::new(SearchFinding::Time(*stopped.known))),
            )
        })
    } else {
        let found = search::bisect_exact(&history, &settings, answers);
        found.map(SearchFinding::Exact).map_err(|stopped| {
            (
                stopped.stop,
                Some(Box::new(SearchFinding::Exact(*stopped.known))),
            )
        })
    }
}

/// Sets the metric of the search: a metric that is computed from time is searched by time. Returns
/// the direction of the search.
fn searched_by(
    task: &BisectTask,
    answers: &mut CommitEvidence,
) -> Result<search::ChangeDirection, BisectStop> {
    let (worse, better) = match task.direction {
        BisectDirection::Worse => (
            search::ChangeDirection::Worse,
            search::ChangeDirection::Better,
        ),
        BisectDirection::Better => (
            search::ChangeDirection::Better,
            search::ChangeDirection::Worse,
        ),
    };
    if task.metric.is_own() {
        answers.metric.clone_from(&task.metric);
        return Ok(worse);
    }
    // Only the plugin's description names its metrics. The search reports an end that cannot be
    // measured.
    if !answers.prepare_commit(0)? {
        return Ok(worse);
    }
    let described = answers.described()?;
    let (info, good) = metric::find(task, &described)?;
    answers.per = Some(info.per);
    Ok(match (info.per, good) {
        (CounterBasis::Second, BetterDirection::Higher)
        | (CounterBasis::Unit, BetterDirection::Lower) => worse,
        (CounterBasis::Second, BetterDirection::Lower)
        | (CounterBasis::Unit, BetterDirection::Higher) => better,
        _ => {
            answers.metric.clone_from(&task.metric);
            worse
        }
    })
}

fn start(
    request: &BisectRequest,
    observer: &mut dyn ProgressObserver,
) -> Result<BisectBeginning, CommandError> {
    let ask = target::find_target(request, observer)?;
    let task = BisectTask::new(ask, request.all)?;
    let header = task.header(request);
    Ok(BisectBeginning {
        task,
        header,
        kept: None,
        steps: Vec::new(),
    })
}

fn begin(header: &BisectHeader) -> Result<BisectState, CommandError> {
    let stamp = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%S%.3fZ")
        .to_string();
    BisectState::create(&stamp, header)
        .map_err(|error| CommandError::system_while("cannot store the bisect's state", &error))
}

/// Finds the newest stopped bisect of this repository.
fn resume(
    request: &BisectRequest,
    observer: &mut dyn ProgressObserver,
) -> Result<BisectBeginning, CommandError> {
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    let place = request
        .scenario
        .as_ref()
        .and_then(|path| path.canonicalize().ok())
        .unwrap_or_else(|| here.join("x"));
    let root = project::root_of(&place);
    let named = request.repo.as_deref().unwrap_or(&root);
    let repository = git::find_root(named).ok_or_else(|| {
        CommandError::input(format!(
            "{} is not in a git repository, so there is no bisect to resume",
            named.display()
        ))
    })?;
    let left = state::newest(&repository)
        .map_err(|error| CommandError::system_while("cannot read the bisect's state", &error))?;
    let left = match left {
        NewestBisect::Left(left) => left,
        NewestBisect::AtWork => {
            return Err(CommandError::input(format!(
                "a bisect of {} is still running",
                repository.display()
            ))
            .with_hint("wait until it has ended"));
        }
        NewestBisect::None => {
            return Err(CommandError::input(format!(
                "no stopped bisect of {} to resume",
                repository.display()
            ))
            .with_hint("leave out --resume to start a new bisect"));
        }
    };
    let header = left.header;
    let mut loaded = project::load_over(&header.scenario, request.repo.as_deref())?;
    loaded.shown.clone_from(&header.shown);
    let changed = |what: &str| {
        CommandError::input(format!(
            "cannot resume the bisect of {}: {what} changed after it was stopped",
            header.workload
        ))
        .with_hint("leave out --resume to start a new bisect; it reuses the builds")
    };
    if crate::hash::text(&loaded.text) != header.scenario_hash {
        return Err(changed("the scenario"));
    }
    if Machine::read().class != header.machine_class {
        return Err(changed("the machine"));
    }
    let end = |commit: &str| match git::revision::resolve_revision(&repository, commit) {
        Ok(Some(revision)) => Ok(revision),
        _ => Err(changed("the history")),
    };
    let results = header
        .results
        .clone()
        .unwrap_or_else(|| root.join("results"));
    let ask = BisectTarget {
        loaded,
        workload: header.workload.clone(),
        metric: header.metric.clone(),
        direction: header.direction,
        good: end(&header.good)?,
        bad: end(&header.bad)?,
        results,
    };
    let task = BisectTask::new(ask, header.all)?;
    let text = format!(
        "resuming the bisect of {} that started {}",
        header.workload, header.started
    );
    observer.see(ProgressEvent::Note { text: &text });
    Ok(BisectBeginning {
        task,
        header,
        kept: Some(left.kept),
        steps: left.steps,
    })
}
