//! The trait that a plugin implements once per workload.

use crate::{Digest, Metric, Params, Result};

/// One measurable thing with parameters.
///
/// The host calls all methods on one thread, the driver, in the order of the crate's introduction.
/// The SDK catches a panic: the job fails with its message and place. After an error or a panic,
/// only `teardown` and `Drop` follow.
pub trait Workload: Sized + 'static {
    /// Name inside the plugin: lowercase letters, digits, `_` and `-`. A scenario writes it after
    /// the plugin's key and a slash.
    const ID: &'static str;
    /// Description of the measured operation, in one sentence.
    const ABOUT: &'static str = "";
    /// Work of one call of [`run`](Self::run), in words: "one token of one session", "one matrix
    /// product".
    const ITERATION: &'static str = "one call of run";
    /// Metrics beyond time and allocations.
    const METRICS: &'static [Metric] = &[];
    /// Search words for the workload.
    const TAGS: &'static [&'static str] = &[];
    /// Type of the parameters; `()` for none.
    type Params: Params;

    /// Creates an instance from checked parameters. Slow reads and allocations belong in
    /// [`setup`](Self::setup).
    ///
    /// # Errors
    /// [`Error::unsupported`](crate::Error::unsupported) skips the job.
    /// [`Error::params`](crate::Error::params) reports an error in the scenario. Any other error
    /// fails the job.
    fn create(params: Self::Params) -> Result<Self>;

    /// Prepares the inputs, once, before anything is measured.
    ///
    /// # Errors
    /// As in [`create`](Self::create).
    fn setup(&mut self) -> Result<()> {
        Ok(())
    }

    /// Restores the inputs to their state after [`setup`](Self::setup), so that no sample depends
    /// on the number of iterations before it. The host calls it untimed before each sample and
    /// before the iteration whose digest is taken.
    ///
    /// # Errors
    /// Any error fails the job.
    fn reset(&mut self) -> Result<()> {
        Ok(())
    }

    /// Does one iteration. This is the timed part. It should print nothing, and leave its result
    /// for [`digest`](Self::digest) or pass it through [`std::hint::black_box`].
    ///
    /// # Errors
    /// Any error fails the job.
    fn run(&mut self) -> Result<()>;

    /// Returns a digest of the last iteration's output. The host calls it after
    /// [`reset`](Self::reset) and exactly one iteration.
    ///
    /// # Errors
    /// An error means that the output is wrong, and fails the job.
    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(None)
    }

    /// Undoes [`setup`](Self::setup) if dropping is not enough.
    ///
    /// # Errors
    /// Any error fails the job.
    fn teardown(&mut self) -> Result<()> {
        Ok(())
    }
}
