//! Owns the search's requests and their answers: which commits can be measured, which commits run
//! the same code, and the pairs of the commits.

use super::commit_graph::{CommitGraph, PositionSet};
use super::{Evidence, RatioEstimate, SearchSettings};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a commit can be measured, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitUse {
    Unseen,
    Usable,
    Unusable,
}

/// Answers so far. They apply to the whole search, whichever section made the request.
#[derive(Debug, Clone)]
pub(super) struct KnownAnswers {
    uses: Vec<CommitUse>,
    /// For each position, the smallest position known to run the same code.
    codes: Vec<usize>,
    /// Pairs of commits, the smaller first, whose codes differ.
    different: BTreeSet<(usize, usize)>,
    /// Differences by (reference, commit).
    pairs: BTreeMap<(usize, usize), Vec<f64>>,
    /// Numbers of commits that were examined, and of those that could not be used. Merges that are
    /// never built count in neither.
    pub(super) looks: usize,
    pub(super) failures: usize,
}

impl KnownAnswers {
    pub(super) fn new(positions: usize) -> Self {
        Self {
            uses: vec![CommitUse::Unseen; positions],
            codes: (0..positions).collect(),
            different: BTreeSet::new(),
            pairs: BTreeMap::new(),
            looks: 0,
            failures: 0,
        }
    }

    pub(super) fn commit_use(&self, commit: usize) -> CommitUse {
        self.uses[commit]
    }

    pub(super) fn is_unseen(&self, commit: usize) -> bool {
        self.uses[commit] == CommitUse::Unseen
    }

    /// Stores whether a commit that was examined can be used.
    pub(super) fn note_use(&mut self, commit: usize, usable: bool) {
        self.looks += 1;
        self.failures += usize::from(!usable);
        self.uses[commit] = if usable {
            CommitUse::Usable
        } else {
            CommitUse::Unusable
        };
    }

    pub(super) fn usable(&self) -> PositionSet {
        PositionSet::matching(self.uses.len(), |commit| {
            self.uses[commit] == CommitUse::Usable
        })
    }

    /// Returns the smallest position known to run the same code.
    pub(super) fn code(&self, commit: usize) -> usize {
        self.codes[commit]
    }

    pub(super) fn pairs(&self, reference: usize, commit: usize) -> &[f64] {
        self.pairs
            .get(&(reference, commit))
            .map_or(&[], Vec::as_slice)
    }

    pub(super) fn add_pairs(&mut self, reference: usize, commit: usize, differences: Vec<f64>) {
        self.pairs
            .entry((reference, commit))
            .or_default()
            .extend(differences);
    }

    pub(super) fn unusable(&self) -> Vec<usize> {
        (0..self.uses.len())
            .filter(|commit| self.uses[*commit] == CommitUse::Unusable)
            .collect()
    }

    fn merge_codes(&mut self, one: usize, other: usize) {
        let (one, other) = (self.codes[one], self.codes[other]);
        let code = one.min(other);
        self.codes
            .iter_mut()
            .filter(|own| **own == one || **own == other)
            .for_each(|own| *own = code);
    }

    fn note_failure(&mut self, commit: usize) {
        self.uses[commit] = CommitUse::Unusable;
        self.failures += 1;
    }
}

/// The only access of the search to its evidence. It stores every answer, so that no request is
/// made twice.
pub(super) struct SearchContext<'a, E> {
    pub(super) history: &'a CommitGraph,
    pub(super) settings: &'a SearchSettings,
    pub(super) evidence: &'a mut E,
    pub(super) known: KnownAnswers,
    /// Progress of the section that is being searched.
    pub(super) progress: Option<SectionProgress>,
}

/// Progress of the search in a section.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SectionProgress {
    pub(super) reference: usize,
    pub(super) end: usize,
    pub(super) pairs: usize,
    /// Change from the reference to the end, from the last comparison of the ends.
    pub(super) change: RatioEstimate,
    /// The smallest set with the requested certainty, and its probability, once the ends are known
    /// to differ.
    pub(super) suspects: Option<(Vec<usize>, f64)>,
}

impl<E: Evidence> SearchContext<'_, E> {
    /// Returns whether the commit can be measured. The code of a usable commit is immediately
    /// compared with the code of its nearest usable relatives.
    pub(super) fn prepare_commit(&mut self, commit: usize) -> Result<bool, E::Stop> {
        if self.known.is_unseen(commit) {
            let usable = self.evidence.prepare_commit(commit)?;
            self.known.note_use(commit, usable);
            if usable {
                self.compare_code(commit)?;
            }
        }
        Ok(self.known.commit_use(commit) == CommitUse::Usable)
    }

    fn compare_code(&mut self, commit: usize) -> Result<(), E::Stop> {
        let usable = self.known.usable();
        let within = |set: &PositionSet| {
            PositionSet::matching(self.history.positions(), |at| {
                at != commit && set.contains(at)
            })
        };
        let before = within(&self.history.contained(commit).intersection(&usable));
        let after = within(&self.history.containing(commit).intersection(&usable));
        for kin in self
            .history
            .latest(&before)
            .into_iter()
            .chain(self.history.earliest(&after))
        {
            self.same_code(kin, commit)?;
        }
        Ok(())
    }

    /// Returns whether two usable commits run the same code. Answers that follow from earlier ones
    /// are not requested again.
    pub(super) fn same_code(&mut self, one: usize, other: usize) -> Result<bool, E::Stop> {
        let key = (one.min(other), one.max(other));
        if self.known.code(one) != self.known.code(other) && !self.known.different.contains(&key) {
            if self.evidence.same_code(one, other)? {
                self.known.merge_codes(one, other);
            } else {
                self.known.different.insert(key);
            }
        }
        Ok(self.known.code(one) == self.known.code(other))
    }

    /// Returns further differences, or `None` if the commit failed and is no longer used.
    pub(super) fn pairs(
        &mut self,
        reference: usize,
        commit: usize,
        n: usize,
    ) -> Result<Option<Vec<f64>>, E::Stop> {
        let answer = self.evidence.pairs(reference, commit, n)?;
        if answer.is_none() {
            self.known.note_failure(commit);
        }
        Ok(answer)
    }
}
