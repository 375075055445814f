//! What templates of bisects see: the report, its likeliest commits, and what each culprit changed
//! in the code.

use crate::bisect::rest::{PartState, RangePart};
use crate::bisect::{BisectReport, CommitState, Culprit, ProbeState};
use crate::comparison::{CodeRelation, MetricEntry};
use crate::format::change::ChangedQuantity;
use crate::model::metric::Metric;
use crate::plugin::code::{CodeChange, CodeChangeKind, CodeShape};
use serde::Serialize;

/// Commits that are listed as likely.
const LIKELY: usize = 8;
/// Less than this is not worth a line.
const LEAST: f64 = 0.001;
/// Functions that are listed as changed.
const FUNCTIONS: usize = 6;

/// What a template sees.
#[derive(Serialize)]
pub(super) struct BisectView<'a> {
    report: &'a BisectReport,
    /// The likeliest commits first.
    likely: Vec<&'a CommitState>,
    culprits: Vec<ExplainedCulprit<'a>>,
    /// Commits that were built or found, and measured or compared.
    looked: usize,
    /// Commits that were found to run the code of an earlier one.
    same_code: usize,
    /// Different codes among the commits that were looked at, the good end included.
    versions: usize,
    /// Of the verified revert: time, or what is counted.
    reverted: Vec<&'a MetricEntry>,
    /// Parts of the range in which something else may have changed.
    open_parts: Vec<PartLine<'a>>,
}

/// An open part of the range in words.
#[derive(Serialize)]
struct PartLine<'a> {
    part: &'a RangePart,
    words: String,
}

/// A culprit with what it changed in the code.
#[derive(Serialize)]
struct ExplainedCulprit<'a> {
    culprit: &'a Culprit,
    /// What stands beside its metric.
    others: Vec<&'a MetricEntry>,
    /// The metric and what stands beside it.
    figures: Vec<&'a MetricEntry>,
    functions: Vec<ChangedFunction<'a>>,
    /// Changed functions that are not listed.
    more_functions: usize,
    /// What there is to say instead where no function is listed.
    code: String,
    /// The size of the change of time that the profiles show, where it is another one than the
    /// pairs'.
    profiles: Option<String>,
}

/// A changed function.
#[derive(Serialize)]
struct ChangedFunction<'a> {
    name: &'a str,
    kind: &'static str,
    /// Only the data that it refers to changed.
    is_data: bool,
    /// Sizes, share of packed arithmetic and so on, as far as they differ.
    differences: Vec<String>,
}

/// Makes the view.
pub(super) fn view(report: &BisectReport) -> BisectView<'_> {
    let mut likely: Vec<&CommitState> = report
        .commits
        .iter()
        .filter(|commit| commit.probability >= LEAST)
        .collect();
    likely.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    likely.truncate(LIKELY);
    let reverted = report
        .reverted
        .iter()
        .flat_map(|reverted| &reverted.entries);
    let looked = report
        .commits
        .iter()
        .filter(|commit| commit.state == ProbeState::Looked)
        .count();
    let same_code = report
        .commits
        .iter()
        .filter(|commit| commit.same_code_as.is_some())
        .count();
    BisectView {
        likely,
        culprits: report
            .culprits
            .iter()
            .map(|culprit| explained(culprit, &report.metric))
            .collect(),
        looked,
        same_code,
        versions: 1 + looked - same_code,
        reverted: reverted
            .filter(|entry| entry.metric == Metric::Time || entry.metric == report.metric)
            .collect(),
        open_parts: report
            .rest
            .iter()
            .filter(|part| part.state.is_open())
            .map(|part| part_line(part, &report.metric))
            .collect(),
        report,
    }
}

fn part_line<'a>(part: &'a RangePart, metric: &Metric) -> PartLine<'a> {
    let change = part
        .change
        .map(|change| change.sized(ChangedQuantity::of_metric(metric)).size());
    let words = match (part.state, change) {
        (PartState::EndUnusable, _) => {
            "not searched: one of its ends cannot be measured".to_owned()
        }
        (PartState::NotSearched, Some(change)) => {
            format!("not searched; its ends differ by {change}")
        }
        (PartState::NotSearched, None) => "not searched".to_owned(),
        (_, Some(change)) => format!(
            "undecided whether its ends differ: {change} after {} pairs",
            part.pairs
        ),
        (_, None) => "undecided whether its ends differ".to_owned(),
    };
    PartLine { part, words }
}

fn explained<'a>(culprit: &'a Culprit, metric: &Metric) -> ExplainedCulprit<'a> {
    let others = culprit
        .entries
        .iter()
        .filter(|entry| entry.metric != *metric && entry.metric.is_own());
    let figures = culprit
        .entries
        .iter()
        .filter(|entry| entry.metric == *metric || entry.metric.is_own());
    let (changes, code): (&[CodeChange], String) = match &culprit.comparison.code {
        CodeRelation::Changed(changes) => (changes, String::new()),
        CodeRelation::Identical => (&[], "the library is the same file".to_owned()),
        CodeRelation::OnlyLayout => (
            &[],
            "the machine code that the workload can reach is the same".to_owned(),
        ),
        CodeRelation::Different => (&[], "the machine code was not compared".to_owned()),
        CodeRelation::Unknown(why) => (
            &[],
            format!("the machine code could not be compared: {why}"),
        ),
    };
    // That a function refers to other data says least: where data end is not known, so more than
    // its own is compared.
    let mut changes: Vec<&CodeChange> = changes.iter().collect();
    changes.sort_by_key(|change| change.kind == CodeChangeKind::Data);
    let time = culprit
        .entries
        .iter()
        .find(|entry| entry.metric == Metric::Time);
    ExplainedCulprit {
        culprit,
        profiles: time.and_then(|time| time.other_size(&culprit.comparison.scopes)),
        others: others.collect(),
        figures: figures.collect(),
        functions: changes
            .iter()
            .take(FUNCTIONS)
            .map(|change| function(change))
            .collect(),
        more_functions: changes.len().saturating_sub(FUNCTIONS),
        code,
    }
}

fn function(change: &CodeChange) -> ChangedFunction<'_> {
    let kind = match change.kind {
        CodeChangeKind::Added => "new",
        CodeChangeKind::Removed => "gone",
        CodeChangeKind::Different => "changed",
        CodeChangeKind::Data => "data changed",
    };
    let differences = match (&change.a, &change.b) {
        (Some(a), Some(b)) => differences(*a, *b),
        (Some(one), None) | (None, Some(one)) => vec![format!("{} bytes", one.bytes)],
        (None, None) => Vec::new(),
    };
    ChangedFunction {
        name: &change.function,
        kind,
        is_data: change.kind == CodeChangeKind::Data,
        differences,
    }
}

fn differences(a: CodeShape, b: CodeShape) -> Vec<String> {
    let packed = |shape: CodeShape| {
        let all = shape.packed_float + shape.scalar_float;
        (all > 0).then(|| format!("{:.0} %", 100.0 * shape.packed_float as f64 / all as f64))
    };
    let mut found = Vec::new();
    let mut note = |what: &str, a: String, b: String| {
        if a != b {
            found.push(format!("{what} {a} -> {b}"));
        }
    };
    note("bytes", a.bytes.to_string(), b.bytes.to_string());
    note(
        "instructions",
        a.instructions.to_string(),
        b.instructions.to_string(),
    );
    let none = || "none".to_owned();
    note(
        "packed float arithmetic",
        packed(a).unwrap_or_else(none),
        packed(b).unwrap_or_else(none),
    );
    note("widest vector", bits(a), bits(b));
    note(
        "calls in loops",
        a.calls_in_loops.to_string(),
        b.calls_in_loops.to_string(),
    );
    found
}

fn bits(shape: CodeShape) -> String {
    format!("{} bits", shape.widest_vector_bits)
}
