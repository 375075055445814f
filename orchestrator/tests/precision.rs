//! Counts that are called exact are exact: sums within rounding, memory that goes past the counting allocator.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/history.rs"]
mod history;
mod support;

use history::{History, culprits};
use serde_json::Value;
use support::Project;

const SOURCE: &str = include_str!("fixtures/precise.c");

/// A library with some of the fixture's macros set.
fn library(project: &Project, name: &str, macros: &str) -> String {
    project.c_plugin(name, &format!("{macros}\n{SOURCE}")).display().to_string()
}

/// The entries of a comparison of two libraries.
fn compared(project: &Project, [a, b]: [&str; 2]) -> Value {
    let text = format!(
        "defaults: {{ time: 20ms, rounds: 2 }}\nplugins: {{ precise: {{ path: {a} }} }}\n\
         workloads: [{{ workload: precise/work }}]\nreports: []\n"
    );
    project.write("scenarios/s.yaml", text);
    let ran = project.orch(&["compare", a, b, "--json", "--seed", "1", "--pairs", "1"]);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.stdout, ran.stderr))
}

fn of<'a>(comparison: &'a Value, metric: &str) -> (&'a str, &'a str) {
    let jobs = comparison["jobs"].as_array().unwrap();
    let entry = jobs.iter().find(|entry| entry["metric"] == metric).unwrap_or_else(|| panic!("no {metric}: {jobs:#?}"));
    (entry["verdict"].as_str().unwrap(), entry["reason"].as_str().unwrap())
}

#[test]
fn sums_that_differ_by_rounding_are_equal() {
    let project = Project::new();
    let one = library(&project, "one", "#define ADD 1.0");
    let tenths = library(&project, "tenths", "#define ADD 0.1\n#define TIMES 10");
    let more = library(&project, "more", "#define ADD 0.1\n#define TIMES 11");
    for (a, b) in [(&one, &tenths), (&tenths, &one)] {
        assert_eq!(of(&compared(&project, [a, b]), "units"), ("equivalent", "equal within rounding"));
    }
    assert_eq!(of(&compared(&project, [&tenths, &more]), "units"), ("regressed", "counted exactly"));
    let (zero, negative) =
        (library(&project, "zero", "#define ADD 0.0"), library(&project, "minus", "#define ADD -0.0"));
    assert_eq!(of(&compared(&project, [&negative, &zero]), "units"), ("equivalent", "counted exactly"));
}

#[test]
fn a_bisect_accuses_no_commit_of_rounding() {
    let counting = |amount: &str| format!("-DMETRIC -DCOUNTER={amount}");
    let history = History::of(
        &[counting("0.3"), counting("(0.1+0.2)"), counting("0.3"), counting("0.6")].each_ref().map(String::as_str),
    );
    let (alike, _) = history.report("c0", "c1", &["--metric", "steps"]);
    assert_eq!(alike["outcome"], "none", "{}", alike["reason"]);
    let (found, _) = history.report("c0", "c3", &["--metric", "steps"]);
    assert_eq!(culprits(&found), [["c3"]]);
}
