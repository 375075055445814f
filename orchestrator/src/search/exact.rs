//! Owns the search for numbers without noise, such as allocation counts and digests: plain binary search, and again.

use super::action::BuildChance;
use super::divisions::Segment;
use super::history::{History, Positions};
use super::information::entropy;
use super::inquiry::Known;

/// What the exact search asks of the world.
pub trait Readings {
    /// Why a reading could not be had at all: the search ends with it.
    type Stop;
    /// A number without noise.
    type Value: Clone;

    /// Reads the number; `None`: the commit cannot be used, and is not asked for again. No commit is read twice.
    ///
    /// # Errors
    /// When the search has to end.
    fn read(&mut self, commit: usize) -> Result<Option<Self::Value>, Self::Stop>;

    /// Whether a value is changed from the good end's in the direction that was asked.
    fn beyond(&self, reference: &Self::Value, value: &Self::Value) -> bool;

    /// Whether two values differ at all: what counts once a change was found.
    fn differs(&self, one: &Self::Value, other: &Self::Value) -> bool;

    /// Told after every reading.
    fn see(&mut self, view: &ExactView<'_>);
}

/// How far an exact search has come.
#[derive(Debug, Clone, Copy)]
pub struct ExactView<'a> {
    /// Position whose value the others are held against.
    pub reference: usize,
    /// Position of the section's other end.
    pub end: usize,
    /// Positions that may have made the change, ascending.
    pub candidates: &'a [usize],
    /// Readings that are still expected, roughly.
    pub reads_left: f64,
}

/// Whether the ends of the whole history differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactGate {
    /// They do, in the asked direction.
    Different,
    /// They do not.
    Same,
    /// They do, but against the asked direction.
    OtherWay,
    /// One end cannot be read.
    EndUnusable {
        /// Which.
        end: usize,
    },
}

/// A commit, or a set that cannot be told apart, that changed an exact number.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactCulprit<V> {
    /// Candidates, ascending: one, unless some of them cannot be read.
    pub commits: Vec<usize>,
    /// The usable commit that shows the change first, with its value.
    pub shown: (usize, V),
    /// The last usable one before it, with its value.
    pub parent: (usize, V),
}

/// What an exact search came to.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactConclusion<V> {
    /// Whether the ends of the whole history differ.
    pub gate: ExactGate,
    /// By position.
    pub culprits: Vec<ExactCulprit<V>>,
    /// Positions that turned out not to be readable, ascending.
    pub unusable: Vec<usize>,
}

/// Finds the commits that changed an exact number: log2(N) + 2 readings for one, where every commit can be read.
///
/// `never`: positions not to be read (merges, say); they may still be the culprit.
///
/// # Errors
/// What the readings stop with.
pub fn bisect_exact<R: Readings>(
    history: &History,
    never: &[bool],
    readings: &mut R,
) -> Result<ExactConclusion<R::Value>, R::Stop> {
    let mut search = Exact {
        history,
        never,
        readings,
        values: vec![None; history.positions()],
        known: Known::nothing(history.positions()),
    };
    let mut culprits = Vec::new();
    let gate = search.gate()?;
    let mut todo = if gate == ExactGate::Different { vec![(0, history.bad())] } else { Vec::new() };
    while let Some((reference, end)) = todo.pop() {
        let whole = reference == 0 && end == history.bad();
        let Some(culprit) = search.section(reference, end, whole)? else { continue };
        todo.extend([(culprit.shown.0, end), (reference, culprit.parent.0)]);
        culprits.push(culprit);
    }
    culprits.sort_by_key(|culprit| culprit.shown.0);
    Ok(ExactConclusion { gate, culprits, unusable: search.known.unusable() })
}

struct Exact<'a, R: Readings> {
    history: &'a History,
    never: &'a [bool],
    readings: &'a mut R,
    values: Vec<Option<R::Value>>,
    /// Only for what can be used.
    known: Known,
}

impl<R: Readings> Exact<'_, R> {
    fn gate(&mut self) -> Result<ExactGate, R::Stop> {
        let (good, bad) = (0, self.history.bad());
        for end in [good, bad] {
            if !self.read(end)? {
                return Ok(ExactGate::EndUnusable { end });
            }
        }
        let (Some(one), Some(other)) = (&self.values[good], &self.values[bad]) else {
            return Ok(ExactGate::EndUnusable { end: bad });
        };
        Ok(match (self.readings.beyond(one, other), self.readings.differs(one, other)) {
            (true, _) => ExactGate::Different,
            (false, true) => ExactGate::OtherWay,
            (false, false) => ExactGate::Same,
        })
    }

    fn read(&mut self, commit: usize) -> Result<bool, R::Stop> {
        if self.known.is_unseen(commit) {
            self.values[commit] = self.readings.read(commit)?;
            self.known.looked(commit, self.values[commit].is_some());
        }
        Ok(self.values[commit].is_some())
    }

    /// Whether a commit that was read shows the change of a section.
    fn shows(&self, reference: usize, commit: usize, whole: bool) -> bool {
        match (&self.values[reference], &self.values[commit]) {
            (Some(one), Some(other)) if whole => self.readings.beyond(one, other),
            (Some(one), Some(other)) => self.readings.differs(one, other),
            _ => false,
        }
    }

    /// Narrows (parent, shown] until no commit is left that could tell its candidates apart.
    fn section(
        &mut self,
        reference: usize,
        end: usize,
        whole: bool,
    ) -> Result<Option<ExactCulprit<R::Value>>, R::Stop> {
        if !self.shows(reference, end, whole) {
            return Ok(None);
        }
        let segment = Segment::between(self.history, reference, end);
        let (mut shown, mut candidates) = (end, segment.candidates.clone());
        let mut lacking = Positions::those(self.history.positions(), |commit| commit == reference);
        // What an earlier section read halves this one for nothing.
        let mut known: Vec<usize> =
            segment.measurable.iter().filter(|commit| *commit != end && self.values[*commit].is_some()).collect();
        loop {
            self.show(reference, end, &candidates);
            let next = known.pop().or_else(|| self.choose(&segment, shown, &candidates));
            let Some(commit) = next else { break };
            if !self.splits(commit, shown, &candidates) || !self.read(commit)? {
                continue;
            }
            if self.shows(reference, commit, whole) {
                (shown, candidates) = (commit, candidates.and(self.history.contained(commit)));
            } else {
                candidates = candidates.without(self.history.contained(commit));
                lacking.insert(commit);
            }
        }
        Ok(self.culprit(&candidates, &lacking, shown))
    }

    fn splits(&self, commit: usize, shown: usize, candidates: &Positions) -> bool {
        let share = self.history.contained(commit).and(candidates).len();
        self.history.contains(shown, commit) && 0 < share && share < candidates.len()
    }

    fn culprit(&self, candidates: &Positions, lacking: &Positions, shown: usize) -> Option<ExactCulprit<R::Value>> {
        let parent = self.history.fullest(&lacking.and(self.history.contained(shown)))?;
        let value = |commit: usize| self.values[commit].clone().map(|value| (commit, value));
        Some(ExactCulprit { commits: candidates.iter().collect(), shown: value(shown)?, parent: value(parent)? })
    }

    /// The unread commit that halves the candidates best, counted less where it may not be readable.
    fn choose(&self, segment: &Segment, shown: usize, candidates: &Positions) -> Option<usize> {
        let chance = BuildChance::of(&self.known);
        let all = candidates.len() as f64;
        let within = self.history.contained(shown).and(&segment.measurable);
        let mut best = (0.0, None);
        for commit in within.iter().filter(|commit| self.known.is_unseen(*commit) && !self.is_never(*commit)) {
            let share = self.history.contained(commit).and(candidates).len() as f64 / all;
            let worth = entropy(share) * chance.at(commit);
            if worth > best.0 {
                best = (worth, Some(commit));
            }
        }
        best.1
    }

    fn is_never(&self, commit: usize) -> bool {
        self.never.get(commit).copied().unwrap_or(false)
    }

    fn show(&mut self, reference: usize, end: usize, candidates: &Positions) {
        let candidates: Vec<usize> = candidates.iter().collect();
        let reads_left = (candidates.len().max(1) as f64).log2();
        self.readings.see(&ExactView { reference, end, candidates: &candidates, reads_left });
    }
}
