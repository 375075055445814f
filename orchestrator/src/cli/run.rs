//! `orch run`: load, prepare, plan, execute, store, render, exit code.

use super::Outcome;
use super::args::RunOptions;
use super::dry_run;
use super::exit::Exit;
use super::output::{self, Failure};
use super::progress::Progress;
use super::project::{self, Loaded, Plugins};
use super::start::{self, Started};
use crate::contradiction;
use crate::git;
use crate::machine::{self, Machine};
use crate::measure::clock::Calibration;
use crate::pass::{PassEnd, PassName, PassResult};
use crate::plan;
use crate::plugin::{build, cargo};
use crate::protocol::Phase;
use crate::record::assemble::{self, Facts};
use crate::record::{self, JobOutcome, PluginFile, PluginRecord, Record, RunOutcome, ScenarioRecord, Wall, store};
use crate::render;
use crate::runner::event::{Event, Observer};
use crate::runner::execute::{self, Executed, Setting};
use crate::runner::interrupt::Interrupt;
use crate::runner::journal::{self, Identity};
use crate::runner::lock::{self, Purpose};
use crate::scenario::Job;
use std::path::Path;
use std::time::{Duration, Instant};

/// The report that every run prints and stores.
const SUMMARY: &str = "summary.txt";

/// Measures a scenario.
pub(super) fn run(options: &RunOptions) -> Outcome {
    let begun = Instant::now();
    let calibration = Calibration::begin();
    let interrupt = Interrupt::listen().map_err(|error| Failure::system("cannot listen to signals", &error))?;
    let loaded = project::load(&options.scenario)?;
    check_reports(&loaded)?;
    let started = jiff::Timestamp::now();
    // Before any build, which may leave files behind.
    let git = git::state_of(&loaded.root);
    let mark = format!("{}-{}", std::process::id(), started.as_nanosecond());
    let mut progress = Progress::new();
    let Some(plugins) = project::prepare(
        &loaded.scenario,
        |key| loaded.scenario.uses(key),
        &build::prepare,
        &mark,
        &interrupt,
        &mut progress,
    )?
    else {
        return Ok(Exit::Interrupted);
    };
    let jobs = project::chosen_jobs(&loaded, &loaded.scenario, &plugins, options.filter.as_deref())?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    if options.dry_run {
        output::print(&dry_run::text(&loaded, &plan::build(&jobs, seed), &jobs, &plugins))?;
        return Ok(Exit::Fine);
    }
    let spent = Spent { begun, prepare_time: begun.elapsed(), earlier: Duration::ZERO };
    let session =
        Session { options, loaded, plugins, jobs, machine: Machine::read(), git, interrupt, calibration, mark };
    session.measure(Chosen { at: started, seed }, &mut progress, spent)
}

/// Clock readings from before the measuring.
struct Spent {
    begun: Instant,
    prepare_time: Duration,
    /// The passes of the session that was killed, of a run that goes on.
    earlier: Duration,
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
    calibration: Calibration,
    /// Recognises the run's processes.
    mark: String,
}

/// What a new run is begun with; one that goes on keeps what it had.
struct Chosen {
    at: jiff::Timestamp,
    seed: u64,
}

impl Session<'_> {
    fn measure(&self, chosen: Chosen, progress: &mut Progress, mut spent: Spent) -> Outcome {
        let cpus = machine::usable_cpus();
        let waited = Instant::now();
        let held =
            lock::take(Purpose::Measuring, || progress.see(Event::WaitingForLock), || self.interrupt.requested())
                .map_err(|error| Failure::system("cannot take the lock", &error))?;
        let Some(_held) = held else { return Ok(Exit::Interrupted) };
        let lock_time = waited.elapsed();
        let results = self.options.results.clone().unwrap_or_else(|| self.loaded.root.join("results"));
        let identity = self.identity(&self.git);
        let Started { id, folder, mut journal, at, seed, done } = if self.options.resume {
            start::again(&results, &identity)?
        } else {
            start::anew(&results, &self.loaded.scenario.name, &self.git.short(), chosen.at, chosen.seed, identity)?
        };
        spent.earlier = done.iter().map(|end| Duration::from_nanos(end.wall_ns)).sum();
        let plan = plan::build(&self.jobs, seed);
        let setting = Setting {
            jobs: &self.jobs,
            plugins: &self.plugins.prepared,
            cpus: &cpus,
            clock: self.calibration.end(),
            mark: &self.mark,
        };
        let mut executed = execute::execute(&setting, &plan, done, Some(&mut journal), &self.interrupt, progress)
            .map_err(|error| Failure::system("the run ended early; `--resume` goes on from its journal", &error))?;
        executed.ends.extend(self.changed_files());
        let mut record = self.record(id, self.git.clone(), &executed, at, seed);
        record.wall = wall(&record, &spent, lock_time);
        record.contradictions = contradiction::own::of_record(&record);
        store::store(&folder, &record, journal::FILE)
            .map_err(|error| Failure::system("cannot store the record", &error))?;
        self.report(&folder, &record)?;
        Ok(exit_code(&record))
    }

    fn identity(&self, git: &git::GitState) -> Identity {
        let hash = |key: &String| Some(self.plugins.prepared.get(key)?.as_ref().ok()?.hash.clone());
        Identity {
            scenario: crate::hash::text(&self.loaded.text),
            filter: self.options.filter.clone(),
            commit: git.commit.clone(),
            diff_hash: git.diff_hash.clone(),
            machine_class: self.machine.class.clone(),
            plugins: self.plugins.prepared.keys().map(|key| (key.clone(), hash(key))).collect(),
        }
    }

    fn record(&self, id: String, git: git::GitState, executed: &Executed, at: jiff::Timestamp, seed: u64) -> Record {
        let jobs: Vec<record::JobRecord> = self.jobs.iter().map(|job| self.job_record(job, executed, seed)).collect();
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
            plugins: self.loaded.scenario.plugins.iter().map(|(key, _)| self.plugin_record(key)).collect(),
            jobs,
            wall: Wall::default(),
            contradictions: Vec::new(),
        }
    }

    fn job_record(&self, job: &Job, executed: &Executed, seed: u64) -> record::JobRecord {
        assemble::job(Facts {
            job,
            info: self.plugins.described.get(&job.plugin).and_then(|description| description.workload(&job.workload)),
            plugin: self.plugin_file(&job.plugin),
            ends: executed.ends.iter().filter(|end| end.job == job.id).collect(),
            seed,
            iteration_ns: None,
            interrupted: executed.interrupted,
        })
    }

    /// Failures of all jobs whose plugin's file is no longer the one that was hashed: nobody knows which of both they
    /// measured. Files that orch built are copies that nobody changes; those of `path:` are the user's.
    fn changed_files(&self) -> Vec<PassEnd> {
        let changed = |job: &&Job| match self.plugins.prepared.get(&job.plugin) {
            Some(Ok(prepared)) => crate::hash::file(&prepared.library).ok().as_ref() != Some(&prepared.hash),
            _ => false,
        };
        let failure = |job: &Job| PassEnd {
            job: job.id.clone(),
            pass: PassName::None,
            round: 0,
            cpus: Vec::new(),
            wall_ns: 0,
            result: PassResult::Failed {
                phase: Phase::Load,
                message: "the plugin's file changed during the run; build first, then measure".to_owned(),
            },
            warnings: Vec::new(),
        };
        self.jobs.iter().filter(changed).map(failure).collect()
    }

    /// The command that repeats the run in the same order.
    fn command(&self, seed: u64) -> String {
        let mut command = format!("orch run {}", project::quoted(&self.loaded.shown));
        if let Some(filter) = &self.options.filter {
            command.push_str(&format!(" --filter {}", project::quoted(filter)));
        }
        if let Some(results) = &self.options.results {
            command.push_str(&format!(" --results {}", project::quoted(&results.display().to_string())));
        }
        format!("{command} --seed {seed}")
    }

    fn plugin_file(&self, key: &str) -> PluginFile {
        match self.plugins.prepared.get(key) {
            Some(Ok(prepared)) => PluginFile {
                path: self.shown(&prepared.path),
                hash: Some(prepared.hash.clone()),
                git: Some(prepared.git.clone()),
            },
            _ => PluginFile { path: key.to_owned(), hash: None, git: None },
        }
    }

    fn plugin_record(&self, key: &str) -> PluginRecord {
        let described = self.plugins.described.get(key);
        let prepared = self.plugins.prepared.get(key).and_then(|prepared| prepared.as_ref().ok());
        PluginRecord {
            key: key.to_owned(),
            name: described.map(|description| description.plugin.clone()),
            version: described.and_then(|description| description.version.clone()),
            sdk: described.and_then(|description| description.sdk.clone()),
            build: described.map(|description| description.build.clone()).unwrap_or_default(),
            flags: prepared.map(|prepared| prepared.flags.clone()).unwrap_or_default(),
            cpu_features: prepared.and_then(|prepared| prepared.cpu_features.clone()),
            file: prepared.is_some().then(|| self.plugin_file(key)),
        }
    }

    /// A path as records show it: relative to the project's root where it lies inside.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.loaded.root).unwrap_or(path).display().to_string()
    }

    /// Renders the reports into the folder, and prints the summary or the record.
    fn report(&self, folder: &Path, record: &Record) -> Result<(), Failure> {
        let templates = project::templates(&self.loaded.root);
        let mut names = vec![SUMMARY];
        names.extend(self.loaded.scenario.reports.iter().map(String::as_str).filter(|name| *name != SUMMARY));
        let mut summary = String::new();
        for name in names {
            let text = render::render(name, &templates, record).map_err(|error| {
                Failure::System(format!("the record is stored in {}, but {error}", folder.display()))
            })?;
            store::write_whole(&folder.join(name), text.as_bytes())
                .map_err(|error| Failure::system(&format!("cannot write {name}"), &error))?;
            if name == SUMMARY {
                summary = text;
            }
        }
        if self.options.json {
            let text = serde_json::to_string_pretty(record).map_err(|error| Failure::system("the record", &error))?;
            output::print(&(text + "\n"))?;
        } else {
            let here = std::env::current_dir().unwrap_or_default();
            let shown = folder.strip_prefix(&here).unwrap_or(folder);
            output::print(&format!("{summary}record: {}\n", shown.join(store::FILE).display()))?;
        }
        Ok(())
    }
}

/// Reports are looked for before anything is measured.
fn check_reports(loaded: &Loaded) -> Result<(), Failure> {
    let folder = project::templates(&loaded.root);
    let missing: Vec<&str> = loaded
        .scenario
        .reports
        .iter()
        .map(String::as_str)
        .filter(|name| name.contains('/') || !render::exists(name, &folder))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let problems: Vec<_> = missing.iter().map(|name| loaded.scenario.report_problem(name, &folder)).collect();
    Err(loaded.refuse(&problems))
}

fn wall(record: &Record, spent: &Spent, lock_time: Duration) -> Wall {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let sum = |part: &dyn Fn(&record::JobWall) -> u64| record.jobs.iter().map(|job| part(&job.wall)).sum::<u64>();
    let total_ns = nanos(spent.begun.elapsed() + spent.earlier);
    let samples_ns = sum(&|wall| wall.samples_ns);
    Wall {
        total_ns,
        prepare_ns: nanos(spent.prepare_time),
        lock_ns: nanos(lock_time),
        profile_ns: sum(&|wall| wall.profile_ns),
        count_ns: sum(&|wall| wall.count_ns),
        time_ns: sum(&|wall| wall.time_ns),
        samples_ns,
        samples_share: samples_ns as f64 / total_ns.max(1) as f64,
    }
}

fn exit_code(record: &Record) -> Exit {
    match record.outcome {
        RunOutcome::Complete => Exit::Fine,
        RunOutcome::Incomplete => Exit::Incomplete,
        RunOutcome::Interrupted => Exit::Interrupted,
    }
}
