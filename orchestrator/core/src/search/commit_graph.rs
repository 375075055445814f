//! Owns the relation of commits and their ancestors: the candidates of a search as sets of
//! positions.

/// Bits of one word.
const WORD: usize = u64::BITS as usize;

/// A set of positions 0 ..= N.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PositionSet {
    words: Vec<u64>,
}

impl PositionSet {
    /// Returns the empty set, with room for `positions` positions.
    pub(super) fn empty(positions: usize) -> Self {
        Self {
            words: vec![0; positions.div_ceil(WORD)],
        }
    }

    /// Returns the set of all positions for which `wanted` holds.
    pub(super) fn matching(positions: usize, wanted: impl Fn(usize) -> bool) -> Self {
        let mut set = Self::empty(positions);
        (0..positions)
            .filter(|position| wanted(*position))
            .for_each(|position| set.insert(position));
        set
    }

    pub(super) fn insert(&mut self, position: usize) {
        if let Some(word) = self.words.get_mut(position / WORD) {
            *word |= 1 << (position % WORD);
        }
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        self.words
            .get(position / WORD)
            .is_some_and(|word| word >> (position % WORD) & 1 == 1)
    }

    pub(super) fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |one, other| one & other)
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        self.combine(other, |one, other| one & !other)
    }

    fn insert_all(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(one, other)| *one |= other);
    }

    fn combine(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            words: self
                .words
                .iter()
                .zip(&other.words)
                .map(|(one, other)| join(*one, *other))
                .collect(),
        }
    }

    /// Iterates over the positions in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let without_lowest = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
            std::iter::successors(Some(*word).filter(|word| *word != 0), without_lowest)
                .map(move |word| at * WORD + word.trailing_zeros() as usize)
        })
    }
}

/// The ancestors and descendants of each commit of one search.
///
/// Commits are positions 0 ..= N in topological order: 0 is the good end, N is the bad end, and the
/// parents of a position are smaller than the position.
#[derive(Debug, Clone)]
pub struct CommitGraph {
    /// For each position, the position itself and its ancestors.
    contained: Vec<PositionSet>,
    /// For each position, the position itself and its descendants.
    containing: Vec<PositionSet>,
}

impl CommitGraph {
    /// Returns the graph in which each of `candidates` commits after position 0 has the commit
    /// before it as its parent.
    #[must_use]
    pub fn line(candidates: usize) -> Self {
        let parents: Vec<Vec<usize>> = (0..=candidates)
            .map(|at| at.checked_sub(1).into_iter().collect())
            .collect();
        Self::new(&parents)
    }

    /// Returns the graph with the given parents, by position.
    ///
    /// `parents[0]` is empty. Every other position has at least one parent, and all its parents are
    /// smaller than it. Every position descends from 0, and the last position descends from every
    /// other. A parent that is not smaller is ignored.
    #[must_use]
    pub fn new(parents: &[Vec<usize>]) -> Self {
        let positions = parents.len();
        let mut contained: Vec<PositionSet> = Vec::with_capacity(positions);
        for (at, parents) in parents.iter().enumerate() {
            let mut own = PositionSet::empty(positions);
            own.insert(at);
            parents
                .iter()
                .filter_map(|parent| contained.get(*parent))
                .for_each(|set| own.insert_all(set));
            contained.push(own);
        }
        let mut containing = vec![PositionSet::empty(positions); positions];
        for (at, set) in contained.iter().enumerate() {
            set.iter().for_each(|other| containing[other].insert(at));
        }
        Self {
            contained,
            containing,
        }
    }

    /// Returns whether `commit` is `other` or descends from it.
    #[must_use]
    pub fn contains(&self, commit: usize, other: usize) -> bool {
        self.contained
            .get(commit)
            .is_some_and(|set| set.contains(other))
    }

    /// Returns the position of the bad end, N.
    #[must_use]
    pub fn bad_end(&self) -> usize {
        self.positions().saturating_sub(1)
    }

    /// Returns whether each position contains all positions before it.
    pub(super) fn is_line(&self) -> bool {
        self.contained
            .iter()
            .enumerate()
            .all(|(at, own)| own.len() == at + 1)
    }

    /// Returns the number of positions, N + 1.
    pub(super) fn positions(&self) -> usize {
        self.contained.len()
    }

    /// Returns `commit` and its ancestors.
    pub(super) fn contained(&self, commit: usize) -> &PositionSet {
        &self.contained[commit]
    }

    /// Returns `commit` and its descendants.
    pub(super) fn containing(&self, commit: usize) -> &PositionSet {
        &self.containing[commit]
    }

    /// Returns the members of `commits` that no other member contains.
    pub(super) fn latest(&self, commits: &PositionSet) -> Vec<usize> {
        let alone = |commit: &usize| self.containing(*commit).intersection(commits).len() == 1;
        commits.iter().filter(alone).collect()
    }

    /// Returns the members of `commits` that contain no other member.
    pub(super) fn earliest(&self, commits: &PositionSet) -> Vec<usize> {
        let alone = |commit: &usize| self.contained(*commit).intersection(commits).len() == 1;
        commits.iter().filter(alone).collect()
    }

    /// Returns the member of `commits` with the most ancestors, and the latest one if several have
    /// the most. It leaves the fewest candidates above it.
    pub(super) fn fullest(&self, commits: &PositionSet) -> Option<usize> {
        commits
            .iter()
            .max_by_key(|commit| (self.contained(*commit).len(), *commit))
    }
}
