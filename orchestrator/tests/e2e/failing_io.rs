//! Disks that are full, broken or gone at any moment: a preloaded library makes one call of `orch`
//! fail, first the first call, then the second, and so on. Results are whole or absent, and the
//! next command continues.
//!
//! A test run tries a few calls of each command. `ORCH_FAILING_IO=5
//! ORCH_FAILING_IO_REPORT=report.txt cargo test --test e2e failing_io` tries every call in each of
//! the five ways, and writes the number of times that each outcome occurred. With 1, it tries every
//! call in one way, which differs from call to call.

use crate::history::{History, asked, states, tree};
use crate::support::{Project, Ran, fixture};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Ways in which a call fails.
const MODES: [&str; 5] = ["error", "full", "short", "kill", "torn"];

/// Number of calls of each command that a test run tries.
const FEW: usize = 5;

/// A command that runs in a fresh project.
struct FailingCommand {
    arguments: &'static [&'static str],
    /// Command that continues from a journal.
    resume: &'static [&'static str],
    /// Result file that the command stores.
    result: &'static str,
    /// Exit code if no call fails.
    code: i32,
    begin: fn(&Path) -> FreshProject,
}

/// Project in which a command runs.
enum FreshProject {
    Plain(Project),
    Repository(History),
}

impl FreshProject {
    fn project(&self) -> &Project {
        match self {
            Self::Plain(project) => project,
            Self::Repository(history) => &history.project,
        }
    }

    fn users_files(&self) -> BTreeMap<PathBuf, impl PartialEq + use<>> {
        let mut files = tree(&self.project().path());
        // A repository counts its worktrees and caches its index; neither is part of the user's
        // files.
        files.retain(|path, _| !path.components().any(|part| part.as_os_str() == ".git"));
        let folder = self.project().path();
        files
            .into_iter()
            .filter(|(path, _)| path.parent() != Some(&folder) || path.is_file())
            .map(|(path, (mode, _, _, content))| (path, (mode, content)))
            .collect()
    }
}

/// Result of a command in which one call failed.
struct InjectedRun {
    ran: Ran,
    signal: Option<i32>,
}

impl FailingCommand {
    /// Runs the command with the given call failing; 0 means no call.
    fn run(&self, project: &Project, library: &Path, at: usize, mode: &str) -> InjectedRun {
        let output = project
            .plain_command()
            .args(self.arguments)
            .env("LD_PRELOAD", library)
            .env("FAILING_IO_AT", at.to_string())
            .env("FAILING_IO_MODE", mode)
            .env("FAILING_IO_LOG", project.path().join("lock.calls"))
            .output()
            .unwrap();
        InjectedRun {
            signal: output.status.signal(),
            ran: Ran {
                code: output.status.code().unwrap_or(-1),
                stdout: String::from_utf8(output.stdout).unwrap(),
                stderr: String::from_utf8(output.stderr).unwrap(),
            },
        }
    }

    fn count_calls(&self, library: &Path) -> usize {
        let fresh = (self.begin)(library);
        let clean = self.run(fresh.project(), library, 0, "error");
        assert_eq!(clean.ran.code, self.code, "{}", clean.ran.stderr);
        let calls = std::fs::read_to_string(fresh.project().path().join("lock.calls")).unwrap();
        calls.lines().count()
    }

    /// Makes one call fail, checks the remaining files, and repeats the command. Returns the
    /// outcome.
    fn try_call(&self, library: &Path, at: usize, mode: &str) -> &'static str {
        let fresh = (self.begin)(library);
        let project = fresh.project();
        let before = fresh.users_files();
        let injected = self.run(project, library, at, mode);
        let calls = std::fs::read_to_string(project.path().join("lock.calls")).unwrap_or_default();
        let call = calls.lines().nth(at - 1).unwrap_or("none").to_owned();
        let case = format!(
            "{} {mode} at call {at}, {call}\n{}{}",
            self.arguments[0], injected.ran.stdout, injected.ran.stderr
        );
        std::fs::remove_file(project.path().join("lock.calls")).ok();
        let outcome = self.judge_outcome(project, &injected, &case);
        self.repeat(project, &case);
        assert!(fresh.users_files() == before, "the user's files: {case}");
        outcome
    }

    /// Checks the messages of the command and the files that it left.
    fn judge_outcome(&self, project: &Project, injected: &InjectedRun, case: &str) -> &'static str {
        let ran = &injected.ran;
        assert!(!ran.stderr.contains("panicked"), "{case}");
        let whole = list_results(project, self.result, case);
        match (injected.signal, ran.code) {
            (Some(libc::SIGKILL), _) => "killed",
            (None, code) if code == self.code => {
                assert_eq!(whole, 1, "no result: {case}");
                "done"
            }
            (None, 201) if whole == 1 => "incomplete",
            (None, 202) => {
                let is_explained = ["No space left on device", "Input/output error"]
                    .iter()
                    .any(|reason| ran.stderr.contains(reason));
                assert!(is_explained, "no reason: {case}");
                let is_resumable = !list_journals(project).is_empty();
                assert!(
                    !is_resumable || ran.stderr.contains("--resume"),
                    "no message says how to continue: {case}"
                );
                "refused"
            }
            other => panic!("{other:?} {case}"),
        }
    }

    /// Repeats the command on an intact disk, from the journal if there is one.
    fn repeat(&self, project: &Project, case: &str) {
        let arguments = if list_journals(project).is_empty() {
            self.arguments
        } else {
            self.resume
        };
        let again = project.orch(arguments);
        assert_eq!(again.code, self.code, "again: {} {case}", again.stderr);
        assert!(list_results(project, self.result, case) >= 1, "{case}");
        let left = list_unfinished(&project.path());
        assert!(left.is_empty(), "{left:?} {case}");
        assert_eq!(list_journals(project), [] as [PathBuf; 0], "{case}");
    }
}

/// Counts the result files, and checks that all of them are whole.
fn list_results(project: &Project, name: &str, case: &str) -> usize {
    let files = project.results().into_iter().map(|run| run.join(name));
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    texts
        .map(|text| serde_json::from_str::<Value>(&text).unwrap_or_else(|_| panic!("torn: {case}")))
        .filter(|result| result["schema"].is_object() || result["id"].is_string())
        .count()
}

/// Lists the folders that `--resume` can continue.
fn list_journals(project: &Project) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = project
        .results()
        .into_iter()
        // A run that was killed before it began has a hidden folder. A run that was killed after it
        // stored its record is complete.
        .filter(|run| !run.file_name().unwrap().to_string_lossy().starts_with('.'))
        .filter(|run| !run.join("record.json").exists())
        .map(|run| run.join("journal.jsonl"))
        .filter(|file| file.exists())
        .collect();
    found.extend(
        states(&project.path().join("cache"))
            .into_iter()
            .filter(|folder| {
                !folder
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with('.')
            })
            .filter(|folder| folder.join("journal.jsonl").exists()),
    );
    found
}

/// Lists the unfinished files of a killed process.
fn list_unfinished(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "tmp") {
            found.push(path);
        } else if entry.file_type().unwrap().is_dir() {
            found.extend(list_unfinished(&path));
        }
    }
    found
}

fn compile_library(folder: &Path) -> PathBuf {
    let library = folder.join("libfailing_io.so");
    let compiled = std::process::Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(fixture("failing_io.c"))
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(compiled.success());
    library
}

fn begin_plain(library: &Path) -> FreshProject {
    let project = Project::new();
    let plugin = library.with_file_name("libsides.so");
    project.write(
        "s.yaml",
        format!(
            "defaults: {{ time: 5ms, rounds: 1 }}\nplugins: {{ sides: {{ path: {} }} }}\n\
             workloads: [{{ workload: sides/work }}]\nreports: [profile.md]\n",
            plugin.display()
        ),
    );
    FreshProject::Plain(project)
}

fn begin_repository(_: &Path) -> FreshProject {
    let macros = ["", "-DALLOCATIONS=2", "-DALLOCATIONS=2"];
    FreshProject::Repository(History::with("budget: 1ms\n", &macros))
}

const RUN: FailingCommand = FailingCommand {
    arguments: &["run", "s.yaml"],
    resume: &["run", "s.yaml", "--resume"],
    result: "record.json",
    code: 0,
    begin: begin_plain,
};
const COMPARE: FailingCommand = FailingCommand {
    arguments: &[
        "compare",
        "c0",
        "c1",
        "--scenario",
        "scenarios/s.yaml",
        "--pairs",
        "1",
    ],
    resume: &[],
    result: "comparison.json",
    code: 1,
    begin: begin_repository,
};
const CHECK: FailingCommand = FailingCommand {
    arguments: &["check", "scenarios/s.yaml", "--baseline", "c0"],
    resume: &[],
    result: "comparison.json",
    code: 1,
    begin: begin_repository,
};

/// Returns every call with some of the ways in which it can fail.
fn choose_every_call(calls: usize, ways: usize) -> Vec<(usize, &'static str)> {
    let ways_of = |at: usize| (0..ways).map(move |way| (at, MODES[(at + way) % MODES.len()]));
    (1..=calls).flat_map(ways_of).collect()
}

/// Returns calls at equal distances, each with one way.
fn choose_few(calls: usize) -> Vec<(usize, &'static str)> {
    let all: Vec<(usize, &str)> = (1..=calls)
        .flat_map(|at| MODES.map(|mode| (at, mode)))
        .collect();
    // The step has no common factor with the number of modes, so that every mode is used.
    let step = all.len() / FEW / MODES.len() * MODES.len() + 1;
    all.into_iter().step_by(step).collect()
}

fn try_calls(command: &FailingCommand) {
    let folder = tempfile::tempdir().unwrap();
    let library = compile_library(folder.path());
    let plugin = Project::new();
    let sides = std::fs::read_to_string(fixture("sides.c")).unwrap();
    let built = plugin.c_plugin("sides", &sides);
    std::fs::copy(built, folder.path().join("libsides.so")).unwrap();
    let calls = command.count_calls(&library);
    assert!(calls > 20, "{calls}: the library counts nothing");
    let given_ways = std::env::var("ORCH_FAILING_IO").ok();
    let chosen = match &given_ways {
        Some(ways) => choose_every_call(calls, ways.parse().unwrap()),
        None => choose_few(calls),
    };
    let outcomes: Mutex<BTreeMap<(&str, &str), usize>> = Mutex::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..if given_ways.is_some() { 3 } else { 1 } {
            scope.spawn(|| {
                while let Some((at, mode)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = command.try_call(&library, *at, mode);
                    *outcomes.lock().unwrap().entry((mode, outcome)).or_default() += 1;
                }
            });
        }
    });
    report(command, calls, &outcomes.into_inner().unwrap());
}

fn report(command: &FailingCommand, calls: usize, outcomes: &BTreeMap<(&str, &str), usize>) {
    let Some(file) = std::env::var_os("ORCH_FAILING_IO_REPORT") else {
        return;
    };
    use std::io::Write;
    let mut text = format!("{}: {calls} calls\n", command.arguments[0]);
    for ((mode, outcome), count) in outcomes {
        text.push_str(&format!("  {mode}, {outcome}: {count}\n"));
    }
    let mut open = std::fs::OpenOptions::new();
    let mut file = open.create(true).append(true).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn run_survives_a_failing_call() {
    try_calls(&RUN);
}

#[test]
fn compare_survives_a_failing_call() {
    try_calls(&COMPARE);
}

#[test]
fn check_survives_a_failing_call() {
    try_calls(&CHECK);
}

#[test]
fn bisect_survives_a_failing_call() {
    let mut arguments = asked("c0", "c2").to_vec();
    arguments.extend(["--metric", "allocations"]);
    try_calls(&FailingCommand {
        arguments: arguments.leak(),
        resume: &["bisect", "--resume"],
        result: "bisect.json",
        code: 1,
        begin: begin_repository,
    });
}
