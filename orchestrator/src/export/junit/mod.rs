//! JUnit XML, which CI systems show as tests: one test case per job.

mod comparison_cases;
mod run_cases;

use super::xml::{escape_attribute, escape_content};
use crate::comparison::Comparison;
use crate::record::Record;
use orch_core::format;
use std::fmt::Write;

/// A test suite: one result.
struct JunitSuite<'a> {
    name: &'a str,
    /// Start of the measurement, UTC.
    started: &'a str,
    properties: Vec<(&'static str, String)>,
    cases: Vec<JunitCase>,
}

/// A test case: one job.
struct JunitCase {
    name: String,
    /// PLUGIN/WORKLOAD.
    class: String,
    /// Time that measuring the job took.
    wall_ns: u64,
    ending: JunitEnding,
    /// Figures, a line each.
    figures: Vec<String>,
}

/// Ending of a test case.
enum JunitEnding {
    Passed,
    /// Got worse.
    Failure(JunitReason),
    /// Was not measured.
    Error(JunitReason),
    /// Is undecided, or was not begun.
    Skipped(JunitReason),
}

/// Reason why a test case did not pass.
struct JunitReason {
    /// Kind in a word or two.
    kind: &'static str,
    /// Sentences, a line each.
    lines: Vec<String>,
}

/// Number of test cases by ending.
#[derive(Default)]
struct JunitCounts {
    failures: usize,
    errors: usize,
    skipped: usize,
}

/// Exports a run: measured jobs passed, and failed ones are errors.
pub(super) fn export_run(record: &Record) -> String {
    let commit = record.git.commit.clone();
    write_document(&JunitSuite {
        name: &record.scenario.name,
        started: &record.started,
        properties: list_properties([
            ("commit", commit),
            ("machine", Some(record.machine.cpu.model.clone())),
            ("command", Some(record.command.clone())),
        ]),
        cases: record.jobs.iter().map(run_cases::build_case).collect(),
    })
}

/// Exports a comparison: what got worse failed, and what was not measured is an error. If a gate
/// judged the comparison, its findings decide instead.
pub(super) fn export_comparison(comparison: &Comparison) -> String {
    let scenario = comparison.scenario.as_ref();
    let table = comparison.imported.as_ref();
    let machine = comparison.machine.as_ref();
    let name = scenario
        .map(|scenario| scenario.name.as_str())
        .or(table.map(|table| table.file.as_str()))
        .unwrap_or("records");
    write_document(&JunitSuite {
        name,
        started: &comparison.started,
        properties: list_properties([
            ("a", Some(comparison.a.name.clone())),
            ("b", Some(comparison.b.name.clone())),
            ("machine", machine.map(|machine| machine.cpu.model.clone())),
            ("command", Some(comparison.command.clone())),
        ]),
        cases: comparison_cases::list_cases(comparison),
    })
}

fn list_properties<const N: usize>(
    all: [(&'static str, Option<String>); N],
) -> Vec<(&'static str, String)> {
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

impl JunitCounts {
    fn of(cases: &[JunitCase]) -> Self {
        let mut counts = Self::default();
        for case in cases {
            match case.ending {
                JunitEnding::Passed => {}
                JunitEnding::Failure(_) => counts.failures += 1,
                JunitEnding::Error(_) => counts.errors += 1,
                JunitEnding::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }
}

fn write_document(suite: &JunitSuite) -> String {
    let JunitCounts {
        failures,
        errors,
        skipped,
    } = JunitCounts::of(&suite.cases);
    let walls = suite.cases.iter().map(|case| case.wall_ns);
    let wall_ns = walls.fold(0, u64::saturating_add);
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" \
         time=\"{}\"",
        suite.cases.len(),
        format_seconds(wall_ns)
    );
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"orch\" {counts}>\n  \
         <testsuite name=\"{}\" {counts}{}>\n    <properties>\n",
        escape_attribute(suite.name),
        format_timestamp(suite.started)
    );
    // Writing to a string never fails.
    for (name, value) in &suite.properties {
        let value = escape_attribute(value);
        let _ = writeln!(text, "      <property name=\"{name}\" value=\"{value}\"/>");
    }
    text.push_str("    </properties>\n");
    for case in &suite.cases {
        write_case(&mut text, case);
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn write_case(text: &mut String, case: &JunitCase) {
    let _ = writeln!(
        text,
        "    <testcase name=\"{}\" classname=\"{}\" time=\"{}\">",
        escape_attribute(&case.name),
        escape_attribute(&case.class),
        format_seconds(case.wall_ns)
    );
    match &case.ending {
        JunitEnding::Passed => {}
        JunitEnding::Failure(reason) => write_reason(text, "failure", reason),
        JunitEnding::Error(reason) => write_reason(text, "error", reason),
        JunitEnding::Skipped(reason) => write_reason(text, "skipped", reason),
    }
    if !case.figures.is_empty() {
        let figures = escape_content(&join_lines(&case.figures));
        let _ = writeln!(text, "      <system-out>{figures}</system-out>");
    }
    text.push_str("    </testcase>\n");
}

fn write_reason(text: &mut String, element: &str, reason: &JunitReason) {
    let lines: Vec<String> = reason
        .lines
        .iter()
        .map(|line| format::brief(line))
        .collect();
    let _ = writeln!(
        text,
        "      <{element} type=\"{}\" message=\"{}\">{}</{element}>",
        escape_attribute(reason.kind),
        escape_attribute(&lines.join("; ")),
        escape_content(&join_lines(&lines))
    );
}

/// Joins lines. Further lines of a message are indented, so that none looks like one of its own.
fn join_lines(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| line.replace('\n', "\n  "));
    lines.collect::<Vec<_>>().join("\n")
}

fn format_seconds(ns: u64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

/// Formats the attribute for the start. The format has times of day without a zone.
fn format_timestamp(started: &str) -> String {
    match started.parse::<jiff::Timestamp>() {
        Ok(time) => format!(" timestamp=\"{}\"", time.strftime("%Y-%m-%dT%H:%M:%S")),
        Err(_) => String::new(),
    }
}
