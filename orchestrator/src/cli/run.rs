//! `orch run`: load, prepare, plan, execute, store, render, exit code.

mod spent;

use self::spent::Spent;
use super::Outcome;
use super::anchor::{self, Anchor, Nights};
use super::args::RunOptions;
use super::dry_run;
use super::exit::Exit;
use super::files::{self, Inputs};
use super::output;
use super::progress::Progress;
use super::project::{self, BuildWait, Loaded, Plugins};
use super::rules::{self, OfferedJob};
use super::start::{self, Started};
use crate::contradiction;
use crate::error::CommandError;
use crate::git;
use crate::machine::load::{LoadReading, MachineLoad};
use crate::machine::{self, CpuTimes, Machine};
use crate::measure::clock::ClockCalibration;
use crate::pass::{self, PassEnd, PassResult};
use crate::plan;
use crate::plugin::{build, cargo};
use crate::protocol::WorkerReply;
use crate::record::assemble::{self, Facts};
use crate::record::{
    self, JobOutcome, PluginFile, PluginRecord, Record, RunOutcome, ScenarioRecord, store,
};
use crate::render;
use crate::runner::interrupt::Interrupt;
use crate::runner::journal::{self, RunIdentity};
use crate::runner::lock::LockPurpose;
use crate::runner::pair_series::PairContext;
use crate::runner::plan_execution::{self, ExecutionContext, ExecutionResult};
use crate::scenario::Job;
use crate::sentinel::{EarlierLevels, SentinelResult};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The report that every run prints and stores.
const SUMMARY: &str = "summary.txt";

/// Measures a scenario.
pub(super) fn run(options: &RunOptions) -> Outcome {
    let begun = Instant::now();
    let calibration = ClockCalibration::begin();
    let interrupt = output::listen_to_signals()?;
    let loaded = project::load(&project::named_or_default(
        options.scenario.as_deref(),
        "orch run FILE",
    )?)?;
    check_reports(&loaded)?;
    let revision = anchor::find(&loaded)?;
    let started = jiff::Timestamp::now();
    // Before any build, which may leave files behind.
    let git = git::state_of(&loaded.root);
    let mark = format!("{}-{}", std::process::id(), started.as_nanosecond());
    let mut progress = Progress::new();
    let plugins = project::prepare(
        &loaded.scenario,
        |key| loaded.scenario.uses_plugin(key),
        &build::prepare,
        if options.dry_run {
            BuildWait::Never
        } else {
            BuildWait::OF_TREE
        },
        &mark,
        &interrupt,
        &mut progress,
    )?;
    let jobs = project::chosen_jobs(
        &loaded,
        &loaded.scenario,
        &plugins,
        options.filter.as_deref(),
    )?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    check_rules(&loaded, &plugins)?;
    if options.dry_run {
        return dry_run::show(
            &loaded,
            &plan::build_plan(&jobs, seed),
            &jobs,
            &plugins,
            revision.as_ref(),
        );
    }
    let machine = Machine::read();
    let results = options.output.folder(&loaded.root);
    let nights = Nights {
        results: &results,
        scenario: &loaded.scenario.name,
        machine: &machine,
    };
    let around = anchor::Around {
        loaded: &loaded,
        filter: options.filter.as_deref(),
        mark: &mark,
        interrupt: &interrupt,
        plugins: &plugins,
    };
    let anchors = match &revision {
        Some(revision) => anchor::prepare(revision, &nights, &around, &mut progress)?,
        None => Vec::new(),
    };
    let orch = files::orch()?;
    let levels = nights.levels(&anchors, &orch);
    let prepare_time = begun.elapsed().saturating_sub(plugins.waited);
    let spent = Spent {
        begun,
        prepare_time,
        lock_time: plugins.waited,
        earlier: Duration::ZERO,
    };
    let session = Session {
        options,
        loaded,
        plugins,
        jobs,
        machine,
        git,
        interrupt,
        calibration,
        mark,
        results,
        anchors,
        orch,
        levels,
    };
    session.measure(Chosen { at: started, seed }, &mut progress, spent)
}

/// Refuses rules of the scenario that name no job or metric: `orch check` refuses them too.
fn check_rules(loaded: &Loaded, plugins: &Plugins) -> Result<(), CommandError> {
    let all = project::chosen_jobs(loaded, &loaded.scenario, plugins, None)?;
    let ids: Vec<&str> = all.iter().map(|job| job.id.as_str()).collect();
    let rules = &loaded.scenario.gate;
    rules::check_jobs(rules, &ids, &loaded.shown)?;
    let mut offered = Vec::new();
    for job in &all {
        let info = plugins
            .described
            .get(&job.plugin)
            .and_then(|described| described.workload(&job.workload));
        offered.push(OfferedJob {
            id: &job.id,
            offers: vec![info],
        });
    }
    rules::check_metrics(rules, &offered, &loaded.shown)
}

/// A run that is ready to measure.
struct Session<'a> {
    options: &'a RunOptions,
    loaded: Loaded,
    plugins: Plugins,
    jobs: Vec<Job>,
    machine: Machine,
    git: git::GitState,
    interrupt: Interrupt,
    calibration: ClockCalibration,
    /// Recognises the run's processes.
    mark: String,
    results: PathBuf,
    anchors: Vec<Anchor>,
    /// The build of orch.
    orch: String,
    /// What the sentinel is held against.
    levels: Option<EarlierLevels>,
}

/// What a new run is begun with; one that goes on keeps what it had.
struct Chosen {
    at: jiff::Timestamp,
    seed: u64,
}

impl Session<'_> {
    fn measure(&self, chosen: Chosen, progress: &mut Progress, mut spent: Spent) -> Outcome {
        let cpus = machine::usable_cpus();
        let held = project::take_lock(LockPurpose::Measuring, &self.interrupt, progress)?;
        spent.lock_time += held.waited;
        let inputs = Inputs::read(&self.jobs, &self.plugins);
        let identity = self.identity(&self.git, &inputs);
        let Started {
            id,
            folder,
            mut journal,
            at,
            seed,
            done,
            pairs,
        } = if self.options.resume {
            start::again(&self.results, &identity)?
        } else {
            start::anew(
                &self.results,
                &self.loaded.scenario.name,
                &self.git.short(),
                chosen.at,
                chosen.seed,
                identity,
            )?
        };
        spent.earlier = done
            .iter()
            .map(|end| Duration::from_nanos(end.wall_ns))
            .sum();
        let plan = plan::build_plan(&self.jobs, seed);
        let clock = self.calibration.end();
        let setting = ExecutionContext {
            jobs: &self.jobs,
            plugins: &self.plugins.prepared,
            cpus: &cpus,
            clock,
            mark: &self.mark,
            sentinel: true,
            groups: &[],
            counted: plan::CountedIterations::Group,
        };
        let early = |error| {
            CommandError::system_while(
                "the run ended early; `--resume` goes on from its journal",
                &error,
            )
        };
        let (times, load) = (CpuTimes::read(), LoadReading::read());
        let mut executed = plan_execution::execute_plan(
            &setting,
            &plan,
            done,
            Some(&mut journal),
            &self.interrupt,
            progress,
        )
        .map_err(early)?;
        let sentinel = self.sentinel(&executed, times);
        let ground = PairContext {
            cpus: &cpus,
            clock,
            mark: &self.mark,
        };
        let around = self.around();
        let noted = (pairs, &mut journal);
        let tied = anchor::measure(
            &self.anchors,
            &around,
            &executed.ends,
            &ground,
            noted,
            seed,
            progress,
        )
        .map_err(early)?;
        executed.interrupted |= self.interrupt.requested();
        executed
            .ends
            .extend(files::changed(&self.jobs, &self.plugins, &inputs));
        let mut record = self.record(id, self.git.clone(), &executed, at, seed);
        let changed = sentinel.message.clone();
        let mut anchored = anchor::judge(
            &self.anchors,
            &around,
            &executed.ends,
            &tied,
            &self.machine,
            changed.as_deref(),
        );
        for (index, job) in record.jobs.iter_mut().enumerate() {
            job.inputs = inputs.of_job(index);
            job.anchored = anchored.remove(&job.id).unwrap_or_default();
        }
        let failed = |job: &record::JobRecord| {
            job.anchored
                .iter()
                .any(|one| one.verdict == record::Verdict::Missing && !one.absent)
        };
        if record.outcome == RunOutcome::Complete && record.jobs.iter().any(failed) {
            record.outcome = RunOutcome::Incomplete;
        }
        record.sentinel = Some(sentinel);
        record.load = load
            .zip(LoadReading::read())
            .map(|(before, after)| MachineLoad::between(before, after));
        record.wall = spent.wall(&record);
        record.contradictions = contradiction::measured_record::check_record(&record);
        store::store(&folder, &record, journal::FILE).map_err(|error| {
            // What was measured is told all the same.
            if let Ok(summary) =
                render::render(SUMMARY, &project::templates(&self.loaded.root), &record)
            {
                let _ = output::print(&summary);
            }
            CommandError::system_while(
                &format!("cannot store the record in {}", folder.display()),
                &error,
            )
        })?;
        self.report(&folder, &record)?;
        if record.outcome == RunOutcome::Interrupted {
            output::note(&format!("{} --resume goes on with it", self.repeated()));
        }
        Ok(exit_code(&record))
    }

    fn around(&self) -> anchor::Around<'_> {
        anchor::Around {
            loaded: &self.loaded,
            filter: self.options.filter.as_deref(),
            mark: &self.mark,
            interrupt: &self.interrupt,
            plugins: &self.plugins,
        }
    }

    /// What the readings of the run say of the machine.
    fn sentinel(&self, executed: &ExecutionResult, begun: Option<CpuTimes>) -> SentinelResult {
        let readings = executed.ends.iter().filter_map(|end| match &end.result {
            PassResult::Reply(reply) => match &**reply {
                WorkerReply::Sentinel(reading) => Some(reading.clone()),
                _ => None,
            },
            _ => None,
        });
        let steal = begun.and_then(|begun| Some(CpuTimes::read()?.stolen_since(begun)));
        let mut sentinel = SentinelResult {
            kernel: self.orch.clone(),
            readings: readings.collect(),
            steal,
            ..SentinelResult::default()
        };
        if let Some(levels) = &self.levels {
            sentinel.compare_with(levels.clone());
        }
        sentinel
    }

    fn identity(&self, git: &git::GitState, inputs: &Inputs) -> RunIdentity {
        let hash = |key: &String| Some(self.plugins.prepared.get(key)?.as_ref().ok()?.hash.clone());
        RunIdentity {
            orch: self.orch.clone(),
            scenario: crate::hash::text(&self.loaded.text),
            filter: self.options.filter.clone(),
            commit: git.commit.clone(),
            diff_hash: git.diff_hash.clone(),
            machine_class: self.machine.class.clone(),
            anchors: self
                .anchors
                .iter()
                .map(|anchor| anchor.record.commit.clone())
                .collect(),
            plugins: self
                .plugins
                .prepared
                .keys()
                .map(|key| (key.clone(), hash(key)))
                .collect(),
            inputs: inputs.all(),
        }
    }

    fn record(
        &self,
        id: String,
        git: git::GitState,
        executed: &ExecutionResult,
        at: jiff::Timestamp,
        seed: u64,
    ) -> Record {
        let by_job = pass::group_by_job(&executed.ends);
        let ends = |job: &Job| by_job.get(job.id.as_str()).cloned().unwrap_or_default();
        let mut jobs: Vec<record::JobRecord> = self
            .jobs
            .iter()
            .map(|job| self.job_record(job, ends(job), executed.interrupted, seed))
            .collect();
        self.warn_of_sandbox(&mut jobs);
        let complete = jobs.iter().all(|job| job.outcome == JobOutcome::Measured);
        Record {
            schema: record::SCHEMA.to_owned(),
            id,
            started: at.to_string(),
            ended: jiff::Timestamp::now().to_string(),
            outcome: match (executed.interrupted, complete) {
                (true, _) => RunOutcome::Interrupted,
                (false, true) => RunOutcome::Complete,
                (false, false) => RunOutcome::Incomplete,
            },
            orch: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command(seed),
            seed,
            scenario: ScenarioRecord {
                name: self.loaded.scenario.name.clone(),
                about: self.loaded.scenario.about.clone(),
                hash: crate::hash::text(&self.loaded.text),
                path: self.shown(&self.loaded.file),
                filter: self.options.filter.clone(),
            },
            git,
            machine: self.machine.clone(),
            toolchain: cargo::rustc_version(),
            plugins: self
                .loaded
                .scenario
                .plugins
                .iter()
                .map(|(key, _)| self.plugin_record(key))
                .collect(),
            jobs,
            anchors: self
                .anchors
                .iter()
                .map(|anchor| anchor.record.clone())
                .collect(),
            sentinel: None,
            load: None,
            wall: record::Wall::default(),
            contradictions: Vec::new(),
        }
    }

    fn job_record(
        &self,
        job: &Job,
        ends: Vec<&PassEnd>,
        is_interrupted: bool,
        seed: u64,
    ) -> record::JobRecord {
        assemble::job(Facts {
            job,
            info: self
                .plugins
                .described
                .get(&job.plugin)
                .and_then(|description| description.workload(&job.workload)),
            plugin: self.plugin_file(&job.plugin),
            own_allocator: self.own_allocator(&job.plugin),
            ends,
            seed,
            iteration_ns: None,
            interrupted: is_interrupted,
        })
    }

    fn own_allocator(&self, key: &str) -> Option<&str> {
        self.plugins
            .prepared
            .get(key)?
            .as_ref()
            .ok()?
            .own_allocator
            .as_deref()
    }

    /// What the sandbox of a plugin lacks on this machine is said with its first job.
    fn warn_of_sandbox(&self, jobs: &mut [record::JobRecord]) {
        for (key, prepared) in &self.plugins.prepared {
            let first = self.jobs.iter().position(|job| job.plugin == *key);
            if let (Ok(prepared), Some(record)) =
                (prepared, first.and_then(|index| jobs.get_mut(index)))
            {
                let missing = prepared.sandbox.missing_protections();
                record.warnings.extend(
                    missing
                        .iter()
                        .map(|words| format!("the sandbox is not whole: {words}")),
                );
            }
        }
    }

    /// The command that repeats the run in the same order.
    fn command(&self, seed: u64) -> String {
        format!("{} --seed {seed}", self.repeated())
    }

    /// The command that measures the same.
    fn repeated(&self) -> String {
        let mut command = format!("orch run {}", project::quoted(&self.loaded.shown));
        if let Some(filter) = &self.options.filter {
            command.push_str(&format!(" --filter {}", project::quoted(filter)));
        }
        if let Some(results) = &self.options.output.results {
            command.push_str(&format!(
                " --results {}",
                project::quoted(&results.display().to_string())
            ));
        }
        command
    }

    fn plugin_file(&self, key: &str) -> PluginFile {
        match self.plugins.prepared.get(key) {
            Some(Ok(prepared)) => PluginFile {
                path: self.shown(&prepared.path),
                hash: Some(prepared.hash.clone()),
                git: Some(prepared.git.clone()),
                sandbox: Some(prepared.sandbox.describe()),
            },
            _ => PluginFile {
                path: key.to_owned(),
                hash: None,
                git: None,
                sandbox: None,
            },
        }
    }

    fn plugin_record(&self, key: &str) -> PluginRecord {
        let described = self.plugins.described.get(key);
        let prepared = self
            .plugins
            .prepared
            .get(key)
            .and_then(|prepared| prepared.as_ref().ok());
        PluginRecord {
            key: key.to_owned(),
            name: described.map(|description| description.plugin.clone()),
            version: described.and_then(|description| description.version.clone()),
            sdk: described.and_then(|description| description.sdk.clone()),
            build: described
                .map(|description| description.build.clone())
                .unwrap_or_default(),
            flags: prepared
                .map(|prepared| prepared.flags.clone())
                .unwrap_or_default(),
            cpu_features: prepared.and_then(|prepared| prepared.cpu_features.clone()),
            file: prepared.is_some().then(|| self.plugin_file(key)),
        }
    }

    /// A path as records show it: relative to the project's root where it lies inside.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.loaded.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// Renders the reports into the folder, and prints the summary or the record.
    fn report(&self, folder: &Path, record: &Record) -> Result<(), CommandError> {
        let templates = project::templates(&self.loaded.root);
        let mut names = vec![SUMMARY];
        names.extend(
            self.loaded
                .scenario
                .reports
                .iter()
                .map(String::as_str)
                .filter(|name| *name != SUMMARY),
        );
        let mut summary = String::new();
        for name in names {
            let text = render::render(name, &templates, record).map_err(|error| {
                CommandError::system(format!(
                    "the record is stored in {}, but {error}",
                    folder.display()
                ))
            })?;
            store::write_whole(&folder.join(name), text.as_bytes()).map_err(|error| {
                CommandError::system_while(&format!("cannot write {name}"), &error)
            })?;
            if name == SUMMARY {
                summary = text;
            }
        }
        if self.options.output.json {
            let text = serde_json::to_string_pretty(record)
                .map_err(|error| CommandError::system_while("the record", &error))?;
            output::print(&(text + "\n"))?;
        } else {
            let here = std::env::current_dir().unwrap_or_default();
            let shown = folder.strip_prefix(&here).unwrap_or(folder);
            output::print(&format!(
                "{summary}record: {}\n",
                shown.join(store::FILE).display()
            ))?;
        }
        Ok(())
    }
}

/// Reports are looked for before anything is measured.
fn check_reports(loaded: &Loaded) -> Result<(), CommandError> {
    let folder = project::templates(&loaded.root);
    let missing: Vec<&str> = loaded
        .scenario
        .reports
        .iter()
        .map(String::as_str)
        .filter(|name| name.contains('/') || !render::exists(name, &folder))
        .collect();
    let problems: Vec<_> = missing
        .iter()
        .map(|name| loaded.scenario.report_problem(name, &folder))
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(loaded.refuse(problems))
    }
}

fn exit_code(record: &Record) -> Exit {
    match record.outcome {
        RunOutcome::Complete => Exit::Fine,
        RunOutcome::Incomplete => Exit::Incomplete,
        RunOutcome::Interrupted => Exit::Interrupted,
    }
}
