//! The verb `time`: measures whole programs, alone or against each other. It needs no project, no
//! scenario and no repository, and stores nothing.

pub(crate) mod measured;
mod measurement;
pub(crate) mod program_list;
mod ranking;

use self::measured::{LineShell, TimeResult};
use self::measurement::ProgramMeasurement;
use self::program_list::{ProgramList, TimedProgram};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::machine::load::{LoadReading, MachineLoad};
use crate::machine::{self, Machine};
use crate::plugin::build::{self, PreparedPlugin};
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::{BuiltinPlugin, PluginSource, PluginSpec, SandboxSpec};
use crate::project;
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::runner::lock::LockPurpose;
use crate::runner::orphans;
use crate::scenario::{Job, JobSettings};
use orch_core::judge::verdict::ALPHA;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Key of the plugin that runs programs.
const PLUGIN: &str = "command";
/// Workers of a program that is measured alone: the fewest whose interval covers the median with
/// 95 %.
const WORKERS: u32 = 6;
/// Total time of the samples of a program that is measured alone, unless the user asks for another.
pub(crate) const TIME_ALONE: Duration = Duration::from_secs(3);
/// Longest time of the comparison of two programs, unless the user asks for another.
pub(crate) const TIME_OF_PAIRS: Duration = Duration::from_secs(60);
/// Address space of programs: more than any machine has, because the limit of the worker applies to
/// them too.
const NO_MEMORY_LIMIT: u64 = 1 << 46;

/// Request for the times of programs.
#[derive(Debug, Clone)]
pub(crate) struct TimeRequest {
    pub(crate) programs: ProgramList,
    pub(crate) shell: LineShell,
    /// File that each run reads as its standard input.
    pub(crate) stdin: Option<PathBuf>,
    /// Whether runs that end with an error are measured.
    pub(crate) ignore_failure: bool,
    /// Runs of each program before anything is measured.
    pub(crate) warm_up_runs: u64,
    /// Time limit of a comparison, or total time of a program that is measured alone.
    pub(crate) time: Option<Duration>,
    /// Time limit of one worker, which runs a program several times.
    pub(crate) timeout: Duration,
    /// Relative difference that matters.
    pub(crate) tolerance: f64,
    pub(crate) seed: Option<u64>,
}

/// Measures the programs of a request.
pub(crate) fn time_programs(
    request: &TimeRequest,
    context: &CommandContext,
    observer: &mut dyn ProgressObserver,
) -> Result<TimeResult, CommandError> {
    let programs = request.programs.expand()?;
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    orphans::become_subreaper().map_err(|error| {
        CommandError::system_while("cannot clean up the programs' processes", &error)
    })?;
    let prepared = prepare_plugin(&here, context.interrupt, observer)?;
    let cpus = machine::usable_cpus();
    let jobs = programs
        .iter()
        .map(|program| build_job(program, programs.len() == 1, cpus.len(), request))
        .collect::<Result<Vec<Job>, CommandError>>()?;
    let _held = project::take_lock(LockPurpose::Measuring, context.interrupt, observer)?;
    let seed = request.seed.unwrap_or_else(orch_core::random::draw_seed);
    let before = LoadReading::read();
    let helpers = ProgramHelpers {
        programs: &programs,
        started: 0,
    };
    let measurement =
        ProgramMeasurement::begin(request, &jobs, &prepared, &cpus, seed, context, observer);
    let measured = helpers.run_around(|| measurement.measure())?;
    let load = before
        .zip(LoadReading::read())
        .map(|(before, after)| MachineLoad::between(before, after));
    let (programs, comparisons, pairs) = measured.name_programs(&programs);
    let mut result = TimeResult {
        schema: measured::SCHEMA.to_owned(),
        orch: env!("CARGO_PKG_VERSION").to_owned(),
        started: context.started.to_string(),
        ended: jiff::Timestamp::now().to_string(),
        seed,
        alpha: ALPHA,
        margin: request.tolerance,
        interrupted: context.interrupt.is_requested(),
        shell: request.shell,
        machine: Machine::read(),
        load,
        programs,
        comparisons,
    };
    result.rank(&pairs);
    Ok(result)
}

/// Prepares the plugin that runs programs: in the user's folder, with the user's environment and
/// without a sandbox, as a shell would run them.
fn prepare_plugin(
    here: &Path,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> Result<PreparedPlugin, CommandError> {
    let spec = PluginSpec {
        source: PluginSource::Builtin {
            plugin: BuiltinPlugin::Command,
            folder: here.to_owned(),
        },
        // Variables whose texts are not Unicode cannot be passed on.
        env: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        sandbox: SandboxSpec::Off,
        overlay: None,
        folder: here.to_owned(),
    };
    let mut show = |line: &str| observer.see(ProgressEvent::BuildLine { line });
    let mut watch = BuildWatcher {
        show: &mut show,
        stop: &|| interrupt.is_requested(),
        note: None,
    };
    build::prepare_plugin(PLUGIN, &spec, &mut watch)
        .map_err(|failure| CommandError::system(failure.message))
}

fn build_job(
    program: &TimedProgram,
    is_alone: bool,
    cpus: usize,
    request: &TimeRequest,
) -> Result<Job, CommandError> {
    let mut params = Map::new();
    let mut set = |name: &str, value: Value| params.insert(name.to_owned(), value);
    set("command", read_line(&program.line, request.shell)?);
    set("digest", false.into());
    set("any_exit", request.ignore_failure.into());
    if let Some(prepare) = &program.prepare {
        set("prepare", prepare.as_str().into());
    }
    if let Some(stdin) = &request.stdin {
        let path = stdin.to_str().ok_or_else(|| {
            CommandError::input(format!("--stdin {}: not a Unicode path", stdin.display()))
        })?;
        set("stdin", path.into());
    }
    let settings = JobSettings {
        time: request
            .time
            .unwrap_or(if is_alone { TIME_ALONE } else { TIME_OF_PAIRS }),
        rounds: if is_alone { WORKERS } else { 0 },
        timeout: request.timeout,
        memory: NO_MEMORY_LIMIT,
        // Programs may use all CPUs.
        threads: cpus.max(1),
        tolerance: request.tolerance,
        max_allocations: None,
    };
    Ok(Job {
        id: program.name.clone(),
        plugin: PLUGIN.to_owned(),
        workload: "run".to_owned(),
        params,
        tags: Vec::new(),
        settings,
    })
}

/// Returns a command line as the plugin's parameter.
fn read_line(line: &str, shell: LineShell) -> Result<Value, CommandError> {
    match shell {
        LineShell::Sh => Ok(line.into()),
        LineShell::None => {
            let words = shlex::split(line).filter(|words| !words.is_empty());
            let words = words.ok_or_else(|| {
                CommandError::input(format!(
                    "`{line}` has an unclosed quote or ends with a `\\`"
                ))
                .with_hint("correct the line, or leave out `--shell none`")
            })?;
            Ok(json!(words))
        }
    }
}

/// The command lines that run once before and after the measurement.
struct ProgramHelpers<'a> {
    programs: &'a [TimedProgram],
    /// Number of programs whose `setup` has been started.
    started: usize,
}

impl ProgramHelpers<'_> {
    /// Runs every `setup`, the measurement, and the `cleanup` of every program whose `setup` has
    /// been started, however the measurement ends.
    fn run_around<T>(
        mut self,
        measure: impl FnOnce() -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let measured = self.set_up().and_then(|()| measure());
        let cleaned = self.clean_up();
        let measured = measured?;
        cleaned.map(|()| measured)
    }

    fn set_up(&mut self) -> Result<(), CommandError> {
        for program in self.programs {
            self.started += 1;
            if let Some(line) = &program.setup {
                run_helper("--setup", line)?;
            }
        }
        // What they left running, such as a server, is not a process of a measured program.
        orphans::spare_children();
        Ok(())
    }

    fn clean_up(&self) -> Result<(), CommandError> {
        let lines = self.programs.iter().take(self.started);
        // All of them run, and the first failure is reported.
        let results: Vec<Result<(), CommandError>> = lines
            .filter_map(|program| program.cleanup.as_ref())
            .map(|line| run_helper("--cleanup", line))
            .collect();
        results.into_iter().collect()
    }
}

/// Runs a command line once, with its output on standard error.
fn run_helper(option: &str, line: &str) -> Result<(), CommandError> {
    let status = Command::new("sh")
        .arg("-c")
        .arg(line)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| CommandError::system_while(&format!("{option} `{line}`"), &error))?;
    if status.success() {
        return Ok(());
    }
    Err(CommandError::input(format!(
        "{option} `{line}` failed: {status}"
    )))
}
