//! Owns the ways in which a step can divide the measured commits of a section: groups of hypotheses
//! that no measured commit distinguishes.

use super::commit_graph::{CommitGraph, PositionSet};
use super::context::KnownAnswers;
use super::level::DifferenceLevel;
use std::collections::BTreeMap;

/// A part of the history with at least one step to find.
#[derive(Debug, Clone)]
pub(super) struct SearchSection {
    /// Position of level 0.
    pub(super) reference: usize,
    /// Position of the other end.
    pub(super) end: usize,
    /// Positions that may have made the step: contained in the end, and not in the reference.
    pub(super) candidates: PositionSet,
    /// Candidates that contain the reference. Other candidates also lack the reference's level, and
    /// would be taken for a second step.
    pub(super) measurable: PositionSet,
}

impl SearchSection {
    pub(super) fn between(history: &CommitGraph, reference: usize, end: usize) -> Self {
        let candidates = history
            .contained(end)
            .difference(history.contained(reference));
        let measurable = candidates.intersection(history.containing(reference));
        Self {
            reference,
            end,
            candidates,
            measurable,
        }
    }
}

/// One code of a section. Commits that share a code count as one measurement.
#[derive(Debug, Clone)]
pub(super) struct CodeGroup {
    /// Its commits, ascending.
    pub(super) commits: Vec<usize>,
    pub(super) level: DifferenceLevel,
    /// Whether it is the reference's code. Its level is then 0, and it needs no pairs.
    pub(super) is_reference: bool,
}

impl CodeGroup {
    /// Returns whether its level is an observation.
    pub(super) fn is_measured(&self) -> bool {
        self.level.count > 0 && !self.is_reference
    }
}

/// Returns all codes of the section's usable commits, ordered by their first commit.
pub(super) fn list_codes(section: &SearchSection, known: &KnownAnswers) -> Vec<CodeGroup> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let usable = known.usable();
    let here = section.measurable.intersection(&usable);
    for commit in std::iter::once(section.reference).chain(here.iter()) {
        members.entry(known.code(commit)).or_default().push(commit);
    }
    let code = |commits: Vec<usize>| {
        let pairs = commits
            .iter()
            .flat_map(|commit| known.pairs(section.reference, *commit))
            .copied()
            .collect();
        let is_reference = commits.contains(&section.reference);
        CodeGroup {
            level: DifferenceLevel::of(pairs),
            is_reference,
            commits,
        }
    };
    members.into_values().map(code).collect()
}

/// Returns whether each code contains a hypothesis, or `None` if the hypothesis is impossible,
/// because it separates commits of one code.
fn sides(codes: &[CodeGroup], containing: &PositionSet) -> Option<Vec<bool>> {
    let side = |code: &CodeGroup| {
        let first = code
            .commits
            .first()
            .is_some_and(|commit| containing.contains(*commit));
        let agree = code
            .commits
            .iter()
            .all(|commit| containing.contains(*commit) == first);
        (agree && !(first && code.is_reference)).then_some(first)
    };
    codes.iter().map(side).collect()
}

/// Hypotheses that the measured commits do not distinguish.
#[derive(Debug, Clone)]
pub(super) struct Division {
    /// Positions of the hypotheses, ascending.
    pub(super) hypotheses: Vec<usize>,
    /// Sum of the priors of the hypotheses. The priors of all candidates, impossible ones included,
    /// sum to 1.
    pub(super) prior: f64,
    /// Whether each measured code shows the step.
    pub(super) shows: Vec<bool>,
}

impl Division {
    /// Returns whether `second` shows only in codes in which `self` shows, and not in all of them.
    pub(super) fn is_before(&self, second: &Self) -> bool {
        self.shows != second.shows && !second.shows_without(self)
    }

    /// Returns whether some code shows this step and lacks the other step.
    fn shows_without(&self, other: &Self) -> bool {
        self.shows
            .iter()
            .zip(&other.shows)
            .any(|(one, other)| *one && !*other)
    }

    /// Returns whether the two divisions lie on different branches beside each other.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.shows_without(other) && other.shows_without(self)
    }

    fn shown_count(&self) -> usize {
        self.shows.iter().filter(|shows| **shows).count()
    }
}

/// Returns the possible divisions. Divisions that show in more codes come first, so that each
/// division is behind all divisions before it.
pub(super) fn list_divisions(
    history: &CommitGraph,
    section: &SearchSection,
    codes: &[CodeGroup],
    prior: &[f64],
) -> Vec<Division> {
    let weight = |k: usize| prior.get(k).copied().unwrap_or(1.0);
    let total: f64 = section.candidates.iter().map(weight).sum();
    let looked = PositionSet::matching(history.positions(), |at| {
        codes.iter().any(|code| code.commits.contains(&at))
    });
    let mut places: BTreeMap<PositionSet, Option<usize>> = BTreeMap::new();
    let mut found: Vec<Division> = Vec::new();
    for k in section.candidates.iter() {
        let key = history.containing(k).intersection(&looked);
        let place = *places.entry(key).or_insert_with_key(|key| {
            let shows = sides(codes, key)?;
            let shows = codes
                .iter()
                .zip(shows)
                .filter(|(code, _)| code.is_measured())
                .map(|(_, shows)| shows);
            found.push(Division {
                hypotheses: Vec::new(),
                prior: 0.0,
                shows: shows.collect(),
            });
            Some(found.len() - 1)
        });
        if let Some(division) = place.and_then(|place| found.get_mut(place)) {
            division.hypotheses.push(k);
            division.prior += weight(k) / total;
        }
    }
    // The sort is stable: among equal divisions, the one with the earlier hypothesis stays first.
    found.sort_by_key(|division| std::cmp::Reverse(division.shown_count()));
    found
}
