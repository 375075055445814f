//! The view of gates for templates: the outcome in words, the shown findings, each with its line,
//! the jobs of an earlier check, and commands.

use super::shown::{MOST_TEXTS, ShownList};
use super::tone::Tone;
use crate::comparison::Comparison;
use crate::gate::{FindingKind, GateFinding, GateOutcome, GateResult};
use orch_core::format;
use serde::Serialize;

/// The view that a template gets.
#[derive(Serialize)]
pub(super) struct GateView<'a> {
    comparison: &'a Comparison,
    /// The result with all its findings.
    gate: &'a GateResult,
    /// Its outcome in words.
    outcome: &'static str,
    /// The first line.
    title: String,
    tone: Tone,
    findings: ShownList<FindingLine<'a>>,
    /// Jobs that failed in an earlier check, each with its state now.
    again: Vec<&'a (String, &'a str)>,
    /// Number of such jobs that are not shown.
    more_again: usize,
    /// Commands to run next.
    next: &'a [String],
}

/// A finding with its words.
#[derive(Serialize)]
struct FindingLine<'a> {
    kind: FindingKind,
    /// Id of the job; empty if the finding is about no job.
    job: &'a str,
    metric: &'a str,
    message: &'a str,
    /// Word of the kind; empty if the message contains it.
    word: &'static str,
    /// The whole finding, with the beginning of a long message.
    line: String,
}

/// Makes the view. `again` has the state of each job that failed in an earlier check, and `next`
/// has commands.
pub(super) fn view<'a>(
    comparison: &'a Comparison,
    gate: &'a GateResult,
    again: &'a [(String, &'a str)],
    next: &'a [String],
) -> GateView<'a> {
    let tone = match gate.outcome {
        GateOutcome::Failed => Tone::Bad,
        GateOutcome::Incomplete | GateOutcome::Open => Tone::Open,
        GateOutcome::Passed => Tone::Good,
    };
    let outcome = outcome(gate.outcome, !again.is_empty());
    let again = ShownList::first(MOST_TEXTS, again);
    GateView {
        comparison,
        gate,
        title: format!("check {outcome}"),
        outcome,
        tone,
        findings: ShownList::first(MOST_TEXTS, &gate.findings).map(finding_line),
        again: again.items,
        more_again: again.more,
        next,
    }
}

/// Returns an outcome in words. `is_repeated` tells whether the check measured again what failed in
/// an earlier one.
pub(super) fn outcome(outcome: GateOutcome, is_repeated: bool) -> &'static str {
    match outcome {
        GateOutcome::Failed => "failed",
        GateOutcome::Incomplete => "incomplete: not everything was measured",
        GateOutcome::Open if is_repeated => {
            "open: some jobs that failed before are now inconclusive"
        }
        GateOutcome::Open => "open: the scenario does not let open verdicts pass",
        GateOutcome::Passed => "passed",
    }
}

fn finding_line(finding: &GateFinding) -> FindingLine<'_> {
    FindingLine {
        kind: finding.kind,
        job: &finding.job,
        metric: &finding.metric,
        message: &finding.message,
        word: finding.kind.word(),
        line: describe(finding),
    }
}

/// Formats a finding in one line, with the beginning of a long message.
pub(super) fn describe(finding: &GateFinding) -> String {
    let job = match finding.job.as_str() {
        "" => String::new(),
        job => format!("{job}, "),
    };
    let before: String = [finding.metric.as_str(), finding.kind.word()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| format!("{part}: "))
        .collect();
    format!("{job}{before}{}", format::brief(&finding.message))
}
