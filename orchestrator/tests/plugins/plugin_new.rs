//! `orch plugin new`: its projects build, run and pass their tests, and no file is overwritten.

use crate::support::{Project, faults, git, job, new_plugin};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Runs a program in a new project. The packages of registries are available from the workspace's
/// own build.
fn succeeds(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", folder.join("target/tests"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program}:\n{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// Measures a new project with its own scenario, which is found without being named.
fn run(project: &Project, folder: &Path) -> Value {
    let output = project
        .command()
        .current_dir(folder)
        .env("CARGO_NET_OFFLINE", "true")
        .args(["run", "--json"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    let command = record["command"].as_str().unwrap();
    assert!(
        command.starts_with("orch run bench.yaml "),
        "the scenario that is meant: {command}"
    );
    record
}

/// Checks the properties that all three languages share.
fn check_record(record: &Value, allocations: u64) {
    assert_eq!(record["jobs"].as_array().unwrap().len(), 3);
    for id in [
        "short",
        "moving_average[n=10000]",
        "moving_average[n=100000]",
    ] {
        let job = job(record, id);
        assert_eq!(job["outcome"], "measured", "{id}");
        assert_eq!(job["allocations"]["exact"], true, "{id}");
        assert_eq!(job["allocations"]["count"], allocations, "{id}");
        assert_eq!(faults(job), Vec::<&str>::new(), "{id}");
        assert_eq!(job["scopes"][0]["name"], "moving_average", "{id}");
        assert!(
            job["metrics"]["values_per_s"].as_f64().unwrap() > 0.0,
            "{id}"
        );
    }
    // The inputs and the sums are the same in every language.
    let sum = job(record, "short")["digest"]["value"].as_f64().unwrap();
    assert!((sum - 492_517.5).abs() < 1e-3, "{sum}");
}

#[test]
fn rust_plugin_runs_and_is_tested() {
    let project = Project::new();
    let (folder, _guard) = new_plugin(&project, "averages", &[]);
    git(&folder, &["init"]);
    // A tracked lock file is used unchanged (--locked), so it has to be complete.
    git(&folder, &["add", "--all"]);
    git(&folder, &["commit", "--message", "a first plugin"]);
    let record = run(&project, &folder);
    check_record(&record, 1);
    assert_eq!(
        record["git"]["dirty"], false,
        "building and measuring leave nothing that git sees"
    );
    succeeds(&folder, "cargo", &["test", "--quiet", "--locked"]);
}

#[test]
fn c_and_cpp_plugins_run_and_are_tested() {
    let project = Project::new();
    for (language, allocations) in [("c", 0), ("cpp", 1)] {
        let (folder, _guard) = new_plugin(
            &project,
            &format!("averages-{language}"),
            &["--lang", language],
        );
        check_record(&run(&project, &folder), allocations);
        succeeds(&folder, "sh", &["test.sh"]);
    }
}

#[test]
fn plugin_new_prints_the_next_commands() {
    let project = Project::new();
    let ran = project.orch(&["plugin", "new", "averages"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::assert_snapshot!("plugin_new", ran.stdout);
}

#[test]
fn existing_files_are_not_overwritten() {
    let project = Project::new();
    project.write("taken/notes.txt", "mine");
    project.write("file", "mine");
    let mut said = String::new();
    for arguments in [
        &["taken"][..],
        &["averages", "--dir", "file"],
        &["My Plugin"],
        &["fn"],
        &["core"],
    ] {
        let ran = project.orch(&[&["plugin", "new"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (200, ""), "{arguments:?}");
        said.push_str(&format!(
            "$ orch plugin new {}\n{}\n",
            arguments.join(" "),
            ran.stderr
        ));
    }
    insta::assert_snapshot!("plugin_new_refused", said);
    let mut names: Vec<_> = std::fs::read_dir(project.path().join("taken"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["notes.txt"]);
    // An empty folder is accepted like a missing one.
    std::fs::create_dir(project.path().join("empty")).unwrap();
    assert_eq!(
        project
            .orch(&["plugin", "new", "averages", "--dir", "empty", "--lang", "c"])
            .code,
        0
    );
}
