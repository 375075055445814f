//! The comment on a pull request: the verdict, what changed, and folded lists of the rest, within
//! the length that GitHub accepts.

use super::super::entries;
use super::super::gate;
use super::super::shown::ShownList;
use super::super::warnings::GatheredWarning;
use super::rows::WorkloadRow;
use crate::comparison::{Comparison, FILE, MetricEntry, Verdict};
use crate::gate::{FindingKind, GateResult};
use crate::model::metric::Metric;
use serde::Serialize;
use std::collections::HashSet;

/// Most characters of all rows together. GitHub accepts comments of 65 536 characters, and the
/// headings and texts around the rows have less than a tenth of them.
const MOST_CHARACTERS: usize = 58_000;
/// Most characters of the rows of one list, so that no list takes the room of the next one.
const MOST_OF_A_LIST: usize = 25_000;
/// Most characters of one text in a row, and of a longer text around the rows.
const MOST_OF_A_CELL: usize = 200;
const MOST_OF_A_TEXT: usize = 1000;
/// Characters around each cell: separators, code marks and line feeds.
const AROUND_A_CELL: usize = 8;

/// What the comment shows.
#[derive(Serialize)]
pub(super) struct CommentView {
    /// Hidden line by which a workflow finds its own comment.
    marker: String,
    /// The scenario, or the imported table.
    name: String,
    /// The verdict on the whole comparison.
    verdict: String,
    /// Workloads per verdict; null if the verdict itself states them.
    counts: Option<String>,
    /// Both sides, and the command, which is null if it is too long to copy.
    a: String,
    b: String,
    command: Option<String>,
    /// Findings of the check; empty for other comparisons.
    findings: CommentList<String>,
    changes: CommentList<CommentChange>,
    open: CommentList<CommentChange>,
    workloads: CommentList<CommentWorkload>,
    warnings: CommentList<String>,
}

/// The first rows of a list that fit, with a title that counts all of them.
#[derive(Serialize)]
struct CommentList<T> {
    title: String,
    #[serde(flatten)]
    shown: ShownList<T>,
}

/// A metric that changed, or that is open.
#[derive(Serialize)]
struct CommentChange {
    workload: String,
    metric: String,
    /// The verdict, or that the scenario accepts the change.
    verdict: &'static str,
    change: String,
    interval: String,
    /// Values of both sides; empty if they are no numbers.
    values: String,
    why: String,
}

/// A workload in a line.
#[derive(Serialize)]
struct CommentWorkload {
    workload: String,
    verdict: String,
    a: String,
    b: String,
    change: String,
    interval: String,
    pairs: String,
    allocations: String,
}

/// Characters that are left for rows.
struct CommentRoom {
    left: usize,
}

/// A row whose printed length is bounded by the length of its cells.
trait CommentRow {
    fn cells(&self) -> Vec<&str>;
}

impl CommentView {
    /// Makes the view. `rows` are sorted, and `headline` has the workloads per verdict.
    pub(super) fn of(
        comparison: &Comparison,
        rows: &[WorkloadRow],
        warnings: &[GatheredWarning],
        headline: &[String],
        [a, b]: [&str; 2],
    ) -> Self {
        let gate = read_gate(comparison);
        let scenario = comparison.scenario.as_ref().map(|scenario| &scenario.name);
        let table = comparison.imported.as_ref().map(|table| &table.file);
        let name = scenario.or(table).map_or("records", String::as_str);
        let mut room = CommentRoom {
            left: MOST_CHARACTERS,
        };
        let findings = gate.iter().flat_map(|gate| &gate.findings);
        let findings = findings.map(|finding| shorten(&gate::describe(finding), MOST_OF_A_TEXT));
        let accepted = gate.as_ref().map(list_accepted).unwrap_or_default();
        let changes = rows.iter().flat_map(|row| list_changes(row, &accepted));
        let open = rows.iter().flat_map(list_open);
        let command = Some(&comparison.command);
        Self {
            marker: build_marker(name, gate.is_some()),
            name: shorten(name, MOST_OF_A_CELL),
            verdict: describe_verdict(gate.as_ref(), headline),
            counts: gate.as_ref().map(|_| headline.join(", ")),
            a: shorten(a, MOST_OF_A_TEXT),
            b: shorten(b, MOST_OF_A_TEXT),
            command: command
                .filter(|command| command.chars().count() <= MOST_OF_A_TEXT)
                .cloned(),
            findings: room.fill("Findings of the check", "finding", findings),
            changes: room.fill("Changes", "change", changes),
            open: room.fill("Open or not measured", "metric", open),
            workloads: room.fill("All workloads", "workload", rows.iter().map(shown_workload)),
            warnings: room.fill(
                "Warnings",
                "warning",
                warnings
                    .iter()
                    .map(|warning| shorten(warning.line(), MOST_OF_A_TEXT)),
            ),
        }
    }
}

impl CommentRoom {
    /// Takes the first rows that fit, and counts the others.
    fn fill<T: CommentRow>(
        &mut self,
        title: &str,
        what: &str,
        rows: impl Iterator<Item = T>,
    ) -> CommentList<T> {
        let mut of_list = self.left.min(MOST_OF_A_LIST);
        let (mut items, mut more) = (Vec::new(), 0);
        for row in rows {
            let length = measure(&row);
            // A row after one that is left out would look like the next one.
            if more > 0 || length > of_list {
                more += 1;
                continue;
            }
            of_list -= length;
            self.left -= length;
            items.push(row);
        }
        let all = items.len() + more;
        let shown = ShownList {
            items,
            more,
            left_out: None,
        };
        CommentList {
            title: format!("{title}: {all}"),
            shown: shown.counting(what, FILE),
        }
    }
}

/// Returns the most characters that a row can have in Markdown.
fn measure(row: &impl CommentRow) -> usize {
    let lengths = row.cells().into_iter().map(|cell| {
        // `<` becomes `&lt;`.
        cell.chars().count() + 3 * cell.matches('<').count() + AROUND_A_CELL
    });
    lengths.sum()
}

impl CommentRow for String {
    fn cells(&self) -> Vec<&str> {
        vec![self]
    }
}

impl CommentRow for CommentChange {
    fn cells(&self) -> Vec<&str> {
        vec![
            &self.workload,
            &self.metric,
            self.verdict,
            &self.change,
            &self.interval,
            &self.values,
            &self.why,
        ]
    }
}

impl CommentRow for CommentWorkload {
    fn cells(&self) -> Vec<&str> {
        vec![
            &self.workload,
            &self.verdict,
            &self.a,
            &self.b,
            &self.change,
            &self.interval,
            &self.pairs,
            &self.allocations,
        ]
    }
}

/// Returns the beginning of a text.
fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Returns the result of the gate, if one judged the comparison.
fn read_gate(comparison: &Comparison) -> Option<GateResult> {
    serde_json::from_value(comparison.gate.clone()?).ok()
}

/// Builds the hidden line. It is the same for every commit, and differs between scenarios. A name
/// cannot end the comment of HTML, because a hyphen of it never follows another one.
fn build_marker(name: &str, is_check: bool) -> String {
    let kind = if is_check { "check" } else { "comparison" };
    let mut kept = String::new();
    for c in name.chars().take(MOST_OF_A_CELL) {
        if c.is_ascii_alphanumeric() || "._".contains(c) {
            kept.push(c);
        } else if !kept.ends_with('-') {
            kept.push('-');
        }
    }
    format!("<!-- orch {kind}: {} -->", kept.trim_matches('-'))
}

fn describe_verdict(gate: Option<&GateResult>, headline: &[String]) -> String {
    match gate {
        Some(gate) => format!("check {}", gate::outcome(gate.outcome, false)),
        None if headline.is_empty() => "nothing was measured".to_owned(),
        None => headline.join(", "),
    }
}

/// Lists the changes that the scenario accepts, as pairs of job and metric.
fn list_accepted(gate: &GateResult) -> HashSet<(&str, &str)> {
    let findings = gate.findings.iter();
    findings
        .filter(|finding| finding.kind == FindingKind::Accepted)
        .map(|finding| (finding.job.as_str(), finding.metric.as_str()))
        .collect()
}

/// Lists the changes of a row. Metrics that are computed from time repeat its change, and a
/// different output is one of the digest alone.
fn list_changes(row: &WorkloadRow, accepted: &HashSet<(&str, &str)>) -> Vec<CommentChange> {
    let is_shown = |entry: &&&MetricEntry| match entry.verdict {
        Verdict::Regressed | Verdict::Improved => entry.metric == Metric::Time || entry.pairs == 0,
        Verdict::OutputDiffers => entry.metric == Metric::Digest,
        _ => false,
    };
    let entries = row.entries.iter().filter(is_shown);
    entries
        .map(|entry| {
            let mut change = shown_change(row.id, entry);
            if accepted.contains(&(row.id, entry.metric.name())) {
                change.verdict = FindingKind::Accepted.word();
            }
            change
        })
        .collect()
}

/// Lists what a row leaves open, or what was not measured.
fn list_open(row: &WorkloadRow) -> Vec<CommentChange> {
    let is_shown = |entry: &&&MetricEntry| entry.is_open() || entry.verdict == Verdict::Missing;
    let entries = row.entries.iter().filter(is_shown);
    entries.map(|entry| shown_change(row.id, entry)).collect()
}

fn shown_change(id: &str, entry: &MetricEntry) -> CommentChange {
    let interval = match entry.pairs {
        0 => String::new(),
        _ => entry.interval().unwrap_or_default(),
    };
    let values = entries::values(entry).join(" -> ");
    CommentChange {
        workload: shorten(id, MOST_OF_A_CELL),
        metric: shorten(entry.metric.name(), MOST_OF_A_CELL),
        verdict: entry.verdict.word(),
        // A large change of a count is printed as its two values.
        change: entry
            .size()
            .filter(|size| *size != values)
            .unwrap_or_default(),
        interval,
        values,
        why: shorten(&entry.reason, MOST_OF_A_CELL),
    }
}

fn shown_workload(row: &WorkloadRow) -> CommentWorkload {
    let text = &row.text;
    CommentWorkload {
        workload: shorten(row.id, MOST_OF_A_CELL),
        verdict: row.word.clone(),
        a: text.time_a.clone(),
        b: text.time_b.clone(),
        change: text.change_or_code.clone(),
        interval: text.interval.clone(),
        pairs: text.pairs.clone(),
        allocations: text.counted.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marker_stays_one_comment_of_html() {
        for (name, marker) in [
            ("nightly", "<!-- orch check: nightly -->"),
            ("--> <b>x--", "<!-- orch check: b-x -->"),
            ("a b\n--!>c", "<!-- orch check: a-b-c -->"),
        ] {
            assert_eq!(build_marker(name, true), marker, "{name:?}");
        }
        assert_eq!(
            build_marker("smoke", false),
            "<!-- orch comparison: smoke -->"
        );
    }

    #[test]
    fn rows_that_do_not_fit_are_counted() {
        let mut room = CommentRoom { left: 100 };
        let rows = || {
            [
                "x".repeat(30),
                "<".repeat(10),
                "x".repeat(60),
                "y".to_owned(),
            ]
        };
        let list = room.fill("Warnings", "warning", rows().into_iter());
        assert_eq!(list.title, "Warnings: 4");
        assert_eq!(list.shown.items.len(), 2);
        assert_eq!(list.shown.more, 2);
        let left_out = list.shown.left_out.as_deref();
        assert_eq!(left_out, Some("2 more warnings are in comparison.json"));
        assert_eq!(room.left, 100 - 38 - 48);
        let none = room.fill("Changes", "change", std::iter::empty::<String>());
        assert_eq!((none.title.as_str(), none.shown.more), ("Changes: 0", 0));
    }
}
