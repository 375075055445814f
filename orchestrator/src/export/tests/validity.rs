//! Validity of exports, as far as a test without the consuming programs can check it.
//! `scripts/check-exports` runs those programs.

use super::super::ExportFormat;
use crate::json_schema::CompiledSchema;
use crate::render::tests::nasty_texts::check_markdown;
use serde_json::Value;
use std::collections::HashSet;

/// Maximum length of a comment on GitHub, in characters.
const MOST_COMMENT_CHARACTERS: usize = 65_536;
/// Schema of speedscope's file format.
const SPEEDSCOPE_SCHEMA: &str =
    include_str!("../../../tests/fixtures/speedscope/file-format-schema.json");

/// Checks that an export conforms to its format.
pub(super) fn check_validity(format: ExportFormat, text: &str, place: &str) {
    let place = format!("{}, {place}", format.name());
    match format {
        ExportFormat::Csv | ExportFormat::SamplesCsv => check_csv(text, &place),
        ExportFormat::Jsonl | ExportFormat::SamplesJsonl => check_json_lines(text, &place),
        ExportFormat::Junit => check_junit(text, &place),
        ExportFormat::GithubComment => check_comment(text, &place),
        ExportFormat::Prometheus => check_exposition(text, &place),
        ExportFormat::Bencher => check_bencher(text, &place),
        ExportFormat::GithubActionBenchmark => check_action_benchmark(text, &place),
        ExportFormat::SpeedscopeTime => check_speedscope(text, "nanoseconds", &place),
        ExportFormat::SpeedscopeBytes => check_speedscope(text, "bytes", &place),
        ExportFormat::FoldedTime | ExportFormat::FoldedBytes => check_folded(text, &place),
    }
}

fn check_csv(text: &str, place: &str) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(Result::unwrap).count();
    // No field contains a line feed, so that line-based tools work too.
    assert_eq!(rows + 1, text.lines().count().max(1), "{place}");
}

fn check_json_lines(text: &str, place: &str) {
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert!(row["job"].is_string(), "{place}: {line}");
    }
}

fn check_folded(text: &str, place: &str) {
    for line in text.lines() {
        let (stack, number) = line.rsplit_once(' ').unwrap();
        assert!(stack.contains(';'), "{place}: {line}");
        assert!(number.parse::<u64>().is_ok(), "{place}: {line}");
    }
}

/// An XML element: its name and its attributes.
struct XmlElement {
    name: String,
    attributes: Vec<(String, String)>,
}

/// Reads the elements of a document and checks that it is well-formed: tags are nested, attributes
/// are quoted and unique, and all other text is escaped.
fn read_xml(text: &str, place: &str) -> Vec<XmlElement> {
    let is_control = |c: char| c < ' ' && c != '\n' && c != '\t';
    let excluded = |c: char| is_control(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    assert!(!text.contains(excluded), "{place}: {text:?}");
    let rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut rest = rest.unwrap_or_else(|| panic!("{place}: no declaration"));
    let (mut elements, mut open): (Vec<XmlElement>, Vec<String>) = (Vec::new(), Vec::new());
    while let Some(start) = rest.find('<') {
        check_escaped(&rest[..start], place);
        assert!(
            !open.is_empty() || rest[..start].trim().is_empty(),
            "{place}"
        );
        let end = rest.find('>').unwrap();
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{place}");
            continue;
        }
        let inside = tag.trim_end_matches('/');
        let (name, mut given) = inside.split_once(' ').unwrap_or((inside, ""));
        let mut attributes: Vec<(String, String)> = Vec::new();
        while !given.is_empty() {
            let (key, value) = given.split_once("=\"").unwrap();
            let (value, after) = value.split_once('"').unwrap();
            check_escaped(value, place);
            assert!(!value.contains(['<', '\n']), "{place}: {value}");
            assert!(!attributes.iter().any(|(known, _)| known == key), "{place}");
            attributes.push((key.to_owned(), value.to_owned()));
            given = after.strip_prefix(' ').unwrap_or(after);
        }
        let name = name.to_owned();
        if !tag.ends_with('/') {
            open.push(name.clone());
        }
        elements.push(XmlElement { name, attributes });
    }
    assert!(rest.trim().is_empty() && open.is_empty(), "{place}: {rest}");
    elements
}

/// Checks that every ampersand begins one of the five entity references.
fn check_escaped(text: &str, place: &str) {
    for (at, _) in text.match_indices('&') {
        let references = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"];
        let is_reference = references.iter().any(|known| text[at..].starts_with(known));
        assert!(is_reference, "{place}: {text}");
    }
    assert!(!text.contains('>'), "{place}: {text}");
}

fn check_junit(text: &str, place: &str) {
    let elements = read_xml(text, place);
    let count = |name: &str| elements.iter().filter(|one| one.name == name).count();
    for suite in elements
        .iter()
        .filter(|one| one.name.starts_with("testsuite"))
    {
        for (attribute, element) in [
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ] {
            let stated = suite.attributes.iter().find(|(name, _)| name == attribute);
            let stated = stated.unwrap().1.parse::<usize>();
            assert_eq!(stated, Ok(count(element)), "{place}: {attribute}");
        }
    }
    assert_eq!((count("testsuites"), count("testsuite")), (1, 1), "{place}");
    for case in elements.iter().filter(|one| one.name == "testcase") {
        let names: Vec<&str> = case.attributes.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["name", "classname", "time"], "{place}");
        assert!(case.attributes[2].1.parse::<f64>().is_ok(), "{place}");
    }
}

fn check_comment(text: &str, place: &str) {
    assert!(text.chars().count() < MOST_COMMENT_CHARACTERS, "{place}");
    let first = text.lines().next().unwrap();
    let marker = first.strip_prefix("<!-- orch ").unwrap();
    let name = marker.strip_suffix(" -->").unwrap();
    assert!(
        !name.contains("--") && !name.contains('>'),
        "{place}: {first}"
    );
    check_markdown(text, place);
    let count = |tag: &str| text.matches(tag).count();
    assert_eq!(count("<details>"), count("</details>"), "{place}");
    // Names are in code spans, where mentions and links have no effect.
    for line in text.lines().skip(1) {
        let plain: String = line.split('`').step_by(2).collect();
        for part in ["@everyone", "](", "#1", "**b", "alert(1)"] {
            assert!(!plain.contains(part), "{place}: {line}");
        }
    }
}

/// Checks the lines of Prometheus' text format: the lines of a family are contiguous, and no series
/// occurs twice.
fn check_exposition(text: &str, place: &str) {
    let (mut families, mut series) = (HashSet::new(), HashSet::new());
    let mut family = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').unwrap().0;
            assert!(families.insert(family), "{place}: {line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert_eq!(kind, format!("{family} gauge"), "{place}");
        } else {
            let (labelled, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{place}: {line}");
            assert!(series.insert(labelled), "{place}: {line}");
            let labels = labelled.strip_prefix(family).unwrap();
            check_labels(labels, place);
        }
    }
    assert!(!families.is_empty() && text.ends_with('\n'), "{place}");
}

/// Checks labels such as `{job="a\"b",unit=""}`.
fn check_labels(labels: &str, place: &str) {
    let inside = labels
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let mut rest = inside.unwrap_or_else(|| panic!("{place}: {labels}"));
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(
            name.chars().all(is_name) && !name.is_empty(),
            "{place}: {labels}"
        );
        let mut end = None;
        let mut letters = value.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => assert!(
                    letters
                        .next()
                        .is_some_and(|(_, next)| "\\\"n".contains(next)),
                    "{place}: {labels}"
                ),
                '"' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let after = &value[end.unwrap_or_else(|| panic!("{place}: {labels}")) + 1..];
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// Checks the schema of Bencher Metric Format, and the names that Bencher accepts.
fn check_bencher(text: &str, place: &str) {
    let document: Value = serde_json::from_str(text).unwrap();
    for (name, measures) in document.as_object().unwrap() {
        assert!((1..=1024).contains(&name.len()), "{place}: {name}");
        for (measure, metric) in measures.as_object().unwrap() {
            assert!((1..=64).contains(&measure.len()), "{place}: {measure}");
            let metric = metric.as_object().unwrap();
            assert!(metric["value"].is_number(), "{place}: {name}");
            for (key, value) in metric {
                let known = ["value", "lower_value", "upper_value"];
                assert!(
                    known.contains(&key.as_str()) && value.is_number(),
                    "{place}: {key}"
                );
            }
        }
    }
}

/// Checks the entries that github-action-benchmark documents.
fn check_action_benchmark(text: &str, place: &str) {
    let points: Value = serde_json::from_str(text).unwrap();
    for point in points.as_array().unwrap() {
        assert!(
            point["name"].is_string() && point["unit"].is_string(),
            "{place}"
        );
        assert!(point["value"].is_number(), "{place}: {point}");
        for key in ["range", "extra"] {
            let optional = &point[key];
            assert!(
                optional.is_null() || optional.is_string(),
                "{place}: {point}"
            );
        }
    }
}

/// Checks a file against the published schema, and against further rules of the specification.
fn check_speedscope(text: &str, unit: &str, place: &str) {
    let document: Value = serde_json::from_str(text).unwrap();
    let schema = serde_json::from_str(SPEEDSCOPE_SCHEMA).unwrap();
    let schema = CompiledSchema::compile(&schema).unwrap();
    let errors: Vec<String> = schema
        .find_errors(&document)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{place}");
    let frames = document["shared"]["frames"].as_array().unwrap().len() as u64;
    for profile in document["profiles"].as_array().unwrap() {
        assert_eq!(profile["unit"], unit, "{place}");
        let samples = profile["samples"].as_array().unwrap();
        let weights = profile["weights"].as_array().unwrap();
        assert_eq!(samples.len(), weights.len(), "{place}");
        let sum: u64 = weights.iter().map(|weight| weight.as_u64().unwrap()).sum();
        assert_eq!(profile["endValue"], sum, "{place}");
        for frame in samples.iter().flat_map(|stack| stack.as_array().unwrap()) {
            assert!(frame.as_u64().unwrap() < frames, "{place}");
        }
    }
}

#[test]
fn broken_exports_are_found() {
    let is_found = |format, text: &'static str| {
        std::panic::catch_unwind(|| check_validity(format, text, "broken")).is_err()
    };
    for (format, text) in [
        (ExportFormat::Csv, "a,b\n1,2,3\n"),
        (ExportFormat::Jsonl, "{\"job\": 1}\n"),
        (ExportFormat::FoldedTime, "a;b x\n"),
        (
            ExportFormat::Junit,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>",
        ),
        (
            ExportFormat::Prometheus,
            "# HELP a b\n# TYPE a gauge\na{x=\"y\"z\"} 1\n",
        ),
        (
            ExportFormat::Bencher,
            "{\"a\": {\"latency\": {\"value\": \"1\"}}}",
        ),
        (
            ExportFormat::GithubActionBenchmark,
            "[{\"name\": \"a\", \"value\": 1}]",
        ),
        (
            ExportFormat::SpeedscopeTime,
            "{\"shared\": {\"frames\": []}, \"profiles\": [{}]}",
        ),
        (
            ExportFormat::GithubComment,
            "<!-- orch check: a -->\n<details>\n",
        ),
    ] {
        assert!(is_found(format, text), "{format:?}");
    }
}
