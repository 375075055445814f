//! Criterion's types of measurements. Only the time exists: `orch` measures, not the benchmark.

use std::time::Duration;

/// A quantity that criterion measures. Other quantities than [`WallTime`] need criterion itself.
pub trait Measurement {
    /// Measured value of some iterations.
    type Value: IntoElapsed;
}

/// Time on the wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallTime;

impl Measurement for WallTime {
    type Value = Duration;
}

/// A measured value that is a time.
pub trait IntoElapsed {
    /// Returns the time.
    fn into_elapsed(self) -> Duration;
}

impl IntoElapsed for Duration {
    fn into_elapsed(self) -> Duration {
        self
    }
}
