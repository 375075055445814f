//! `orch doctor` in the whole program: findings are advice, and a calibration is stored and quoted.

use crate::support::Project;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

const SOURCE: &str = include_str!("../fixtures/sides.c");

/// Creates a project whose only scenario measures one workload of a library. Returns the path of
/// the library too.
fn project() -> (Project, String) {
    let project = Project::new();
    let library = project.c_plugin("sides", SOURCE).display().to_string();
    let text = format!(
        "defaults: {{ time: 20ms, rounds: 2, timeout: 60s, tolerance: 50% }}\nplugins: \
         {{ sides: {{ path: {library} }} }}\nworkloads: [{{ workload: sides/work }}]\nreports: []\n"
    );
    project.write("scenarios/s.yaml", text);
    (project, library)
}

fn calibration(project: &Project) -> Value {
    let folder = std::fs::read_dir(project.path().join("cache/orch/calibration")).unwrap();
    let files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap()
}

#[test]
fn findings_change_no_exit_code() {
    let project = Project::new();
    project.write("results/killed/journal.jsonl", "");
    let ran = project.orch(&["doctor", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let of = |check: &str| {
        found
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["check"] == check)
            .unwrap()
    };
    assert_eq!(
        of("git")["state"],
        "attention",
        "the test's project is not in a repository"
    );
    assert_eq!(of("unfinished runs")["state"], "attention");
    assert_eq!(of("unfinished runs")["fix"], "orch run SCENARIO --resume");
    assert_eq!(of("stopped bisects")["fix"], Value::Null);
    let ran = project.orch(&["doctor"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\n             fix: git init\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn measuring_time_is_printed_only_where_something_was_measured() {
    let (project, _) = project();
    for arguments in [
        &["doctor", "--filter", "*"][..],
        &["doctor", "--calibrate", "--comparisons", "0"],
        &["doctor", "--calibrate", "--json"],
        &["doctor", "--comparisons", "3"],
    ] {
        assert_eq!(project.orch(arguments).code, 200, "{arguments:?}");
    }
}

#[test]
fn calibration_is_kept_and_comparisons_quote_it() {
    let (project, library) = project();
    let compare = |more: &[&str]| {
        project.orch(&[&["compare", &library, &library, "--seed", "1"], more].concat())
    };
    assert!(
        !compare(&[]).stdout.contains("false alarms"),
        "nothing was calibrated"
    );
    let ran = project.orch(&["doctor", "--calibrate", "--comparisons", "1", "--seed", "7"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("1 workload, 1 comparison of 16 pairs each: up to "),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("\nseed 7\n"), "{}", ran.stdout);
    let kept = calibration(&project);
    let noise = kept["noise"].as_object().unwrap().values().next().unwrap();
    assert_eq!(
        (&noise["comparisons"], &noise["pairs"], &noise["seed"]),
        (&1.into(), &16.into(), &7.into())
    );
    assert_eq!(
        noise["detectable_at_64"],
        Value::Null,
        "undecided after 16 pairs"
    );
    assert_eq!(kept["arithmetic"], Value::Null);
    let alarms = format!(
        "false alarms here: {} of 1 (calibrated 2",
        noise["false_findings"]
    );
    let ran = compare(&[]);
    assert!(ran.stdout.contains(&alarms), "{}", ran.stdout);
    let json: Value = serde_json::from_str(&compare(&["--json"]).stdout).unwrap();
    assert_eq!(json["false_alarms"]["comparisons"], 1);
    let stored = project
        .results()
        .into_iter()
        .map(|folder| folder.join("comparison.md"));
    let quoted = stored
        .filter(|file| {
            std::fs::read_to_string(file)
                .unwrap()
                .contains("\nFalse alarms here: ")
        })
        .count();
    assert_eq!(quoted, 2);
}

#[test]
fn workload_that_fails_is_named_and_the_rest_is_kept() {
    let (project, _) = project();
    let crashes = project
        .c_plugin("crashes", &format!("#define FAULT 1\n{SOURCE}"))
        .display()
        .to_string();
    let scenario = std::fs::read_to_string(project.path().join("scenarios/s.yaml")).unwrap();
    let scenario = scenario
        .replace(
            "plugins: {",
            &format!("plugins: {{ bad: {{ path: {crashes} }},"),
        )
        .replace(
            "workloads: [",
            "workloads: [{ id: bad, workload: bad/work },",
        );
    project.write("scenarios/s.yaml", scenario);
    let ran = project.orch(&["doctor", "--calibrate", "--comparisons", "1"]);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    // The workload fails in its 51st call. The speed of the machine decides the phase of that call.
    assert!(
        ran.stdout.contains("\nbad: failed in ") && ran.stdout.contains(": SIGABRT (abort), "),
        "{}",
        ran.stdout
    );
    assert_eq!(calibration(&project)["noise"].as_object().unwrap().len(), 1);
}

#[test]
fn ctrl_c_keeps_complete_comparisons() {
    let (project, _) = project();
    let mut command = project.plain_command();
    command
        .args(["doctor", "--calibrate", "--comparisons", "100000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut orch = command.spawn().unwrap();
    let mut told = BufReader::new(orch.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("Ctrl-C")));
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&orch),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let mut text = String::new();
    orch.stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(orch.wait().unwrap().code(), Some(130));
    // The number of complete comparisons depends on the machine; the text about them does not.
    assert!(
        text.contains("interrupted: only complete comparisons were stored\nstored in "),
        "{text}"
    );
    assert!(calibration(&project)["memory"]["bytes_per_second"].is_number());
}
