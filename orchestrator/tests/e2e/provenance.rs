//! Provenance in a record: commit, branch, uncommitted changes, and the states without a commit.

use crate::support::{Project, git};
use serde_json::Value;
use std::process::Command;

const PLUGIN: &str = r#"
#include "orch_plugin.h"
static orch_status describe(const orch_host *host) {
  host->write(host, ORCH_STR("{\"plugin\":\"p\",\"workloads\":[{\"id\":\"work\"}]}"));
  return ORCH_OK;
}
static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {
  static int instance;
  *out = (orch_instance *)&instance;
  return ORCH_OK;
}
static orch_status run(orch_instance *instance, uint64_t iterations) {
  for (volatile uint64_t i = 0; i < iterations * 50; i++) {}
  return ORCH_OK;
}
ORCH_EXPORT const orch_plugin orch_plugin_v1 = {
  ORCH_MAGIC, ORCH_ABI_MAJOR, ORCH_ABI_MINOR, sizeof(orch_plugin), 0, describe, create, 0, run, 0, 0, 0 };
"#;

const SCENARIO: &str = "defaults: { time: 5ms, rounds: 1 }
plugins: { p: { path: libp.so } }
workloads: [{ workload: p/work }]
";

fn run(project: &Project, folder: &str) -> (Value, String) {
    let scenario = format!("{folder}/s.yaml");
    let ran = project.orch(&["run", &scenario, "--json", "--results", "records"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    (serde_json::from_str(&ran.stdout).unwrap(), ran.stdout)
}

#[test]
fn record_names_the_commit_and_what_differs_from_it() {
    let project = Project::new();
    project.write("repo/s.yaml", SCENARIO);
    project.write("repo/orch.yaml", "");
    let plugin = project.c_plugin("p", PLUGIN);
    let repo = project.path().join("repo");
    std::fs::rename(plugin, repo.join("libp.so")).unwrap();
    project.write("repo/.gitignore", "*.so\n");

    let (record, _) = run(&project, "repo");
    assert_eq!(record["git"]["state"], "outside");
    assert!(
        record["git"]["message"]
            .as_str()
            .unwrap()
            .contains("git init")
    );

    git(&repo, &["init", "-q"]);
    let (record, _) = run(&project, "repo");
    assert_eq!(record["git"]["state"], "empty");

    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-q", "-m", "the first"]);
    let head = git(&repo, &["rev-parse", "HEAD"]);
    let (record, _) = run(&project, "repo");
    let state = &record["git"];
    assert_eq!(state["state"], "commit");
    assert_eq!(state["commit"], head.as_str());
    assert_eq!(state["branch"], "main");
    assert_eq!(state["subject"], "the first");
    assert_eq!(
        (&state["dirty"], &state["diff_hash"]),
        (&false.into(), &Value::Null)
    );
    assert!(record["id"].as_str().unwrap().ends_with(&head[..10]));
    assert_eq!(record["jobs"][0]["plugin"]["git"]["commit"], head.as_str());

    // Results are not a change. Any other file is one, and different changes give different hashes.
    project.write("repo/results/note", "x");
    assert_eq!(run(&project, "repo").0["git"]["dirty"], false);
    project.write("repo/new.txt", "one");
    let (one, _) = run(&project, "repo");
    assert_eq!(one["git"]["dirty"], true);
    project.write("repo/new.txt", "two");
    let (two, _) = run(&project, "repo");
    assert_ne!(one["git"]["diff_hash"], two["git"]["diff_hash"]);
    project.write("repo/new.txt", "one");
    assert_eq!(
        run(&project, "repo").0["git"]["diff_hash"],
        one["git"]["diff_hash"]
    );
    std::fs::remove_file(repo.join("new.txt")).unwrap();
    project.write("repo/s.yaml", format!("{SCENARIO}# a tracked change\n"));
    assert_eq!(run(&project, "repo").0["git"]["dirty"], true);
    git(&repo, &["add", "s.yaml"]);
    assert_eq!(
        run(&project, "repo").0["git"]["dirty"],
        true,
        "staged is not committed"
    );

    git(&repo, &["commit", "-q", "-m", "the second"]);
    git(&repo, &["checkout", "-q", "--detach"]);
    assert_eq!(run(&project, "repo").0["git"]["branch"], Value::Null);

    git(
        &project.path(),
        &[
            "clone",
            "-q",
            "--depth",
            "1",
            &format!("file://{}", repo.display()),
            "shallow",
        ],
    );
    std::fs::copy(repo.join("libp.so"), project.path().join("shallow/libp.so")).unwrap();
    let (record, _) = run(&project, "shallow");
    assert_eq!(record["git"]["state"], "shallow");
    assert!(
        record["git"]["message"]
            .as_str()
            .unwrap()
            .contains("--unshallow")
    );
}

#[test]
fn repository_of_another_user_is_refused_with_a_remedy() {
    let uid = Command::new("id").arg("-u").output().unwrap().stdout;
    if uid != b"0\n" {
        crate::support::skipped("a repository of another user: only root can make one");
        return;
    }
    let project = Project::new();
    project.write("repo/s.yaml", SCENARIO);
    project.write("repo/orch.yaml", "");
    let plugin = project.c_plugin("p", PLUGIN);
    let repo = project.path().join("repo");
    std::fs::rename(plugin, repo.join("libp.so")).unwrap();
    git(&repo, &["init", "-q"]);
    std::os::unix::fs::chown(&repo, Some(12345), None).unwrap();
    std::os::unix::fs::chown(repo.join(".git"), Some(12345), None).unwrap();
    // This home folder lacks the exceptions that the machine's user may have configured.
    let home = project.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let output = project
        .command()
        .env("HOME", &home)
        .env("SUDO_UID", "")
        .args(["run", "repo/s.yaml", "--json", "--results", "records"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["git"]["state"], "other_owner");
    assert!(
        record["git"]["message"]
            .as_str()
            .unwrap()
            .contains("safe.directory")
    );
}
