//! Owns the possible results of a search.

/// A log ratio with a range around it; the ends may be infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioEstimate {
    /// Estimate (log ratio).
    pub estimate: f64,
    /// Lower end (log ratio).
    pub low: f64,
    /// Upper end (log ratio).
    pub high: f64,
}

impl RatioEstimate {
    /// Range of a ratio that is not known at all.
    pub const UNKNOWN: Self = Self {
        estimate: 0.0,
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };
}

/// Result of the comparison of a section's ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EndsVerdict {
    /// The ends differ by at least the margin, and in the requested direction if one was requested.
    Different {
        /// Change of the end against the reference.
        change: RatioEstimate,
    },
    /// The ends differ by less than the margin.
    Same {
        /// Change of the end against the reference.
        change: RatioEstimate,
    },
    /// The comparison did not decide whether the ends differ by the margin. They differ by far less
    /// than the largest known step.
    Bounded {
        /// Change of the end against the reference.
        change: RatioEstimate,
    },
    /// The ends differ, but against the requested direction. There is nothing to find.
    OtherWay {
        /// Change of the end against the reference.
        change: RatioEstimate,
    },
    /// The pairs ended before a decision.
    Open {
        /// Change of the end against the reference.
        change: RatioEstimate,
    },
    /// Both ends run the same machine code.
    SameCode,
    /// One end cannot be measured.
    EndUnusable {
        /// The end that cannot be measured.
        end: usize,
    },
}

/// Result of fresh pairs of a suspect and the commit before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Confirmation {
    /// The suspect changed the number.
    Changed {
        /// Change of the suspect against the commit before it (log ratio).
        estimate: f64,
    },
    /// The times differ, but the reachable code is the same: the cause is layout, not code.
    Layout,
    /// The difference is below the margin.
    Below,
    /// The fresh pairs do not decide.
    Open,
}

/// A commit, or a set of commits that cannot be distinguished, that changed the number.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchCulprit {
    /// Candidates, ascending. It is one commit, unless some candidates cannot be measured. On a
    /// line, the last one is the usable commit that shows the step.
    pub commits: Vec<usize>,
    /// The first usable commit that shows the step.
    pub shown: usize,
    /// The last usable commit before it.
    pub parent: usize,
    /// Probability that a step of more than the margin lies in the set.
    pub probability: f64,
    /// Change from `parent` to `shown`, from the pairs of the search (log ratio; 99 % range, with
    /// the build effect included).
    pub change: RatioEstimate,
    /// Result of the fresh pairs: always `Changed`.
    pub confirmation: Confirmation,
}

/// Reason why a section has a change but no culprit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndecidedReason {
    /// The pairs were used up.
    Budget,
    /// No further build or pair would add information.
    Exhausted,
    /// Only the build effect decides whether there is a step, or where. The build effect has to be
    /// measured.
    BuildEffect,
    /// The search was stopped.
    Stopped,
    /// Step by step, the machine code is the same from one end to the other, and yet the ends
    /// differ.
    Contradiction,
    /// The located step is layout, not code.
    Layout,
    /// The located step is smaller than the margin. The change may be spread over several commits.
    Below,
    /// Fresh pairs of the located step do not decide.
    Unconfirmed,
}

/// A change that was not attributed to any commit.
#[derive(Debug, Clone, PartialEq)]
pub struct UndecidedStep {
    /// The smallest set with at least the requested certainty, ascending.
    pub commits: Vec<usize>,
    /// Probability of that set.
    pub probability: f64,
    /// Position where the section begins.
    pub reference: usize,
    /// Position where the section ends.
    pub end: usize,
    /// Reason for the missing culprit.
    pub why: UndecidedReason,
}

/// A part of the history whose ends were compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SectionResult {
    /// Position of level 0.
    pub reference: usize,
    /// Position of the other end.
    pub end: usize,
    /// Result of the comparison of the ends.
    pub ends: EndsVerdict,
    /// Change from the reference to the end: the confidence sequence of the comparison, widened by
    /// the build effect (log ratio).
    pub range: RatioEstimate,
    /// Pairs taken in the section, for the comparison of the ends and for the search.
    pub pairs: usize,
}

/// A part of the history whose ends were not compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnsearchedPart {
    /// Position where it begins.
    pub reference: usize,
    /// Position where it ends.
    pub end: usize,
    /// Change from the reference to the end, from pairs of the section around it (log ratio, build
    /// effect included).
    pub change: RatioEstimate,
}

/// Result of a whole search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchConclusion {
    /// Result of the comparison of the ends of the whole history.
    pub ends: EndsVerdict,
    /// Confirmed culprits, by position.
    pub culprits: Vec<SearchCulprit>,
    /// Changes without a culprit, in the order of discovery.
    pub undecided: Vec<UndecidedStep>,
    /// All parts whose ends were compared, in order, the whole history first.
    pub sections: Vec<SectionResult>,
    /// Parts beside a step that were not searched, because the search was stopped or because only
    /// the largest step was requested.
    pub unsearched: Vec<UnsearchedPart>,
    /// Positions that could not be measured, ascending.
    pub unusable: Vec<usize>,
}

/// A search that was stopped, with its results so far.
#[derive(Debug, Clone, PartialEq)]
pub struct StoppedSearch<S, C> {
    /// Reason why the evidence ended.
    pub stop: S,
    /// Results up to that point.
    pub known: Box<C>,
}
