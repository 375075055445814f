//! The verb `check`: the working tree against its baseline, judged by the scenario's gate.

mod baseline;
mod baseline_scenario;
mod rerun;

use self::baseline::CheckBaseline;
use self::baseline_scenario::{
    expand_jobs, find_baseline_jobs, find_weaker_rules, list_dropped_jobs, list_ids,
};
use crate::compare::next_commands;
use crate::compare::paired_comparison::PairedComparison;
use crate::compare::target::CompareTarget;
use crate::comparison::Comparison;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::gate::{self, FindingKind, GateCase, GateResult, JobPresence, StoredGate};
use crate::model::metric::Metric;
use crate::project::report_names::{self, ReportFinder};
use crate::project::rules;
use crate::project::{self, LoadedScenario, quoted};
use crate::record::store;
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::paired_workloads::PairLimits;
use crate::scenario::quantity;
use orch_core::judge::verdict::MOST_PAIRS;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest number of pairs of a check with a time budget. Checks without one use the default.
const BUDGET_PAIRS: usize = 1000;

/// Request for a check.
#[derive(Debug, Clone)]
pub(crate) struct CheckRequest {
    pub(crate) scenario: Option<PathBuf>,
    /// A revision, a library, a record or `accepted`.
    pub(crate) baseline: Option<String>,
    /// Whether the exit code is for `git bisect run`.
    pub(crate) for_git_bisect: bool,
    /// Id or folder of an earlier check whose failures are measured again.
    pub(crate) only: Option<String>,
    pub(crate) filter: Option<String>,
    /// Time for all pairs together, as a scenario writes it.
    pub(crate) budget: Option<String>,
    /// Repository of the code under test, where it is not the scenario's.
    pub(crate) repo: Option<PathBuf>,
    /// Folder of the results, where it is not the project's.
    pub(crate) results: Option<PathBuf>,
    pub(crate) seed: Option<u64>,
}

/// A completed check.
pub(crate) struct CheckResult {
    pub(crate) comparison: Comparison,
    pub(crate) gate: GateResult,
    /// State of each job that failed in the earlier check.
    pub(crate) since: Vec<(String, &'static str)>,
    /// Commands that find the commits behind the regressions.
    pub(crate) next: Vec<String>,
    /// Names of the reports that the scenario lists.
    pub(crate) reports: Vec<String>,
    /// Root of the project.
    pub(crate) root: PathBuf,
    /// Folder of the results.
    pub(crate) results: PathBuf,
}

/// Checks the working tree. `find_report` looks up the reports that the scenario lists.
pub(crate) fn check(
    request: &CheckRequest,
    find_report: &ReportFinder,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<CheckResult, CommandError> {
    let scenario = project::named_or_default(
        request.scenario.as_deref(),
        "name a scenario: `orch check FILE`",
    )?;
    let loaded = project::load_over(&scenario, request.repo.as_deref())?;
    report_names::check_reports(&loaded, find_report)?;
    let results = project::results_folder(request.results.as_deref(), &loaded.root);
    let before = request
        .only
        .as_deref()
        .map(|name| rerun::read_earlier(name, &results))
        .transpose()?;
    let CheckBaseline {
        target,
        shown,
        proposal,
    } = baseline::find_baseline(request, &loaded, &results, before.as_ref())?;
    if let (Some(before), Some(asked)) = (&before, &request.baseline) {
        rerun::check_baseline(before, asked, &target)?;
    }
    report_baseline(&shown, observer);
    let all = expand_jobs(&loaded);
    if let Some(before) = &before {
        rerun::check_jobs(before, &all)?;
    }
    let rules = &loaded.scenario.gate;
    rules::check_jobs(rules, &list_ids(&all), &loaded.shown)?;
    store::check_folder(&results).map_err(|error| {
        CommandError::system_while(&format!("cannot write to {}", results.display()), &error)
    })?;
    let timed = rules
        .targets
        .iter()
        .filter(|target| !target.metric.is_counted());
    // Measuring and judging use the same day, even if the check runs past midnight.
    let today = jiff::Zoned::now().date();
    let mut engine = PairedComparison {
        context,
        names: [name_target(&target), "working tree".to_owned()],
        repository: loaded.repository.clone(),
        limits: choose_limits(request, rules.budget)?,
        more: "a longer --budget",
        seed: request.seed.unwrap_or_else(orch_core::random::draw_seed),
        variation: None,
        plugin: None,
        filter: request.filter.clone(),
        only: before.as_ref().map(rerun::list_failed),
        control: false,
        timed: timed.map(|target| target.job.clone()).collect(),
        rules: Some(rules),
        output_accepted: gate::output_accepted(rules, today),
        building: Duration::ZERO,
        waiting: Duration::ZERO,
    };
    let mut targets = [target, CompareTarget::WorkingTree];
    let mut plugins = engine.build_sides(&loaded, &targets, observer)?;
    if let Some(other) = baseline::settle(proposal.as_ref(), &plugins)? {
        report_baseline(&other.shown, observer);
        engine.names[0] = name_target(&other.target);
        targets[0] = other.target;
        plugins[0] = engine.build_side(&loaded, &targets, 0, observer)?;
    }
    let mut comparison = engine.measure_sides(&loaded, &targets, &plugins, observer)?;
    comparison.command = repeating_command(request, &loaded, &comparison, engine.seed);
    let (before_jobs, unread) = find_baseline_jobs(&loaded, &comparison);
    let dropped = list_dropped_jobs(
        before_jobs.as_deref(),
        &all,
        request.filter.as_deref(),
        engine.only.as_deref(),
    );
    let before_ids = before_jobs.as_ref().map(|jobs| {
        jobs.iter()
            .map(|job| job.id.clone())
            .collect::<HashSet<_>>()
    });
    let max_allocations: HashMap<String, u64> = all
        .iter()
        .filter_map(|job| Some((job.id.clone(), job.settings.max_allocations?)))
        .collect();
    let mut gate = gate::judge(&GateCase {
        jobs: &comparison.jobs,
        workloads: &comparison.workloads,
        rules,
        max_allocations: &max_allocations,
        today,
        presence: JobPresence {
            before: before_ids.as_ref(),
            dropped: &dropped,
            is_whole: request.filter.is_none() && engine.only.is_none(),
        },
        interrupted: comparison.interrupted,
    });
    gate.findings
        .extend(find_weaker_rules(&loaded, &comparison, &dropped));
    gate.findings.extend(unread);
    gate.findings.sort_by_key(|finding| finding.kind);
    let since = before
        .map(|before| rerun::compare_states(&before, &comparison, &mut gate))
        .unwrap_or_default();
    let next = list_bisects(request.repo.as_deref(), &comparison, &gate);
    let again = since
        .iter()
        .map(|(id, state)| (id.clone(), (*state).to_owned()));
    let stored = StoredGate {
        result: gate.clone(),
        again: again.collect(),
        next: next.clone(),
    };
    comparison.gate = serde_json::to_value(&stored).ok();
    Ok(CheckResult {
        comparison,
        gate,
        since,
        next,
        reports: loaded.scenario.reports.clone(),
        root: loaded.root.clone(),
        results,
    })
}

fn report_baseline(shown: &str, observer: &mut dyn ProgressObserver) {
    let text = format!("baseline: {shown}");
    observer.see(ProgressEvent::Note { text: &text });
}

fn name_target(target: &CompareTarget) -> String {
    match target {
        CompareTarget::Revision(revision) => revision.short().to_owned(),
        CompareTarget::Library(path) => path.display().to_string(),
        _ => "baseline".to_owned(),
    }
}

fn choose_limits(
    request: &CheckRequest,
    budget: Option<Duration>,
) -> Result<PairLimits, CommandError> {
    let own = request
        .budget
        .as_deref()
        .map(quantity::parse_duration)
        .transpose();
    let own = own.map_err(|message| {
        CommandError::input(format!("--budget: {message}"))
            .with_hint("write for example `--budget 10m`")
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

/// Builds the command that repeats the check with the same random choices.
fn repeating_command(
    request: &CheckRequest,
    loaded: &LoadedScenario,
    comparison: &Comparison,
    seed: u64,
) -> String {
    let baseline = next_commands::name_commit(&comparison.a);
    let mut command = format!(
        "orch check {} --baseline {}",
        quoted(&loaded.shown),
        baseline.unwrap_or_else(|| quoted(&comparison.a.name))
    );
    if let Some(filter) = &request.filter {
        command.push_str(&format!(" --filter {}", quoted(filter)));
    }
    if let Some(repo) = &request.repo {
        command.push_str(&format!(" --repo {}", quoted(&repo.display().to_string())));
    }
    if let Some(budget) = &request.budget {
        command.push_str(&format!(" --budget {}", quoted(budget)));
    }
    format!("{command} --seed {seed}")
}

/// Builds the commands that find the commits behind the regressions.
fn list_bisects(repo: Option<&Path>, comparison: &Comparison, gate: &GateResult) -> Vec<String> {
    let worse = |kind: FindingKind| {
        matches!(
            kind,
            FindingKind::Regressed | FindingKind::TradeOff | FindingKind::OutputDiffers
        )
    };
    let command = |finding: &gate::GateFinding| {
        let metric = Metric::from(finding.metric.as_str());
        next_commands::write_bisect(comparison, &finding.job, &metric, repo)
    };
    // Changes of several metrics of a job most likely have the same culprit.
    let mut jobs = HashSet::new();
    let findings = gate
        .findings
        .iter()
        .filter(|finding| worse(finding.kind) && jobs.insert(finding.job.as_str()));
    findings.filter_map(command).take(3).collect()
}
