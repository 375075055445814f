//! `orch bisect`: find the range, ask the search's questions, explain the culprit, store, render,
//! exit code.

mod answers;
mod ask;
mod before;
mod commits;
mod conclude;
mod ending;
mod live;
mod metric;
mod outcome;
mod readings;
mod rest;
mod task;

use super::Outcome;
use super::args::BisectOptions;
use super::exit::Exit;
use super::output;
use crate::bisect::Direction;
use crate::bisect::state::{self, Header, Kept, Newest, Step};
use crate::error::CommandError;
use crate::git;
use crate::machine::{self, Machine};
use crate::measure::clock::ClockCalibration;
use crate::plugin::catalog::{BetterDirection, CounterBasis};
use crate::project;
use crate::record::store;
use crate::search::{self, Evidence, SearchSettings};
use answers::{Answers, Wish};
use ask::Ask;
use commits::{Ground, Stop};
use live::Live;
use outcome::Found;
use std::time::Instant;
use task::Task;

/// Finds the commit that changed a workload.
pub(super) fn bisect_command(options: &BisectOptions) -> Outcome {
    let begun = Instant::now();
    let calibration = ClockCalibration::begin();
    let interrupt = output::listen_to_signals()?;
    if options.pairs == 0 {
        return Err(
            CommandError::input("--pairs 0 measures nothing").with_hint("leave it out for 1500")
        );
    }
    let (task, header, kept, steps) = if options.resume {
        resume(options)?
    } else {
        start(options)?
    };
    if options.dry_run {
        metric::check_before(&task, &interrupt)?;
        output::print(&task.dry_run(&header))?;
        return Ok(Exit::Fine);
    }
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
    let mark = format!(
        "{}-{}",
        std::process::id(),
        jiff::Timestamp::now().as_nanosecond()
    );
    let cpus = machine::usable_cpus();
    let ground = Ground {
        loaded: &task.loaded,
        entry: task.entry,
        key: &task.key,
        spec: &task.spec,
        id: &header.workload,
        history: &task.history,
        cpus: &cpus,
        clock: calibration.end(),
        mark: &mark,
        interrupt: &interrupt,
    };
    let wish = Wish {
        better: header.direction == Direction::Better,
        tau: header.tau,
        retry_failed: header.retry_failed,
        kept: header.kept.clone(),
        build_seconds: header.build_seconds,
    };
    let mut live = Live::new();
    let mut answers = Answers::new(&ground, &wish, &mut live, &mut kept, steps, header.seed);
    let (stop, found) = match search(&task, &header, &mut answers) {
        Ok(found) => match conclude::report(&task, &header, &found, &mut answers, begun, None) {
            Ok(report) => {
                answers.live.end();
                return ending::finish(options, &task, report, kept);
            }
            Err(stop) => (stop, Some(Box::new(found))),
        },
        Err(ended) => ended,
    };
    let known = found.filter(|found| ending::deserves_report(&stop, found, &answers));
    let cause = ending::cause(&stop);
    let known = known
        .map(|found| conclude::report(&task, &header, &found, &mut answers, begun, Some(cause)));
    answers.live.end();
    ending::stop_early(
        options,
        &task,
        &ground,
        stop,
        known.and_then(Result::ok),
        kept,
    )
}

/// Asks until it is known. An error has what was found until then, if the search had begun.
fn search(
    task: &Task,
    header: &Header,
    answers: &mut Answers,
) -> Result<Found, (Stop, Option<Box<Found>>)> {
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
        found
            .map(Found::Time)
            .map_err(|stopped| (stopped.stop, Some(Box::new(Found::Time(*stopped.known)))))
    } else {
        let found = search::bisect_exact(&history, &settings, answers);
        found
            .map(Found::Exact)
            .map_err(|stopped| (stopped.stop, Some(Box::new(Found::Exact(*stopped.known)))))
    }
}

/// Settles what is searched by: a metric that is made of the time is searched by time. Returns
/// where the time goes then.
fn searched_by(task: &Task, answers: &mut Answers) -> Result<search::ChangeDirection, Stop> {
    let (worse, better) = match task.direction {
        Direction::Worse => (
            search::ChangeDirection::Worse,
            search::ChangeDirection::Better,
        ),
        Direction::Better => (
            search::ChangeDirection::Better,
            search::ChangeDirection::Worse,
        ),
    };
    if metric::is_own(&task.metric) {
        answers.metric.clone_from(&task.metric);
        return Ok(worse);
    }
    // What the plugin's metrics are, it says itself. An end that cannot be measured is found by the
    // search.
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

type Beginning = (Task, Header, Option<Kept>, Vec<Step>);

fn start(options: &BisectOptions) -> Result<Beginning, CommandError> {
    let ask = ask::find(options)?;
    let task = Task::new(ask, options.all)?;
    let header = task.header(options);
    Ok((task, header, None, Vec::new()))
}

fn begin(header: &Header) -> Result<Kept, CommandError> {
    let stamp = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%S%.3fZ")
        .to_string();
    Kept::create(&stamp, header)
        .map_err(|error| CommandError::system_while("cannot keep the bisect's state", &error))
}

/// Finds the newest bisect of this repository that did not come to its end.
fn resume(options: &BisectOptions) -> Result<Beginning, CommandError> {
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("the current folder", &error))?;
    let place = options
        .scenario
        .as_ref()
        .and_then(|path| path.canonicalize().ok())
        .unwrap_or_else(|| here.join("x"));
    let root = project::root_of(&place);
    let named = options.repo.as_deref().unwrap_or(&root);
    let repository = git::root_of(named).ok_or_else(|| {
        CommandError::input(format!(
            "{} is in no git repository, so there is nothing to resume",
            named.display()
        ))
    })?;
    let left = state::newest(&repository)
        .map_err(|error| CommandError::system_while("cannot read the bisect's state", &error))?;
    let left = match left {
        Newest::Left(left) => left,
        other => {
            let running = if matches!(other, Newest::AtWork) {
                "; one is running"
            } else {
                ""
            };
            return Err(CommandError::input(format!(
                "no bisect of {} was stopped before its end{running}",
                repository.display()
            ))
            .with_hint("without --resume a new one begins"));
        }
    };
    let header = left.header;
    let mut loaded = project::load_over(&header.scenario, options.repo.as_deref())?;
    loaded.shown.clone_from(&header.shown);
    let changed = |what: &str| {
        CommandError::input(format!(
            "the bisect of {} that was stopped cannot go on: {what} has changed since",
            header.workload
        ))
        .with_hint("begin a new one without --resume; what was built is found again")
    };
    if crate::hash::text(&loaded.text) != header.scenario_hash {
        return Err(changed("the scenario"));
    }
    if Machine::read().class != header.machine_class {
        return Err(changed("the machine"));
    }
    let end = |commit: &str| match git::revision::resolve(&repository, commit) {
        Ok(Some(revision)) => Ok(revision),
        _ => Err(changed("the history")),
    };
    let results = header
        .results
        .clone()
        .unwrap_or_else(|| root.join("results"));
    let ask = Ask {
        loaded,
        workload: header.workload.clone(),
        metric: header.metric.clone(),
        direction: header.direction,
        good: end(&header.good)?,
        bad: end(&header.bad)?,
        results,
    };
    let task = Task::new(ask, header.all)?;
    output::note(&format!(
        "going on with the bisect of {} that began {}",
        header.workload, header.started
    ));
    Ok((task, header, Some(left.kept), left.steps))
}
