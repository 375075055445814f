//! One side of a comparison fails while both sides take turns: the report names it, the other jobs
//! are judged, and no process is left.

use crate::history::History;
use crate::support::{Project, marked_processes};
use serde_json::Value;

const SOURCE: &str = include_str!("../fixtures/sides.c");

/// Returns the verdict and the reason of a job's time.
fn time_of<'a>(comparison: &'a Value, job: &str) -> (&'a str, &'a str) {
    let jobs = comparison["jobs"].as_array().unwrap();
    let entry = jobs
        .iter()
        .find(|entry| entry["id"] == job && entry["metric"] == "time");
    let entry = entry.unwrap_or_else(|| panic!("no time of {job}: {jobs:#?}"));
    (
        entry["verdict"].as_str().unwrap(),
        entry["reason"].as_str().unwrap(),
    )
}

#[test]
fn faulty_side_costs_only_its_own_job() {
    let project = Project::new();
    let library = |name: &str, macros: &str| {
        project
            .c_plugin(name, &format!("{macros}\n{SOURCE}"))
            .display()
            .to_string()
    };
    let good = library("good", "");
    let mark = format!("env: {{ ORCH_TEST: '{}' }}", project.path().display());
    project.write(
        "scenarios/s.yaml",
        format!(
            "defaults: {{ time: 20ms, rounds: 1, timeout: 4s }}
plugins: {{ sides: {{ path: {good}, {mark} }}, steady: {{ path: {good}, {mark} }} }}
workloads: [{{ id: changed, workload: sides/work }}, {{ id: steady, workload: steady/work }}]
reports: []
"
        ),
    );
    for (name, fault, words) in [
        ("crashes", 1, "SIGABRT"),
        ("exits", 3, "the plugin ended the process with exit code 0"),
        ("deaf", 4, "still running after its timeout"),
        ("runs_ahead", 5, "still running after its timeout"),
        ("runs_back", 6, "still running after its timeout"),
    ] {
        let faulty = library(name, &format!("#define FAULT {fault}"));
        for (a, b, who) in [(&good, &faulty, "B"), (&faulty, &good, "A")] {
            let ran = project.orch(&[
                "compare", a, b, "--plugin", "sides", "--json", "--seed", "1",
            ]);
            assert_eq!(ran.code, 201, "{name}: {}", ran.stderr);
            let found: Value = serde_json::from_str(&ran.stdout).unwrap();
            let (verdict, reason) = time_of(&found, "changed");
            assert!(
                verdict == "missing"
                    && reason.starts_with(&format!("{who} failed in "))
                    && reason.contains(words),
                "{name} as {who}: {verdict}: {reason}"
            );
            assert_eq!(
                time_of(&found, "steady"),
                ("equivalent", "same code"),
                "{name} as {who}"
            );
            let mark = format!("ORCH_TEST={}", project.path().display());
            assert_eq!(
                marked_processes(&mark),
                Vec::<i32>::new(),
                "{name} as {who}"
            );
        }
    }
}

/// The gate never passes a job that could not be measured.
#[test]
fn check_of_a_crashing_change_is_incomplete() {
    let history = History::of(&["", "-DALLOCATIONS=1 -DFAULT=1"]);
    let ran = history
        .project
        .orch(&["check", "scenarios/s.yaml", "--seed", "1"]);
    assert_eq!(ran.code, 201, "{}{}", ran.stdout, ran.stderr);
    let said = history.shown(&ran);
    assert!(said.contains("work") && said.contains("SIGABRT"), "{said}");
    assert!(!said.contains("check passed"), "{said}");
}
