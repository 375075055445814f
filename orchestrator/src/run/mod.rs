//! The verb `run`: loads a scenario, prepares, plans and executes it, and assembles the record.

mod anchors;
mod dry_run;
mod input_files;
mod record_assembly;
mod run_folder;
mod time_spent;

pub(crate) use dry_run::DryRun;

use self::anchors::{Anchor, AnchorContext, EarlierRuns};
use self::input_files::InputFiles;
use self::run_folder::StartedRun;
use self::time_spent::TimeSpent;
use crate::context::CommandContext;
use crate::contradiction;
use crate::error::CommandError;
use crate::git;
use crate::machine::load::{LoadReading, MachineLoad};
use crate::machine::{self, CpuTimes, Machine};
use crate::model::run_outcome::RunOutcome;
use crate::plan;
use crate::plugin::build;
use crate::project::report_names::{self, ReportFinder};
use crate::project::rules::{self, OfferedJob};
use crate::project::{self, BuildWait, LoadedScenario, PluginSet};
use crate::record::{self, Record};
use crate::runner::event::ProgressObserver;
use crate::runner::lock::LockPurpose;
use crate::runner::pair_series::PairContext;
use crate::runner::plan_execution::{self, ExecutionContext};
use crate::scenario::Job;
use crate::sentinel::EarlierLevels;
use std::path::PathBuf;
use std::time::Duration;

/// Request for a run.
#[derive(Debug, Clone)]
pub(crate) struct RunRequest {
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) filter: Option<String>,
    /// Folder of the results, where it is not the project's.
    pub(crate) results: Option<PathBuf>,
    /// Whether the newest run that was killed or interrupted is resumed.
    pub(crate) resume: bool,
    pub(crate) seed: Option<u64>,
}

/// A run that was measured; its record is not stored yet.
pub(crate) struct RunResult {
    pub(crate) record: Record,
    /// Folder of the run, which exists.
    pub(crate) folder: PathBuf,
    /// Root of the project.
    pub(crate) root: PathBuf,
    /// Names of the reports that the scenario asks for.
    pub(crate) reports: Vec<String>,
    /// Command that measures the same jobs.
    pub(crate) repeating_command: String,
}

/// Measures a scenario. `find_report` looks up the reports that the scenario lists.
pub(crate) fn run(
    request: &RunRequest,
    find_report: &ReportFinder,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<RunResult, CommandError> {
    let prepared =
        PreparedRun::prepare(request, find_report, BuildWait::OF_TREE, context, observer)?;
    prepared.measure(context, observer)
}

/// Plans a scenario without measuring it.
pub(crate) fn plan_run(
    request: &RunRequest,
    find_report: &ReportFinder,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<DryRun, CommandError> {
    let loaded = load(request, find_report)?;
    let revision = anchors::find_revision(&loaded, observer)?;
    let plugins = prepare_plugins(&loaded, BuildWait::Never, context, observer)?;
    let jobs = choose_jobs(&loaded, &plugins, request)?;
    let plan = plan::build_plan(&jobs, choose_seed(request));
    Ok(DryRun::describe(
        &loaded,
        &plan,
        &jobs,
        &plugins,
        revision.as_ref(),
    ))
}

fn load(request: &RunRequest, find_report: &ReportFinder) -> Result<LoadedScenario, CommandError> {
    let named = request.scenario.as_deref();
    let loaded = project::load(&project::named_or_default(
        named,
        "name a scenario: `orch run FILE`",
    )?)?;
    report_names::check_reports(&loaded, find_report)?;
    Ok(loaded)
}

fn prepare_plugins(
    loaded: &LoadedScenario,
    wait: BuildWait,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<PluginSet, CommandError> {
    project::prepare(
        &loaded.scenario,
        |key| loaded.scenario.uses_plugin(key),
        &build::prepare_plugin,
        wait,
        &context.mark,
        context.interrupt,
        observer,
    )
}

/// Selects the jobs that match the filter. Refuses rules that name no job or metric.
fn choose_jobs(
    loaded: &LoadedScenario,
    plugins: &PluginSet,
    request: &RunRequest,
) -> Result<Vec<Job>, CommandError> {
    let filter = request.filter.as_deref();
    let jobs = project::chosen_jobs(loaded, &loaded.scenario, plugins, filter)?;
    check_rules(loaded, plugins)?;
    Ok(jobs)
}

fn choose_seed(request: &RunRequest) -> u64 {
    request.seed.unwrap_or_else(orch_core::random::draw_seed)
}

/// Refuses rules of the scenario that name no job or metric, as `orch check` does.
fn check_rules(loaded: &LoadedScenario, plugins: &PluginSet) -> Result<(), CommandError> {
    let all = project::chosen_jobs(loaded, &loaded.scenario, plugins, None)?;
    let ids: Vec<&str> = all.iter().map(|job| job.id.as_str()).collect();
    let rules = &loaded.scenario.gate;
    rules::check_jobs(rules, &ids, &loaded.shown)?;
    let mut offered = Vec::new();
    for job in &all {
        let info = plugins
            .described
            .get(&job.plugin)
            .and_then(|described| described.find_workload(&job.workload));
        offered.push(OfferedJob {
            id: &job.id,
            offers: vec![info],
        });
    }
    rules::check_metrics(rules, &offered, &loaded.shown)
}

/// A run that is ready to measure.
struct PreparedRun {
    request: RunRequest,
    loaded: LoadedScenario,
    plugins: PluginSet,
    jobs: Vec<Job>,
    seed: u64,
    machine: Machine,
    git: git::GitState,
    results: PathBuf,
    anchors: Vec<Anchor>,
    /// The build of orch.
    orch: String,
    /// Levels with which the sentinel's readings are compared.
    levels: Option<EarlierLevels>,
    prepare_time: Duration,
}

impl PreparedRun {
    fn prepare(
        request: &RunRequest,
        find_report: &ReportFinder,
        wait: BuildWait,
        context: &CommandContext,
        observer: &mut dyn ProgressObserver,
    ) -> Result<Self, CommandError> {
        let loaded = load(request, find_report)?;
        let revision = anchors::find_revision(&loaded, observer)?;
        // The state of the tree is read before any build, because builds may leave files behind.
        let git = git::read_state(&loaded.root);
        let plugins = prepare_plugins(&loaded, wait, context, observer)?;
        let jobs = choose_jobs(&loaded, &plugins, request)?;
        let machine = Machine::read();
        let results = project::results_folder(request.results.as_deref(), &loaded.root);
        let earlier = EarlierRuns {
            results: &results,
            scenario: &loaded.scenario.name,
            machine: &machine,
        };
        let anchors = match &revision {
            Some(revision) => {
                let own = AnchorContext {
                    loaded: &loaded,
                    filter: request.filter.as_deref(),
                    mark: &context.mark,
                    interrupt: context.interrupt,
                    plugins: &plugins,
                };
                anchors::prepare_anchors(revision, &earlier, &own, observer)?
            }
            None => Vec::new(),
        };
        let orch = input_files::identify_orch()?;
        let levels = earlier.levels(&anchors, &orch);
        let prepare_time = context.elapsed().saturating_sub(plugins.waited);
        Ok(Self {
            request: request.clone(),
            seed: choose_seed(request),
            loaded,
            plugins,
            jobs,
            machine,
            git,
            results,
            anchors,
            orch,
            levels,
            prepare_time,
        })
    }

    fn measure(
        &self,
        context: &CommandContext,
        observer: &mut dyn ProgressObserver,
    ) -> Result<RunResult, CommandError> {
        let cpus = machine::usable_cpus();
        let interrupt = context.interrupt;
        let held = project::take_lock(LockPurpose::Measuring, interrupt, observer)?;
        let inputs = InputFiles::read(&self.jobs, &self.plugins);
        let StartedRun {
            id,
            folder,
            mut journal,
            at,
            seed,
            done,
            pairs,
        } = self.start(context, &inputs)?;
        let spent = TimeSpent {
            prepare_time: self.prepare_time,
            lock_time: self.plugins.waited + held.waited,
            earlier: done
                .iter()
                .map(|end| Duration::from_nanos(end.wall_ns))
                .sum(),
        };
        let plan = plan::build_plan(&self.jobs, seed);
        let clock = context.clock();
        let setting = ExecutionContext {
            jobs: &self.jobs,
            plugins: &self.plugins.prepared,
            cpus: &cpus,
            clock,
            mark: &context.mark,
            sentinel: true,
            groups: &[],
            counted: plan::CountedIterations::Group,
        };
        let early = |error| {
            CommandError::system_while(
                "the run ended early; `--resume` continues it from its journal",
                &error,
            )
        };
        let (times, load) = (CpuTimes::read(), LoadReading::read());
        let mut executed = plan_execution::execute_plan(
            &setting,
            &plan,
            done,
            Some(&mut journal),
            interrupt,
            observer,
        )
        .map_err(early)?;
        let sentinel = self.sentinel(&executed, times);
        let own = PairContext {
            cpus: &cpus,
            clock,
            mark: &context.mark,
        };
        let around = AnchorContext {
            loaded: &self.loaded,
            filter: self.request.filter.as_deref(),
            mark: &context.mark,
            interrupt,
            plugins: &self.plugins,
        };
        let measured = anchors::measure_anchors(
            &self.anchors,
            &around,
            &executed.ends,
            &own,
            (pairs, &mut journal),
            seed,
            observer,
        )
        .map_err(early)?;
        executed.interrupted |= interrupt.is_requested();
        executed.ends.extend(input_files::find_changed(
            &self.jobs,
            &self.plugins,
            &inputs,
        ));
        let mut record = self.assemble(id, &executed, at, seed);
        let mut anchored = anchors::judge_anchors(
            &self.anchors,
            &around,
            &executed.ends,
            &measured,
            &self.machine,
            sentinel.message.as_deref(),
        );
        for (index, job) in record.jobs.iter_mut().enumerate() {
            job.inputs = inputs.of_job(index);
            job.anchored = anchored.remove(&job.id).unwrap_or_default();
        }
        let has_failed = |job: &record::JobRecord| {
            job.anchored
                .iter()
                .any(|one| one.verdict == record::Verdict::Missing && !one.absent)
        };
        if record.outcome == RunOutcome::Complete && record.jobs.iter().any(has_failed) {
            record.outcome = RunOutcome::Incomplete;
        }
        record.sentinel = Some(sentinel);
        record.load = load
            .zip(LoadReading::read())
            .map(|(before, after)| MachineLoad::between(before, after));
        record.wall = spent.sum_up(context.elapsed(), &record);
        record.contradictions = contradiction::measured_record::check_record(&record);
        Ok(RunResult {
            record,
            folder,
            root: self.loaded.root.clone(),
            reports: self.loaded.scenario.reports.clone(),
            repeating_command: self.repeating_command(),
        })
    }

    fn start(
        &self,
        context: &CommandContext,
        inputs: &InputFiles,
    ) -> Result<StartedRun, CommandError> {
        let identity = self.identity(inputs);
        if self.request.resume {
            return run_folder::resume_run(&self.results, &identity);
        }
        run_folder::create_run(
            &self.results,
            &self.loaded.scenario.name,
            &self.git.short(),
            context.started,
            self.seed,
            identity,
        )
    }
}
