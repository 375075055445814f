//! Bench files for criterion: their benchmarks are workloads, without a change to the files.

use crate::support::{Project, Ran, faults, fixture, git, job, workspace};
use serde_json::Value;

/// Makes a package with bench files for criterion, and a scenario of one of them.
fn new_package(workloads: &[&str]) -> Project {
    let project = Project::new();
    let read = |name: &str| std::fs::read(fixture("benches").join(name)).unwrap();
    project.write("Cargo.toml", read("Cargo.toml"));
    project.write("src/lib.rs", read("lib.rs"));
    project.write("benches/parse.rs", read("parse.rs"));
    project.write("benches/common/mod.rs", read("common.rs"));
    project.write(
        "benches/empty.rs",
        "use criterion::*;\nfn nothing(_: &mut Criterion) {}\ncriterion_group!(benches, nothing);\n\
         criterion_main!(benches);\n",
    );
    project.write("data/numbers.txt", "1 2 3");
    // With the versions of the workspace, no package has to be downloaded.
    let lock = std::fs::read(workspace().join("Cargo.lock")).unwrap();
    project.write("Cargo.lock", lock);
    project.write(".gitignore", "target\nresults\ncache\nlock\n");
    write_scenario(&project, "benches/parse.rs", workloads);
    project
}

fn write_scenario(project: &Project, bench: &str, workloads: &[&str]) {
    let mut text = format!(
        "plugins: {{ bench: {{ criterion: {bench} }} }}\n\
         defaults: {{ time: 5ms, rounds: 2, timeout: 60s }}\nworkloads:\n"
    );
    for workload in workloads {
        text.push_str(&format!("  - {{ workload: {workload} }}\n"));
    }
    project.write("scenarios/s.yaml", text);
}

fn orch(project: &Project, arguments: &[&str]) -> Ran {
    let output = project
        .command()
        .env("CARGO_NET_OFFLINE", "true")
        .args(arguments)
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn benches_are_listed_and_measured_unchanged() {
    let project = new_package(&[
        "bench/parse.one_hundred",
        "bench/parse.words, matrix: { input: [10, 1000] }",
        "bench/sort, matrix: { input: [small, each] }",
        "bench/sort.in_place",
        "bench/large_drop",
        "bench/large_drop~2",
        "bench/own_time",
        "bench/file",
        "bench/before_the_panic",
        "bench/panics",
        "bench/never_iterates",
    ]);
    let listed = orch(&project, &["list", "--scenario", "scenarios/s.yaml"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    insta::assert_snapshot!("criterion_list", listed.stdout);
    assert_eq!(
        listed.stderr.lines().last().unwrap(),
        "bench: not listed: `broken` panicked: no data for this function"
    );

    let ran = orch(&project, &["run", "scenarios/s.yaml", "--json"]);
    let record: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let counted = [
        ("parse.one_hundred", 1),
        ("parse.words[input=10]", 1),
        ("parse.words[input=1000]", 1),
        ("sort[input=small]", 0),
        ("sort[input=each]", 0),
        ("sort.in_place", 0),
        ("large_drop", 11),
        ("large_drop~2", 0),
        ("file", 1),
        ("before_the_panic", 0),
    ];
    for (id, allocations) in counted {
        let job = job(&record, id);
        assert_eq!(job["outcome"], "measured", "{id}: {}", job["message"]);
        assert_eq!(job["allocations"]["exact"], true, "{id}");
        assert_eq!(job["allocations"]["count"], allocations, "{id}");
        let told = faults(job);
        // The walk to this benchmark passes the function that panics.
        let is_expected = |text: &&str| {
            id == "large_drop~2" && text.contains("panic: panicked at") && text.contains("no data")
        };
        assert!(told.iter().all(is_expected), "{id}: {told:?}");
    }
    let words = job(&record, "parse.words[input=1000]");
    assert!(words["metrics"]["bytes_per_s"].as_f64().unwrap() > 0.0);
    // The block that the benchmark does not time is counted.
    assert_eq!(job(&record, "own_time")["allocations"]["count"], 2);
    for (id, message) in [
        ("panics", "in the routine"),
        ("never_iterates", "no method of `Bencher` that iterates"),
    ] {
        let job = job(&record, id);
        assert_eq!(job["outcome"], "failed", "{id}");
        let said = job["message"].as_str().unwrap();
        assert!(said.contains(message), "{id}: {said}");
    }
}

#[test]
fn unusable_bench_is_refused_with_a_remedy() {
    let project = new_package(&["bench/x"]);
    write_scenario(&project, "src/lib.rs", &["bench/x"]);
    let ran = orch(&project, &["run", "scenarios/s.yaml"]);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(
            "src/lib.rs is not a bench target of the package `numbers`: it has benches/empty.rs, \
             benches/parse.rs"
        ),
        "{}",
        ran.stderr
    );
    write_scenario(&project, "benches/empty.rs", &["bench/x"]);
    let ran = orch(&project, &["run", "scenarios/s.yaml"]);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("the file has no benchmark"),
        "{}",
        ran.stderr
    );
    write_scenario(&project, "benches/none.rs", &["bench/x"]);
    let ran = orch(&project, &["run", "scenarios/s.yaml"]);
    assert_eq!(ran.code, 200, "{}", ran.stderr);
}

#[test]
fn benches_are_compared_at_commits() {
    let project = new_package(&["bench/parse.one_hundred", "bench/sort.in_place"]);
    git(&project.path(), &["init"]);
    let commit = |subject: &str| {
        git(&project.path(), &["add", "--all"]);
        git(&project.path(), &["commit", "--message", subject]);
    };
    commit("first");
    let library = std::fs::read_to_string(project.path().join("src/lib.rs")).unwrap();
    let changed = library.replace("    numbers\n", "    numbers.clone()\n");
    assert_ne!(library, changed);
    project.write("src/lib.rs", changed);
    commit("second");
    let ran = orch(
        &project,
        &[
            "compare",
            "HEAD~1",
            "HEAD",
            "--scenario",
            "scenarios/s.yaml",
            "--json",
        ],
    );
    let comparison: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let jobs = comparison["jobs"].as_array().unwrap();
    let of = |id: &str, metric: &str| {
        let mut found = jobs
            .iter()
            .filter(|job| job["id"] == id && job["metric"] == metric);
        found
            .next()
            .unwrap_or_else(|| panic!("{metric} of {id}: {jobs:#?}"))
    };
    let allocations = of("parse.one_hundred", "allocations");
    assert_eq!(allocations["verdict"], "regressed", "{allocations}");
    assert_eq!(
        (&allocations["a"], &allocations["b"]),
        (&1.into(), &2.into())
    );
    let sort = of("sort.in_place", "time");
    assert_eq!(sort["reason_kind"], "same_machine_code", "{sort}");
    assert_eq!(git(&project.path(), &["status", "--porcelain"]), "");
}

#[test]
fn init_writes_a_scenario_of_all_benches() {
    let project = new_package(&[]);
    std::fs::remove_dir_all(project.path().join("scenarios")).unwrap();
    let ran = orch(&project, &["init"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::with_settings!({ filters => [(r"/\S+\.so", "LIBRARY")] }, {
        insta::assert_snapshot!("init_criterion", ran.stdout);
    });
    let scenario = std::fs::read_to_string(project.path().join("bench.yaml")).unwrap();
    insta::assert_snapshot!("init_criterion_scenario", scenario);
    let planned = orch(&project, &["run", "bench.yaml", "--dry-run"]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
}

#[test]
fn init_writes_a_plugin_for_a_library_without_benches() {
    let project = Project::new();
    project.write(
        "Cargo.toml",
        "[package]\nname = \"numbers\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    project.write(
        "src/lib.rs",
        std::fs::read(fixture("benches").join("lib.rs")).unwrap(),
    );
    let ran = orch(&project, &["init"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // The plugin can use the library.
    let source = project.path().join("bench/src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::write(&source, format!("{text}\nuse numbers as _;\n")).unwrap();
    let ran = orch(
        &project,
        &["run", "bench.yaml", "--filter", "short", "--json"],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let record: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(job(&record, "short")["outcome"], "measured");
}
