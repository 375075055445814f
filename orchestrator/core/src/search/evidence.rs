//! Owns the requests that the search makes, and the progress that it reports.

use super::{Confirmation, RatioEstimate};

/// Source of the answers that the search needs. Implementations answer from processes, from a
/// journal, or from a script.
///
/// The search is deterministic: the same answers lead to the same requests in the same order. This
/// includes the results of `build_seconds` and `pair_seconds`, so a journal for a later replay has
/// to keep them too.
pub trait Evidence {
    /// Reason why no answer was possible. The search ends with it.
    type Stop;

    /// Builds the commit if needed. Returns false if the commit cannot be measured. Such a commit
    /// keeps its probability and is not requested again.
    ///
    /// # Errors
    /// When the search has to end.
    fn prepare_commit(&mut self, commit: usize) -> Result<bool, Self::Stop>;

    /// Returns whether two usable commits run the same machine code, which means that no step lies
    /// between them.
    ///
    /// # Errors
    /// When the search has to end.
    fn same_code(&mut self, one: usize, other: usize) -> Result<bool, Self::Stop>;

    /// Returns `count` further pair differences, ln(t_commit / t_reference). Returns `None` if the
    /// commit fails when it is measured.
    ///
    /// # Errors
    /// When the search has to end.
    fn pairs(
        &mut self,
        reference: usize,
        commit: usize,
        count: usize,
    ) -> Result<Option<Vec<f64>>, Self::Stop>;

    /// Compares a suspect with the usable commit before it again, independently of all earlier
    /// pairs.
    ///
    /// # Errors
    /// When the search has to end.
    fn confirm(&mut self, parent: usize, commit: usize) -> Result<Confirmation, Self::Stop>;

    /// Returns the seconds that `prepare_commit(commit)` is expected to take now; about 0 if the
    /// build is in the cache.
    fn build_seconds(&self, commit: usize) -> f64;

    /// Returns the seconds that one pair is expected to take.
    fn pair_seconds(&self) -> f64;

    /// Shows the progress after each step, for a live table.
    fn show_progress(&mut self, view: &SectionView<'_>);
}

/// Stage of the search in a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionStage {
    /// The ends are being compared.
    CompareEnds,
    /// The step between them is being located.
    Search,
    /// The suspect is about to be compared with the commit before it.
    Confirm,
}

/// Level of one measured commit of a section. Commits of the same code share it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredLevel {
    /// Position.
    pub commit: usize,
    /// Pairs behind the level, including those of commits with the same code.
    pub pairs: usize,
    /// Trimmed mean of the differences to the section's reference (log ratio).
    pub level: f64,
}

/// Progress of a section.
#[derive(Debug, Clone, Copy)]
pub struct SectionView<'a> {
    /// Current stage.
    pub stage: SectionStage,
    /// Position of level 0.
    pub reference: usize,
    /// Position of the other end.
    pub end: usize,
    /// Probability of having made the step, by position 0 ..= N. It is 0 outside of the section,
    /// and 0 everywhere while the ends are compared.
    pub posterior: &'a [f64],
    /// Measured commits, by position. While the ends are compared, it holds only the end.
    pub measured: &'a [MeasuredLevel],
    /// Pairs taken in this section.
    pub pairs: usize,
    /// Rough number of builds that are still expected: the missing bits.
    pub builds_left: f64,
    /// Rough number of pairs that are still expected. It is 0 while the ends are compared, because
    /// it cannot be predicted then.
    pub pairs_left: f64,
    /// Change between the ends (log ratio), from the last comparison of the ends.
    pub change: RatioEstimate,
}
