//! Owns the search for numbers without noise, such as allocation counts and digests: repeated
//! binary search.

use super::commit_graph::{CommitGraph, PositionSet};
use super::context::KnownAnswers;
use super::divisions::SearchSection;
use super::information::entropy;
use super::pair_request::BuildChance;
use super::{SearchSettings, StoppedSearch};

/// Source of the numbers that the exact search needs.
pub trait ExactReadings {
    /// Reason why no reading was possible. The search ends with it.
    type Stop;
    /// A number without noise.
    type Value: Clone;

    /// Reads the number. Returns `None` if the commit cannot be used; it is then not requested
    /// again. No commit is read twice.
    ///
    /// # Errors
    /// When the search has to end.
    fn read(&mut self, commit: usize) -> Result<Option<Self::Value>, Self::Stop>;

    /// Returns whether a value differs from the good end's value in the requested direction.
    fn is_beyond(&self, reference: &Self::Value, value: &Self::Value) -> bool;

    /// Returns whether two values differ at all. This decides after the first change was found.
    fn differs(&self, one: &Self::Value, other: &Self::Value) -> bool;

    /// Returns the distance of two values, by which changes are compared in size. Two values that
    /// differ have a distance of more than 0.
    fn distance(&self, one: &Self::Value, other: &Self::Value) -> f64;

    /// Shows the progress after each reading.
    fn show_progress(&mut self, view: &ExactProgress<'_>);
}

/// Progress of an exact search.
#[derive(Debug, Clone, Copy)]
pub struct ExactProgress<'a> {
    /// Position of the value that the other values are compared with.
    pub reference: usize,
    /// Position of the section's other end.
    pub end: usize,
    /// Positions that may have made the change, ascending.
    pub candidates: &'a [usize],
    /// Rough number of readings that are still expected.
    pub reads_left: f64,
}

/// Result of the comparison of the ends of the whole history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactEndsVerdict {
    /// The ends differ in the requested direction.
    Different,
    /// The ends do not differ.
    Same,
    /// The ends differ, but against the requested direction.
    OtherWay,
    /// One end cannot be read.
    EndUnusable {
        /// The end that cannot be read.
        end: usize,
    },
}

/// A commit, or a set of commits that cannot be distinguished, that changed an exact number.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactCulprit<V> {
    /// Candidates, ascending. It is one commit, unless some candidates cannot be read.
    pub commits: Vec<usize>,
    /// The first usable commit that shows the change, with its value.
    pub shown: (usize, V),
    /// The last usable commit before it, with its value.
    pub parent: (usize, V),
}

/// Result of an exact search.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactConclusion<V> {
    /// Result of the comparison of the ends of the whole history.
    pub ends: ExactEndsVerdict,
    /// Culprits, by position.
    pub culprits: Vec<ExactCulprit<V>>,
    /// The part that was being searched when the readings ended.
    pub open: Option<ExactPart>,
    /// Parts beside a culprit that were not searched, because the search was stopped or because
    /// only the largest change was requested.
    pub unsearched: Vec<ExactPart>,
    /// Positions that could not be read, ascending.
    pub unusable: Vec<usize>,
}

/// A part of the history that certainly or possibly contains a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactPart {
    /// Position of the value that the other values are compared with.
    pub reference: usize,
    /// Position of the other end.
    pub end: usize,
    /// Positions that may have made the change, ascending.
    pub commits: Vec<usize>,
    /// Whether the values of both ends are known to differ.
    pub differs: bool,
}

/// Result of an exact search, or its results so far if it was stopped.
pub type ExactResult<S, V> = Result<ExactConclusion<V>, StoppedSearch<S, ExactConclusion<V>>>;

/// Finds the commits that changed an exact number. It takes log2(N) + 2 readings for one culprit,
/// if every commit can be read.
///
/// The settings in use are `never` (positions that are not read, but may still be the culprit) and
/// `only_largest`.
///
/// # Errors
/// The reason why the readings stopped, and the results up to that point.
pub fn bisect_exact<R: ExactReadings>(
    history: &CommitGraph,
    settings: &SearchSettings,
    readings: &mut R,
) -> ExactResult<R::Stop, R::Value> {
    let mut search = ExactSearch {
        history,
        settings,
        readings,
        values: vec![None; history.positions()],
        known: KnownAnswers::new(history.positions()),
        ends: ExactEndsVerdict::Same,
        culprits: Vec::new(),
        open: None,
        todo: Vec::new(),
        unsearched: Vec::new(),
    };
    match search.run() {
        Ok(()) => Ok(search.conclude()),
        Err(stop) => Err(StoppedSearch {
            stop,
            known: Box::new(search.conclude()),
        }),
    }
}

/// An exact search in progress.
struct ExactSearch<'a, R: ExactReadings> {
    history: &'a CommitGraph,
    settings: &'a SearchSettings,
    readings: &'a mut R,
    values: Vec<Option<R::Value>>,
    /// Answers of which only the usability of commits is kept.
    known: KnownAnswers,
    ends: ExactEndsVerdict,
    culprits: Vec<ExactCulprit<R::Value>>,
    /// The part that is being searched.
    open: Option<ExactPart>,
    /// Parts that are still to be searched, the next one last.
    todo: Vec<(usize, usize)>,
    unsearched: Vec<(usize, usize)>,
}

impl<R: ExactReadings> ExactSearch<'_, R> {
    fn run(&mut self) -> Result<(), R::Stop> {
        let whole = (0, self.history.bad_end());
        self.open = Some(self.describe_part(whole));
        self.ends = self.judge_ends()?;
        self.open = None;
        if self.ends == ExactEndsVerdict::Different {
            self.todo.push(whole);
        }
        while let Some((reference, end)) = self.todo.pop() {
            if !self.is_wanted(reference, end) {
                self.unsearched.push((reference, end));
                continue;
            }
            let Some(culprit) = self.search_section(reference, end, (reference, end) == whole)?
            else {
                continue;
            };
            let sides = [(culprit.shown.0, end), (reference, culprit.parent.0)];
            self.todo
                .extend(sides.into_iter().filter(|(from, to)| from != to));
            self.culprits.push(culprit);
        }
        Ok(())
    }

    /// Returns whether a part is to be searched. All parts are, unless only the largest change is
    /// requested and a larger one is known.
    fn is_wanted(&self, reference: usize, end: usize) -> bool {
        let Self {
            readings,
            values,
            culprits,
            ..
        } = self;
        let sizes = culprits
            .iter()
            .map(|culprit| readings.distance(&culprit.parent.1, &culprit.shown.1));
        let largest = sizes.fold(0.0, f64::max);
        let change = match (&values[reference], &values[end]) {
            (Some(one), Some(other)) => readings.distance(one, other),
            _ => 0.0,
        };
        culprits.is_empty() || !self.settings.only_largest || change > largest
    }

    fn describe_part(&self, (reference, end): (usize, usize)) -> ExactPart {
        let commits = SearchSection::between(self.history, reference, end)
            .candidates
            .iter()
            .collect();
        let differs = match (&self.values[reference], &self.values[end]) {
            (Some(one), Some(other)) => self.readings.differs(one, other),
            _ => false,
        };
        ExactPart {
            reference,
            end,
            commits,
            differs,
        }
    }

    fn conclude(mut self) -> ExactConclusion<R::Value> {
        self.culprits.sort_by_key(|culprit| culprit.shown.0);
        self.todo.reverse();
        let unsearched = self
            .unsearched
            .iter()
            .chain(&self.todo)
            .map(|part| self.describe_part(*part))
            .collect();
        let unusable = self.known.unusable();
        ExactConclusion {
            ends: self.ends,
            culprits: self.culprits,
            open: self.open,
            unsearched,
            unusable,
        }
    }

    fn judge_ends(&mut self) -> Result<ExactEndsVerdict, R::Stop> {
        let (good, bad) = (0, self.history.bad_end());
        for end in [good, bad] {
            if !self.read(end)? {
                return Ok(ExactEndsVerdict::EndUnusable { end });
            }
        }
        let (Some(one), Some(other)) = (&self.values[good], &self.values[bad]) else {
            return Ok(ExactEndsVerdict::EndUnusable { end: bad });
        };
        Ok(
            match (
                self.readings.is_beyond(one, other),
                self.readings.differs(one, other),
            ) {
                (true, _) => ExactEndsVerdict::Different,
                (false, true) => ExactEndsVerdict::OtherWay,
                (false, false) => ExactEndsVerdict::Same,
            },
        )
    }

    fn read(&mut self, commit: usize) -> Result<bool, R::Stop> {
        if self.known.is_unseen(commit) {
            self.values[commit] = self.readings.read(commit)?;
            self.known.note_use(commit, self.values[commit].is_some());
        }
        Ok(self.values[commit].is_some())
    }

    /// Returns whether a commit that was read shows the change of a section.
    fn shows(&self, reference: usize, commit: usize, whole: bool) -> bool {
        match (&self.values[reference], &self.values[commit]) {
            (Some(one), Some(other)) if whole => self.readings.is_beyond(one, other),
            (Some(one), Some(other)) => self.readings.differs(one, other),
            _ => false,
        }
    }

    /// Narrows (parent, shown] until no commit is left that could distinguish the candidates.
    fn search_section(
        &mut self,
        reference: usize,
        end: usize,
        whole: bool,
    ) -> Result<Option<ExactCulprit<R::Value>>, R::Stop> {
        if !self.shows(reference, end, whole) {
            return Ok(None);
        }
        let section = SearchSection::between(self.history, reference, end);
        let (mut shown, mut candidates) = (end, section.candidates.clone());
        let mut lacking =
            PositionSet::matching(self.history.positions(), |commit| commit == reference);
        // Readings of an earlier section halve this section at no cost.
        let mut known: Vec<usize> = section
            .measurable
            .iter()
            .filter(|commit| *commit != end && self.values[*commit].is_some())
            .collect();
        loop {
            let commits = candidates.iter().collect();
            self.open = Some(ExactPart {
                reference,
                end,
                commits,
                differs: true,
            });
            self.report_progress(reference, end, &candidates);
            let next = known
                .pop()
                .or_else(|| self.choose_commit(&section, shown, &candidates));
            let Some(commit) = next else { break };
            if !self.splits(commit, shown, &candidates) || !self.read(commit)? {
                continue;
            }
            if self.shows(reference, commit, whole) {
                (shown, candidates) = (
                    commit,
                    candidates.intersection(self.history.contained(commit)),
                );
            } else {
                candidates = candidates.difference(self.history.contained(commit));
                lacking.insert(commit);
            }
        }
        self.open = None;
        Ok(self.name_culprit(&candidates, &lacking, shown))
    }

    fn splits(&self, commit: usize, shown: usize, candidates: &PositionSet) -> bool {
        let share = self
            .history
            .contained(commit)
            .intersection(candidates)
            .len();
        self.history.contains(shown, commit) && 0 < share && share < candidates.len()
    }

    fn name_culprit(
        &self,
        candidates: &PositionSet,
        lacking: &PositionSet,
        shown: usize,
    ) -> Option<ExactCulprit<R::Value>> {
        let parent = self
            .history
            .fullest(&lacking.intersection(self.history.contained(shown)))?;
        let value = |commit: usize| self.values[commit].clone().map(|value| (commit, value));
        Some(ExactCulprit {
            commits: candidates.iter().collect(),
            shown: value(shown)?,
            parent: value(parent)?,
        })
    }

    /// Returns the unread commit that halves the candidates best. A commit that may not be readable
    /// has less weight.
    fn choose_commit(
        &self,
        section: &SearchSection,
        shown: usize,
        candidates: &PositionSet,
    ) -> Option<usize> {
        let chance = BuildChance::of(&self.known);
        let all = candidates.len() as f64;
        let within = self
            .history
            .contained(shown)
            .intersection(&section.measurable);
        let mut best = (0.0, None);
        for commit in within
            .iter()
            .filter(|commit| self.known.is_unseen(*commit) && !self.is_never(*commit))
        {
            let share = self
                .history
                .contained(commit)
                .intersection(candidates)
                .len() as f64
                / all;
            let worth = entropy(share) * chance.at(commit);
            if worth > best.0 {
                best = (worth, Some(commit));
            }
        }
        best.1
    }

    fn is_never(&self, commit: usize) -> bool {
        self.settings.is_never(commit)
    }

    fn report_progress(&mut self, reference: usize, end: usize, candidates: &PositionSet) {
        let candidates: Vec<usize> = candidates.iter().collect();
        let reads_left = (candidates.len().max(1) as f64).log2();
        self.readings.show_progress(&ExactProgress {
            reference,
            end,
            candidates: &candidates,
            reads_left,
        });
    }
}
