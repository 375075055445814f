//! Whole programs as workloads: `command/run` starts one per iteration and times it from spawn to
//! end.
//!
//! The measured time is the time that a user waits: starting the program, its work, its end. Its
//! allocations belong to another process and are not counted; the few that are counted are those of
//! starting it. CPU time and memory of the program are metrics.

mod child;
mod params;

use child::{OutputFile, ProgramCost, RunningProgram};
use orch_sdk::abi::Plugin;
use orch_sdk::prelude::*;
use params::{CommandLine, RunParams};
use std::fs::File;
use std::process::{Command, Stdio};

export_plugin!(Run);

unsafe extern "C" {
    #[link_name = "orch_plugin_v1"]
    static EXPORTED: Plugin;
}

/// Returns the table of this plugin, for a program that contains it. It lives forever.
pub fn plugin_table() -> *const Plugin {
    &raw const EXPORTED
}

/// A program that is run once per iteration.
struct Run {
    params: RunParams,
    stdout: OutputFile,
    stderr: OutputFile,
    /// Whether the program ran since `prepare` did.
    is_used: bool,
}

impl Workload for Run {
    const ID: &'static str = "run";
    const ABOUT: &'static str = "Runs a program from its start to its end";
    const ITERATION: &'static str = "one run of the program";
    const METRICS: &'static [Metric] = &[
        Metric::count("user_ms", "ms").unjudged().about(
            "User CPU time of the program \
            and its children",
        ),
        Metric::count("system_ms", "ms").unjudged().about(
            "System CPU time of the program \
            and its children",
        ),
        Metric::count("max_rss", "B").unjudged().about(
            "Peak resident memory of the largest process; not less than own_rss, which Linux \
                includes",
        ),
        Metric::count("own_rss", "B")
            .unjudged()
            .about("Resident memory of the worker that starts the program"),
    ];
    const TAGS: &'static [&'static str] = &["program"];
    type Params = RunParams;

    fn create(params: RunParams) -> Result<Self> {
        if params.command.program().is_none_or(str::is_empty) {
            return Err(Error::params(
                "parameter 'command' names no program; write for example [sort, -n, numbers.txt]",
            ));
        }
        Ok(Self {
            params,
            stdout: OutputFile::new()?,
            stderr: OutputFile::new()?,
            is_used: false,
        })
    }

    /// Runs the program of `prepare`, if there is one.
    fn reset(&mut self) -> Result<()> {
        self.is_used = false;
        // Releasing the memory of a long output takes time that belongs to no run.
        self.stdout.clear()?;
        self.stderr.clear()?;
        let Some(line) = &self.params.prepare else {
            return Ok(());
        };
        let mut command = self.build_command(line)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.stderr.writer()?);
        let cost = RunningProgram::start(&mut command)
            .map_err(|error| self.not_started(line, &error))?
            .wait()?;
        if cost.exit == Some(0) {
            return Ok(());
        }
        let end = describe_end(&cost, 0);
        let words = describe_last_words(self.stderr.last_line()?);
        Err(Error::msg(format_args!("`prepare` {end}{words}")))
    }

    fn run(&mut self) -> Result<()> {
        scope!("program");
        if std::mem::replace(&mut self.is_used, true) {
            if self.params.prepare.is_some() {
                return Err(Error::msg(
                    "the program is too short for `prepare`: one sample needs several runs of it",
                ));
            }
            self.stdout.clear()?;
            self.stderr.clear()?;
        }
        let line = &self.params.command;
        let mut command = self.build_command(line)?;
        command
            .stdin(self.open_stdin()?)
            .stdout(self.open_stdout()?)
            .stderr(self.stderr.writer()?);
        let child =
            RunningProgram::start(&mut command).map_err(|error| self.not_started(line, &error))?;
        let cost = child.wait()?;
        self.judge(&cost)?;
        count!("user_ms", 1e3 * cost.user_seconds);
        count!("system_ms", 1e3 * cost.system_seconds);
        count!("max_rss", cost.max_rss);
        count!("own_rss", child::read_own_peak()?);
        Ok(())
    }

    /// Standard output of the program.
    fn digest(&mut self) -> Result<Option<Digest>> {
        if !self.params.digest {
            return Ok(None);
        }
        let text = self.stdout.all()?;
        Ok(Some(Digest::text(format!(
            "{} bytes, fnv1a {:016x}",
            text.len(),
            fnv1a(&text)
        ))))
    }
}

impl Run {
    /// Builds the command of a line, without its streams.
    fn build_command(&self, line: &CommandLine) -> Result<Command> {
        let mut command = match line {
            CommandLine::Shell(text) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "--"]).arg(text);
                shell
            }
            CommandLine::Words(words) => {
                let (program, arguments) = words
                    .split_first()
                    .ok_or_else(|| Error::params("a command line names no program"))?;
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
        };
        if let Some(folder) = &self.params.cwd {
            command.current_dir(folder);
        }
        command.envs(&self.params.env.0);
        Ok(command)
    }

    /// Opens the place for the output: memory if it is part of the result, so that its length has a
    /// cost, and otherwise nowhere.
    fn open_stdout(&self) -> Result<Stdio> {
        if self.params.digest {
            Ok(self.stdout.writer()?)
        } else {
            Ok(Stdio::null())
        }
    }

    fn open_stdin(&self) -> Result<Stdio> {
        let Some(path) = &self.params.stdin else {
            return Ok(Stdio::null());
        };
        let file = File::open(path).map_err(|error| {
            Error::params(format_args!(
                "parameter 'stdin': cannot open {}: {error}",
                path.display()
            ))
        })?;
        Ok(file.into())
    }

    fn not_started(&self, line: &CommandLine, error: &std::io::Error) -> Error {
        let program = line.program().unwrap_or_default();
        let folder = self
            .params
            .cwd
            .as_ref()
            .map(|folder| format!(" in {}", folder.display()))
            .unwrap_or_default();
        Error::msg(format_args!(
            "cannot start `{program}`{folder}: {error}; give its path, or a name that is in \
             PATH"
        ))
    }

    /// Returns an error with the program's last words if the program did not end as required.
    fn judge(&self, cost: &ProgramCost) -> Result<()> {
        let wanted = self.params.expect_exit;
        if cost.exit == Some(wanted) || self.params.any_exit {
            return Ok(());
        }
        let end = describe_end(cost, wanted);
        let words = describe_last_words(self.stderr.last_line()?.or(self.stdout.last_line()?));
        Err(Error::msg(format_args!(
            "`{}` {end}{words}",
            self.params.command.program().unwrap_or_default()
        )))
    }
}

/// Describes the end of a program that should have ended with the exit code `wanted`.
fn describe_end(cost: &ProgramCost, wanted: i32) -> String {
    match (cost.exit, cost.signal) {
        (Some(code), _) => format!("ended with exit code {code} instead of {wanted}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

fn describe_last_words(words: Option<String>) -> String {
    words
        .map(|words| format!("; its last words: {words}"))
        .unwrap_or_default()
}

/// Returns the 64-bit FNV-1a hash.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::serde_json::{Value, json};

    fn run(params: Value) -> Result<(Run, Option<Digest>)> {
        let mut run = Run::create(RunParams::from_json(&params)?)?;
        run.setup()?;
        run.run()?;
        run.run()?;
        let digest = run.digest()?;
        Ok((run, digest))
    }

    fn error(params: Value) -> String {
        run(params)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn output_of_the_last_run_is_the_digest() {
        let hash = |text: &[u8]| {
            Some(Digest::text(format!(
                "{} bytes, fnv1a {:016x}",
                text.len(),
                fnv1a(text)
            )))
        };
        let (ran, digest) = run(json!({ "command": ["printf", "a b"] })).unwrap();
        assert_eq!(
            (ran.stdout.all().unwrap(), digest),
            (b"a b".to_vec(), hash(b"a b"))
        );
        let (_, digest) =
            run(json!({ "command": "read x; echo $x | tr a-z A-Z", "stdin": "Cargo.toml" }))
                .unwrap();
        assert_eq!(digest, hash(b"[PACKAGE]\n"));
        let (_, digest) = run(
            json!({ "command": "pwd; echo $GREETING", "cwd": "/", "env": { "GREETING": "hi" } }),
        )
        .unwrap();
        assert_eq!(digest, hash(b"/\nhi\n"));
        let (_, digest) = run(json!({ "command": ["true"], "digest": false })).unwrap();
        assert_eq!(digest, None);
    }

    #[test]
    fn another_exit_than_expected_is_an_error_with_last_words() {
        assert_eq!(
            error(json!({ "command": "echo first; echo no luck >&2; exit 3" })),
            "`sh` ended with exit code 3 instead of 0; its last words: no luck"
        );
        assert_eq!(error(json!({ "command": "exit 3", "expect_exit": 3 })), "");
        assert_eq!(
            error(json!({ "command": "kill -9 $$" })),
            "`sh` was ended by signal 9"
        );
        let text = error(json!({ "command": ["no-such-program"] }));
        assert!(
            text.starts_with("cannot start `no-such-program`: No such file"),
            "{text}"
        );
        let text = error(json!({ "command": ["cat"], "stdin": "no-such-file" }));
        assert!(
            text.starts_with("parameter 'stdin': cannot open no-such-file"),
            "{text}"
        );
        assert!(error(json!({ "command": [] })).contains("names no program"));
        assert!(
            error(json!({ "command": 3 })).contains("a list of words, or a text for the shell")
        );
        assert!(error(json!({ "command": "true", "env": { "X": 1 } })).contains("'X'"));
    }

    #[test]
    fn prepare_runs_before_each_run_and_is_no_part_of_it() {
        let folder = std::env::temp_dir().join(format!("orch-prepare-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let params = json!({
            "command": "rm made; echo run >> log",
            "prepare": "touch made; echo prepare >> log",
            "cwd": folder,
        });
        let mut run = Run::create(RunParams::from_json(&params).unwrap()).unwrap();
        for _ in 0..2 {
            run.reset().unwrap();
            run.run().unwrap();
        }
        let log = std::fs::read_to_string(folder.join("log")).unwrap();
        let again = run.run().unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(log, "prepare\nrun\nprepare\nrun\n");
        assert!(
            again.starts_with("the program is too short for `prepare`"),
            "{again}"
        );
        let params = json!({ "command": "true", "prepare": "echo why >&2; exit 4" });
        let mut run = Run::create(RunParams::from_json(&params).unwrap()).unwrap();
        assert_eq!(
            run.reset().unwrap_err().to_string(),
            "`prepare` ended with exit code 4 instead of 0; its last words: why"
        );
    }

    #[test]
    fn every_end_is_expected_if_the_parameters_say_so() {
        for line in ["exit 3", "kill -9 $$"] {
            assert_eq!(error(json!({ "command": line, "any_exit": true })), "");
        }
    }

    #[test]
    fn program_is_charged_and_not_the_caller() {
        let burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let mut shell = Command::new("sh");
        let cost = RunningProgram::start(shell.args(["-c", burn]))
            .unwrap()
            .wait()
            .unwrap();
        assert!(cost.user_seconds > 0.0 && cost.max_rss > 100e3, "{cost:?}");
        assert_eq!((cost.exit, cost.signal), (Some(0), None));
    }
}
