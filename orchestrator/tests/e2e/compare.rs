//! `orch compare` in the whole program: the possible values of A and B, the exact verdicts, and the
//! effect of a failing side on the other one.

use crate::support::{Project, Ran, git};
use serde_json::Value;
use std::process::Command;

const SOURCE: &str = include_str!("../fixtures/sides.c");

/// Compiles a library with the given macros of the fixture.
fn library(project: &Project, name: &str, macros: &str) -> String {
    project
        .c_plugin(name, &format!("{macros}\n{SOURCE}"))
        .display()
        .to_string()
}

fn scenario(project: &Project, library: &str) {
    let text = format!(
        "defaults: {{ time: 20ms, rounds: 2, timeout: 60s }}\nplugins: \
         {{ sides: {{ path: {library} }} }}\nworkloads: [{{ workload: sides/work }}]\nreports: []\n"
    );
    project.write("scenarios/s.yaml", text);
}

fn comparison(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.stdout, ran.stderr))
}

/// Returns the verdict and the reason of a metric of the only workload.
fn of<'a>(comparison: &'a Value, metric: &str) -> (&'a str, &'a str) {
    let jobs = comparison["jobs"].as_array().unwrap();
    let entry = jobs
        .iter()
        .find(|entry| entry["metric"] == metric)
        .unwrap_or_else(|| panic!("no {metric}: {jobs:#?}"));
    (
        entry["verdict"].as_str().unwrap(),
        entry["reason"].as_str().unwrap(),
    )
}

fn compare(project: &Project, a: &str, b: &str, more: &[&str]) -> (Value, Ran) {
    let ran = project.orch(&[&["compare", a, b, "--json", "--seed", "1"], more].concat());
    (comparison(&ran), ran)
}

#[test]
fn commits_are_judged_exactly_and_the_users_tree_stays_as_it_is() {
    let project = Project::new();
    let root = project.path();
    let build = r#"cc -O1 $ORCH_CFLAGS -shared -fPIC -w $(cat flags) -I"$ORCH_INCLUDE" sides.c -o "$ORCH_OUT""#;
    let scenario = format!(
        "plugins:\n  sides: {{ dir: plugin, build: '{build}' }}\ndefaults: \
         {{ tolerance: 50% }}\nworkloads: [{{ workload: sides/work }}]\n"
    );
    project.write("scenarios/s.yaml", scenario);
    project.write("plugin/sides.c", SOURCE);
    project.write(".gitignore", "cache/\nlock\nresults/\n");
    git(&root, &["init", "-q"]);
    for (message, flags) in [
        ("base", "-DALLOCATIONS=1"),
        ("one allocation more", "-DALLOCATIONS=2"),
        ("other output", "-DALLOCATIONS=2 -DOUTPUT=8"),
        ("a comment", "-DALLOCATIONS=2 -DOUTPUT=8 "),
        ("renamed", "-DRENAMED"),
        ("does not build", "-DSTEPS=("),
    ] {
        project.write("plugin/flags", flags);
        git(&root, &["add", "."]);
        git(&root, &["commit", "-q", "-m", message]);
    }
    let before = (
        git(&root, &["status", "--porcelain"]),
        git(&root, &["for-each-ref"]),
    );

    let (more, ran) = compare(&project, "HEAD~5", "HEAD~4", &["--pairs", "1"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(of(&more, "allocations"), ("regressed", "counted exactly"));
    assert_eq!(of(&more, "bytes").0, "regressed");
    assert_eq!(more["a"]["kind"], "revision");
    assert_eq!(more["verdict"], "regressed");
    let place = &more["workloads"][0]["scopes"][0];
    assert_eq!(
        (
            &place["path"][0],
            &place["a_self_allocations"],
            &place["b_self_allocations"]
        ),
        (&"steps".into(), &1.0.into(), &2.0.into())
    );

    let (fewer, ran) = compare(&project, "HEAD~4", "HEAD~5", &["--pairs", "1"]);
    assert_eq!((ran.code, of(&fewer, "allocations").0), (0, "improved"));

    let (other, ran) = compare(&project, "HEAD~4", "HEAD~3", &["--pairs", "1"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        of(&other, "digest"),
        ("output_differs", "the outputs differ: 7 and 8")
    );
    assert_eq!(
        of(&other, "time").0,
        "output_differs",
        "a faster program that computes something else is not faster"
    );

    let (same, ran) = compare(&project, "HEAD~3", "HEAD~2", &[]);
    assert_eq!(ran.code, 0);
    assert_eq!(of(&same, "time"), ("equivalent", "same code"));
    assert_eq!(same["workloads"][0]["code"], "identical");

    let (lacking, ran) = compare(&project, "HEAD~2", "HEAD~1", &[]);
    assert_eq!(ran.code, 201);
    assert!(
        of(&lacking, "time")
            .1
            .contains("B does not have this job: plugin `sides` has no workload `work`"),
        "{lacking:#}"
    );

    let (broken, ran) = compare(&project, "HEAD~2", "HEAD", &[]);
    assert_eq!(ran.code, 201);
    let (verdict, reason) = of(&broken, "time");
    assert!(
        verdict == "missing"
            && reason.contains("B failed in build")
            && reason.contains("does not build"),
        "{reason}"
    );

    assert_eq!(
        (
            git(&root, &["status", "--porcelain"]),
            git(&root, &["for-each-ref"])
        ),
        before
    );
}

#[test]
fn side_that_fails_between_turns_ends_only_its_pair() {
    let project = Project::new();
    let good = library(&project, "good", "");
    scenario(&project, &good);
    let crashes = library(&project, "crashes", "#define FAULT 1");
    for (a, b, who) in [(&good, &crashes, "B"), (&crashes, &good, "A")] {
        let (found, ran) = compare(&project, a, b, &[]);
        assert_eq!(ran.code, 201, "{}", ran.stderr);
        let (verdict, reason) = of(&found, "time");
        assert_eq!(verdict, "missing");
        assert!(
            reason.starts_with(&format!("{who} failed in ")) && reason.contains("SIGABRT"),
            "{reason}"
        );
    }
    let hangs = library(&project, "hangs", "#define FAULT 2");
    project.write(
        "scenarios/s.yaml",
        std::fs::read_to_string(project.path().join("scenarios/s.yaml"))
            .unwrap()
            .replace("timeout: 60s", "timeout: 4s"),
    );
    let (found, ran) = compare(&project, &good, &hangs, &[]);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let (verdict, reason) = of(&found, "time");
    assert!(
        verdict == "missing" && reason.starts_with("B failed in") && reason.contains("timeout"),
        "{reason}"
    );
}

#[test]
fn slowdown_by_a_third_is_never_equivalent_or_improved() {
    let project = Project::new();
    let plugin = library(&project, "plugin", "");
    scenario(&project, &plugin);
    let (found, ran) = compare(&project, &plugin, &plugin, &["--set", "steps=20000,26000"]);
    assert!(ran.code == 1 || ran.code == 0, "{}", ran.stderr);
    let verdict = of(&found, "time").0;
    assert!(
        ["regressed", "inconclusive"].contains(&verdict),
        "{verdict}"
    );
    assert_eq!(
        (&found["a"]["set"]["steps"], &found["b"]["set"]["steps"]),
        (&20000.into(), &26000.into())
    );
    let folder = project.results().pop().unwrap();
    let report = std::fs::read_to_string(folder.join("comparison.md")).unwrap();
    assert!(
        report.contains("| work |") && report.contains("steps = 20000"),
        "{report}"
    );
    let table = std::fs::read_to_string(folder.join("comparison.txt")).unwrap();
    assert!(table.contains("1 workload"), "{table}");
}

#[test]
fn control_measures_identical_code_with_coins_that_repeat() {
    let project = Project::new();
    let plugin = library(&project, "plugin", "");
    scenario(&project, &plugin);
    let coins = |comparison: &Value| -> Vec<Value> {
        let pairs = comparison["workloads"][0]["pairs"].as_array().unwrap();
        let names = [
            "spawn_first",
            "load_first",
            "stack_shift",
            "heap_shift",
            "page_shift",
        ];
        names.iter().map(|name| pairs[0][name].clone()).collect()
    };
    let (one, ran) = compare(&project, &plugin, &plugin, &["--control", "--pairs", "2"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let pairs = one["workloads"][0]["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 2);
    for pair in pairs {
        let turns = pair["turn_first"].as_array().unwrap().len();
        assert!(
            turns > 0
                && [&pair["a_ns"], &pair["b_ns"]]
                    .iter()
                    .all(|side| side.as_array().unwrap().len() == turns)
        );
    }
    let (again, _) = compare(&project, &plugin, &plugin, &["--control", "--pairs", "2"]);
    assert_eq!(coins(&one), coins(&again));
    assert_eq!(
        of(&one, "time").0,
        "inconclusive",
        "two pairs prove nothing"
    );
    assert!(of(&one, "time").1.contains("undecided after 2 pairs"));
}

#[test]
fn records_are_judged_in_what_is_exact_only() {
    let project = Project::new();
    let lean = library(&project, "lean", "");
    let rich = library(&project, "rich", "#define ALLOCATIONS 3");
    scenario(&project, &lean);
    let record = |name: &str| -> String {
        let ran = project.orch(&["run", "scenarios/s.yaml", "--json", "--results", "records"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let record: Value = serde_json::from_str(&ran.stdout).unwrap();
        project.write(name, &ran.stdout);
        record["id"].as_str().unwrap().to_owned()
    };
    let a = record("a.json");
    scenario(&project, &rich);
    let b = record("b.json");
    let (found, ran) = compare(&project, &a, &b, &["--results", "records"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(of(&found, "allocations"), ("regressed", "counted exactly"));
    let (verdict, reason) = of(&found, "time");
    assert!(
        verdict == "inconclusive" && reason.starts_with("not paired"),
        "{reason}"
    );
    assert_eq!(
        found["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["metric"] == "time")
            .unwrap()["change"],
        Value::Null
    );

    // A record whose job differs in one of these properties is refused, and the message names the
    // property.
    for (from, to, part) in [
        (
            r#""threads": 1"#,
            r#""threads": 2"#,
            "threads 1 in A, 2 in B",
        ),
        (
            r#""params": {}"#,
            r#""params": {"steps": 5}"#,
            "parameter steps is absent in A, 5 in B",
        ),
        (r#""toolchain": ""#, r#""toolchain": "other "#, "toolchain"),
        (r#""class": ""#, r#""class": "other "#, "machine class"),
    ] {
        let text = std::fs::read_to_string(project.path().join("a.json")).unwrap();
        assert!(text.contains(from), "{from}");
        project.write("c.json", text.replacen(from, to, 1));
        let (found, ran) = compare(&project, "a.json", "c.json", &[]);
        let (verdict, reason) = of(&found, "time");
        assert!(
            verdict == "inconclusive"
                && reason.starts_with("not comparable: ")
                && reason.contains(part),
            "{reason}"
        );
        assert_eq!(ran.code, 201, "nothing was compared");
    }
}

#[test]
fn incomparable_sides_are_refused_with_a_remedy() {
    let project = Project::new();
    let plugin = library(&project, "plugin", "");
    scenario(&project, &plugin);
    let ran = project.orch(&["run", "scenarios/s.yaml", "--json"]);
    project.write("record.json", &ran.stdout);
    project.write("other.json", "{\"schema\": \"orch/comparison/1\"}");
    let cases: [(&[&str], &str); 9] = [
        (&["nowhere", &plugin], "not in a git repository"),
        (&["record.json", &plugin], "cannot be measured in pairs"),
        (
            &["other.json", "record.json"],
            "its schema is orch/comparison/1, expected orch/record/1",
        ),
        (
            &[&plugin, &plugin, "--set", "steps"],
            "is not of the form PARAM=A,B",
        ),
        (
            &[&plugin, &plugin, "--set", "bogus=1,2"],
            "unknown parameter `bogus`",
        ),
        (
            &[&plugin, &plugin, "--plugin", "other"],
            "the scenario has no plugin 'other'",
        ),
        (&[&plugin, &plugin, "--filter", "x*"], "no job of"),
        (&[&plugin, &plugin, "--time", "soon"], "--time soon"),
        (&[&plugin, "scenarios"], "is a folder without a record.json"),
    ];
    for (arguments, part) in cases {
        let ran = project.orch(&[&["compare"], arguments].concat());
        assert_eq!(ran.code, 200, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(part), "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("hint") || ran.stderr.contains("git init"),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn rebuilds_with_other_layout_set_the_margin_of_later_comparisons() {
    let project = Project::new();
    let scenario = format!(
        "plugins: {{ planted: {{ crate: {} }} }}\ndefaults: {{ tolerance: 0.01% }}\n\
         workloads: [{{ workload: planted/cpu, params: {{ work: 100 }} }}]\n",
        crate::support::crate_of("planted")
    );
    project.write("scenarios/s.yaml", scenario);
    let ran = project.orch(&["doctor", "--rebuilds", "3"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("cpu: tau ") && ran.stdout.contains("3 rebuilds, 12 pairs each"),
        "{}",
        ran.stdout
    );
    let kept = std::fs::read_dir(project.path().join("cache/orch/calibration"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut calibration: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    for effect in calibration["build_effects"]
        .as_object_mut()
        .unwrap()
        .values_mut()
    {
        assert_eq!(effect["rebuilds"], 3);
        effect["tau"] = 0.02.into();
    }
    std::fs::write(&kept, calibration.to_string()).unwrap();
    let root = project.path().display().to_string();
    let (found, ran) = compare(&project, &root, &root, &["--control", "--pairs", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let jobs = found["jobs"].as_array().unwrap();
    assert_eq!(
        jobs.iter().find(|entry| entry["metric"] == "time").unwrap()["margin"],
        0.08
    );
    let ran = project.orch(&["doctor", "--rebuilds", "2"]);
    assert!(
        ran.code == 200 && ran.stderr.contains("at least 3 builds"),
        "{}",
        ran.stderr
    );
}

#[test]
fn parameter_selects_the_workloads_that_have_it() {
    let project = Project::new();
    let with = library(&project, "with", "");
    let without = library(&project, "without", "#define NO_PARAMS");
    let text = format!(
        "defaults: {{ tolerance: 20% }}\nplugins: \
         {{ with: {{ path: {with} }}, without: {{ path: {without} }} }}\nworkloads: \
         [{{ workload: with/work }}, {{ id: bare, workload: without/work }}]\n"
    );
    project.write("scenarios/s.yaml", text);
    let root = project.path().display().to_string();
    let (found, ran) = compare(
        &project,
        &root,
        &root,
        &["--set", "steps=100,101", "--pairs", "1"],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("left out, because --set does not fit them: bare"),
        "{}",
        ran.stderr
    );
    let workloads = found["workloads"].as_array().unwrap();
    assert_eq!(
        workloads
            .iter()
            .map(|workload| workload["id"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["work"]
    );
    assert!(
        workloads[0]["code"]["unknown"]
            .as_str()
            .unwrap()
            .contains("different parameters")
    );
}

/// The plugin's file does not contain the code of a linked library, so identical machine code in
/// the file proves nothing.
#[test]
fn change_in_a_linked_library_is_never_called_layout() {
    let project = Project::new();
    let cc = |arguments: &[&str]| {
        assert!(
            Command::new("cc")
                .args(arguments)
                .current_dir(project.path())
                .status()
                .unwrap()
                .success()
        );
    };
    for (name, steps) in [("short", 20_000), ("long", 60_000)] {
        let source =
            format!("void elsewhere(void) {{ for (volatile long i = 0; i < {steps}; i++) {{}} }}");
        project.write(&format!("{name}.c"), source);
        cc(&[
            "-O1",
            "-shared",
            "-fPIC",
            &format!("{name}.c"),
            "-o",
            &format!("lib{name}.so"),
        ]);
        project.write(
            "side.c",
            SOURCE
                .replace(
                    "for (volatile long step = 0; step < self->steps; step++) {}",
                    "elsewhere();",
                )
                .replace(
                    "struct orch_instance {",
                    "void elsewhere(void);\nstruct orch_instance {",
                ),
        );
        let include = crate::support::workspace()
            .join("plugins/sdk/include")
            .display()
            .to_string();
        let (out, folder) = (
            format!("side-{name}.so"),
            project.path().display().to_string(),
        );
        cc(&[
            "-O1",
            "-shared",
            "-fPIC",
            "-w",
            "-I",
            &include,
            "side.c",
            "-o",
            &out,
            &format!("-L{folder}"),
            &format!("-l{name}"),
            &format!("-Wl,-rpath,{folder}"),
        ]);
    }
    scenario(&project, "side-short.so");
    let (found, ran) = compare(
        &project,
        "side-short.so",
        "side-long.so",
        &["--pairs", "20"],
    );
    assert!([0, 1].contains(&ran.code), "{}", ran.stderr);
    let (verdict, reason) = of(&found, "time");
    assert!(
        ["regressed", "inconclusive"].contains(&verdict) && !reason.contains("machine code"),
        "{verdict}: {reason}"
    );
    assert!(
        found["workloads"][0]["code"]["unknown"]
            .as_str()
            .unwrap()
            .contains("different libraries")
    );
}

#[test]
fn side_that_is_a_million_times_slower_is_judged() {
    let project = Project::new();
    let plugin = library(&project, "plugin", "");
    scenario(&project, &plugin);
    let (found, ran) = compare(
        &project,
        &plugin,
        &plugin,
        &["--set", "steps=1,10000000", "--pairs", "2"],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (verdict, reason) = of(&found, "time");
    assert!(
        verdict == "inconclusive" && reason.contains("a verdict needs at least 11"),
        "{verdict}: {reason}"
    );
}

#[test]
fn read_only_results_are_reported_before_measuring() {
    let project = Project::new();
    let plugin = library(&project, "plugin", "");
    scenario(&project, &plugin);
    project.write("file", "");
    let ran = project.orch(&["compare", &plugin, &plugin, "--results", "file/results"]);
    assert_eq!(ran.code, 202);
    assert!(
        ran.stderr.contains("cannot write to file/results"),
        "{}",
        ran.stderr
    );
}
