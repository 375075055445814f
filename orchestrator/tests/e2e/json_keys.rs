//! Fields of the JSON files, which other programs read. No field is ever removed or renamed.

use crate::history::{History, asked, report};
use crate::support::fixture;
use serde_json::Value;
use std::collections::BTreeSet;

/// Adds the paths of all fields below a value: `a.b` for a field of an object, `a[]` for the
/// elements of a list.
fn collect_paths(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}.{name}");
                collect_paths(field, &path, paths);
                paths.insert(path);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                collect_paths(element, &format!("{path}[]"), paths);
            }
        }
        _ => {}
    }
}

/// Returns whether a field exists, or a value that contains it is null or an empty list, as on
/// another machine.
fn is_there(value: &Value, path: &str) -> bool {
    let Some(rest) = path.strip_prefix("[]") else {
        let Some(rest) = path.strip_prefix('.') else {
            return true;
        };
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        return match value {
            Value::Object(fields) => fields
                .get(&rest[..end])
                .is_some_and(|field| is_there(field, &rest[end..])),
            _ => value.is_null(),
        };
    };
    match value.as_array() {
        // Elements of a list may be of several kinds with different fields.
        Some(elements) => {
            elements.is_empty() || elements.iter().any(|element| is_there(element, rest))
        }
        None => value.is_null(),
    }
}

/// Compares the fields of a file with the stored list. `?` in the list marks a field that is
/// omitted when it is empty. `ORCH_UPDATE_KEYS=1` adds new fields to the list.
fn check_fields(name: &str, value: &Value) {
    let list = fixture("json-keys").join(name);
    let stored = std::fs::read_to_string(&list).unwrap_or_default();
    if std::env::var_os("ORCH_UPDATE_KEYS").is_some() {
        let mut paths: BTreeSet<String> = stored.lines().map(str::to_owned).collect();
        collect_paths(value, "", &mut paths);
        paths.retain(|path| !stored.lines().any(|line| line == format!("{path}?")));
        let lines: Vec<String> = paths.into_iter().collect();
        std::fs::write(&list, lines.join("\n") + "\n").unwrap();
        return;
    }
    assert!(stored.lines().count() > 30, "{} is a list", list.display());
    let missing: Vec<&str> = stored
        .lines()
        .filter(|path| !path.ends_with('?') && !is_there(value, path))
        .collect();
    assert!(missing.is_empty(), "{name} lacks {missing:#?}");
}

#[test]
fn json_files_keep_their_fields() {
    let history = History::of(&["", "-DALLOCATIONS=1", "-DALLOCATIONS=2"]);
    let table = fixture("comparison-2026-02-04.csv").display().to_string();
    for (name, command) in [
        ("record.txt", vec!["run", "scenarios/s.yaml", "--seed", "1"]),
        (
            "comparison.txt",
            vec!["compare", "c0", "c2", "--pairs", "2", "--seed", "1"],
        ),
        (
            "check.txt",
            vec![
                "check",
                "scenarios/s.yaml",
                "--baseline",
                "c0",
                "--seed",
                "1",
            ],
        ),
        (
            "bisect.txt",
            [
                &asked("c0", "c2")[..],
                &["--metric", "allocations", "--seed", "1"],
            ]
            .concat(),
        ),
        ("import.txt", vec!["import", &table]),
    ] {
        let ran = history.project.orch(&[&command[..], &["--json"]].concat());
        check_fields(name, &report(&ran));
    }
}

#[test]
fn record_with_an_anchor_keeps_its_fields() {
    let history = History::with("anchor: c0\n", &["", "-DALLOCATIONS=2"]);
    let run = ["run", "scenarios/s.yaml", "--seed", "1", "--json"];
    let ran = history.project.orch(&run);
    check_fields("record-anchored.txt", &report(&ran));
}

#[test]
fn bisect_with_a_skipped_commit_keeps_its_fields() {
    let history = History::of(&["", "-DSTEPS=(", "-DALLOCATIONS=2"]);
    let more = ["--metric", "allocations", "--seed", "1", "--json"];
    let ran = history
        .project
        .orch(&[&asked("c0", "c2")[..], &more].concat());
    check_fields("bisect-skipped.txt", &report(&ran));
}

#[test]
fn times_of_programs_keep_their_fields() {
    let project = crate::support::Project::new();
    let ran = project.orch(&["time", "--time", "50ms", "--json", "true", "sleep 0.02"]);
    check_fields("time.txt", &report(&ran));
}
