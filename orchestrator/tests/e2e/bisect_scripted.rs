//! `orch bisect` with pairs from a journal: the named commits, the open changes and their reasons,
//! and the results of a stopped bisect.
//!
//! The journal of a killed bisect holds answers. A resumed bisect repeats its questions and takes
//! the answers from the journal. Builds, code and reports are therefore real, but no assertion
//! depends on a time.

use crate::history::{History, asked, culprits, report, states, texts};
use crate::support::waiting::wait_while_running;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Number of pairs of each two commits in a scripted journal: more than a search of a few commits
/// needs.
const PAIRS: usize = 250;

/// Commits with different code whose levels are log ratios to the first commit.
struct ScriptedHistory {
    history: History,
    levels: Vec<f64>,
    /// Relative scatter of pairs around a level.
    noise: f64,
}

impl ScriptedHistory {
    /// Creates the history. While builds are held, the builds of the commits in `waits` wait.
    fn new(levels: &[f64], waits: std::ops::Range<usize>) -> Self {
        let history = History::new();
        let path = history.project.path().join("scenarios/s.yaml");
        let waiting = history
            .project
            .path()
            .join("cache/waiting")
            .display()
            .to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("tolerance: 20%", "tolerance: 1%");
        let text = text.replace("while test -e", "while grep -q WAIT flags && test -e");
        let text = text.replace(
            "do sleep 0.02",
            &format!("do touch \"{waiting}\"; sleep 0.02"),
        );
        std::fs::write(path, text).unwrap();
        for at in 0..levels.len() {
            let wait = if waits.contains(&at) { " -DWAIT" } else { "" };
            history.commit(&format!("c{at}"), &format!("-DSTEPS={}{wait}", 20_001 + at));
        }
        Self {
            history,
            levels: levels.to_vec(),
            noise: 0.005,
        }
    }

    fn last(&self) -> String {
        format!("c{}", self.levels.len() - 1)
    }

    /// Leaves the state of a bisect that was killed after it had examined both ends. It has answers
    /// to all further questions except builds.
    fn leave(&self, more: &[&str]) {
        let project = &self.history.project;
        let last = self.last();
        let (entries, workload) = self.confirmation();
        let mut command = project.plain_command();
        command.args([&asked("c0", &last)[..], &["--seed", "1"], more].concat());
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_while_running(&mut child, "a pair", || {
            self.history
                .journal()
                .iter()
                .any(|line| line.get("pair").is_some())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let path = self.journal();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let pair = lines
            .iter()
            .find_map(|line| line.get("pair").cloned())
            .unwrap();
        let mut kept: Vec<Value> = lines
            .into_iter()
            .filter(|line| line.get("pair").is_none())
            .collect();
        for commit in 1..self.levels.len() {
            for reference in 0..commit {
                kept.extend((0..PAIRS).map(|number| self.pair(&pair, reference, commit, number)));
            }
            kept.push(self.confirmed(&entries, &workload, commit - 1, commit));
        }
        let text: String = kept.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(path, text).unwrap();
    }

    fn journal(&self) -> PathBuf {
        states(&self.history.project.path().join("cache"))[0].join("journal.jsonl")
    }

    /// Returns one pair: the difference of the levels, and a scatter that is the same in each run.
    fn pair(&self, like: &Value, reference: usize, commit: usize, number: usize) -> Value {
        // Quantiles of a triangular distribution, in a mixed order.
        let part = ((number * 37 + commit * 11 + reference * 5) % 101) as f64 / 100.0;
        let scatter = 2.0 * (part - 0.5) * (1.0 + (part - 0.5).abs());
        let mut pair = like.clone();
        pair["reference"] = json!(reference);
        pair["position"] = json!(commit);
        pair["pair"]["difference"] =
            json!(self.levels[commit] - self.levels[reference] + self.noise * scatter);
        pair["pair"]["wall_ns"] = json!(50_000_000);
        json!({ "pair": pair })
    }

    /// Returns the entries and the workload of a comparison of two commits whose code differs.
    fn confirmation(&self) -> (Value, Value) {
        let history = History::of(&["-DSTEPS=20000", "-DSTEPS=20001 -DALLOCATIONS=2"]);
        let (found, ran) = history.report("c0", "c1", &["--metric", "allocations"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        (
            found["culprits"][0]["entries"].clone(),
            found["culprits"][0]["comparison"].clone(),
        )
    }

    fn confirmed(
        &self,
        entries: &Value,
        workload: &Value,
        parent: usize,
        position: usize,
    ) -> Value {
        let change = (self.levels[position] - self.levels[parent]).exp() - 1.0;
        let verdict = match change {
            change if change >= 0.01 => "regressed",
            change if change <= -0.01 => "improved",
            _ => "equivalent",
        };
        let mut entries = entries.clone();
        let time = entries
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .find(|entry| entry["metric"] == "time")
            .unwrap();
        time["verdict"] = json!(verdict);
        time["change"] =
            json!({ "estimate": change, "low": change - 0.004, "high": change + 0.004 });
        let mut confirmed = json!({ "parent": parent, "position": position });
        confirmed["entries"] = entries.clone();
        confirmed["workload"] = workload.clone();
        json!({ "confirmed": confirmed })
    }

    fn resume(&self) -> Child {
        let mut command = self.history.project.plain_command();
        command
            .args(["bisect", "--resume", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Returns the report of the whole bisect, with its text.
    fn finish(&self) -> (Value, i32, String) {
        let ran = self.history.project.orch(&["bisect", "--resume", "--json"]);
        let found = report(&ran);
        let text = self.text(&found, "bisect.txt");
        (found, ran.code, text)
    }

    fn text(&self, found: &Value, name: &str) -> String {
        let folder = self
            .history
            .project
            .path()
            .join("results")
            .join(found["id"].as_str().unwrap());
        std::fs::read_to_string(folder.join(name)).unwrap()
    }
}

/// Levels of six commits with +3.7 % and then 8.3 times the time.
const REAL: [f64; 7] = [0.0, 0.0, 0.0363, 2.152, 2.152, 2.152, 2.152];
/// The same two steps among twelve commits, at c3 and c8.
const LONGER: [f64; 13] = [
    0.0, 0.0, 0.0, 0.0363, 0.0363, 0.0363, 0.0363, 0.0363, 2.152, 2.152, 2.152, 2.152, 2.152,
];

#[test]
fn large_step_behind_a_small_one_is_named() {
    let scripted = ScriptedHistory::new(&REAL, 0..0);
    scripted.leave(&[]);
    let (found, code, text) = scripted.finish();
    assert_eq!(
        (code, &found["outcome"], culprits(&found)),
        (1, &"first".into(), vec![vec!["c2"], vec!["c3"]])
    );
    assert!(found["pairs"].as_u64().unwrap() < 300, "{}", found["pairs"]);
    assert_eq!(
        (&found["stopped"], &found["undecided"], &found["next"]),
        (&Value::Null, &json!([]), &Value::Null)
    );
    let states: Vec<String> = texts(&found["rest"], "state");
    assert!(
        !states.is_empty()
            && states
                .iter()
                .all(|state| state == "nothing_else" || state == "bounded"),
        "{states:?}"
    );
    let bounds = &found["nothing_else_beyond"];
    let (low, high) = (
        bounds["low"].as_f64().unwrap(),
        bounds["high"].as_f64().unwrap(),
    );
    assert!(
        (-0.2..=0.0).contains(&low) && (0.0..0.2).contains(&high),
        "{bounds}"
    );
    for part in found["rest"].as_array().unwrap() {
        let change = &part["change"];
        assert!(
            low <= change["low"].as_f64().unwrap() && change["high"].as_f64().unwrap() <= high,
            "{part}"
        );
    }
    assert!(text.contains("\nno other change beyond -"), "{text}");
    assert!(
        scripted
            .text(&found, "bisect.md")
            .contains("\nNo other change beyond -")
    );
}

#[test]
fn first_option_stops_at_the_largest_step() {
    let scripted = ScriptedHistory::new(&REAL, 0..0);
    scripted.leave(&["--first"]);
    let (found, code, text) = scripted.finish();
    assert_eq!(
        (code, &found["outcome"], culprits(&found)),
        (1, &"first".into(), vec![vec!["c3"]])
    );
    assert_eq!(
        (&found["first"], &found["nothing_else_beyond"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(
        texts(&found["rest"], "state"),
        ["not_searched", "not_searched"]
    );
    let first = &found["rest"][0];
    assert_eq!(
        (&first["reference"]["subject"], &first["end"]["subject"]),
        (&"c0".into(), &"c2".into())
    );
    let change = first["change"]["estimate"].as_f64().unwrap();
    assert!((change - 0.037).abs() < 0.01, "{change}");
    assert!(
        text.contains(": not searched; change between its ends:\n  +3."),
        "{text}"
    );
    // The next command searches the rest of the range and finds everything that was already built.
    let next = found["next"].as_str().unwrap();
    assert!(
        next.starts_with("orch bisect scenarios/s.yaml --workload work --good ")
            && !next.contains("--first"),
        "{next}"
    );
    assert!(
        found["command"]
            .as_str()
            .unwrap()
            .contains(" --first --seed 1"),
        "{}",
        found["command"]
    );
}

#[test]
fn change_within_the_build_effect_ends_with_the_next_command() {
    let scripted = ScriptedHistory::new(&[0.0, 0.008, 0.017], 0..0);
    scripted.leave(&[]);
    let (found, code, text) = scripted.finish();
    assert_eq!(
        (code, &found["outcome"], &found["culprits"]),
        (125, &"undecided".into(), &json!([])),
        "{text}"
    );
    let open = &found["undecided"][0];
    assert_eq!(open["why"], "build_effect", "{open}");
    assert!(
        open["probability"].as_f64().unwrap() < 0.99 && found["pairs"].as_u64().unwrap() < 500,
        "{found}"
    );
    // orch cannot rebuild a library that a command builds, so the next command examines the
    // suspect's code.
    let next = found["next"].as_str().unwrap();
    assert!(
        next.starts_with("orch compare ")
            && next.ends_with(" --scenario scenarios/s.yaml --filter work"),
        "{next}"
    );
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("a change and a build effect explain the times equally well")
            && text.contains(&format!("\nnext: {next}\n")),
        "{text}"
    );
}

#[test]
fn exhausted_pairs_are_reported_with_the_remaining_range() {
    let mut scripted = ScriptedHistory::new(&[0.0, 0.0, 0.0, 0.02, 0.02, 0.02, 0.02], 0..0);
    scripted.noise = 0.04;
    scripted.leave(&["--pairs", "60"]);
    let (found, code, text) = scripted.finish();
    assert_eq!(
        (code, &found["outcome"]),
        (125, &"undecided".into()),
        "{text}"
    );
    let next = found["next"].as_str().unwrap();
    assert!(
        next.ends_with(" --pairs 240") && text.contains(&format!("\nnext: {next}\n")),
        "{next}"
    );
    let open = &found["undecided"][0];
    assert_eq!(open["why"], "budget", "{open}");
    assert!(
        open["commits"]
            .as_array()
            .unwrap()
            .iter()
            .any(|commit| commit["subject"] == "c3"),
        "{open}"
    );
    assert!(
        text.contains("the maximum number of pairs was reached; with"),
        "{text}"
    );
}

fn interrupt(child: &Child) {
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn stopped_bisect_reports_culprit_and_remaining_range() {
    let scripted = ScriptedHistory::new(&LONGER, 1..6);
    scripted.leave(&[]);
    scripted.history.hold(true);
    let mut child = scripted.resume();
    let waiting = scripted.history.project.path().join("cache/waiting");
    wait_while_running(&mut child, "the build that waits", || waiting.exists());
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["stopped"], culprits(&found)),
        (&"interrupted".into(), vec![vec!["c8"]]),
        "{said}"
    );
    assert_eq!(
        found["reason"],
        "stopped by the user; one commit is confirmed"
    );
    let open = &found["undecided"][0];
    assert_eq!(
        (&open["why"], &open["reference"]["subject"]),
        (&"stopped".into(), &"c0".into()),
        "{open}"
    );
    let commits = open["commits"].as_array().unwrap();
    assert!(
        commits.iter().any(|commit| commit["subject"] == "c3") && commits.len() < 8,
        "{open}"
    );
    let probability = open["probability"].as_f64().unwrap();
    assert!(0.5 < probability && probability <= 1.0, "{probability}");
    assert_eq!(
        (
            texts(&found["rest"], "state"),
            &found["nothing_else_beyond"]
        ),
        (vec!["not_searched".into()], &Value::Null)
    );
    assert_eq!(found["next"], "orch bisect scenarios/s.yaml --resume");
    for name in ["bisect.txt", "bisect.md"] {
        let text = scripted.text(&found, name);
        for needed in [
            "c8",
            "c3",
            "topped by the user; one commit is confirmed",
            "orch bisect scenarios/s.yaml --resume",
        ] {
            assert!(text.contains(needed), "{name} lacks {needed}: {text}");
        }
    }
    scripted.history.hold(false);
    let (whole, code, _) = scripted.finish();
    assert_eq!(
        (code, culprits(&whole), &whole["stopped"]),
        (1, vec![vec!["c3"], vec!["c8"]], &Value::Null)
    );
    assert_eq!(
        scripted.history.project.results().len(),
        2,
        "the report of the stopped bisect stays as it was"
    );
}

#[test]
fn stopped_bisect_of_counts_reports_values() {
    let history = ScriptedHistory::new(&[0.0], 0..0).history;
    for (at, allocations) in [
        (0, 1),
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 2),
        (5, 2),
        (6, 3),
        (7, 3),
        (8, 3),
    ] {
        let wait = if at == 5 { " -DWAIT" } else { "" };
        history.commit(
            &format!("d{at}"),
            &format!("-DALLOCATIONS={allocations}{wait}"),
        );
    }
    history.hold(true);
    let mut command = history.project.plain_command();
    let arguments = [&asked("d0", "d8")[..], &["--metric", "allocations"]].concat();
    let mut child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let waiting = history.project.path().join("cache/waiting");
    wait_while_running(&mut child, "the build that waits", || waiting.exists());
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let (text, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(130), "{said}");
    let line = text.lines().last().unwrap();
    let file = history
        .project
        .path()
        .join(line.strip_prefix("report: ").unwrap())
        .with_extension("json");
    let found: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(
        (&found["outcome"], &found["culprits"]),
        (&"undecided".into(), &json!([])),
        "{text}"
    );
    let mut whys = texts(&found["undecided"], "why");
    whys.sort();
    assert_eq!(whys, ["stopped", "unexplained"], "{text}");
    for open in found["undecided"].as_array().unwrap() {
        let suspects: Vec<&str> = open["commits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["subject"].as_str().unwrap())
            .collect();
        match open["why"].as_str().unwrap() {
            "unexplained" => assert_eq!(suspects, ["d3"]),
            _ => assert!(
                suspects.contains(&"d5") && suspects.contains(&"d6"),
                "{suspects:?}"
            ),
        }
    }
    assert!(
        text.contains("\nnext: orch bisect scenarios/s.yaml --resume\n"),
        "{text}"
    );
    history.hold(false);
    let ran = history.project.orch(&["bisect", "--resume", "--json"]);
    assert_eq!(
        (ran.code, culprits(&report(&ran))),
        (1, vec![vec!["d3"], vec!["d6"]]),
        "{}",
        ran.stderr
    );
}
