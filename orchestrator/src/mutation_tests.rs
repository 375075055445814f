//! Mutated inputs of every format that others write. None may end the process, and none may take
//! long or much memory.
//!
//! A test run tries a few hundred inputs per format. `ORCH_MUTATIONS=1000000
//! ORCH_MUTATIONS_REPORT=report.txt cargo test --release -p orch --lib mutation_tests` tries a
//! million, and adds the slowest of each format to the file.

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
use crate::record::Record;
use crate::render::ReportView;
use crate::scenario::{self, ScenarioContext};
use orch_core::protocol::{Phase, WorkerFarewell, WorkerReply, take_frame};
use orch_core::random::SeededRandom;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Inputs of each format in a usual test run.
const USUAL: usize = 300;
/// Longest input, so that insertions do not add up.
const MOST_BYTES: usize = 64 << 10;

/// Parts that steer parsers: brackets, numbers at the ends of their types, and what nests.
const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\n",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "---\n",
    "!!",
    "|\n",
    "null",
    "true",
    "-0.0",
    "1e999",
    "-1",
    "18446744073709551616",
    "9223372036854775807",
    "NaN",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "\x1b[2J",
    "\0",
    "../",
    "{{",
    "{%",
    "$ref",
    "#/$defs/a",
    "a,b,c",
    ";",
    "1,5",
    "99999 %",
    "ms",
    "GiB",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
];

/// Numbers at the ends of what formats allow. They keep a text valid.
const NUMBERS: [&str; 8] = [
    "0",
    "-1",
    "0.5",
    "1e300",
    "1e-320",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
];

/// Changes an input in one to four places.
fn mutate(input: &[u8], others: &[Vec<u8>], random: &mut SeededRandom) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.draw_from(0..4) {
        let at = random.draw_from(0..bytes.len() + 1);
        let end = (at + random.draw_from(0..64)).min(bytes.len());
        match random.draw_from(0..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.draw_from(0..8),
            1 if at < bytes.len() => bytes[at] = random.draw_bits() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let part = PARTS[random.draw_from(0..PARTS.len())];
                bytes.splice(at..at, part.bytes());
            }
            5 => {
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            6 | 7 => {
                let number = NUMBERS[random.draw_from(0..NUMBERS.len())];
                let is_digit = |byte: &u8| byte.is_ascii_digit();
                if let Some(start) = bytes[at..].iter().position(is_digit) {
                    let start = at + start;
                    let length = bytes[start..]
                        .iter()
                        .take_while(|byte| is_digit(byte))
                        .count();
                    bytes.splice(start..start + length, number.bytes());
                }
            }
            _ => {
                let other = &others[random.draw_from(0..others.len())];
                let from = random.draw_from(0..other.len() + 1);
                let to = (from + random.draw_from(0..256)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

/// Tries mutated inputs of a format, and reports the longest time. `accepts` returns whether an
/// input is valid. Every example has to be valid, or no mutation would get past the first check.
fn try_mutations(format: &str, corpus: &[Vec<u8>], accepts: impl Fn(&[u8]) -> bool) {
    assert!(!corpus.is_empty(), "{format} has no examples");
    let asked = std::env::var("ORCH_MUTATIONS").ok();
    let count = asked.map_or(USUAL, |text| text.parse().unwrap());
    // A seed of its own in a long run, the same in every test run.
    let seed = if count == USUAL {
        1
    } else {
        orch_core::random::draw_seed()
    };
    let mut random = SeededRandom::from_seed(seed);
    let mut longest = (Duration::ZERO, Vec::new());
    for (number, example) in corpus.iter().enumerate() {
        assert!(accepts(example), "{format}: example {number} is not valid");
    }
    let mut accepted = 0;
    for _ in 0..count {
        let example = &corpus[random.draw_from(0..corpus.len())];
        let input = mutate(example, corpus, &mut random);
        let begun = Instant::now();
        accepted += usize::from(accepts(&input));
        if begun.elapsed() > longest.0 {
            longest = (begun.elapsed(), input);
        }
    }
    let (time, input) = longest;
    if let Some(report) = std::env::var_os("ORCH_MUTATIONS_REPORT") {
        let mut report = OpenOptions::new()
            .create(true)
            .append(true)
            .open(report)
            .unwrap();
        let bytes = input.len();
        writeln!(
            report,
            "{format}: {count} inputs, {accepted} valid, seed {seed}; longest {time:?}, {bytes} \
             bytes"
        )
        .unwrap();
    }
}

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

/// Tries mutations of a kind of stored document, and renders those that are valid.
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
fn records_and_reports_survive_mutations() {
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
    try_documents::<BisectReport>("bisect", |report| {
        let view = ReportView::of_bisect(report);
        for name in ["bisect.txt", "bisect.md"] {
            let _ = view.render(name, nowhere);
        }
    });
}

#[test]
fn journals_survive_mutations() {
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
            result: Err("it does not build".to_owned()),
        },
        BisectStep::Code {
            one: 1,
            other: 2,
            same: true,
        },
        BisectStep::PairFailed {
            reference: 0,
            position: 1,
            message: "m".to_owned(),
        },
    ];
    let line = |step: &BisectStep| serde_json::to_string(step).unwrap() + "\n";
    let lines: String = steps.iter().map(line).collect();
    let state = format!("{}\n{lines}", serde_json::to_string(&header).unwrap());
    try_mutations("state of a bisect", &[state.into_bytes()], |input| {
        journal::read_lines::<BisectHeader, BisectStep>(input)
            .is_ok_and(|found| found.lines.len() >= 3)
    });
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
