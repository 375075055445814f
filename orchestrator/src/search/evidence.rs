//! Owns what the search asks of the world, and what it tells it.

use super::{Confirmation, RatioEstimate};

/// What the search asks of the world. Implementations answer from processes, from a journal, or
/// from a script.
///
/// The search is deterministic: the same answers get the same questions in the same order,
/// including what `build_seconds` and `pair_seconds` return. A journal that is to be replayed
/// therefore keeps those two as well.
pub trait Evidence {
    /// Why an answer could not be had at all: the search ends with it.
    type Stop;

    /// Builds the commit if needed. False: it cannot be measured. It keeps its probability, and is
    /// not asked for again.
    ///
    /// # Errors
    /// When the search has to end.
    fn prepare_commit(&mut self, commit: usize) -> Result<bool, Self::Stop>;

    /// Whether two commits, both looked at and usable, run the same machine code: then no step lies
    /// between them.
    ///
    /// # Errors
    /// When the search has to end.
    fn same_code(&mut self, one: usize, other: usize) -> Result<bool, Self::Stop>;

    /// Returns `count` further pair differences, ln(t_commit / t_reference). `None`: the commit
    /// fails when measured.
    ///
    /// # Errors
    /// When the search has to end.
    fn pairs(
        &mut self,
        reference: usize,
        commit: usize,
        count: usize,
    ) -> Result<Option<Vec<f64>>, Self::Stop>;

    /// Compares a suspect afresh with the usable commit before it, independently of all pairs so
    /// far.
    ///
    /// # Errors
    /// When the search has to end.
    fn confirm(&mut self, parent: usize, commit: usize) -> Result<Confirmation, Self::Stop>;

    /// Seconds that `look(commit)` is expected to take now; about 0 if it is in the cache.
    fn build_seconds(&self, commit: usize) -> f64;

    /// Seconds that one pair is expected to take.
    fn pair_seconds(&self) -> f64;

    /// Told after every step, for a live table.
    fn show_progress(&mut self, view: &SectionView<'_>);
}

/// What a segment is going through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionStage {
    /// Its ends are compared.
    Gate,
    /// The step between them is being located.
    Search,
    /// The suspect is about to be compared with the commit before it.
    Confirm,
}

/// What is known about one measured commit of a segment; commits of the same code share it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredLevel {
    /// Position.
    pub commit: usize,
    /// Pairs behind its level, those of commits with the same code included.
    pub pairs: usize,
    /// Trimmed mean of its differences to the segment's reference (log ratio).
    pub level: f64,
}

/// How far a segment has come.
#[derive(Debug, Clone, Copy)]
pub struct SectionView<'a> {
    /// What it is going through.
    pub stage: SectionStage,
    /// Position that counts as level 0 here.
    pub reference: usize,
    /// Position of its other end.
    pub end: usize,
    /// Probability of having made the step, by position 0 ..= N; 0 outside of the segment, and
    /// everywhere at the gate.
    pub posterior: &'a [f64],
    /// The measured commits, by position; at the gate the end alone.
    pub measured: &'a [MeasuredLevel],
    /// Pairs taken in this segment.
    pub pairs: usize,
    /// Builds that are still expected, roughly: the bits that are missing.
    pub builds_left: f64,
    /// Pairs that are still expected, roughly; 0 at the gate, where nobody can tell.
    pub pairs_left: f64,
    /// The change between the ends (log ratio), as the gate saw it last.
    pub change: RatioEstimate,
}
