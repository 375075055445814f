//! `orch time`: programs are measured without a project, with their helpers and in the user's
//! surroundings, and failures, exports and mistakes are reported.

use crate::support::waiting::wait_while_running;
use crate::support::{Project, Ran};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Time limit of a comparison, long enough for at least one pair.
const SHORT: [&str; 2] = ["--time", "50ms"];

fn time(project: &Project, arguments: &[&str]) -> Ran {
    project.orch(&[&["time"], &SHORT[..], arguments].concat())
}

fn times(project: &Project, arguments: &[&str]) -> Value {
    let ran = time(project, &[&["--json"], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Lists the names in a folder, without the files that isolate the test.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name != "cache" && name != "lock")
        .collect()
}

#[test]
fn programs_are_ranked_by_their_comparisons_and_nothing_is_stored() {
    let project = Project::new();
    let before = names(&project.path());
    let result = times(&project, &["true", "sleep 0.03", "sleep 0.06"]);
    assert_eq!(names(&project.path()), before);
    assert_eq!(result["schema"], "orch/time/1");
    let programs = result["programs"].as_array().unwrap();
    let commands: Vec<&str> = programs
        .iter()
        .map(|program| program["line"].as_str().unwrap())
        .collect();
    assert_eq!(commands, ["true", "sleep 0.03", "sleep 0.06"]);
    for program in programs {
        assert!(program["time_ns"].as_f64().unwrap() > 0.0, "{program}");
        assert!(program["runs"].as_u64().unwrap() > 0, "{program}");
        assert!(program["costs"]["peak_bytes"].as_f64().unwrap() > 0.0);
        assert!(program["rank"].as_u64().unwrap() > 0);
    }
    let first = programs[0]["time_ns"].as_f64().unwrap();
    let comparisons = result["comparisons"].as_array().unwrap();
    assert!(comparisons.len() >= 2, "{}", comparisons.len());
    for (compared, program) in comparisons.iter().zip(&programs[1..]) {
        assert_eq!(compared["base"], "true");
        assert_eq!(compared["other"], program["name"]);
        // The times divide to the estimate.
        let ratio = program["time_ns"].as_f64().unwrap() / first;
        let estimate = compared["change"]["estimate"].as_f64().unwrap();
        assert!((ratio / (1.0 + estimate) - 1.0).abs() < 1e-9, "{ratio}");
    }
}

#[test]
fn single_program_has_an_interval_and_all_its_runs() {
    let project = Project::new();
    let result = times(&project, &["true"]);
    let program = &result["programs"][0];
    let [low, time, high] =
        ["low_ns", "time_ns", "high_ns"].map(|name| program[name].as_f64().unwrap());
    assert!(low <= time && time <= high, "{program}");
    let runs = program["runs"].as_u64().unwrap();
    assert!(runs >= 6, "a run in each of six workers");
    let workers = program["samples_ns"].as_array().unwrap();
    let samples: usize = workers
        .iter()
        .map(|one| one.as_array().unwrap().len())
        .sum();
    assert_eq!(samples as u64, runs);
    assert_eq!(result["comparisons"].as_array().unwrap().len(), 0);
}

#[test]
fn helpers_run_around_all_runs_and_before_each_run() {
    let project = Project::new();
    let helpers = [
        "--setup",
        "echo setup {n} >> log",
        "--prepare",
        "echo prepare {n} >> log",
        "--cleanup",
        "echo cleanup {n} >> log",
        "--parameter-list",
        "n",
        "1,2",
        "echo run {n} >> log",
    ];
    let result = times(&project, &helpers);
    assert_eq!(result["programs"][1]["name"], "echo run 2 >> log");
    let log = lines(&project.path().join("log"));
    assert_eq!(log[..2], ["setup 1", "setup 2"]);
    assert_eq!(log[log.len() - 2..], ["cleanup 1", "cleanup 2"]);
    let measured = &log[2..log.len() - 2];
    for pair in measured.chunks(2) {
        assert_eq!(pair[0].replace("prepare", "run"), pair[1], "{measured:?}");
    }
}

#[test]
fn programs_run_in_the_users_folder_and_environment() {
    let project = Project::new();
    project.write("input", "given\n");
    let seen = "cat > seen; pwd >> seen; echo $FROM_THE_USER >> seen";
    let ran = project
        .command()
        .args(["time", "--time", "50ms", "--stdin", "input", seen])
        .env("FROM_THE_USER", "passed on")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let folder = project.path().canonicalize().unwrap();
    let folder = folder.display().to_string();
    assert_eq!(
        lines(&project.path().join("seen")),
        ["given", &folder, "passed on"]
    );
    let result = times(&project, &["--shell", "none", "touch 'two words'"]);
    assert_eq!(result["shell"], "none");
    assert!(project.path().join("two words").exists());
}

#[test]
fn failing_program_is_reported_unless_failures_are_ignored() {
    let project = Project::new();
    let ran = time(&project, &["true", "echo why >&2; exit 3"]);
    assert_eq!(ran.code, 201, "{}", ran.stdout);
    let words = "`echo why >&2; exit 3`: `sh` ended with exit code 3 instead of 0";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
    // The others are measured, whichever fails.
    for programs in [
        &["exit 3", "true", "false"][..],
        &["true", "exit 3", "false"],
        &["false", "exit 3", "true", "sleep 0.02"],
    ] {
        let ran = time(&project, &[&["--json"], programs].concat());
        assert_eq!(ran.code, 201);
        let result: Value = serde_json::from_str(&ran.stdout).unwrap();
        for program in result["programs"].as_array().unwrap() {
            let works = ["true", "sleep 0.02"].contains(&program["name"].as_str().unwrap());
            assert_eq!(program["time_ns"].is_null(), !works, "{program}");
            assert_eq!(program["failure"].is_null(), works, "{program}");
        }
    }
    let result = times(&project, &["--ignore-failure", "exit 3", "kill -9 $$"]);
    assert!(result["programs"][1]["time_ns"].as_f64().unwrap() > 0.0);
    let ran = time(&project, &["exit 3"]);
    assert_eq!(ran.code, 201, "{}", ran.stdout);
}

#[test]
fn failing_helper_is_reported_and_cleanups_run() {
    let project = Project::new();
    let clean = ["--cleanup", "echo clean >> log"];
    let ran = time(
        &project,
        &[&["--setup", "exit 4"], &clean[..], &["true"]].concat(),
    );
    assert_eq!(ran.code, 200, "{}", ran.stderr);
    let words = "error: --setup `exit 4` failed: exit status: 4";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    let ran = time(
        &project,
        &["--cleanup", "echo clean >> log; exit 4", "true"],
    );
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let words = "--cleanup `echo clean >> log; exit 4` failed: exit status: 4";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
    assert_eq!(lines(&project.path().join("log")), ["clean", "clean"]);
    let ran = time(&project, &["--prepare", "echo no >&2; exit 5", "true"]);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let words = "`prepare` ended with exit code 5 instead of 0; its last words: no";
    assert!(
        ran.stdout.replace("\n  ", " ").contains(words),
        "{}",
        ran.stdout
    );
}

#[test]
fn times_are_exported_for_other_programs() {
    let project = Project::new();
    let programs = ["--name", "=1+1", "--name", "b", "true", "true"];
    for format in ["csv", "samples-csv"] {
        let ran = time(&project, &[&["--export", format], &programs[..]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let mut rows = csv::Reader::from_reader(ran.stdout.as_bytes());
        let first: Vec<String> = rows
            .records()
            .map(|row| row.unwrap()[0].to_owned())
            .collect();
        assert!(first.contains(&"'=1+1".to_owned()) && first.contains(&"b".to_owned()));
    }
    let file = ["--export", "jsonl", "--output", "times.jsonl"];
    let ran = time(&project, &[&file[..], &programs[..]].concat());
    assert!(ran.stdout.contains("program"), "{}", ran.stdout);
    let rows = lines(&project.path().join("times.jsonl"));
    let row: Value = serde_json::from_str(&rows[1]).unwrap();
    assert_eq!(
        (&row["program"], &row["command"]),
        (&"b".into(), &"true".into())
    );
    let ran = time(&project, &["--export", "prometheus", "true"]);
    assert_eq!(ran.code, 200);
    let words = "[possible values: csv, jsonl, samples-csv, samples-jsonl]";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn export_follows_links_and_keeps_what_is_no_file() {
    let project = Project::new();
    let target = project.write("target.csv", "old");
    std::os::unix::fs::symlink(&target, project.path().join("link")).unwrap();
    let pipe = project.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap())
    };
    for name in ["link", "pipe"] {
        let ran = time(&project, &["--export", "csv", "--output", name, "true"]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
    }
    let header = "program,command,rank,time_ns,";
    assert!(std::fs::read_to_string(target).unwrap().starts_with(header));
    assert!(reader.join().unwrap().starts_with(header));
    let kind = |name: &str| {
        project
            .path()
            .join(name)
            .symlink_metadata()
            .unwrap()
            .file_type()
    };
    assert!(kind("link").is_symlink());
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind("pipe")));
}

#[test]
fn program_that_fails_later_is_reported_too() {
    let project = Project::new();
    // It fails from its second, tenth, ... run on: in the first pairs, in later ones, or only in
    // the runs for the costs.
    for runs in [2, 10, 14] {
        project.write("count", "0");
        let program =
            format!("n=$(cat count); echo $((n + 1)) > count; test $n -lt {runs} && sleep 0.02");
        let ran = time(&project, &["--json", "sleep 0.03", &program, "sleep 0.025"]);
        let result: Value = serde_json::from_str(&ran.stdout).unwrap();
        let started: u64 = lines(&project.path().join("count"))[0].parse().unwrap();
        if started <= runs {
            continue;
        }
        assert_eq!(ran.code, 201, "{runs}: {}", ran.stderr);
        let lost = &result["programs"][1];
        assert!(
            lost["failure"].is_string() && lost["time_ns"].is_null(),
            "{lost}"
        );
    }
}

#[test]
fn side_that_is_late_is_blamed_whichever_loads_first() {
    let project = Project::new();
    for seed in ["1", "2", "3"] {
        let ran = time(
            &project,
            &[
                "--json",
                "--seed",
                seed,
                "--timeout",
                "3s",
                "true",
                "sleep 1000",
            ],
        );
        assert_eq!(ran.code, 201, "{}", ran.stderr);
        let result: Value = serde_json::from_str(&ran.stdout).unwrap();
        let failures: Vec<bool> = result["programs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|program| program["failure"].is_string())
            .collect();
        assert_eq!(failures, [false, true], "seed {seed}: {result}");
    }
}

#[test]
fn interrupted_setup_ends_the_command_with_the_cleanup() {
    let project = Project::new();
    let setup = "echo begun > begun; sleep 1000";
    let mut child = project
        .plain_command()
        .args([
            "time",
            "--setup",
            setup,
            "--cleanup",
            "echo clean > clean",
            "true",
        ])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = project.path().join("begun");
    wait_while_running(&mut child, "the setup", || begun.exists());
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(project.path().join("clean").exists());
}

#[test]
fn mistakes_have_a_remedy() {
    let project = Project::new();
    for (arguments, words) in [
        (&["--shell", "none", "echo 'x"][..], "has an unclosed quote"),
        (
            &["--prepare", "a", "--prepare", "b", "true"],
            "given 2 times for 1 commands",
        ),
        (
            &["--parameter-list", "n", "1", "true"],
            "no command line contains `{n}`",
        ),
        (
            &["--parameter-list", "a b", "1", "true"],
            "is not a name of letters",
        ),
        (&[" "], "command 1 is empty"),
    ] {
        let ran = time(&project, arguments);
        assert_eq!(ran.code, 200, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
    let more: [(&[&str], &str); 5] = [
        (
            &["--stdin", "missing", "true"],
            "error: --stdin missing: No such file",
        ),
        (&["--shell", "none", "# x"], "`# x` names no program"),
        (&["--name", "", "true"], "--name: a name is empty"),
        (
            &["--export", "csv", "--output", ".", "true"],
            "--output . is a folder",
        ),
        (
            &["--export", "csv", "--output", "no/x", "true"],
            "there is no folder no",
        ),
    ];
    for (arguments, words) in more {
        let ran = time(&project, arguments);
        assert_eq!(ran.code, 200, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
}
