//! Anchored runs in the whole program: pairs with a pinned build in each run, comparisons of runs
//! of different days through that build, and the sentinel, which detects a changed machine.

use crate::history::History;
use crate::support::waiting::wait_while_running;
use crate::support::{Ran, job};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Macros for four times the work of a commit without them.
const SLOW: &str = "-DSTEPS=8000";

/// Writes the scenario with an anchor, or without one if the name is empty.
fn anchored(history: &History, anchor: &str) {
    let path = history.project.path().join("scenarios/s.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let plain: String = text
        .lines()
        .filter(|line| !line.starts_with("anchor: "))
        .map(|line| format!("{line}\n"))
        .collect();
    let more = if anchor.is_empty() {
        String::new()
    } else {
        format!("anchor: {anchor}\n")
    };
    std::fs::write(path, plain + &more).unwrap();
}

fn run(history: &History, more: &[&str]) -> Ran {
    // Names of results have a resolution of one second, and the newest result must be the last.
    std::thread::sleep(Duration::from_millis(1100));
    history
        .project
        .orch(&[&["run", "scenarios/s.yaml"], more].concat())
}

fn record_of(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("record.json")).unwrap()).unwrap()
}

/// Returns the record of the last run, and its folder.
fn last(history: &History) -> (Value, PathBuf) {
    let mut all = history.project.results();
    all.retain(|folder| folder.join("record.json").exists());
    all.sort();
    let folder = all.pop().unwrap();
    (record_of(&folder), folder)
}

fn ran(history: &History) -> Value {
    let ran = run(history, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    last(history).0
}

/// Checks a verdict. On a busy machine, the verdict may be open. If the machine changed during the
/// test, the record must state this.
fn expect(record: &Value, one: &Value, verdict: &str) {
    let changed = record["sentinel"]["message"].as_str();
    match changed {
        None => assert!(
            one["verdict"] == verdict || one["verdict"] == "inconclusive",
            "{one}"
        ),
        Some(message) => assert_eq!(
            (&one["verdict"], &one["reason"]),
            (&"inconclusive".into(), &message.into())
        ),
    }
}

#[test]
fn jobs_are_paired_with_the_anchor_that_records_compare_through() {
    let history = History::of(&["", SLOW]);
    anchored(&history, "c0");
    let before = ran(&history);
    let c0 = history.git(&["rev-parse", "c0"]);
    assert_eq!(
        (
            &before["anchors"][0]["commit"],
            &before["anchors"][0]["role"]
        ),
        (&c0.as_str().into(), &"anchor".into())
    );
    let one = &job(&before, "work")["anchored"][0];
    assert_eq!(one["pairs"].as_array().unwrap().len(), 5);
    assert_eq!(one["anchor"], c0.as_str());
    assert_eq!(
        before["sentinel"]["anchor"],
        Value::Null,
        "the first run with an anchor is what others are held against"
    );
    // The work is four times as much. On a busy machine, five pairs may leave this open, but they
    // never show the opposite.
    let verdict = one["verdict"].as_str().unwrap();
    assert!(["regressed", "inconclusive"].contains(&verdict), "{one}");
    let (_, folder) = last(&history);
    let summary = std::fs::read_to_string(folder.join("summary.txt")).unwrap();
    let expected = format!(
        "\nAgainst the anchor c0 ({}, c0), 5 pairs of each job\n1 {verdict}\n",
        &c0[..10]
    );
    assert!(summary.contains(&expected), "{summary}");
    assert!(
        summary.lines().all(|line| line.chars().count() <= 80),
        "{summary}"
    );

    history.commit("c2", "-DOTHER");
    let after = ran(&history);
    assert_eq!(after["sentinel"]["anchor"]["record"], before["id"]);
    let readings = after["sentinel"]["readings"].as_array().unwrap();
    assert!(
        readings.len() >= 3
            && readings
                .iter()
                .all(|one| !one["compute_ns"].as_array().unwrap().is_empty())
    );
    let one = &job(&after, "work")["anchored"][0];
    assert!(
        one["verdict"] != "regressed" && one["verdict"] != "improved",
        "the same program: {one}"
    );

    let ids = [
        before["id"].as_str().unwrap(),
        after["id"].as_str().unwrap(),
    ];
    let compared = history.project.orch(&["compare", ids[0], ids[1], "--json"]);
    let comparison: Value = serde_json::from_str(&compared.stdout).unwrap();
    let time = comparison["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["metric"] == "time")
        .unwrap();
    assert_eq!(time["pairs"], 5);
    let reason = time["reason"].as_str().unwrap();
    if reason.starts_with("the machine changed: ") {
        assert_eq!(time["verdict"], "inconclusive");
    } else {
        assert!(
            ["improved", "inconclusive"].contains(&time["verdict"].as_str().unwrap()),
            "{time}"
        );
        assert!(
            reason.contains(&format!("through the anchor {}, 5 pairs each", &c0[..10])),
            "{reason}"
        );
    }
}

#[test]
fn new_anchor_overlaps_one_run_with_the_one_before_it() {
    let history = History::of(&["", "-DSTEPS=4000", SLOW]);
    let roles = |record: &Value| -> Vec<(String, String)> {
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        record["anchors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (text(one, "name"), text(one, "role")))
            .collect()
    };
    let named = |name: &str, role: &str| (name.to_owned(), role.to_owned());
    anchored(&history, "c0");
    assert_eq!(roles(&ran(&history)), [named("c0", "anchor")]);
    anchored(&history, "c1");
    let both = ran(&history);
    assert_eq!(
        roles(&both),
        [named("c1", "anchor"), named("c0", "overlap")]
    );
    let ties = job(&both, "work")["anchored"].as_array().unwrap().clone();
    assert_eq!(
        ties.iter()
            .map(|one| one["pairs"].as_array().unwrap().len())
            .collect::<Vec<_>>(),
        [5, 5]
    );
    let commits = ["c1", "c0"].map(|name| history.git(&["rev-parse", name]));
    assert_eq!(
        ties.iter()
            .map(|one| one["anchor"].as_str().unwrap())
            .collect::<Vec<_>>(),
        commits
    );
    assert_eq!(roles(&ran(&history)), [named("c1", "anchor")]);
}

#[test]
fn runs_in_between_end_no_row() {
    let history = History::of(&["", "-DSTEPS=4000", SLOW]);
    let with = |anchor: &str| {
        anchored(&history, anchor);
        ran(&history)
    };
    let held_against = |record: &Value| record["sentinel"]["anchor"]["record"].clone();
    let names = |record: &Value| -> Vec<Value> {
        record["anchors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].clone())
            .collect()
    };
    let first = with("c0");
    assert_eq!(held_against(&with("")), Value::Null);
    assert_eq!(
        held_against(&with("c0")),
        first["id"],
        "a run without an anchor came in between"
    );
    with("");
    let other = with("c1");
    assert_eq!(
        (names(&other), held_against(&other)),
        (vec!["c1".into(), "c0".into()], Value::Null)
    );
    let back = with("c0");
    assert_eq!(
        (names(&back), held_against(&back)),
        (vec!["c0".into(), "c1".into()], first["id"].clone())
    );
}

#[test]
fn readings_of_another_build_of_orch_do_not_compare() {
    let history = History::of(&["", SLOW]);
    anchored(&history, "c0");
    let first = ran(&history);
    // Bytes after the end of an ELF file have no effect, so this is the same program in the file of
    // another build.
    let mine = history.project.plain_command().get_program().to_owned();
    let other = history.project.path().join("cache/other-orch");
    std::fs::copy(mine, &other).unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&other)
        .unwrap()
        .write_all(b"\0")
        .unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let status = history
        .project
        .isolated(&other)
        .args(["run", "scenarios/s.yaml"])
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), Some(0));
    let second = last(&history).0;
    assert_ne!(second["sentinel"]["kernel"], first["sentinel"]["kernel"]);
    assert_eq!(second["sentinel"]["anchor"], Value::Null);
    assert_eq!(ran(&history)["sentinel"]["anchor"]["record"], first["id"]);
}

#[test]
fn changed_machine_leaves_times_open_with_the_reason() {
    let history = History::of(&["", SLOW]);
    anchored(&history, "c0");
    let before = ran(&history);
    let (_, folder) = last(&history);
    // This simulates a first run on a machine that was faster than any load could explain.
    let mut faster = before.clone();
    for reading in faster["sentinel"]["readings"].as_array_mut().unwrap() {
        for ns in reading["compute_ns"].as_array_mut().unwrap() {
            *ns = (ns.as_u64().unwrap() / 1000).max(1).into();
        }
    }
    std::fs::write(
        folder.join("record.json"),
        serde_json::to_vec(&faster).unwrap(),
    )
    .unwrap();
    history.commit("c2", "-DSTEPS=8001");
    let after = ran(&history);
    let message = after["sentinel"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("the machine changed: the sentinel's compute kernel takes "),
        "{message}"
    );
    assert!(!after["sentinel"]["causes"].as_array().unwrap().is_empty());
    let one = &job(&after, "work")["anchored"][0];
    assert_eq!(
        (&one["verdict"], &one["reason"]),
        (&"inconclusive".into(), &message.into())
    );
    let (_, folder) = last(&history);
    let summary = std::fs::read_to_string(folder.join("summary.txt")).unwrap();
    assert!(
        summary.contains("\nthe machine changed: the sentinel's compute kernel takes "),
        "{summary}"
    );
    assert!(
        summary.contains("5 pairs of each job\n1 inconclusive\n"),
        "{summary}"
    );
    let ids = [
        before["id"].as_str().unwrap(),
        after["id"].as_str().unwrap(),
    ];
    let compared = history.project.orch(&["compare", ids[0], ids[1], "--json"]);
    let comparison: Value = serde_json::from_str(&compared.stdout).unwrap();
    let time = comparison["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["metric"] == "time")
        .unwrap();
    assert_eq!(time["verdict"], "inconclusive");
    assert!(
        time["reason"]
            .as_str()
            .unwrap()
            .starts_with("the machine changed: "),
        "{time}"
    );
}

#[test]
fn killed_run_resumes_with_its_pairs() {
    let history = History::of(&["", SLOW]);
    anchored(&history, "c0");
    let mut child = history.project.plain_command();
    child
        .args(["run", "scenarios/s.yaml"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = child.spawn().unwrap();
    let pairs = || -> Vec<Value> {
        let journals = history
            .project
            .results()
            .into_iter()
            .map(|folder| folder.join("journal.jsonl"));
        let text: String = journals
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .collect();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line.get("pair").cloned()).collect()
    };
    wait_while_running(&mut child, "two pairs", || pairs().len() >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let noted: Vec<Value> = pairs()
        .into_iter()
        .map(|line| line["pair"].clone())
        .collect();
    let resumed = run(&history, &["--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    let (record, _) = last(&history);
    let one = &job(&record, "work")["anchored"][0];
    let all = one["pairs"].as_array().unwrap();
    assert_eq!(all.len(), 5);
    assert_eq!(all[..noted.len()], noted[..]);
    expect(&record, one, "regressed");
}

#[test]
fn unusable_anchor_is_reported_with_its_place_or_job() {
    let history = History::of(&["-DRENAMED", "-DFAULT=1", ""]);
    anchored(&history, "v9");
    insta::assert_snapshot!(history.shown(&run(&history, &[])), @r"
    exit 200
    error: anchor: 'v9' does not name a revision of PROJECT
     --> scenarios/s.yaml:8:9
      |
    8 | anchor: v9
      |         ^^
      |
      = hint: name a tag, a branch or a commit, such as v1.2; each job is paired with its build

    1 problem in scenarios/s.yaml; nothing was measured
    ");
    anchored(&history, "c0");
    let lost = |record: &Value| {
        let one = &job(record, "work")["anchored"][0];
        (
            one["verdict"].as_str().unwrap().to_owned(),
            one["reason"].as_str().unwrap().to_owned(),
        )
    };
    let without = ran(&history);
    assert_eq!(job(&without, "work")["outcome"], "measured");
    let (verdict, reason) = lost(&without);
    assert_eq!(verdict, "missing");
    assert!(
        reason.starts_with("the anchor does not have this job: "),
        "{reason}"
    );
    assert_eq!(
        job(&without, "work")["anchored"][0]["absent"],
        true,
        "a new workload is no failure"
    );
    anchored(&history, "c1");
    let crashed = run(&history, &[]);
    assert_eq!(crashed.code, 201, "{}", crashed.stderr);
    let (verdict, reason) = lost(&last(&history).0);
    assert_eq!(verdict, "missing");
    assert!(reason.starts_with("the anchor failed in "), "{reason}");
    assert!(
        crashed.stdout.contains("\nwork: the anchor failed in "),
        "{}",
        crashed.stdout
    );
    history.git(&["tag", "-f", "c1", &history.commit("c3", "-DSTEPS=(")]);
    history.commit("c4", "");
    let unbuilt = run(&history, &[]);
    assert_eq!(unbuilt.code, 201, "{}", unbuilt.stderr);
    assert!(
        unbuilt
            .stdout
            .contains("\nwork: the anchor failed in build: "),
        "{}",
        unbuilt.stdout
    );
}
