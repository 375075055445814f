//! Mutated inputs of every format that others write. No input may end the process, take long or use
//! much memory.
//!
//! A test run tries a few hundred inputs per format. `scripts/fuzz 60s` tries as many as fit into a
//! minute, and `scripts/fuzz 1000000` tries a million. Both report the slowest input of each
//! format.

mod mutate;
mod trial;

use crate::bisect::skip_reason::{SkipKind, SkipReason};
use crate::bisect::state::{BisectHeader, BisectStep};
use crate::bisect::{BisectDirection, BisectReport};
use crate::comparison::Comparison;
use crate::export::{self, ExportedResult};
use crate::import;
use crate::journal;
use crate::json_schema::CompiledSchema;
use crate::model::export_format::ExportFormat;
use crate::model::metric::Metric;
use crate::pass::{PassEnd, PassResult};
use crate::plugin::catalog::PluginDescription;
use crate::plugin::elf;
use crate::plugin::manifest;
use crate::record::Record;
use crate::render::ReportView;
use crate::scenario::{self, ScenarioContext};
use orch_core::protocol::{Phase, WorkerFarewell, WorkerReply, take_frame};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use trial::try_mutations;

fn read_examples(folder: &str, accept: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| accept(path.file_name().unwrap().to_str().unwrap()))
        .collect();
    paths.sort();
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    paths.into_iter().map(read).collect()
}

fn text_of(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

#[test]
fn scenarios_survive_mutations() {
    let corpus = read_examples("../scenarios", |name| name.ends_with(".yaml"));
    try_mutations("scenario", &corpus, |input| {
        let text = text_of(input);
        let around = ScenarioContext {
            root: Path::new("/"),
            stem: "mutated",
            exists: &|_| true,
            real: &Path::to_owned,
        };
        let _ = scenario::accepted_level::read_accepted_level(&text);
        match scenario::read_scenario(&text, &around) {
            Ok(scenario) => {
                let _ = scenario::expand_jobs(&scenario, |_| None);
                true
            }
            Err(problems) => {
                let shown = scenario::problem::render_problems("s.yaml", &text, &problems, false);
                assert!(shown.contains("nothing was measured"));
                false
            }
        }
    });
}

#[test]
fn describe_documents_survive_mutations() {
    let schema = json!({
        "$defs": { "size": { "type": "integer", "minimum": 1, "maximum": 4096 } },
        "type": "object",
        "properties": {
            "n": { "$ref": "#/$defs/size" },
            "kind": { "enum": ["a", "b"] },
            "name": { "type": "string", "pattern": "^[a-z]+$" },
            "either": { "anyOf": [{ "const": 1 }, { "type": "array", "items": { "$ref": "#" } }] }
        },
        "required": ["n"],
        "additionalProperties": false
    });
    let document = json!({
        "plugin": "p", "version": "1", "sdk": "1",
        "workloads": [
            { "id": "w", "about": "work", "iteration": "one", "params": schema, "tags": ["t"],
              "metrics": [{ "id": "m", "unit": "GB/s", "better": "higher", "per": "second" }] },
            { "id": "v" }
        ]
    });
    let params = json!({ "n": 0, "kind": "c", "name": "A", "either": [{ "n": 1 }], "more": null });
    try_mutations(
        "describe document",
        &[document.to_string().into_bytes()],
        |input| {
            let Ok(description) = PluginDescription::parse(&text_of(input)) else {
                return false;
            };
            for workload in description.workloads {
                let schema = workload.params.unwrap_or(Value::Bool(true));
                let compiled = CompiledSchema::compile(&schema).expect("the document was checked");
                let _ = compiled.find_errors(&params);
            }
            true
        },
    );
}

/// Tries mutations of one kind of stored document, and renders the valid ones.
fn try_documents<T: DeserializeOwned>(kind: &str, render: impl Fn(&T)) {
    let begins_with_kind = |name: &str| name.starts_with(kind);
    let corpus = read_examples("tests/fixtures/reports", begins_with_kind);
    try_mutations(kind, &corpus, |input| {
        let document = serde_json::from_slice::<T>(input);
        document.as_ref().is_ok_and(|document| {
            render(document);
            true
        })
    });
}

#[test]
fn records_survive_mutations() {
    let nowhere = Path::new("/nonexistent/templates");
    try_documents::<Record>("record", |record| {
        let view = ReportView::of_run(record);
        for name in ["summary.txt", "profile.md"] {
            let _ = view.render(name, nowhere);
        }
        for format in ExportFormat::ALL {
            let _ = export::export_result(&ExportedResult::Run(record), format, nowhere);
        }
    });
}

#[test]
fn comparisons_survive_mutations() {
    let nowhere = Path::new("/nonexistent/templates");
    try_documents::<Comparison>("comparison", |comparison| {
        let view = ReportView::of_comparison(comparison);
        for name in ["comparison.txt", "comparison.md"] {
            let _ = view.render(name, nowhere);
        }
        for format in ExportFormat::ALL {
            let result = ExportedResult::Comparison(comparison);
            let _ = export::export_result(&result, format, nowhere);
        }
    });
}

#[test]
fn bisects_survive_mutations() {
    let nowhere = Path::new("/nonexistent/templates");
    try_documents::<BisectReport>("bisect", |report| {
        let view = ReportView::of_bisect(report);
        for name in ["bisect.txt", "bisect.md"] {
            let _ = view.render(name, nowhere);
        }
    });
}

/// Lists the JSON pointers of all whole numbers of a document.
fn list_numbers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(number) if number.is_u64() => found.push(pointer.to_owned()),
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                list_numbers(element, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                list_numbers(field, &format!("{pointer}/{name}"), found);
            }
        }
        _ => {}
    }
}

/// Reads the examples of one kind of document. Every whole number that may be large is replaced
/// with the largest number.
fn read_with_largest_numbers<T: DeserializeOwned>(kind: &str) -> Vec<T> {
    let documents = read_examples("tests/fixtures/reports", |name| name.starts_with(kind));
    let enlarge = |text: Vec<u8>| {
        let mut document: Value = serde_json::from_slice(&text).unwrap();
        let mut pointers = Vec::new();
        list_numbers(&document, "", &mut pointers);
        let mut enlarged = 0;
        for pointer in pointers {
            let Some(number) = document.pointer_mut(&pointer) else {
                continue;
            };
            let before = std::mem::replace(number, u64::MAX.into());
            if T::deserialize(&document).is_ok() {
                enlarged += 1;
            } else if let Some(number) = document.pointer_mut(&pointer) {
                *number = before;
            }
        }
        assert!(enlarged > 5, "{kind}: {enlarged} numbers");
        T::deserialize(&document).unwrap()
    };
    documents.into_iter().map(enlarge).collect()
}

#[test]
fn largest_numbers_end_no_report() {
    let nowhere = Path::new("/nonexistent/templates");
    let render = |view: ReportView, names: &[&str]| {
        for name in names {
            view.render(name, nowhere).unwrap();
        }
    };
    for record in read_with_largest_numbers::<Record>("record") {
        let names = [
            "summary.txt",
            "profile.md",
            "hot-paths.md",
            "allocations.md",
            "samples.txt",
            "run.html",
        ];
        render(ReportView::of_run(&record), &names);
        for format in ExportFormat::ALL {
            let _ = export::export_result(&ExportedResult::Run(&record), format, nowhere);
        }
    }
    for comparison in read_with_largest_numbers::<Comparison>("comparison") {
        let names = [
            "comparison.txt",
            "comparison.md",
            "comparison.html",
            "performance.md",
            "overview.txt",
            "chart.md",
        ];
        render(ReportView::of_comparison(&comparison), &names);
    }
    for report in read_with_largest_numbers::<BisectReport>("bisect") {
        let names = ["bisect.txt", "bisect.md", "bisect.html"];
        render(ReportView::of_bisect(&report), &names);
    }
}

#[test]
fn states_of_bisects_survive_mutations() {
    let header = BisectHeader {
        schema: "s".to_owned(),
        started: "2026-01-02 03:04:05".to_owned(),
        seed: 1,
        repository: PathBuf::from("/r"),
        scenario: PathBuf::from("s.yaml"),
        shown: "s.yaml".to_owned(),
        scenario_hash: "0".repeat(64),
        workload: "w".to_owned(),
        metric: Metric::Time,
        direction: BisectDirection::Worse,
        good: "0".repeat(40),
        bad: "1".repeat(40),
        all: false,
        first: false,
        most_pairs: 1500,
        verify_revert: false,
        retry_failed: false,
        results: None,
        machine_class: "c".to_owned(),
        tau: Some(0.001),
        kept: vec![1, 2],
        build_seconds: Some(2.0),
        prior: vec![1.0, 0.5],
    };
    let steps = [
        BisectStep::Look {
            position: 1,
            seconds: 2.0,
            built: true,
            result: Err(SkipReason::new(SkipKind::BuildFailed, "it does not build")),
        },
        BisectStep::Code {
            one: 1,
            other: 2,
            same: true,
        },
        BisectStep::PairFailed {
            reference: 0,
            position: 1,
            reason: SkipReason::new(SkipKind::RunFailed, "m"),
        },
    ];
    let line = |step: &BisectStep| serde_json::to_string(step).unwrap() + "\n";
    let lines: String = steps.iter().map(line).collect();
    let state = format!("{}\n{lines}", serde_json::to_string(&header).unwrap());
    try_mutations("state of a bisect", &[state.into_bytes()], |input| {
        journal::read_lines::<BisectHeader, BisectStep>(input)
            .is_ok_and(|found| found.lines.len() >= 3)
    });
}

#[test]
fn journals_of_runs_survive_mutations() {
    let failed = PassResult::Failed {
        phase: Phase::Run,
        message: "m".to_owned(),
    };
    let end = serde_json::to_string(&PassEnd::without_worker("w", failed)).unwrap();
    let run = format!("{{\"schema\":\"x\"}}\n{end}\n{end}\n");
    try_mutations("journal of a run", &[run.into_bytes()], |input| {
        journal::read_lines::<Value, PassEnd>(input).is_ok_and(|found| found.lines.len() >= 2)
    });
}

#[test]
fn manifests_survive_mutations() {
    let manifest = "[package]\nname = \"p\"\nversion = \"1.2.3\"\nworkspace = \"..\"\n\
        [workspace]\nmembers = [\"a\", \"b/*\"]\n[workspace.dependencies]\nw = { path = \"w\" }\n\
        [dependencies]\na = { path = \"a\" }\nw.workspace = true\nb = \"1\"\n\
        [target.'cfg(unix)'.dependencies]\nc = { path = \"/elsewhere\", version = \"1\" }\n\
        [[bench]]\nname = \"x\"\nharness = false\n[patch.crates-io]\nd = { path = \"d\" }\n";
    try_mutations("manifest", &[manifest.into()], |input| {
        let text = text_of(input);
        // Every folder has the same manifest, so only the depth limit ends the walk.
        let read = |path: &Path| (path.components().count() < 6).then(|| text.clone());
        manifest::find_outside(Path::new("/r"), Path::new("/r/p"), &read)
            .is_ok_and(|outside| !outside.is_empty())
    });
}

#[test]
fn imported_tables_survive_mutations() {
    let corpus = read_examples("tests/fixtures", |name| name.ends_with(".csv"));
    try_mutations("imported table", &corpus, |input| {
        let Ok(comparison) = import::of_table("table.csv", &text_of(input)) else {
            return false;
        };
        let _ =
            ReportView::of_comparison(&comparison).render("import.txt", Path::new("/nonexistent"));
        true
    });
}

#[test]
fn imported_results_survive_mutations() {
    let folders = ["", "/criterion/fib_20/new"];
    let corpus: Vec<Vec<u8>> = folders
        .iter()
        .flat_map(|folder| {
            let folder = format!("tests/fixtures/imports{folder}");
            let is_example = |name: &str| {
                name.ends_with(".json") && !["sample.json", "benchmark.json"].contains(&name)
            };
            read_examples(&folder, is_example)
        })
        .collect();
    try_mutations("imported results", &corpus, |input| {
        let text = text_of(input);
        let file = ("a.json", text.as_str());
        let Ok(comparison) = import::of_texts(file, Some(file)) else {
            return false;
        };
        let _ =
            ReportView::of_comparison(&comparison).render("import.txt", Path::new("/nonexistent"));
        true
    });
}

#[test]
fn frames_survive_mutations() {
    let bodies = [
        r#"{"described":{"document":"{}"}}"#,
        r#"{"failed":{"phase":"run","kind":"error","message":"m","scope":"","iteration":0}}"#,
        r#"{"turned":{"samples_ns":[1,2,3],"usage":{"minor_faults":0,"major_faults":0,
            "voluntary_switches":0,"involuntary_switches":0}}}"#,
        r#"{"profiled":{"digest":"","iterations":1,"run_ns":1,"iteration_ns":1.0,"scopes":[{"name":
            "s","pool":false,"calls":1,"total_ns":1,"self_ns":1,"min_ns":1,"max_ns":1,"allocations":
            0,"bytes":0,"series_min_ns":[1],"counters":[{"name":"c","sum":1.0}],"children":[]}],
            "complaints":[]}}"#,
        r#"{"error":null}"#,
    ];
    let corpus: Vec<Vec<u8>> = bodies
        .iter()
        .map(|body| {
            let length = u32::try_from(body.len()).unwrap().to_le_bytes();
            [&b"orcF"[..], &length, body.as_bytes()].concat()
        })
        .collect();
    try_mutations("frame", &corpus, |input| {
        let reply = take_frame::<WorkerReply>(&mut input.to_vec());
        let farewell = take_frame::<WorkerFarewell>(&mut input.to_vec());
        matches!(reply, Ok(Some(_))) || matches!(farewell, Ok(Some(_)))
    });
}

#[test]
fn libraries_survive_mutations() {
    let corpus = read_examples("tests/fixtures/abi-1.0", |name| name.ends_with(".so"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libmutated.so");
    try_mutations("library", &corpus, |input| {
        std::fs::write(&path, input).unwrap();
        let _ = elf::read_linked_libraries(input);
        for offset in [0, 0x1000, 0x1130, u64::MAX] {
            let _ = elf::find_code_place(&path, offset);
        }
        elf::inspect_library(&path).is_ok()
    });
}
