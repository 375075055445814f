//! Numbers that cannot be true, or say something else than they seem to. Pure: claims in,
//! contradictions out.
//!
//! Printed figures are intervals of everything that prints so; what can be reached inside them is
//! never held against anybody.

mod box_index;
pub(crate) mod claims;
pub(crate) mod figure;
mod impossible;
pub(crate) mod measured_record;
mod misleading;
pub(crate) mod names;
pub(crate) mod nesting;
mod order;
pub(crate) mod rules;
#[cfg(test)]
mod tests;
mod unresolved;

use crate::record::Contradiction;
use claims::Claims;
use rules::ContradictionRule;

/// All contradictions, in the order of the rules: the gravest first.
pub(crate) fn find_contradictions(claims: &Claims) -> Vec<Contradiction> {
    find_by_rules(claims, |_| true)
}

/// The rules that say something of times measured by orch; the others are about what tables claim.
const MEASURED: [&str; 4] = [
    "more-work-less-time",
    "children-exceed-parent",
    "zero-time",
    "above-peak",
];

/// Contradictions in what orch measured itself.
pub(crate) fn check_measured(claims: &Claims) -> Vec<Contradiction> {
    find_by_rules(claims, |rule| MEASURED.contains(&rule.id))
}

/// Contradictions of the rules that are wanted.
fn find_by_rules(
    claims: &Claims,
    wanted: impl Fn(&ContradictionRule) -> bool,
) -> Vec<Contradiction> {
    rules::RULES
        .iter()
        .filter(|rule| wanted(rule))
        .flat_map(|rule| {
            (rule.find)(claims)
                .into_iter()
                .map(move |found| (rule, found))
        })
        .map(|(rule, found)| Contradiction {
            id: rule.id.to_owned(),
            severity: rule.severity,
            rows: found.rows,
            message: found.message,
        })
        .collect()
}
