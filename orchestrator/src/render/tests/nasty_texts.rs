//! Texts that try to control the terminal, the Markdown or the log that shows a report. The tests
//! put them into each text of a document in turn. They walk through the document as JSON, so a new
//! field of its type is covered as soon as a fixture contains it.

use super::*;
use crate::plugin::catalog::PluginDescription;
use crate::render::catalog::{describe_plugin, describe_workload};
use crate::render::github;
use indexmap::IndexSet;
use orch_core::format::clean;

/// A command of GitHub at the beginning; a title and a cleared screen for a terminal; C1, bidi and
/// line separators; marks of tones; an expression of a template; text that ends a cell or begins
/// HTML in Markdown; and commands on further lines.
const NASTY: &str = "::error::x\x1b]0;x\x07\x1b[2J\u{9b}1m\r\u{202e}\u{2028}\u{fdd0}\u{fddf}\
    {{ 1234567 * 3 }}{% for %}|`<script>../../x\n::stop-commands::t\n  ::add-mask::u\n##[error]y\n\
    ```\n";
/// Result of the template expression in the nasty text.
const EVALUATED: &str = "3703701";
/// Length of a text that is long but otherwise harmless.
const LONG: usize = 10 << 10;

/// Fields of the documents. As keys, they are not texts, unlike the keys of maps.
const FIELDS: [&str; 4] = [
    include_str!("../../../tests/fixtures/json-keys/record.txt"),
    include_str!("../../../tests/fixtures/json-keys/comparison.txt"),
    include_str!("../../../tests/fixtures/json-keys/bisect.txt"),
    include_str!("../../../tests/fixtures/json-keys/time.txt"),
];
/// Number of texts that are replaced together, so that the tests take seconds.
pub(crate) const TOGETHER: usize = 4;

/// A document with the nasty text around some of its texts.
pub(crate) struct NastyDocument<T> {
    /// The original texts.
    pub(crate) texts: Vec<String>,
    pub(crate) document: T,
}

/// Creates documents in which each text is nasty once, including the keys of maps. Equal texts are
/// replaced together, because they may name the same thing. If the type does not accept this,
/// because one of them is a field or a word of an enum, the values are replaced one by one.
pub(crate) fn make_nasty<T: Serialize + DeserializeOwned>(
    original: &T,
    together: usize,
) -> Vec<NastyDocument<T>> {
    let json = serde_json::to_string(original).unwrap();
    let mut texts = IndexSet::new();
    collect_texts(&serde_json::to_value(original).unwrap(), &mut texts);
    let (mut made, mut accepted) = (Vec::new(), Vec::new());
    for text in texts {
        let quoted = serde_json::to_string(&text).unwrap();
        let nasty = serde_json::to_string(&format!("{NASTY}{text}{NASTY}")).unwrap();
        if accept::<T>(&json.replace(&quoted, &nasty)).is_some() {
            accepted.push((text, quoted, nasty));
            continue;
        }
        let values = json
            .match_indices(&quoted)
            .map(|(at, _)| (&json[..at], &json[at + quoted.len()..]))
            .filter(|(_, after)| !after.starts_with(':'));
        let one_by_one = values
            .filter_map(|(before, after)| accept(&format!("{before}{nasty}{after}")))
            .map(|document| NastyDocument {
                texts: vec![text.clone()],
                document,
            });
        made.extend(one_by_one);
    }
    // Texts next to each other become nasty in different documents.
    let documents = accepted.len().div_ceil(together);
    for first in 0..documents {
        let chosen = || accepted.iter().skip(first).step_by(documents);
        let all = chosen().fold(json.clone(), |json, (_, quoted, nasty)| {
            json.replace(quoted, nasty)
        });
        made.push(NastyDocument {
            texts: chosen().map(|(text, ..)| text.clone()).collect(),
            document: accept(&all).expect("texts that are accepted alone"),
        });
    }
    made
}

/// Parses a document if its type accepts and keeps the nasty text.
fn accept<T: Serialize + DeserializeOwned>(json: &str) -> Option<T> {
    let document: T = serde_json::from_str(json).ok()?;
    let kept = serde_json::to_string(&document).unwrap();
    kept.contains("::stop-commands::").then_some(document)
}

/// Collects the texts of a document, and its keys other than the known fields.
fn collect_texts(value: &Value, texts: &mut IndexSet<String>) {
    match value {
        Value::String(text) => {
            texts.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(members) => {
            for (key, member) in members {
                let field = format!(".{key}\n");
                if !FIELDS.iter().any(|fields| fields.contains(&field)) {
                    texts.insert(key.clone());
                }
                collect_texts(member, texts);
            }
        }
        _ => {}
    }
}

/// Checks that no text of a report controls the program that shows it.
pub(crate) fn check_harmless(report: &str, place: &str) {
    let controls = |c: char| clean::is_control(c) && c != '\n';
    assert!(!report.contains(controls), "{place}: {report:?}");
    assert!(!report.contains("##["), "{place}: {report}");
    assert!(!report.contains(EVALUATED), "{place}: {report}");
    for line in report.lines() {
        assert!(!line.trim_start().starts_with("::"), "{place}: {line}");
        // A text with several lines is indented, because a line of it at the left edge would look
        // like a line of the report itself.
        assert!(!line.starts_with(": :stop-commands"), "{place}: {report}");
    }
}

/// Checks that Markdown has the same structure for any texts.
pub(crate) fn check_markdown(report: &str, place: &str) {
    let mut cells = None;
    for line in report.lines() {
        // Texts in Markdown have a single line.
        assert!(!line.trim_start().starts_with(": :stop"), "{place}: {line}");
        // A name in backticks is code, where HTML has no effect.
        for (at, _) in line.match_indices("<script") {
            let is_code = line[..at].matches('`').count() % 2 == 1;
            assert!(is_code, "{place}: {line}");
        }
        let count = line.matches('|').count();
        if line.starts_with('|') {
            assert_eq!(*cells.get_or_insert(count), count, "{place}: {line}");
        } else {
            cells = None;
        }
    }
}

/// Checks all reports of a document that has a nasty text in different places. At least `least` of
/// its texts can be nasty.
fn check_reports<T: Serialize + DeserializeOwned>(
    original: &T,
    templates: &[&str],
    least: usize,
    render: impl Fn(&T, &str) -> Result<String, RenderError>,
) {
    let all = make_nasty(original, TOGETHER);
    let count: usize = all.iter().map(|nasty| nasty.texts.len()).sum();
    assert!(count >= least, "only {count} texts");
    for NastyDocument { texts, document } in all {
        for template in templates {
            let place = format!("{template}, instead of {texts:?}");
            let report = render(&document, template).unwrap();
            check_harmless(&report, &place);
            if template.ends_with(".md") {
                check_markdown(&report, &place);
            } else if template.ends_with(".html") {
                // The page's own script is the only script.
                assert_eq!(report.matches("<script").count(), 1, "{place}");
            }
        }
    }
}

#[test]
fn no_text_of_a_run_controls_its_reports() {
    let record: Record = read("record-full");
    check_reports(&record, &RUN_REPORTS, 90, of_run);
}

#[test]
fn no_text_of_a_comparison_controls_its_reports() {
    let compared: Comparison = read("comparison-full");
    check_reports(&compared, &COMPARISON_REPORTS, 100, of_comparison);
}

#[test]
fn no_text_of_a_bisect_controls_its_reports() {
    let report: BisectReport = read("bisect-full");
    check_reports(
        &report,
        &["bisect.html", "bisect.txt", "bisect.md"],
        110,
        of_bisect,
    );
}

/// Checks the printed reports of documents with a nasty text in different places, on a narrow
/// terminal with colours. Apart from the colours of the report itself, nothing controls the
/// terminal. Commands of CI services are broken up when a text is printed.
fn check_printed<T: Serialize + DeserializeOwned>(
    original: &T,
    name: &str,
    view: impl Fn(&T) -> ReportView,
) {
    let terminal = ReportPlace::standard_output(Some(60), true);
    for NastyDocument { texts, document } in make_nasty(original, TOGETHER) {
        let report = view(&document).render_for(terminal, name, Path::new(NOWHERE));
        let shown = tone::show_tones(&report.unwrap(), true, clean::part_commands);
        assert!(shown.contains("\x1b[1m"), "{name} has colours: {shown:?}");
        let place = format!("{name} on a terminal, instead of {texts:?}");
        check_harmless(&clean::remove_styles(&shown), &place);
    }
}

#[test]
fn no_text_controls_a_terminal_with_colours() {
    check_printed(&read("record-full"), "summary.txt", ReportView::of_run);
    let compared: Comparison = read("comparison-full");
    check_printed(&compared, "comparison.txt", ReportView::of_comparison);
    check_printed(&read("bisect-full"), "bisect.txt", ReportView::of_bisect);
}

#[test]
fn long_name_makes_no_other_line_long() {
    let long = "x".repeat(LONG);
    let rename = |json: Value| {
        let json = json.to_string();
        let renamed = json.replace("\"softmax\"", &format!("\"{long}\""));
        assert!(renamed.len() > json.len(), "something was renamed");
        serde_json::from_str::<Value>(&renamed).unwrap()
    };
    let record: Record = serde_json::from_value(rename(read("record-full"))).unwrap();
    let compared: Comparison = serde_json::from_value(rename(read("comparison-full"))).unwrap();
    let runs = RUN_REPORTS.map(|name| (name, of_run(&record, name)));
    let comparisons = COMPARISON_REPORTS.map(|name| (name, of_comparison(&compared, name)));
    for (name, report) in runs.into_iter().chain(comparisons) {
        let report = report.unwrap();
        let is_padded = |line: &&str| !line.contains("xxxx") && line.contains(&" ".repeat(200));
        let padded = report.lines().find(is_padded);
        assert_eq!(padded, None, "{name}");
        assert!(report.len() < 100 * LONG, "{name}: {} bytes", report.len());
    }
}

#[test]
fn no_text_of_a_program_controls_its_report() {
    for fixture in ["times-full", "times-alone"] {
        let times: TimeResult = read(fixture);
        check_reports(&times, &["times.txt"], 8, of_times);
    }
}

#[test]
fn no_text_of_a_table_controls_its_reports() {
    let table = "method,previous_ms,current_ms,previous_alloc_mb,current_alloc_mb,note,\
        reported_status\nparse,1.00,0.50,1.5,2.5,x,improved\nparse_a,0.60,0.90,1,1,y,\n";
    let compared = import::of_table("table.csv", table).unwrap();
    let templates = ["import.txt", "comparison.md"];
    check_reports(&compared, &templates, 20, of_comparison);
}

#[test]
fn no_text_of_imported_results_controls_its_reports() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/imports");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (before, after) = (read("pytest-before.json"), read("pytest-after.json"));
    let compared = import::of_texts(("a.json", &before), Some(("b.json", &after))).unwrap();
    let templates = ["import.txt", "comparison.md"];
    check_reports(&compared, &templates, 20, of_comparison);
}

#[test]
fn no_text_of_a_check_controls_its_report_and_the_annotations() {
    let compared: Comparison = read("comparison-full");
    let found = GateResult {
        outcome: GateOutcome::Failed,
        findings: findings(),
        open_fails: true,
    };
    let again = [(format!("{NASTY}softmax"), "still fails")];
    let next = [format!("{NASTY}orch bisect a")];
    check_harmless(&gate_report(&compared, &found, &again, &next), "gate.txt");
    for NastyDocument { texts, document } in make_nasty(&found.findings, 1) {
        let found = GateResult {
            findings: document,
            outcome: GateOutcome::Failed,
            open_fails: true,
        };
        let place = format!("a finding, instead of {texts:?}");
        check_harmless(&gate_report(&compared, &found, &[], &[]), &place);
        for line in github::annotations(&found) {
            let controls: fn(char) -> bool = clean::is_control;
            assert!(!line.contains(controls), "{place}: {line:?}");
            let is_command = |word: &str| line.starts_with(&format!("::{word} title=orch"));
            assert!(
                ["error", "warning", "notice"].into_iter().any(is_command),
                "{line}"
            );
            let title = line[2..].split("::").next().unwrap();
            assert!(!title.contains([':', ',']), "{place}: {line}");
        }
    }
}

#[test]
fn own_templates_insert_clean_texts() {
    let folder = own_templates(&[
        ("raw.txt", "{{ text }}, {{ texts }}, {{ texts | join }}"),
        ("raw.html", "{{ text }}, {{ text | safe }}"),
    ]);
    let view = serde_json::json!({"text": NASTY, "texts": [NASTY]});
    for name in ["raw.txt", "raw.html"] {
        let report =
            render_here(name, folder.path(), &view, ReportPlace::FILE, usize::MAX).unwrap();
        let controls = |c: char| clean::is_control(c) && c != '\n';
        assert!(!report.contains(controls), "{name}: {report:?}");
    }
}

/// A describe document with every field.
const DESCRIPTION: &str = r#"{"plugin": "p", "version": "1", "sdk": "s", "build": "b", "workloads":
    [{"id": "w", "about": "what it does", "iteration": "one step", "tags": ["t"], "needs": "n",
    "params": {"type": "object", "required": ["n_rows"], "properties": {
        "n_rows": {"type": "integer", "default": 3, "x-unit": "rows", "description": "its size"},
        "of_mode": {"enum": ["a", "b"], "default": "a", "description": "its kind"}}},
    "metrics": [{"id": "m", "unit": "u", "counter": "c", "better": "higher", "about": "metric"}]}]}"#;

#[test]
fn no_text_of_a_plugin_controls_the_list() {
    let original: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let (mut refused, mut shown) = (0, 0);
    for NastyDocument { texts, document } in make_nasty(&original, 1) {
        let Ok(description) = PluginDescription::parse(&document.to_string()) else {
            refused += 1;
            continue;
        };
        shown += 1;
        let mut list = String::new();
        describe_plugin(&mut list, "p", &description);
        for workload in &description.workloads {
            describe_workload(&mut list, "p", workload);
        }
        check_harmless(&list, &format!("the list, instead of {texts:?}"));
    }
    // Names and units are refused, and sentences are cleaned.
    assert!(
        refused > 5 && shown > 10,
        "{refused} refused, {shown} shown"
    );
}
