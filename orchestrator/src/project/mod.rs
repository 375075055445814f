//! The project of a command: its root, the scenario's file, and its plugins.

pub(crate) mod report_names;
pub(crate) mod rules;

use crate::cache;
use crate::error::CommandError;
use crate::file;
use crate::git::{self, GitKind};
use crate::plugin::PluginSpec;
use crate::plugin::build::{self, FailureCause, PluginFailure, PreparedPlugin};
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::catalog::PluginDescription;
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::runner::lock::{self, LockGuard, LockPurpose};
use crate::runner::orphans;
use crate::runner::process::{self, WorkerLaunch};
use crate::runner::sandbox_grants;
use crate::runner::worker_exit::PassFailure;
use crate::scenario::problem::FileProblem;
use crate::scenario::{self, Job, Scenario, ScenarioContext};
use orch_core::protocol::{MemoryShift, Pass, Phase, WorkerReply, WorkerRequest};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;
use wildmatch::WildMatch;

/// The scenario that a plugin's project begins with.
pub(crate) const BENCH: &str = "bench.yaml";

/// Time limit of a throw-away worker that describes a plugin.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(20);
const DESCRIBE_MEMORY: u64 = 1 << 30;

/// A scenario file that was read.
pub(crate) struct LoadedScenario {
    /// Path as the user wrote it.
    pub(crate) shown: String,
    pub(crate) root: PathBuf,
    /// A folder of the repository whose commits are compared: the project's, or that of `--repo`.
    pub(crate) repository: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) text: String,
    pub(crate) scenario: Scenario,
}

impl LoadedScenario {
    /// Converts findings to the error that the user gets.
    pub(crate) fn refuse(&self, problems: Vec<FileProblem>) -> CommandError {
        CommandError::problems(&self.shown, &self.text, problems)
    }
}

impl LoadedScenario {
    /// Marks for overlay every plugin that orch builds and that lies outside of the repository, and
    /// makes that repository the one whose commits are compared.
    pub(crate) fn lay_over(&mut self, repository: &Path) -> Result<(), CommandError> {
        let root = git::find_root(repository)
            .filter(|_| repository.exists())
            .ok_or_else(|| {
                let state = git::read_state(repository);
                let is_refused = matches!(state.state, GitKind::Unreadable | GitKind::OtherOwner);
                if let Some(message) = state.message.filter(|_| is_refused) {
                    return CommandError::input(format!(
                        "--repo {}: {message}",
                        repository.display()
                    ));
                }
                CommandError::input(format!(
                    "--repo {}: not a git repository",
                    repository.display()
                ))
                .with_hint("name the folder of a clone of the code under test")
            })?;
        for (_, spec) in &mut self.scenario.plugins {
            let folder = spec.source.folder();
            if spec.source.is_built() && git::find_root(&folder).as_ref() != Some(&root) {
                spec.overlay = Some(root.clone());
            }
        }
        self.repository = root;
        Ok(())
    }
}

/// Reads and checks a scenario file. If another repository is given, its commits get the plugins of
/// the scenario as an overlay.
pub(crate) fn load_over(
    path: &Path,
    repository: Option<&Path>,
) -> Result<LoadedScenario, CommandError> {
    let mut loaded = load(path)?;
    if let Some(repository) = repository {
        loaded.lay_over(repository)?;
    }
    Ok(loaded)
}

/// Reads and checks a scenario file without another repository.
pub(crate) fn load(path: &Path) -> Result<LoadedScenario, CommandError> {
    let shown = path.display().to_string();
    let text = file::read_bytes(path, file::MOST_TEXT_BYTES).map_err(|error| {
        CommandError::input(format!("cannot read the scenario {shown}: {error}")).with_hint(
            format!("name a scenario file, such as scenarios/nightly.yaml or {BENCH}"),
        )
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        CommandError::input(format!("the scenario {shown} is not UTF-8 text: {error}"))
    })?;
    let file = path
        .canonicalize()
        .map_err(|error| CommandError::system_while(&shown, &error))?;
    let root = root_of(&file);
    let stem = file.file_stem().map_or_else(
        || "scenario".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    let stem: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let around = ScenarioContext {
        root: &root,
        stem: &stem,
        exists: &|path| path.exists(),
        real: &real,
    };
    match scenario::read_scenario(&text, &around) {
        Ok(mut scenario) => {
            scenario.source.option = format!(" --scenario {}", quoted(&shown));
            Ok(LoadedScenario {
                shown,
                repository: root.clone(),
                root,
                file,
                text,
                scenario,
            })
        }
        Err(problems) => Err(CommandError::problems(&shown, &text, problems)),
    }
}

/// Returns the nearest folder at or above a scenario that contains `.git` or `orch.yaml`, or else
/// the scenario's own folder.
pub(crate) fn root_of(file: &Path) -> PathBuf {
    let own = file.parent().unwrap_or(Path::new("/"));
    own.ancestors()
        .find(|folder| folder.join(".git").exists() || folder.join("orch.yaml").exists())
        .unwrap_or(own)
        .to_owned()
}

/// Returns the scenario that the user named, or else the project's default one. `how` is the hint
/// that shows the way to name a scenario.
pub(crate) fn named_or_default(named: Option<&Path>, how: &str) -> Result<PathBuf, CommandError> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    let root = root_of(&here.join("x"));
    let folder = root.join("scenarios");
    let found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        })
        .unwrap_or_default()
        .into_iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ending == "yaml" || ending == "yml")
        })
        .collect();
    let nightly = folder.join("nightly.yaml");
    // A plugin's own project has one scenario beside its sources.
    let own = root.join(BENCH);
    let meant = match &found[..] {
        _ if nightly.is_file() => nightly,
        [only] => only.clone(),
        [] if own.is_file() => own,
        _ => {
            return Err(CommandError::input(format!(
                "no scenario was named, there is no {BENCH}, and {} contains neither nightly.yaml \
                 nor exactly one other scenario",
                folder.display()
            ))
            .with_hint(how)
            .with_hint("`orch init` writes a scenario for the code in a folder"));
        }
    };
    // The path is relative to the current folder, as a user would write it.
    Ok(meant
        .strip_prefix(&here)
        .map_or_else(|_| meant.clone(), Path::to_owned))
}

/// Plugins that are ready with their descriptions, and the failures of the others.
#[derive(Clone)]
pub(crate) struct PluginSet {
    pub(crate) prepared: HashMap<String, Result<PreparedPlugin, PluginFailure>>,
    pub(crate) described: HashMap<String, PluginDescription>,
    /// Time that the builds waited for measurements of other processes.
    pub(crate) waited: Duration,
}

/// A function that builds a plugin, from the working tree or from another source.
pub(crate) type Build<'a> =
    dyn Fn(&str, &PluginSpec, &mut BuildWatcher) -> Result<PreparedPlugin, PluginFailure> + 'a;

/// The choice of plugins whose builds wait for the end of other processes' measurements.
#[derive(Clone, Copy)]
pub(crate) enum BuildWait<'a> {
    /// No plugin waits, because the command measures nothing.
    Never,
    /// The plugins for which this function returns that a compiler has work to do.
    Where(&'a dyn Fn(&str, &PluginSpec) -> bool),
}

impl BuildWait<'_> {
    /// Waits for plugins of the working tree that are not up to date.
    pub(crate) const OF_TREE: Self = Self::Where(&|_, spec| !build::is_current(spec));
}

/// Builds, inspects and describes those plugins of a scenario that `wanted` names.
pub(crate) fn prepare(
    scenario: &Scenario,
    wanted: impl Fn(&str) -> bool,
    build: &Build,
    wait: BuildWait,
    mark: &str,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> Result<PluginSet, CommandError> {
    orphans::become_subreaper().map_err(|error| {
        CommandError::system_while("cannot clean up the plugins' processes", &error)
    })?;
    let mut plugins = PluginSet {
        prepared: HashMap::new(),
        described: HashMap::new(),
        waited: Duration::ZERO,
    };
    let mut held = None;
    if scenario
        .plugins
        .iter()
        .any(|(key, spec)| wanted(key) && spec.source.is_built())
    {
        cache::check().map_err(|error| CommandError::system(error.to_string()))?;
    }
    for (key, spec) in scenario.plugins.iter().filter(|(key, _)| wanted(key)) {
        if interrupt.is_requested() {
            return Err(CommandError::interrupted());
        }
        let must_wait = match wait {
            BuildWait::Never => false,
            BuildWait::Where(has_work) => held.is_none() && has_work(key, spec),
        };
        if must_wait {
            let taken = take_lock(LockPurpose::Building, interrupt, observer)?;
            plugins.waited += taken.waited;
            held = Some(taken);
        }
        observer.see(ProgressEvent::Preparing { plugin: key });
        let mut show = |line: &str| observer.see(ProgressEvent::BuildLine { line });
        let mut watch = BuildWatcher {
            show: &mut show,
            stop: &|| interrupt.is_requested(),
            note: None,
        };
        let mut prepared = build(key, spec, &mut watch);
        if let Err(failure) = &prepared
            && failure.cause == FailureCause::Cache
        {
            // Every other plugin would meet the same obstacle.
            return Err(CommandError::system(failure.message.clone()));
        }
        // A build may have started a server, which must not count as a plugin's process.
        orphans::spare_children();
        if let Ok(ready) = &mut prepared {
            // A description may not take longer than the longest job of the plugin.
            let own = scenario.entries.iter().filter(|entry| entry.plugin == *key);
            let timeout = own
                .map(|entry| entry.settings.timeout)
                .max()
                .map_or(DESCRIBE_TIMEOUT, |longest| longest.min(DESCRIBE_TIMEOUT));
            match describe(ready, timeout, mark, interrupt)? {
                Ok(description) => {
                    let schemas = description.workloads.iter();
                    ready.params = schemas
                        .filter_map(|info| Some((info.id.clone(), info.params.clone()?)))
                        .collect();
                    plugins.described.insert(key.clone(), description);
                }
                Err(failure) => prepared = Err(failure),
            }
        }
        plugins.prepared.insert(key.clone(), prepared);
    }
    report_missing_sandbox(&plugins, observer);
    // A build that Ctrl-C ended looks like a failed build.
    if interrupt.is_requested() {
        return Err(CommandError::interrupted());
    }
    Ok(plugins)
}

/// Waits for the lock of this machine, until it is free or the user stops the command.
pub(crate) fn take_lock(
    purpose: LockPurpose,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> Result<LockGuard, CommandError> {
    lock::take_lock(
        purpose,
        |holder| observer.see(ProgressEvent::WaitingForLock { holder }),
        || interrupt.is_requested(),
    )
    .map_err(|error| CommandError::system_while("cannot acquire the lock", &error))?
    .ok_or_else(CommandError::interrupted)
}

/// Reports once the protections that the sandboxes of plugins lack on this machine. Records of runs
/// contain them too.
fn report_missing_sandbox(plugins: &PluginSet, observer: &mut dyn ProgressObserver) {
    static REPORTED: Once = Once::new();
    let missing = plugins
        .prepared
        .values()
        .flatten()
        .map(|prepared| prepared.sandbox.missing_protections());
    if let Some(missing) = missing
        .max_by_key(Vec::len)
        .filter(|missing| !missing.is_empty())
    {
        REPORTED.call_once(|| {
            let text = format!(
                "the sandbox of plugins is incomplete: {}",
                missing.join("; ")
            );
            observer.see(ProgressEvent::Note { text: &text });
        });
    }
}

/// Reads a plugin's description from a throw-away worker.
fn describe(
    prepared: &PreparedPlugin,
    timeout: Duration,
    mark: &str,
    interrupt: &Interrupt,
) -> Result<Result<PluginDescription, PluginFailure>, CommandError> {
    let request = WorkerRequest {
        library: prepared.library.clone(),
        pass: Pass::Describe,
        workload: String::new(),
        params: String::new(),
        cpus: Vec::new(),
        memory: DESCRIBE_MEMORY,
        clock: orch_core::measure::clock::ScopeClock::Monotonic,
        shift: MemoryShift::default(),
        folder: prepared.folder.clone(),
        sandbox: sandbox_grants::find_grants(prepared, "", &serde_json::Map::new()),
    };
    let launch = WorkerLaunch {
        request: &request,
        timeout,
        threads: 1,
        env: &prepared.env,
        mark,
        stack: None,
    };
    let ended = process::run_pass(&launch, interrupt)
        .map_err(|error| CommandError::system_while("cannot start a worker", &error))?;
    let failed = |phase, message: String| {
        let message = format!("{}: {message}", prepared.path.display());
        Err(PluginFailure::new(phase, message))
    };
    Ok(match ended.result {
        Ok(WorkerReply::Described { document }) => match PluginDescription::parse(&document) {
            Ok(description) => Ok(description),
            Err(message) => failed(Phase::Describe, message),
        },
        Ok(_) => failed(
            Phase::Describe,
            "the worker sent an answer of the wrong kind".to_owned(),
        ),
        Err(PassFailure::Interrupted) => return Err(CommandError::interrupted()),
        Err(PassFailure::Failed { phase, message } | PassFailure::Skipped { phase, message }) => {
            failed(phase, message)
        }
    })
}

/// Quotes a word for a shell.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=,:@%+".contains(c);
    if word.chars().all(plain) && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Returns the results folder: the one that the user named, or else the project's.
pub(crate) fn results_folder(named: Option<&Path>, root: &Path) -> PathBuf {
    named.map_or_else(|| root.join("results"), Path::to_owned)
}

/// Returns the folder of the user's own templates.
pub(crate) fn templates(root: &Path) -> PathBuf {
    root.join("templates")
}

/// Returns the scenario's jobs that match the filter.
pub(crate) fn chosen_jobs(
    loaded: &LoadedScenario,
    scenario: &Scenario,
    plugins: &PluginSet,
    filter: Option<&str>,
) -> Result<Vec<Job>, CommandError> {
    let all = scenario::expand_jobs(scenario, |key| plugins.described.get(key))
        .map_err(|problems| loaded.refuse(problems))?;
    let Some(filter) = filter else { return Ok(all) };
    let pattern = WildMatch::new(filter);
    let ids: Vec<String> = all.iter().map(|job| job.id.clone()).collect();
    let chosen: Vec<Job> = all
        .into_iter()
        .filter(|job| pattern.matches(&job.id))
        .collect();
    if chosen.is_empty() {
        return Err(CommandError::input(format!(
            "no job of {} matches --filter '{filter}'",
            loaded.shown
        ))
        .with_hint(format!("its jobs are {}", orch_core::format::listed(&ids))));
    }
    Ok(chosen)
}
