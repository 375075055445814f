//! Finds numbers that cannot be true, or that suggest something else than they show. The module is
//! pure: claims in, contradictions out.
//!
//! Printed figures are intervals of all values with the same print. A claim that is possible within
//! these intervals is never reported.

mod box_index;
mod circumstances;
pub(crate) mod claims;
pub(crate) mod figure;
mod impossible;
pub(crate) mod measured_record;
mod misleading;
pub(crate) mod names;
pub(crate) mod nesting;
mod order;
pub(crate) mod rules;
pub(crate) mod scatter;
pub(crate) mod session;
#[cfg(test)]
mod tests;
mod unresolved;

use crate::record::Contradiction;
use claims::Claims;
use rules::ContradictionRule;

/// Returns all contradictions, in the order of the rules: the most severe first.
pub(crate) fn find_contradictions(claims: &Claims) -> Vec<Contradiction> {
    find_by_rules(claims, |_| true)
}

/// The rules that apply to times measured by orch. The other rules are about the claims of tables.
const MEASURED: [&str; 4] = [
    "more-work-less-time",
    "children-exceed-parent",
    "zero-time",
    "above-peak",
];

/// Returns the contradictions in measurements of orch itself.
pub(crate) fn check_measured(claims: &Claims) -> Vec<Contradiction> {
    find_by_rules(claims, |rule| MEASURED.contains(&rule.id))
}

/// Returns the contradictions of the selected rules.
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
