//! `orch bisect`: find the range, ask the search's questions, explain the culprit, store, render, exit code.

mod answers;
mod ask;
mod before;
mod commits;
mod conclude;
mod live;
mod metric;
mod outcome;
mod readings;
mod task;

use super::Outcome;
use super::args::BisectOptions;
use super::exit::Exit;
use super::output::{self, Failure};
use super::project;
use crate::bisect::state::{self, Header, Kept, Newest, Step};
use crate::bisect::{self, Direction, Report};
use crate::git;
use crate::machine::{self, Machine};
use crate::measure::clock::Calibration;
use crate::plugin::catalog::{Better, Per};
use crate::record::store;
use crate::render;
use crate::search::{self, Evidence, Settings};
use answers::{Answers, Wish};
use ask::Ask;
use commits::{Ground, Stop};
use live::Live;
use outcome::Found;
use std::path::Path;
use std::time::Instant;
use task::Task;

/// The report that every bisect prints and stores.
const TABLE: &str = "bisect.txt";
/// The report for an issue or a mail.
const REPORT: &str = "bisect.md";

/// Finds the commit that changed a workload.
pub(super) fn bisect_command(options: &BisectOptions) -> Outcome {
    let begun = Instant::now();
    let calibration = Calibration::begin();
    let interrupt = output::listen_to_signals()?;
    if options.pairs == 0 {
        return Err(Failure::Input("error: --pairs 0 measures nothing\nhint: leave it out for 1500".to_owned()));
    }
    let (task, header, kept, steps) = if options.resume { resume(options)? } else { start(options)? };
    if options.dry_run {
        metric::check_before(&task, &interrupt)?;
        output::print(&task.dry_run(&header))?;
        return Ok(Exit::Fine);
    }
    store::check_folder(&task.results)
        .map_err(|error| Failure::system(&format!("cannot write to {}", task.results.display()), &error))?;
    let mut kept = match kept {
        Some(kept) => kept,
        None => begin(&header)?,
    };
    let mark = format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
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
    let searched = search(&task, &header, &mut answers);
    let concluded = searched.and_then(|found| conclude::report(&task, &header, found, &mut answers, begun));
    answers.live.end();
    match concluded {
        Ok(report) => finish(options, &task, report, kept),
        Err(stop) => stopped(&ground, stop, kept),
    }
}

/// Asks until it is known.
fn search(task: &Task, header: &Header, answers: &mut Answers) -> Result<Found, Stop> {
    let direction = searched_by(task, answers)?;
    let history = search::History::new(&task.parents());
    let never = task.never();
    if !answers.is_time() {
        return search::bisect_exact(&history, &never, answers).map(Found::Exact);
    }
    let settings = Settings {
        tau: header.tau,
        prior: header.prior.clone(),
        never,
        most_pairs: header.most_pairs,
        ..Settings::new(task.margin, direction)
    };
    search::bisect(&history, &settings, answers).map(Found::Time).map_err(|stopped| stopped.stop)
}

/// Settles what is searched by: a metric that is made of the time is searched by time. Returns where the time goes then.
fn searched_by(task: &Task, answers: &mut Answers) -> Result<search::Direction, Stop> {
    let (worse, better) = match task.direction {
        Direction::Worse => (search::Direction::Worse, search::Direction::Better),
        Direction::Better => (search::Direction::Better, search::Direction::Worse),
    };
    if metric::is_own(&task.metric) {
        answers.metric.clone_from(&task.metric);
        return Ok(worse);
    }
    // What the plugin's metrics are, it says itself. An end that cannot be measured is found by the search.
    if !answers.look(0)? {
        return Ok(worse);
    }
    let described = answers.described()?;
    let (info, good) = metric::find(task, &described)?;
    answers.per = Some(info.per);
    Ok(match (info.per, good) {
        (Per::Second, Better::Higher) | (Per::Unit, Better::Lower) => worse,
        (Per::Second, Better::Lower) | (Per::Unit, Better::Higher) => better,
        _ => {
            answers.metric.clone_from(&task.metric);
            worse
        }
    })
}

type Beginning = (Task, Header, Option<Kept>, Vec<Step>);

fn start(options: &BisectOptions) -> Result<Beginning, Failure> {
    let ask = ask::find(options)?;
    let task = Task::new(ask, options.all)?;
    let header = task.header(options);
    Ok((task, header, None, Vec::new()))
}

fn begin(header: &Header) -> Result<Kept, Failure> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
    Kept::create(&stamp, header).map_err(|error| Failure::system("cannot keep the bisect's state", &error))
}

/// Finds the newest bisect of this repository that did not come to its end.
fn resume(options: &BisectOptions) -> Result<Beginning, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::system("the current folder", &error))?;
    let place = options.scenario.as_ref().and_then(|path| path.canonicalize().ok()).unwrap_or_else(|| here.join("x"));
    let root = project::root_of(&place);
    let named = options.repo.as_deref().unwrap_or(&root);
    let repository = git::root_of(named).ok_or_else(|| {
        Failure::Input(format!("error: {} is in no git repository, so there is nothing to resume", named.display()))
    })?;
    let left = state::newest(&repository).map_err(|error| Failure::system("cannot read the bisect's state", &error))?;
    let left = match left {
        Newest::Left(left) => left,
        other => {
            let running = if matches!(other, Newest::AtWork) { "; one is running" } else { "" };
            return Err(Failure::Input(format!(
                "error: no bisect of {} was stopped before its end{running}\nhint: without --resume a new one begins",
                repository.display()
            )));
        }
    };
    let header = left.header;
    let mut loaded = project::load_over(&header.scenario, options.repo.as_deref())?;
    loaded.shown.clone_from(&header.shown);
    let changed = |what: &str| {
        Failure::Input(format!(
            "error: the bisect of {} that was stopped cannot go on: {what} has changed since\nhint: begin a new one \
             without --resume; what was built is found again",
            header.workload
        ))
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
    let results = header.results.clone().unwrap_or_else(|| root.join("results"));
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
    output::note(&format!("going on with the bisect of {} that began {}", header.workload, header.started));
    Ok((task, header, Some(left.kept), left.steps))
}

/// Tells why there is no report. The state stays where going on may help.
fn stopped(ground: &Ground, stop: Stop, kept: Kept) -> Outcome {
    let gone = |kept: Kept| kept.remove().map_err(|error| Failure::system("cannot remove the bisect's state", &error));
    match stop {
        Stop::Interrupted => {
            output::note("stopped; `orch bisect --resume` goes on");
            Ok(Exit::Interrupted)
        }
        Stop::Failed(failure @ Failure::Input(_)) => {
            gone(kept)?;
            Err(failure)
        }
        Stop::Failed(failure) => {
            output::note("`orch bisect --resume` goes on from here");
            Err(failure)
        }
        Stop::Unmeasurable { position, reason } => {
            gone(kept)?;
            let revision = ground.revision(position);
            let name = match position {
                0 => "the good end",
                position if position == ground.history.candidates.len() => "the bad end",
                _ => "the reference",
            };
            // What failed to build says which commit it was.
            let which = match reason.contains(revision.short()) {
                true => String::new(),
                false => format!(" {} ({})", revision.short(), revision.subject),
            };
            output::note(&format!("error: {name}{which} cannot be measured: {reason}"));
            Ok(Exit::Incomplete)
        }
    }
}

/// Stores and shows the report, and picks the exit code.
fn finish(options: &BisectOptions, task: &Task, mut report: Report, kept: Kept) -> Outcome {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = format!("{}-bisect", report.scenario.name);
    let short: String = report.bad.commit.chars().take(10).collect();
    let (id, folder) = store::new_folder(&task.results, &stamp, &name, &short)
        .map_err(|error| Failure::system(&format!("cannot make a folder in {}", task.results.display()), &error))?;
    report.id = id;
    let text = serde_json::to_string_pretty(&report).map_err(|error| Failure::system("the report", &error))? + "\n";
    write(&folder.join(bisect::FILE), &text)?;
    let templates = project::templates(&task.loaded.root);
    let mut table = String::new();
    for name in [TABLE, REPORT] {
        let rendered = render::bisect(name, &templates, &report)
            .map_err(|error| Failure::System(format!("the report is stored in {}, but {error}", folder.display())))?;
        write(&folder.join(name), &rendered)?;
        if name == TABLE {
            table = rendered;
        }
    }
    kept.remove().map_err(|error| Failure::system("cannot remove the bisect's state", &error))?;
    if options.output.json {
        output::print(&text)?;
    } else {
        let here = std::env::current_dir().unwrap_or_default();
        let shown = folder.strip_prefix(&here).unwrap_or(&folder);
        output::print(&format!("{table}report: {}\n", shown.join(REPORT).display()))?;
    }
    Ok(match report.outcome {
        bisect::Outcome::First | bisect::Outcome::Range => Exit::Regressed,
        bisect::Outcome::None => Exit::Fine,
        bisect::Outcome::Undecided => Exit::Undecided,
    })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    store::write_whole(path, text.as_bytes())
        .map_err(|error| Failure::system(&format!("cannot write {}", path.display()), &error))
}
