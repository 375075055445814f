//! Owns the search for the first commit that changed a noisy number. The search is pure: it uses no
//! clock, no process, no file and no randomness.
//!
//! `bisect` is the whole procedure for times, and `bisect_exact` is the one for numbers without
//! noise. Both get their answers through a trait and are deterministic, so giving the same answers
//! again resumes an interrupted search.

mod chain;
mod commit_graph;
mod conclusion;
mod context;
mod difference;
mod divisions;
mod evidence;
mod exact_search;
mod information;
mod level;
mod likelihood;
mod noisy_search;
mod pair_request;
mod posterior;
mod section_search;

#[cfg(test)]
mod tests;

pub use commit_graph::CommitGraph;
pub use conclusion::{
    Confirmation, EndsVerdict, RatioEstimate, SearchConclusion, SearchCulprit, SectionResult,
    StoppedSearch, UndecidedReason, UndecidedStep, UnsearchedPart,
};
pub use difference::{DifferenceVerdict, judge_differences};
pub use evidence::{Evidence, MeasuredLevel, SectionStage, SectionView};
pub use exact_search::{
    ExactConclusion, ExactCulprit, ExactEndsVerdict, ExactPart, ExactProgress, ExactReadings,
    ExactResult, bisect_exact,
};
pub use noisy_search::bisect;

/// Direction of the change to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeDirection {
    /// The number rose.
    Worse,
    /// The number fell.
    Better,
}

/// Pairs of one section after which it is undecided, unless the user names another number.
pub const DEFAULT_PAIRS: usize = 1500;

/// Settings of a search, from the user and from earlier measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// Relative difference that matters (0.01 is 1 %). It has to be at least 1 % and four build
    /// effects; otherwise the search blames commits for build effects.
    pub margin: f64,
    /// Direction of the bad end's change. After the first change was found, changes of both
    /// directions are searched.
    pub direction: ChangeDirection,
    /// Measured build effect (log ratio, standard deviation over builds of one code).
    pub tau: Option<f64>,
    /// Weight of each position 1 ..= N as the culprit. Index 0 is unused, and the sum is arbitrary.
    /// A position without a weight has weight 1.
    pub prior: Vec<f64>,
    /// Positions that are not built, such as merges. They may still be the culprit.
    pub never: Vec<bool>,
    /// Pairs of one section after which it is undecided.
    pub most_pairs: usize,
    /// Number of located steps, confirmed or not, after which the search ends.
    pub most_steps: usize,
    /// Whether only the largest step is searched. A part beside it is then searched only if its
    /// change is larger.
    pub only_largest: bool,
    /// Probability that a set must have to be named as the culprit; below 1.
    pub certainty: f64,
}

impl SearchSettings {
    /// Returns the default settings: any commit may be the culprit, and no commit is left out.
    #[must_use]
    pub fn new(margin: f64, direction: ChangeDirection) -> Self {
        Self {
            margin,
            direction,
            tau: None,
            prior: Vec::new(),
            never: Vec::new(),
            most_pairs: DEFAULT_PAIRS,
            most_steps: 8,
            only_largest: false,
            certainty: 0.99,
        }
    }

    fn is_never(&self, commit: usize) -> bool {
        self.never.get(commit).copied().unwrap_or(false)
    }
}
