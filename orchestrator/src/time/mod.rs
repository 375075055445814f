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
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Key of the plugin that runs programs.
const PLUGIN: &str = "command";
/// Workers of a program that is measured alone: the fewest whose interval covers the median with
/// 95 %.
const WORKERS: u32 = 6;
/// Total time of the runs of a program that is measured alone, unless the user asks for another.
pub(crate) const TIME_ALONE: Duration = Duration::from_secs(3);
/// Longest time of the comparison of two programs, unless the user asks for another.
pub(crate) const TIME_OF_PAIRS: Duration = Duration::from_secs(60);
/// Time between two looks at a helper.
const POLL: Duration = Duration::from_millis(10);
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
    if let Some(stdin) = &request.stdin {
        File::open(stdin).map_err(|error| {
            CommandError::input(format!("--stdin {}: {error}", stdin.display()))
        })?;
    }
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    orphans::become_subreaper().map_err(|error| {
        CommandError::system_while("cannot clean up the programs' processes", &error)
    })?;
    let prepared = prepare_plugin(&here, context.interrupt, observer)?;
    let cpus = machine::usable_cpus();
    let jobs = programs
        .iter()
        .map(|program| build_job(program, cpus.len(), request))
        .collect::<Result<Vec<Job>, CommandError>>()?;
    let _held = project::take_lock(LockPurpose::Measuring, context.interrupt, observer)?;
    let seed = request.seed.unwrap_or_else(orch_core::random::draw_seed);
    let before = LoadReading::read();
    let helpers = ProgramHelpers {
        programs: &programs,
        interrupt: context.interrupt,
        started: 0,
    };
    let measurement =
        ProgramMeasurement::begin(request, &jobs, &prepared, &cpus, seed, context, observer);
    let (measured, problems) = helpers.run_around(|| measurement.measure())?;
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
        problems,
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
        time: request.time.unwrap_or(TIME_OF_PAIRS),
        rounds: 0,
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
            let hint = "correct the line, or leave out `--shell none`";
            let words = shlex::split(line).ok_or_else(|| {
                CommandError::input(format!(
                    "`{line}` has an unclosed quote or ends with a `\\`"
                ))
                .with_hint(hint)
            })?;
            if words.first().is_none_or(String::is_empty) {
                let error = CommandError::input(format!("`{line}` names no program"));
                return Err(error.with_hint(hint));
            }
            Ok(json!(words))
        }
    }
}

/// The command lines that run once before and after the measurement.
struct ProgramHelpers<'a> {
    programs: &'a [TimedProgram],
    interrupt: &'a Interrupt,
    /// Number of programs whose `setup` has been started.
    started: usize,
}

impl ProgramHelpers<'_> {
    /// Runs every `setup`, the measurement, and the `cleanup` of every program whose `setup` has
    /// been started, however the measurement ends. Returns the measurement, and a sentence for each
    /// `cleanup` that failed.
    fn run_around<T>(
        mut self,
        measure: impl FnOnce() -> Result<T, CommandError>,
    ) -> Result<(T, Vec<String>), CommandError> {
        let measured = self.set_up().and_then(|()| measure());
        let problems = self.clean_up();
        Ok((measured?, problems))
    }

    fn set_up(&mut self) -> Result<(), CommandError> {
        for program in self.programs {
            self.started += 1;
            let Some(line) = &program.setup else { continue };
            let stop = || self.interrupt.is_requested();
            let end = run_helper(line, &stop);
            if stop() {
                return Err(CommandError::interrupted());
            }
            end.map_err(|reason| {
                CommandError::input(format!("--setup `{line}` failed: {reason}"))
            })?;
        }
        // What they left running, such as a server, is not a process of a measured program.
        orphans::spare_children();
        Ok(())
    }

    /// Runs the helpers even if the user stopped the command, and returns what failed.
    fn clean_up(&self) -> Vec<String> {
        let programs = self.programs.iter().take(self.started);
        programs
            .filter_map(|program| program.cleanup.as_ref())
            .filter_map(|line| {
                let reason = run_helper(line, &|| false).err()?;
                Some(format!("--cleanup `{line}` failed: {reason}"))
            })
            .collect()
    }
}

/// Runs a command line once, with its output on standard error, until it ends or `stop` returns
/// true. It is in a group of its own, so that Ctrl-C reaches orch alone. The error is the reason.
fn run_helper(line: &str, stop: &dyn Fn() -> bool) -> Result<(), String> {
    let wrong = |reason: &dyn Display| reason.to_string();
    let mut child = Command::new("sh")
        .args(["-c", "--"])
        .arg(line)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .process_group(0)
        .spawn()
        .map_err(|error| wrong(&error))?;
    let group = Pid::from_child(&child);
    loop {
        if let Some(status) = child.try_wait().map_err(|error| wrong(&error))? {
            return if status.success() {
                Ok(())
            } else {
                Err(wrong(&status))
            };
        }
        if stop() {
            let _ = kill_process_group(group, Signal::KILL);
        }
        std::thread::sleep(POLL);
    }
}
