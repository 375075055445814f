//! docs/CI.md: the steps of the workflows do what the page says.

use crate::history::History;
use crate::support::workspace;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

/// Reads a workflow of the documents.
fn read_workflow(name: &str) -> Value {
    let text = std::fs::read_to_string(workspace().join("docs/ci").join(name)).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// Runs a step as a runner does, with this program as `orch`.
fn run_step(history: &History, script: &str, variables: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_orch"));
    let path = format!(
        "{}:{}:{}",
        history.project.path().join("cache/bin").display(),
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut command = history.project.isolated(Path::new("bash"));
    command
        .args([
            "--noprofile",
            "--norc",
            "-e",
            "-o",
            "pipefail",
            "-c",
            script,
        ])
        .current_dir(history.project.path())
        .env("PATH", path)
        .envs(variables.iter().copied());
    command.output().unwrap()
}

/// Returns the history of a branch that does one more allocation, with its scenario where the
/// workflows expect it.
fn new_history() -> History {
    let history = History::with("reports: [comparison.md]\n", &[""]);
    let scenario = history.project.path().join("scenarios/s.yaml");
    std::fs::copy(scenario, history.project.path().join("bench.yaml")).unwrap();
    history.commit("scenario", "");
    history.git(&["checkout", "--quiet", "-b", "topic"]);
    history.commit("allocation", "-DALLOCATIONS=2");
    history
}

#[test]
fn workflow_of_github_checks_and_comments() {
    let history = new_history();
    let workflow = read_workflow("github-pull-request.yml");
    let steps = workflow["jobs"]["check"]["steps"].as_array().unwrap();
    let script = |name: &str| {
        let step = steps.iter().find(|step| step["name"] == name);
        step.unwrap_or_else(|| panic!("{name}"))["run"]
            .as_str()
            .unwrap()
    };
    let folder = history.project.path().join("cache");
    let outputs = folder.join("outputs");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    // Stands in for GitHub's own program: it keeps its arguments and the comment.
    let gh = folder.join("bin/gh");
    std::fs::write(
        &gh,
        "#!/bin/sh\necho \"$@\" > cache/said\ncat comment.md > cache/comment\n",
    )
    .unwrap();
    std::fs::set_permissions(&gh, std::fs::Permissions::from_mode(0o755)).unwrap();

    let installed = run_step(
        &history,
        script("Install orch"),
        &[("ORCH_GIT", "/nowhere")],
    );
    assert!(installed.status.success(), "the cached program is used");
    let github = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_OUTPUT", outputs.to_str().unwrap()),
    ];
    let checked = run_step(&history, script("Check"), &github);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("::error title=orch work::"), "{said}");
    let outputs = std::fs::read_to_string(&outputs).unwrap();
    let report = outputs
        .lines()
        .find_map(|line| line.strip_prefix("report="));
    let variables = [("PULL_REQUEST", "7"), ("REPORT", report.unwrap())];
    let commented = run_step(&history, script("Comment"), &variables);
    let errors = String::from_utf8_lossy(&commented.stderr).into_owned();
    assert!(commented.status.success(), "{errors}");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(
        read("said").starts_with("pr comment 7 --edit-last"),
        "{}",
        read("said")
    );
    assert!(
        read("comment").contains("allocations"),
        "{}",
        read("comment")
    );
}

#[test]
fn job_of_gitlab_checks_and_writes_junit() {
    let history = new_history();
    let job = &read_workflow("gitlab.yml")["benchmarks"];
    let lines = |part: &str| {
        let lines = job[part].as_array().unwrap().iter();
        lines
            .map(|line| line.as_str().unwrap())
            .collect::<Vec<_>>()
            .join("\n")
    };
    // The fetch from the server; the rest of the script finds the branch in FETCH_HEAD.
    history.git(&["branch", "target", "HEAD~1"]);
    history.git(&["fetch", "--quiet", ".", "target"]);
    let script = lines("script");
    let (fetch, rest) = script.split_once('\n').unwrap();
    assert!(fetch.starts_with("git fetch origin "));
    let home = history.project.path().join("cache");
    let variables = [("CARGO_HOME", home.to_str().unwrap())];
    let checked = run_step(&history, rest, &variables);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{said}");
    let after = run_step(&history, &lines("after_script"), &variables);
    let errors = String::from_utf8_lossy(&after.stderr).into_owned();
    assert!(after.status.success(), "{errors}");
    let junit = std::fs::read_to_string(history.project.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<testsuite"), "{junit}");
}
