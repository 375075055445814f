//! Owns the ways in which a step can divide what was measured in a section: hypotheses that nothing
//! looked at tells apart.

use super::commit_graph::{CommitGraph, PositionSet};
use super::context::KnownAnswers;
use super::level::DifferenceLevel;
use std::collections::BTreeMap;

/// A part of the history with one step, at least, to be found.
#[derive(Debug, Clone)]
pub(super) struct SearchSection {
    /// Counts as level 0.
    pub(super) reference: usize,
    /// The other end.
    pub(super) end: usize,
    /// Who may have made the step: contained in the end, not in the reference.
    pub(super) candidates: PositionSet,
    /// Those of them that contain the reference. Others lack its level too, and would be taken for
    /// a second step.
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

/// One code that was looked at in a segment: commits that share it are one measurement.
#[derive(Debug, Clone)]
pub(super) struct CodeGroup {
    /// Its commits, ascending.
    pub(super) commits: Vec<usize>,
    pub(super) level: DifferenceLevel,
    /// Whether it is the reference's: then its level is 0, and no pair is needed.
    pub(super) is_reference: bool,
}

impl CodeGroup {
    /// Whether its level is an observation.
    pub(super) fn is_measured(&self) -> bool {
        self.level.count > 0 && !self.is_reference
    }
}

/// Returns what is known about every code of the segment's usable commits, by their first commit.
pub(super) fn list_codes(segment: &SearchSection, known: &KnownAnswers) -> Vec<CodeGroup> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let usable = known.usable();
    let here = segment.measurable.intersection(&usable);
    for commit in std::iter::once(segment.reference).chain(here.iter()) {
        members.entry(known.code(commit)).or_default().push(commit);
    }
    let code = |commits: Vec<usize>| {
        let pairs = commits
            .iter()
            .flat_map(|commit| known.pairs(segment.reference, *commit))
            .copied()
            .collect();
        let is_reference = commits.contains(&segment.reference);
        CodeGroup {
            level: DifferenceLevel::of(pairs),
            is_reference,
            commits,
        }
    };
    members.into_values().map(code).collect()
}

/// Whether each code contains a hypothesis; `None` if the hypothesis is impossible, because commits
/// of one code differ in it.
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

/// Hypotheses that the looked-at commits do not tell apart.
#[derive(Debug, Clone)]
pub(super) struct Division {
    /// Positions, ascending.
    pub(super) hypotheses: Vec<usize>,
    /// Sum of their priors; those of all candidates, impossible ones included, are 1 together.
    pub(super) prior: f64,
    /// Whether each measured code shows the step.
    pub(super) shows: Vec<bool>,
}

impl Division {
    /// Whether `second` shows only where `self` does, and not everywhere there.
    pub(super) fn is_before(&self, second: &Self) -> bool {
        self.shows != second.shows && !second.shows_without(self)
    }

    /// Whether some code shows this step and lacks the other.
    fn shows_without(&self, other: &Self) -> bool {
        self.shows
            .iter()
            .zip(&other.shows)
            .any(|(one, other)| *one && !*other)
    }

    /// Whether the two are on branches beside each other.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.shows_without(other) && other.shows_without(self)
    }

    fn shown_count(&self) -> usize {
        self.shows.iter().filter(|shows| **shows).count()
    }
}

/// Returns the possible divisions: what shows in more codes comes first, so that each is behind all
/// that are before it.
pub(super) fn list_divisions(
    history: &CommitGraph,
    segment: &SearchSection,
    codes: &[CodeGroup],
    prior: &[f64],
) -> Vec<Division> {
    let weight = |k: usize| prior.get(k).copied().unwrap_or(1.0);
    let total: f64 = segment.candidates.iter().map(weight).sum();
    let looked = PositionSet::matching(history.positions(), |at| {
        codes.iter().any(|code| code.commits.contains(&at))
    });
    let mut places: BTreeMap<PositionSet, Option<usize>> = BTreeMap::new();
    let mut found: Vec<Division> = Vec::new();
    for k in segment.candidates.iter() {
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
    // Stable: of equals the one with the earlier hypothesis stays first.
    found.sort_by_key(|division| std::cmp::Reverse(division.shown_count()));
    found
}
