//! The trait that a plugin implements once per workload.

use crate::{Digest, Metric, Params, Result};

/// One measurable thing with parameters.
///
/// All methods are called on one thread, the driver, in the order of the crate's introduction. A
/// panic is caught and becomes a failed job with its message and place. After an error or a panic
/// only `teardown` and `Drop` follow.
pub trait Workload: Sized + 'static {
    /// Name inside the plugin: small letters, digits, `_` and `-`. A scenario writes it after the
    /// plugin's key and a slash.
    const ID: &'static str;
    /// What is measured, in one sentence.
    const ABOUT: &'static str = "";
    /// What one call of [`run`](Self::run) does, in words: "one token of one session", "one matrix
    /// product".
    const ITERATION: &'static str = "one call of run";
    /// Metrics beyond time and allocations.
    const METRICS: &'static [Metric] = &[];
    /// Words to find the workload by.
    const TAGS: &'static [&'static str] = &[];
    /// The parameters; `()` for none.
    type Params: Params;

    /// Makes an instance from checked parameters. Reading them and allocating is for
    /// [`setup`](Self::setup) where it is slow.
    ///
    /// # Errors
    /// [`Error::unsupported`](crate::Error::unsupported) makes the job skipped,
    /// [`Error::params`](crate::Error::params) blames the scenario, any other error fails the job.
    fn create(params: Self::Params) -> Result<Self>;

    /// Prepares the inputs, once, before anything is measured.
    ///
    /// # Errors
    /// As in [`create`](Self::create).
    fn setup(&mut self) -> Result<()> {
        Ok(())
    }

    /// Puts the inputs back to what [`setup`](Self::setup) left, so that no sample depends on how
    /// many iterations came before. Called untimed before each sample and before the iteration
    /// whose digest is taken.
    ///
    /// # Errors
    /// Any error fails the job.
    fn reset(&mut self) -> Result<()> {
        Ok(())
    }

    /// Does one iteration. This is what is timed: it prints nothing and leaves its result where
    /// [`digest`](Self::digest) finds it (or passes it through [`std::hint::black_box`]).
    ///
    /// # Errors
    /// Any error fails the job.
    fn run(&mut self) -> Result<()>;

    /// Sums up what the last iteration computed; called after [`reset`](Self::reset) and exactly
    /// one iteration.
    ///
    /// # Errors
    /// An error says that the output is wrong, and fails the job.
    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(None)
    }

    /// Undoes [`setup`](Self::setup) where dropping is not enough.
    ///
    /// # Errors
    /// Any error fails the job.
    fn teardown(&mut self) -> Result<()> {
        Ok(())
    }
}
