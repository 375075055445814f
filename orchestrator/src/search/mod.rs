//! Owns the search for the first commit that changed a noisy number. Pure: no clock, no process, no
//! file, no randomness.
//!
//! `bisect` is the whole procedure for times, `bisect_exact` the one for numbers without noise.
//! Both ask the world through a trait and are deterministic, so that a search that was interrupted
//! is resumed by giving the same answers again.

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

/// Which change is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeDirection {
    /// The number rose.
    Worse,
    /// The number fell.
    Better,
}

/// What the user, and what earlier measurements, say about a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// Relative difference that matters (0.01 is 1 %): at least 1 % and four build effects, or
    /// builds get accused.
    pub margin: f64,
    /// Which change of the bad end is looked for. Once one is found, changes of both directions
    /// are.
    pub direction: ChangeDirection,
    /// Measured build effect (log ratio, standard deviation over builds of one code).
    pub tau: Option<f64>,
    /// Weight of each position 1 ..= N as the culprit; index 0 is unused, and the sum may be
    /// anything. A position without a weight has weight 1.
    pub prior: Vec<f64>,
    /// Positions that are not to be built (merges, say). They may still be the culprit.
    pub never: Vec<bool>,
    /// Pairs of one segment after which it is undecided.
    pub most_pairs: usize,
    /// Steps that are located, confirmed or not, before the search ends.
    pub most_steps: usize,
    /// Only the largest step is looked for: the parts beside it are searched where their change is
    /// larger.
    pub only_largest: bool,
    /// Probability that a set must have to be accused, below 1.
    pub certainty: f64,
}

impl SearchSettings {
    /// Returns the usual settings: any commit may be the culprit, none is left out.
    #[must_use]
    pub fn new(margin: f64, direction: ChangeDirection) -> Self {
        Self {
            margin,
            direction,
            tau: None,
            prior: Vec::new(),
            never: Vec::new(),
            most_pairs: 1500,
            most_steps: 8,
            only_largest: false,
            certainty: 0.99,
        }
    }

    fn is_never(&self, commit: usize) -> bool {
        self.never.get(commit).copied().unwrap_or(false)
    }
}
