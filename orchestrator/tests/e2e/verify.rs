//! `orch verify`: figures and verdicts follow from the samples and pairs that are stored with them.

use crate::history::History;
use crate::support::Ran;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn verify(history: &History, file: &Path) -> Ran {
    history
        .project
        .orch(&["verify", &file.display().to_string()])
}

/// Runs a command and returns the file of its result.
fn store(history: &History, arguments: &[&str], name: &str) -> PathBuf {
    let before = history.project.results();
    let ran = history.project.orch(arguments);
    assert!(ran.code <= 1, "{}", ran.stderr);
    let mut results = history.project.results();
    results.retain(|folder| !before.contains(folder));
    results.pop().unwrap().join(name)
}

fn read(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Returns the time entry of a comparison.
fn time(result: &mut Value) -> &mut Value {
    let entries = result["jobs"].as_array_mut().unwrap();
    entries
        .iter_mut()
        .find(|entry| entry["metric"] == "time")
        .unwrap()
}

type Change = fn(&mut Value);

/// Asserts that each change of a result is found, and that its place and field are named.
fn assert_found(history: &History, file: &Path, cases: &[(&str, Change)]) {
    for (message, change) in cases {
        let mut result = read(file);
        change(&mut result);
        let changed = file.with_file_name("changed.json");
        std::fs::write(&changed, result.to_string()).unwrap();
        let ran = verify(history, &changed);
        assert_eq!(ran.code, 1, "{message}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(message), "{message}: {}", ran.stdout);
        assert!(ran.stdout.contains(" differ\n"), "{}", ran.stdout);
    }
}

#[test]
fn run_and_its_anchors_follow_from_their_samples() {
    let history = History::with("anchor: c0\n", &["", "-DALLOCATIONS=2"]);
    let file = store(&history, &["run", "scenarios/s.yaml"], "record.json");
    let ran = verify(&history, &file);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(": all agree\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains(" samples, 5 pairs"), "{}", ran.stdout);
    assert_found(
        &history,
        &file,
        &[
            ("work, time: median_ns is 1.5, but ", |record| {
                record["jobs"][0]["time"]["median_ns"] = json!(1.5);
            }),
            ("work, time: median_ns is ", |record| {
                for process in record["jobs"][0]["time"]["processes"]
                    .as_array_mut()
                    .unwrap()
                {
                    process["iterations"] = json!(1 + process["iterations"].as_u64().unwrap());
                }
            }),
            ("work, pair 1: difference is 0.5, but ", |record| {
                record["jobs"][0]["anchored"][0]["pairs"][0]["difference"] = json!(0.5);
            }),
            ("against the anchor: change.low is ", |record| {
                record["jobs"][0]["anchored"][0]["change"]["low"] = json!(-0.5);
            }),
            ("the run: outcome is incomplete, but complete ", |record| {
                record["outcome"] = json!("incomplete");
            }),
        ],
    );
}

#[test]
fn comparison_follows_from_its_pairs() {
    let history = History::of(&["", "-DSTEPS=8000"]);
    let file = store(&history, &["compare", "c0", "c1"], "comparison.json");
    let ran = verify(&history, &file);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(": all agree\n"), "{}", ran.stdout);
    assert_found(
        &history,
        &file,
        &[
            ("work, time: change.estimate is 0.5, but ", |comparison| {
                time(comparison)["change"]["estimate"] = json!(0.5);
            }),
            ("work, time: verdict is equivalent, but ", |comparison| {
                time(comparison)["verdict"] = json!("equivalent");
            }),
            ("work: verdict is improved, but ", |comparison| {
                comparison["workloads"][0]["verdict"] = json!("improved");
            }),
            ("work, pair 2: difference is ", |comparison| {
                let pair = &mut comparison["workloads"][0]["pairs"][1];
                for sample in pair["a_ns"].as_array_mut().unwrap() {
                    *sample = json!(2 * sample.as_u64().unwrap());
                }
            }),
            ("work, time: e_value is 1, but ", |comparison| {
                time(comparison)["e_value"] = json!(1.0);
            }),
            ("the comparison: totals.sum is 0, but ", |comparison| {
                comparison["totals"] = json!({
                    "workloads": 1,
                    "sum": 0.0,
                    "geometric_mean": 0.0,
                    "largest": "work",
                    "largest_share": null,
                    "disagree": false,
                });
            }),
        ],
    );
}

#[test]
fn bisect_follows_from_its_pairs() {
    let history = History::of(&["", "", "-DSTEPS=8000"]);
    let arguments = crate::history::asked("c0", "c2");
    let file = store(&history, &arguments, "bisect.json");
    let ran = verify(&history, &file);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_found(
        &history,
        &file,
        &[("work, pair 1: difference is 0.5, but ", |report| {
            report["culprits"][0]["comparison"]["pairs"][0]["difference"] = json!(0.5);
        })],
    );
}
