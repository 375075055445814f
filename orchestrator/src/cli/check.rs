//! `orch check`: the working tree against its baseline, judged by the scenario's gate.

mod baseline;
mod github;

use self::baseline::CheckBaseline;
use super::Outcome;
use super::again;
use super::args::{CheckOptions, CompareOptions, DEFAULT_TIME, OutputOptions};
use super::compare::Session;
use super::exit::Exit;
use super::keep::Kept;
use super::output;
use super::project::{self, Loaded, quoted};
use super::rules;
use super::sides;
use super::subject::Subject;
use crate::comparison::{self, Comparison};
use crate::error::CommandError;
use crate::gate::loosened::Asked;
use crate::gate::{self, Case, Gate, JobPresence, Kind};
use crate::git::{self, GitKind};
use crate::judge::verdict::MOST_PAIRS;
use crate::measure::clock::ClockCalibration;
use crate::record::store;
use crate::render;
use crate::runner::paired_workloads::PairLimits;
use crate::scenario::{self, Job, Scenario, ScenarioContext, quantity};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};
use wildmatch::WildMatch;

/// What a gate says, printed below the comparison.
const REPORT: &str = "gate.txt";
/// With a budget of its own, a check does not stop at a number of pairs that is meant for one that
/// has none.
const BUDGET_PAIRS: usize = 1000;

/// Checks the working tree.
pub(super) fn check(options: &CheckOptions) -> Outcome {
    let begun = Instant::now();
    let calibration = ClockCalibration::begin();
    let interrupt = output::listen_to_signals()?;
    let scenario = project::named_or_default(options.scenario.as_deref(), "orch check FILE")?;
    let loaded = project::load_over(&scenario, options.repo.as_deref())?;
    let results = options.output.folder(&loaded.root);
    let before = options
        .only
        .as_deref()
        .map(|name| again::earlier(name, &results))
        .transpose()?;
    let CheckBaseline {
        subject,
        shown,
        proposal,
    } = baseline::find(options, &loaded, &results, before.as_ref())?;
    if let (Some(before), Some(asked)) = (&before, &options.baseline) {
        again::check_baseline(before, asked, &subject)?;
    }
    output::note(&format!("baseline: {shown}"));
    if let Some(before) = &before {
        again::check_jobs(before, &jobs(&loaded))?;
    }
    let all = jobs(&loaded);
    rules::check_jobs(&loaded.scenario.gate, &ids(&all), &loaded.shown)?;
    store::check_folder(&results).map_err(|error| {
        CommandError::system_while(&format!("cannot write to {}", results.display()), &error)
    })?;
    let compared = as_comparison(options, &loaded, &subject);
    let rules = &loaded.scenario.gate;
    let timed = rules
        .targets
        .iter()
        .filter(|target| !is_counted(&target.metric));
    // One day for what is measured and for what is judged, also of a check that goes on past
    // midnight.
    let today = jiff::Zoned::now().date();
    let mut session = Session {
        limits: limits(options, rules.budget)?,
        more: "a longer --budget",
        root: loaded.root.clone(),
        repository: loaded.repository.clone(),
        results,
        seed: options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48)),
        variation: None,
        only: before.as_ref().map(again::failed),
        timed: timed.map(|target| target.job.clone()).collect(),
        rules: Some(rules),
        output_accepted: gate::output_accepted(rules, today),
        interrupt,
        started: jiff::Timestamp::now(),
        begun,
        spent: Cell::default(),
        options: &compared,
    };
    let mut subjects = [subject, Subject::WorkingTree];
    let mut plugins = session.build_sides(&loaded, &subjects)?;
    let settled;
    if let Some(other) = baseline::settle(proposal.as_ref(), &plugins)? {
        output::note(&format!("baseline: {}", other.shown));
        settled = as_comparison(options, &loaded, &other.subject);
        session.options = &settled;
        subjects[0] = other.subject;
        plugins[0] = session.build_side(&loaded, &subjects, 0)?;
    }
    let mut comparison = session.measure_sides(&loaded, &subjects, &plugins, &calibration)?;
    comparison.command = command(options, &loaded, &comparison, session.seed);
    let max_allocations = max_allocations(&loaded);
    let (before_jobs, unread) = baseline_jobs(&loaded, &comparison);
    let dropped = dropped(
        before_jobs.as_deref(),
        &all,
        options.filter.as_deref(),
        session.only.as_deref(),
    );
    let before_ids = before_jobs.as_ref().map(|jobs| {
        jobs.iter()
            .map(|job| job.id.clone())
            .collect::<HashSet<_>>()
    });
    let (jobs, workloads) = (&comparison.jobs, &comparison.workloads);
    let mut gate = gate::judge(&Case {
        jobs,
        workloads,
        rules,
        max_allocations: &max_allocations,
        today,
        presence: JobPresence {
            before: before_ids.as_ref(),
            dropped: &dropped,
            is_whole: options.filter.is_none() && session.only.is_none(),
        },
        interrupted: comparison.interrupted,
    });
    gate.findings
        .extend(loosened(&loaded, &comparison, &dropped));
    gate.findings.extend(unread);
    gate.findings.sort_by_key(|finding| finding.kind);
    let since = before
        .map(|before| again::afterwards(&before, &comparison, &mut gate))
        .unwrap_or_default();
    comparison.gate = serde_json::to_value(&gate).ok();
    let text = render::gate(
        REPORT,
        &project::templates(&loaded.root),
        &comparison,
        &gate,
        &since,
        &next(&loaded, options.repo.as_deref(), &comparison, &gate),
    )
    .map_err(|error| CommandError::system(error.to_string()))?;
    let stored = session.store(&mut comparison, "check").inspect_err(|_| {
        // What was measured is told all the same.
        let _ = output::print(&text);
    })?;
    show(options, &gate, &text, &stored)?;
    Ok(exit(options, &comparison, &gate))
}

/// The scenario of a commit: none where that commit lacks it or is not found, an error where this
/// orch does not read it.
fn scenario_at(loaded: &Loaded, commit: &str) -> Option<Result<Scenario, ()>> {
    let revision = git::revision::resolve(&loaded.repository, commit).ok()??;
    let name = loaded.file.strip_prefix(&revision.repository).ok()?;
    let text = git::commit::CommitFiles::of(&revision).ok()?.text(name)?;
    let around = ScenarioContext {
        root: &loaded.root,
        stem: "",
        exists: &|_| true,
        real: &Path::to_owned,
    };
    Some(scenario::read_scenario(&text, &around).map_err(|_| ()))
}

fn baseline_commit(comparison: &Comparison) -> Option<&str> {
    comparison
        .a
        .git
        .as_ref()
        .and_then(|git| git.commit.as_deref())
}

/// Jobs of the baseline's scenario, none if that commit lacks it; unknown where the baseline is no
/// commit, or where its scenario is not read, which is a finding.
fn baseline_jobs(
    loaded: &Loaded,
    comparison: &Comparison,
) -> (Option<Vec<Job>>, Option<gate::Finding>) {
    let Some(commit) = baseline_commit(comparison) else {
        return (None, None);
    };
    match scenario_at(loaded, commit) {
        None => (Some(Vec::new()), None),
        Some(Ok(scenario)) => (Some(jobs_of(&scenario)), None),
        Some(Err(())) => {
            let message = format!(
                "this orch does not read the baseline's {}, so jobs that were dropped since are \
                 not known",
                loaded.shown
            );
            (
                None,
                Some(gate::Finding {
                    kind: Kind::Loosened,
                    job: String::new(),
                    metric: String::new(),
                    message,
                }),
            )
        }
    }
}

/// Ids of the jobs that the baseline's scenario has and the working tree's lacks, as far as the
/// check is about them.
fn dropped(
    before: Option<&[Job]>,
    now: &[Job],
    filter: Option<&str>,
    only: Option<&[String]>,
) -> Vec<String> {
    let pattern = filter.map(WildMatch::new);
    let is_asked = |id: &String| {
        pattern.as_ref().is_none_or(|pattern| pattern.matches(id))
            && only.is_none_or(|only| only.contains(id))
    };
    let gone = before
        .unwrap_or_default()
        .iter()
        .filter(|old| now.iter().all(|job| job.id != old.id));
    gone.map(|job| job.id.clone()).filter(is_asked).collect()
}

/// What the scenario asks less of than the one at the baseline, or than the one at HEAD, which
/// uncommitted edits may weaken. Nothing of a commit that has no scenario, or none that this orch
/// reads. `dropped`: ids that the gate judges.
fn loosened(loaded: &Loaded, comparison: &Comparison, dropped: &[String]) -> Vec<gate::Finding> {
    let read = |commit: &str| scenario_at(loaded, commit)?.ok();
    let baseline = baseline_commit(comparison);
    let new = jobs(loaded);
    let mut found: Vec<gate::Finding> = Vec::new();
    for before in ["HEAD"].into_iter().chain(baseline).filter_map(read) {
        let mut old = jobs_of(&before);
        old.retain(|job| !dropped.contains(&job.id));
        let then = Asked {
            jobs: &old,
            open_fails: before.gate.open_fails,
        };
        let now = Asked {
            jobs: &new,
            open_fails: loaded.scenario.gate.open_fails,
        };
        let weaker = gate::loosened::findings(&then, &now);
        let weaker: Vec<gate::Finding> = weaker
            .into_iter()
            .filter(|finding| !found.contains(finding))
            .collect();
        found.extend(weaker);
    }
    found
}

/// The comparison's options that a check stands for.
fn as_comparison(options: &CheckOptions, loaded: &Loaded, subject: &Subject) -> CompareOptions {
    let name = match subject {
        Subject::Revision(revision) => revision.short().to_owned(),
        Subject::Library(path) => path.display().to_string(),
        _ => "baseline".to_owned(),
    };
    CompareOptions {
        a: name,
        b: "working tree".to_owned(),
        scenario: Some(loaded.file.clone()),
        filter: options.filter.clone(),
        set: None,
        plugin: None,
        repo: options.repo.clone(),
        wait: options.wait.clone(),
        output: OutputOptions {
            results: None,
            json: options.output.json,
        },
        pairs: MOST_PAIRS,
        time: DEFAULT_TIME.to_owned(),
        control: false,
        seed: options.seed,
    }
}

fn limits(options: &CheckOptions, budget: Option<Duration>) -> Result<PairLimits, CommandError> {
    let own = options
        .budget
        .as_deref()
        .map(quantity::parse_duration)
        .transpose();
    let own = own.map_err(|message| {
        CommandError::input(format!("--budget: {message}")).with_hint("--budget 10m")
    })?;
    Ok(match own.or(budget) {
        Some(total) => PairLimits {
            pairs: BUDGET_PAIRS,
            time: total,
            total: Some(total),
        },
        None => PairLimits {
            pairs: MOST_PAIRS,
            time: Duration::from_secs(60),
            total: None,
        },
    })
}

/// Ids of the scenario's jobs with their settings, as far as they are known before anything is
/// built.
fn jobs(loaded: &Loaded) -> Vec<Job> {
    jobs_of(&loaded.scenario)
}

fn ids(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

fn jobs_of(scenario: &Scenario) -> Vec<Job> {
    let entries = 0..scenario.entries.len();
    entries
        .flat_map(|entry| sides::expanded(scenario, entry, |_| None).unwrap_or_default())
        .collect()
}

fn max_allocations(loaded: &Loaded) -> HashMap<String, u64> {
    jobs(loaded)
        .into_iter()
        .filter_map(|job| Some((job.id, job.settings.max_allocations?)))
        .collect()
}

fn is_counted(metric: &str) -> bool {
    ["allocations", "bytes", "peak_bytes", "digest"].contains(&metric)
}

/// The command that repeats the check with the same coins.
fn command(options: &CheckOptions, loaded: &Loaded, comparison: &Comparison, seed: u64) -> String {
    let mut command = format!(
        "orch check {} --baseline {}",
        quoted(&loaded.shown),
        quoted(&comparison.a.name)
    );
    if let Some(filter) = &options.filter {
        command.push_str(&format!(" --filter {}", quoted(filter)));
    }
    if let Some(repo) = &options.repo {
        command.push_str(&format!(" --repo {}", quoted(&repo.display().to_string())));
    }
    if let Some(budget) = &options.budget {
        command.push_str(&format!(" --budget {}", quoted(budget)));
    }
    format!("{command} --seed {seed}")
}

fn show(
    options: &CheckOptions,
    gate: &Gate,
    text: &str,
    stored: &Kept,
) -> Result<(), CommandError> {
    if options.output.json {
        output::print(&stored.json)?;
    } else {
        let here = std::env::current_dir().unwrap_or_default();
        let shown = stored.folder.strip_prefix(&here).unwrap_or(&stored.folder);
        let file = shown.join(comparison::FILE);
        output::print(&format!(
            "{}\n{text}check: {}\n",
            stored.table,
            file.display()
        ))?;
    }
    if std::env::var_os("GITHUB_ACTIONS").is_some() {
        github::report(gate, text, stored, options.output.json)?;
    }
    store::write_whole(&stored.folder.join(REPORT), text.as_bytes())
        .map_err(|error| CommandError::system_while(&format!("cannot write {REPORT}"), &error))
}

/// Commands that find the commits behind what got worse.
fn next(loaded: &Loaded, repo: Option<&Path>, comparison: &Comparison, gate: &Gate) -> Vec<String> {
    let commit = |side: &comparison::Side| {
        let git = side
            .git
            .as_ref()
            .filter(|git| git.state == GitKind::Commit && !git.dirty)?;
        Some(git.commit.as_ref()?.chars().take(10).collect::<String>())
    };
    let (Some(good), Some(bad)) = (commit(&comparison.a), commit(&comparison.b)) else {
        return Vec::new();
    };
    let worse = |kind: Kind| matches!(kind, Kind::Regressed | Kind::TradeOff | Kind::OutputDiffers);
    let command = |finding: &gate::Finding| {
        let metric = match finding.metric.as_str() {
            "time" => String::new(),
            metric => format!(" --metric {}", quoted(metric)),
        };
        let (scenario, job) = (quoted(&loaded.shown), quoted(&finding.job));
        let repo = repo
            .map(|repo| format!(" --repo {}", quoted(&repo.display().to_string())))
            .unwrap_or_default();
        format!("orch bisect {scenario} --workload {job} --good {good} --bad {bad}{metric}{repo}")
    };
    // Metrics of one job most likely have one culprit.
    let mut jobs = HashSet::new();
    let findings = gate
        .findings
        .iter()
        .filter(|finding| worse(finding.kind) && jobs.insert(finding.job.as_str()));
    findings.take(3).map(command).collect()
}

/// The gate's outcome as an exit code. `git bisect run` takes 125 for "skip this commit".
fn exit(options: &CheckOptions, comparison: &Comparison, gate: &Gate) -> Exit {
    if comparison.interrupted {
        return Exit::Interrupted;
    }
    let open = gate
        .findings
        .iter()
        .any(|finding| finding.kind == Kind::Inconclusive);
    match gate.outcome {
        gate::Outcome::Failed => Exit::Regressed,
        gate::Outcome::Incomplete if options.for_git_bisect => Exit::Undecided,
        gate::Outcome::Incomplete => Exit::Incomplete,
        gate::Outcome::Open => Exit::Undecided,
        gate::Outcome::Passed if options.for_git_bisect && open => Exit::Undecided,
        gate::Outcome::Passed => Exit::Fine,
    }
}
