//! Plugins outside of the history that is judged: newer than it, or in another folder.

use crate::support::{Project, Ran, git};
use serde_json::Value;
use std::path::{Path, PathBuf};

const PLUGIN: &str = include_str!("../fixtures/plain_plugin.rs");

/// Returns a Rust library whose `work` makes this number of allocations.
fn rust_library(allocations: usize) -> String {
    let block = "drop(std::hint::black_box(Vec::<u64>::with_capacity(8)));";
    format!(
        "pub fn work() -> u64 {{\n{}    7\n}}\n",
        format!("    {block}\n").repeat(allocations)
    )
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn commit(root: &Path, subject: &str, files: &[(&str, &str)]) {
    for (name, text) in files {
        write(root.join(name), text);
    }
    git(root, &["add", "-A"]);
    git(root, &["commit", "-q", "--allow-empty", "-m", subject]);
    git(root, &["tag", subject]);
}

fn manifest(name: &str, version: &str, rest: &str) -> String {
    format!("[package]\nname = '{name}'\nversion = '{version}'\nedition = '2024'\n{rest}")
}

/// Creates the repository of a library with six commits: c3 does not fit the plugin, and c4
/// allocates more.
fn rust_history(root: &Path, manifest_rest: &str) {
    std::fs::create_dir_all(root).unwrap();
    git(root, &["init", "-q", "-b", "main"]);
    let renamed = rust_library(1).replace("work()", "toil()");
    for (subject, version, source) in [
        ("c0", "0.1.0", rust_library(1)),
        ("c1", "0.1.1", rust_library(1)),
        ("c2", "0.2.0", rust_library(1) + "pub fn other() {}\n"),
        ("c3", "0.2.0", renamed),
        ("c4", "0.3.0", rust_library(3)),
        ("c5", "1.0.0", rust_library(3) + "pub fn other() {}\n"),
    ] {
        commit(
            root,
            subject,
            &[
                ("Cargo.toml", &manifest("library", version, manifest_rest)),
                ("src/lib.rs", &source),
            ],
        );
    }
}

const CDYLIB: &str = "[lib]\ncrate-type = ['cdylib']\n";

fn scenario(plugin: &str) -> String {
    format!(
        "plugins:\n  plain: {plugin}\ndefaults: \
         {{ time: 20ms, rounds: 1, timeout: 60s }}\nworkloads: [{{ workload: plain/work }}]\n"
    )
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.stdout, ran.stderr))
}

/// Returns the subjects of the commits that a bisect by allocations names, and of those that it
/// skipped.
fn bisected(project: &Project, more: &[&str]) -> (Vec<String>, Vec<String>) {
    let asked = [
        "bisect",
        "bench.yaml",
        "--workload",
        "work",
        "--metric",
        "allocations",
        "--good",
        "c0",
        "--bad",
        "c5",
    ];
    let ran = project.orch(&[&asked[..], &["--json"], more].concat());
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let report = json(&ran);
    let subjects = |list: &Value| {
        let all = list.as_array().unwrap().iter();
        all.map(|one| one["subject"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    (
        subjects(&report["culprits"][0]["about"]),
        subjects(&report["skipped"]),
    )
}

#[test]
fn crate_outside_the_repository_is_laid_over_its_commits() {
    let project = Project::new();
    let library = project.path().join("library");
    rust_history(&library, "");
    let own = manifest(
        "bench",
        "0.1.0",
        "[dependencies]\nlibrary = { path = '../library', version = '1' }\n",
    );
    project.write("bench/Cargo.toml", own + CDYLIB);
    project.write("bench/src/lib.rs", PLUGIN);
    project.write("bench.yaml", scenario("{ crate: bench }"));
    let untouched = |root: &Path| {
        (
            git(root, &["status", "--porcelain"]),
            git(root, &["for-each-ref"]),
        )
    };
    let before = untouched(&library);

    let ran = project.orch(&[
        "compare",
        "c1",
        "c4",
        "--scenario",
        "bench.yaml",
        "--repo",
        "library",
        "--pairs",
        "1",
        "--json",
    ]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let comparison = json(&ran);
    let allocations = comparison["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["metric"] == "allocations")
        .unwrap();
    assert_eq!(
        (&allocations["a"], &allocations["b"]),
        (&1.into(), &3.into())
    );
    assert!(
        comparison["command"]
            .as_str()
            .unwrap()
            .contains(" --repo library"),
        "{}",
        comparison["command"]
    );

    // c3 does not fit the plugin, so it cannot be distinguished from c4.
    let (culprits, skipped) = bisected(&project, &["--repo", "library"]);
    assert_eq!(
        (culprits.join(" "), skipped.join(" ")),
        ("c3 c4".to_owned(), "c3".to_owned())
    );
    assert_eq!(untouched(&library), before);

    // Another plugin gives another artefact for every commit.
    project.write(
        "bench/src/lib.rs",
        PLUGIN.replace("library::work()", "(library::work(), library::work())"),
    );
    let ran = project.orch(&[
        "compare",
        "c1",
        "c4",
        "--scenario",
        "bench.yaml",
        "--repo",
        "library",
        "--pairs",
        "1",
        "--json",
    ]);
    let comparison = json(&ran);
    let allocations = comparison["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["metric"] == "allocations")
        .unwrap();
    assert_eq!(
        (&allocations["a"], &allocations["b"]),
        (&2.into(), &6.into())
    );

    let ran = project.orch(&[
        "check",
        "bench.yaml",
        "--repo",
        "library",
        "--budget",
        "1ms",
    ]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stderr.contains("(c4), the commit before HEAD"),
        "{}",
        ran.stderr
    );
    write(library.join("src/lib.rs"), &rust_library(4));
    let ran = project.orch(&[
        "check",
        "bench.yaml",
        "--repo",
        "library",
        "--budget",
        "1ms",
    ]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stderr.contains("(c5), HEAD") && ran.stdout.contains("6 -> 8"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );

    let ran = project.orch(&[
        "bisect",
        "bench.yaml",
        "--workload",
        "work",
        "--good",
        "c0",
        "--repo",
        "bench",
    ]);
    assert!(
        ran.code == 200 && ran.stderr.contains("--repo bench: not a git repository"),
        "{}",
        ran.stderr
    );
}

#[test]
fn crate_younger_than_the_history_is_laid_over_it() {
    let project = Project::new();
    let root = project.path();
    rust_history(
        &root,
        "[workspace]\nmembers = []\n[workspace.package]\nlicense = 'MIT'\n",
    );
    // The benchmark is added only now, as a member of the workspace.
    let members = manifest(
        "library",
        "1.0.0",
        "[workspace]\nmembers = ['bench']\n[workspace.package]\nlicense = 'MIT'\n",
    );
    let own = manifest(
        "bench",
        "0.1.0",
        "license.workspace = true\n[dependencies]\nlibrary = { path = '..' }\n",
    ) + CDYLIB;
    let ignored = "cache/\nlock\nresults/\ntarget/\nCargo.lock\n";
    let overlay = scenario("{ crate: bench, overlay: true }");
    commit(
        &root,
        "bench",
        &[
            ("Cargo.toml", &members),
            ("bench/Cargo.toml", &own),
            ("bench/src/lib.rs", PLUGIN),
            ("bench.yaml", &overlay),
            (".gitignore", ignored),
        ],
    );
    let (culprits, skipped) = bisected(&project, &[]);
    assert_eq!(
        (culprits.join(" "), skipped.join(" ")),
        ("c3 c4".to_owned(), "c3".to_owned())
    );
    // A branch from before the benchmark is judged with it.
    let ran = project.orch(&["check", "bench.yaml", "--baseline", "c1", "--budget", "1ms"]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("work, allocations: regressed") && ran.stdout.contains("1 -> 3"),
        "{}",
        ran.stdout
    );
    assert!(git(&root, &["status", "--porcelain"]).is_empty());
    // Without the overlay, the commits lack the plugin.
    project.write("bench.yaml", scenario("{ crate: bench }"));
    let ran = project.orch(&["check", "bench.yaml", "--baseline", "c1", "--budget", "1ms"]);
    assert_eq!(ran.code, 201, "{}{}", ran.stdout, ran.stderr);
    project.write("bench.yaml", scenario("{ path: lib.so, overlay: true }"));
    project.write("lib.so", "");
    let ran = project.orch(&["check", "bench.yaml"]);
    assert!(
        ran.code == 200
            && ran
                .stderr
                .contains("`overlay` needs a plugin that orch builds"),
        "{}",
        ran.stderr
    );
}

#[test]
fn command_builds_against_the_files_of_each_commit() {
    let project = Project::new();
    let library = project.path().join("library");
    std::fs::create_dir_all(&library).unwrap();
    git(&library, &["init", "-q", "-b", "main"]);
    let source = |allocations: usize| {
        let block = "  { void *volatile block = malloc(64); free(block); }\n";
        format!(
            "#include \"work.h\"\n#include <stdlib.h>\nlong work(void) {{\n{}  return 7;\n}}\n",
            block.repeat(allocations)
        )
    };
    let header = "long work(void);\n";
    for (subject, allocations) in [
        ("c0", 1),
        ("c1", 1),
        ("c2", 3),
        ("c3", 3),
        ("c4", 3),
        ("c5", 3),
    ] {
        let text = format!("{}/* {subject} */\n", source(allocations));
        commit(
            &library,
            subject,
            &[("include/work.h", header), ("src/work.c", &text)],
        );
    }
    let plugin = include_str!("../fixtures/sides.c");
    let plugin = plugin.replace(
        "#include \"orch_plugin.h\"",
        "#include \"orch_plugin.h\"\n#include <work.h>",
    );
    let plugin = plugin.replace(
        "for (int a = 0; a < ALLOCATIONS; a++) {",
        "work();\n    for (int a = 0; a < 0; a++) {",
    );
    project.write("bench/plugin.c", plugin);
    let build = "cc -O1 -g $ORCH_CFLAGS -shared -fPIC -w -I\"$ORCH_INCLUDE\" \
        -I\"$ORCH_SOURCE/include\" plugin.c \"$ORCH_SOURCE/src/work.c\" -o \"$ORCH_OUT\"";
    project.write(
        "bench.yaml",
        scenario(&format!("{{ dir: bench, build: '{build}' }}")),
    );
    let (culprits, skipped) = bisected(&project, &["--repo", "library"]);
    assert_eq!(
        (culprits.join(" "), skipped.join(" ")),
        ("c2".to_owned(), String::new())
    );
    // The checked-out commit, built in its own folder, gives the same library.
    let ran = project.orch(&[
        "compare",
        "c5",
        "library",
        "--scenario",
        "bench.yaml",
        "--repo",
        "library",
        "--json",
    ]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(json(&ran)["workloads"][0]["code"], "identical");
}
