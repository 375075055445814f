//! Owns what a search can come to.

/// A log ratio with the range that it is in; the ends may be infinite.
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
    /// Nothing known.
    pub const UNKNOWN: Self = Self {
        estimate: 0.0,
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };
}

/// Whether the ends of a segment differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EndsVerdict {
    /// They do, by the margin at least, and in the asked direction where one was asked.
    Different {
        /// End against reference.
        change: RatioEstimate,
    },
    /// They differ by less than the margin.
    Same {
        /// End against reference.
        change: RatioEstimate,
    },
    /// Whether they differ by the margin was not found out, but by far less than the largest step
    /// that is known.
    Bounded {
        /// End against reference.
        change: RatioEstimate,
    },
    /// They differ, but against the direction that was asked: there is nothing to find.
    OtherWay {
        /// End against reference.
        change: RatioEstimate,
    },
    /// The pairs ended before this could be told.
    Open {
        /// End against reference.
        change: RatioEstimate,
    },
    /// Both run the same machine code.
    SameCode,
    /// One end cannot be measured.
    EndUnusable {
        /// Which.
        end: usize,
    },
}

/// What fresh pairs say about a suspect and the commit before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Confirmation {
    /// It changed the number.
    Changed {
        /// Suspect against the commit before it (log ratio).
        estimate: f64,
    },
    /// The times differ, but the code that can be reached is the same: layout, not code.
    Layout,
    /// The difference is below the margin.
    Below,
    /// The fresh pairs do not tell.
    Open,
}

/// A commit, or a set that cannot be told apart, that changed the number.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchCulprit {
    /// Candidates, ascending: one, unless some of them cannot be measured. On a line the usable one
    /// that shows the step is the last.
    pub commits: Vec<usize>,
    /// The usable commit that shows the step first.
    pub shown: usize,
    /// The last usable one before it.
    pub parent: usize,
    /// Probability that a step of more than the margin lies in the set.
    pub probability: f64,
    /// `shown` against `parent`, from the pairs of the search (log ratio; range with 99 %, build
    /// effect included).
    pub change: RatioEstimate,
    /// What fresh pairs say: always `Changed`.
    pub confirmation: Confirmation,
}

/// Why a segment has a change but no culprit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndecidedReason {
    /// The pairs ended first.
    Budget,
    /// No further build or pair would tell anything.
    Exhausted,
    /// Only the build effect decides whether there is a step, or where: it has to be measured.
    BuildEffect,
    /// The search was stopped.
    Stopped,
    /// Machine code is the same from one end to the other, by steps, and yet the ends differ.
    Contradiction,
    /// The located step is layout, not code.
    Layout,
    /// The located step is smaller than the margin: the change may be spread over several commits.
    Below,
    /// Fresh pairs of the located step do not tell.
    Unconfirmed,
}

/// A change that was not pinned on anybody.
#[derive(Debug, Clone, PartialEq)]
pub struct UndecidedStep {
    /// The smallest set with at least the asked certainty, ascending.
    pub commits: Vec<usize>,
    /// Probability of that set.
    pub probability: f64,
    /// Where the segment begins.
    pub reference: usize,
    /// Where it ends.
    pub end: usize,
    /// What stood in the way.
    pub why: UndecidedReason,
}

/// A part of the history whose ends were compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SectionResult {
    /// Position that counts as level 0.
    pub reference: usize,
    /// Position of the other end.
    pub end: usize,
    /// What the comparison came to.
    pub gate: EndsVerdict,
    /// End against reference: the confidence sequence of the gate, and the build effect (log
    /// ratio).
    pub range: RatioEstimate,
    /// Pairs taken in it, of the gate and of the search.
    pub pairs: usize,
}

/// A part of the history whose ends were not compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnsearchedPart {
    /// Position where it begins.
    pub reference: usize,
    /// Position where it ends.
    pub end: usize,
    /// End against reference, from pairs of the section around it (log ratio, build effect
    /// included).
    pub change: RatioEstimate,
}

/// What a whole search came to.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchConclusion {
    /// Whether the ends of the whole history differ.
    pub gate: EndsVerdict,
    /// Confirmed, by position.
    pub culprits: Vec<SearchCulprit>,
    /// Changes without a culprit, in the order found.
    pub undecided: Vec<UndecidedStep>,
    /// Every part whose ends were compared, in order, the whole history first.
    pub sections: Vec<SectionResult>,
    /// Parts beside a step that were not searched: the search was stopped, or only the largest step
    /// was asked for.
    pub unsearched: Vec<UnsearchedPart>,
    /// Positions that turned out not to be measurable, ascending.
    pub unusable: Vec<usize>,
}

/// A search that was stopped, with what it knows.
#[derive(Debug, Clone, PartialEq)]
pub struct StoppedSearch<S, C> {
    /// Why the evidence ended.
    pub stop: S,
    /// What was found until then.
    pub known: Box<C>,
}
