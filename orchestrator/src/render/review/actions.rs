//! Actions that follow from a comparison, the most urgent first, each with its command.

use crate::compare::next_commands;
use crate::comparison::{Comparison, Verdict};
use crate::model::metric::Metric;
use crate::render::comparison::WorkloadRow;
use orch_core::format;
use serde::Serialize;

/// Pairs that decide most of what the default number leaves open.
const MORE_PAIRS: usize = 1000;

/// An action.
#[derive(Debug, Serialize)]
pub(super) struct NextAction {
    priority: ActionPriority,
    /// Workload that it is about.
    id: String,
    /// The action in a sentence.
    line: String,
    /// Command that does it; null if there is none.
    command: Option<String>,
}

/// Urgency of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum ActionPriority {
    /// Something got worse.
    P0,
    /// It is not known whether something got worse.
    P1,
    /// Something got better at the cost of something else.
    P2,
}

/// Lists the actions.
pub(super) fn next(comparison: &Comparison, rows: &[WorkloadRow]) -> Vec<NextAction> {
    let mut actions: Vec<NextAction> = rows
        .iter()
        .filter_map(|row| action(comparison, row))
        .collect();
    actions.sort_by_key(|action| action.priority);
    actions
}

/// Returns why a workload has no verdict.
fn missing_reason(row: &WorkloadRow) -> String {
    let missing = row
        .entries
        .iter()
        .find(|entry| entry.verdict == Verdict::Missing);
    let reason = missing.map(|entry| format::brief(&entry.reason));
    reason.unwrap_or_else(|| "it has no result on one side".to_owned())
}

fn action(comparison: &Comparison, row: &WorkloadRow) -> Option<NextAction> {
    // Most metrics follow from the time, which is the better guide.
    let mut entries = row.time.iter().chain(&row.changed);
    let worse = entries.find(|entry| entry.verdict == Verdict::Regressed);
    let metric = worse.map_or(&Metric::Time, |entry| &entry.metric);
    let is_varied = !comparison.a.set.is_empty() || !comparison.b.set.is_empty();
    let bisect = |metric| next_commands::write_bisect(comparison, row.id, metric, None);
    let (priority, line, command) = match row.verdict {
        Verdict::OutputDiffers => (
            ActionPriority::P0,
            format!("Explain why {} computes another result.", row.id),
            bisect(&Metric::Digest),
        ),
        Verdict::Regressed if row.trade_off => (
            ActionPriority::P2,
            format!("Decide whether the trade-off of {} is wanted.", row.id),
            bisect(metric),
        ),
        // The variants of a parameter are meant to differ.
        Verdict::Regressed if is_varied => return None,
        Verdict::Regressed => (
            ActionPriority::P0,
            format!("Find the cause of the regression of {}.", row.id),
            bisect(metric),
        ),
        Verdict::Missing => (
            ActionPriority::P1,
            format!("Measure {}: {}.", row.id, missing_reason(row)),
            None,
        ),
        Verdict::Inconclusive => (
            ActionPriority::P1,
            format!("Measure more pairs of {}, whose verdict is open.", row.id),
            next_commands::write_comparison(comparison, row.id, MORE_PAIRS),
        ),
        Verdict::Equivalent | Verdict::Improved => return None,
    };
    Some(NextAction {
        priority,
        id: row.id.to_owned(),
        line,
        command,
    })
}
